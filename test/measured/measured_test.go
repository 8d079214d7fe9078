// SPDX-License-Identifier: Apache-2.0

package measured

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEachCommandReplacesItsOwnFigures(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, page)
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("# Measured\n\nBy hand.\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	when := time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC)
	for _, m := range []Measurement{
		{"make bench-idle", "\nidle: 40 MiB\n\n  writes 0\n", nil, when},
		{"make bench-proxy", "1.66 times\n", errors.New("a bar is missed"), when},
		{"make bench-idle", "\nidle: 30 MiB\n", nil, when.AddDate(0, 0, 1)},
	} {
		if err := Write(root, m); err != nil {
			t.Fatal(err)
		}
	}

	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	machine := fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	want := "# Measured\n\nBy hand.\n" + `
<!-- make bench-idle -->
` + "`make bench-idle`, 2026-02-01, " + machine + `:

    idle: 30 MiB
<!-- end of make bench-idle -->

<!-- make bench-proxy -->
` + "`make bench-proxy`, 2026-01-31, " + machine + `:

    1.66 times
    failed: a bar is missed
<!-- end of make bench-proxy -->
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("the page (-want +got):\n%s", diff)
	}
}

func TestAPageThatLacksAMarkIsLeftAlone(t *testing.T) {
	if _, err := replace("<!-- make demo -->\nold\n", "make demo", "new"); err == nil || !strings.Contains(err.Error(), "end of make demo") {
		t.Errorf("error %v, want one that names the mark", err)
	}
}

func TestACommandThatPrintedNothingWritesNothing(t *testing.T) {
	err := Write(t.TempDir(), Measurement{Command: "make demo", Err: errors.New("no network")})
	if err == nil || !strings.Contains(err.Error(), "no network") {
		t.Errorf("error %v, want one that tells why", err)
	}
}
