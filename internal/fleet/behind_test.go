// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"testing"
)

func TestBehind(t *testing.T) {
	whole := Tables{Term: "now", Whole: []string{"s"}}
	lacking := Tables{Term: "now", Lacking: []string{"s"}}
	const uncompared, messages, topics = "has not been compared with its master", "lacks messages of its master", "lacks topics or consumer groups of its master"
	for _, test := range []struct {
		name     string
		caughtUp map[string]bool
		tables   Tables
		want     string
	}{
		{"nothing", map[string]bool{"s": true}, whole, ""},
		{"messages", map[string]bool{"s": false}, whole, messages},
		{"topics", map[string]bool{"s": true}, lacking, topics},
		{"messages and topics", map[string]bool{"s": false}, lacking, messages},
		{"it did not tell how far it is", nil, whole, uncompared},
		{"it told nothing but its tables", nil, lacking, topics},
		{"its tables were not read", map[string]bool{"s": true}, Tables{Term: "now"}, uncompared},
		{"of another master", map[string]bool{"s": true}, Tables{Term: "before", Whole: []string{"s"}}, uncompared},
		{"it lacked topics of another master", map[string]bool{"s": true}, Tables{Term: "before", Lacking: []string{"s"}}, uncompared},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &Fleet{Seen: Seen{Answer: &Answer{CaughtUp: test.caughtUp, Tables: map[string]Tables{"b-0": test.tables}}}}
			if got := f.behind("b-0", "now", "s"); got != test.want {
				t.Errorf("said %q, want %q", got, test.want)
			}
		})
	}
}
