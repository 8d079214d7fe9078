// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/terminal"
	"github.com/rocketmq-operator/rocketmq-operator/test/glass"
)

// talk is what a program says that downloads much.
func talk(t *testing.T, o *output) {
	t.Helper()
	for i := range 200 {
		if _, err := fmt.Fprintf(o, "go: downloading example.com/m%d v1.0.0\n", i); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fmt.Fprint(o, "   1.0s built kube\nhalf a"); err != nil {
		t.Fatal(err)
	}
}

func TestDownloadsAreOneLine(t *testing.T) {
	var story bytes.Buffer
	o := &output{log: NewLog(&story), name: "go run", started: time.Now()}
	stop := o.watch()
	talk(t, o)
	stop()
	if want := "             1.0s built kube\n          200 modules were downloaded\n"; story.String() != want {
		t.Errorf("%q, want %q", story.String(), want)
	}
}

func TestDownloadsAreSeenAsTheyHappen(t *testing.T) {
	var story bytes.Buffer
	log := NewLog(&story)
	log.screen = terminal.New(&story, func() (int, int, error) { return 100, 20, nil })
	log.Footer("step 1 of 6")
	o := &output{log: log, name: "go run", started: time.Now()}
	stop := o.watch()
	talk(t, o)
	if shown, err := glass.Shows(story.String()); err != nil || !strings.Contains(shown, "  go run: 0 s, 200 modules downloaded, at last example.com/m199 v1.0.0\nstep 1 of 6\n") {
		t.Errorf("%v, it shows\n%s", err, shown)
	}
	stop()
	log.Footer("")
	shown, err := glass.Shows(story.String())
	if want := "             1.0s built kube\n          200 modules were downloaded\n"; err != nil || shown != want {
		t.Errorf("%v, at last it shows\n%s", err, shown)
	}
}
