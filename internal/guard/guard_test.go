// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
)

func mark(term, version string) metadata.Mark { return metadata.Mark{Term: term, Version: version} }

func TestNext(t *testing.T) {
	saved := &metadata.Mark{Term: "pod-a/1", Version: "7"}
	for _, test := range []struct {
		name  string
		saved *metadata.Mark
		seen  Seen
		want  Step
	}{
		{"nothing is saved yet", nil, Seen{Mark: mark("pod-a/1", "7")}, Save},
		{"nothing changed", saved, Seen{Mark: mark("pod-a/1", "7"), Quiet: true}, Nothing},
		{"nothing changed, and the operator has just begun to look", saved, Seen{Mark: mark("pod-a/1", "7")}, Nothing},
		{"somebody made or deleted a topic", saved, Seen{Mark: mark("pod-a/1", "8")}, Save},
		{"somebody made one topic after the other", saved, Seen{Mark: mark("pod-a/1", "8"), Soon: true}, Later},
		{"nothing changed a moment after it was saved", saved, Seen{Mark: mark("pod-a/1", "7"), Soon: true}, Nothing},
		{"another one is master a moment after it was saved", saved, Seen{Mark: mark("pod-b/2", "9"), Quiet: true, Soon: true}, Compare},
		{"a slave became master while it copied", saved, Seen{Mark: mark("pod-b/2", "9")}, Wait},
		{"it is done", saved, Seen{Mark: mark("pod-b/2", "9"), Quiet: true}, Compare},
		{"its tables look the same", saved, Seen{Mark: mark("pod-b/2", "7"), Quiet: true}, Compare},
		{"the same pod is master again", saved, Seen{Mark: mark("pod-a/3", "7"), Quiet: true}, Compare},
	} {
		if got := Next(test.saved, test.seen); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}
