// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAttributeDiff(t *testing.T) {
	type attributes = map[string]string
	for _, tc := range []struct {
		name            string
		exists          bool
		current, wanted attributes
		want            attributes
		field           string
	}{
		{"nothing", false, nil, nil, attributes{}, ""},
		{
			"new", false, nil, attributes{"message.type": "FIFO", "queue.type": "BatchCQ"},
			attributes{"+message.type": "FIFO", "+queue.type": "BatchCQ"}, "+message.type=FIFO,+queue.type=BatchCQ",
		},
		{"same", true, attributes{"queue.type": "SimpleCQ", "reserve.time": "1"}, attributes{"queue.type": "SimpleCQ", "reserve.time": "1"}, attributes{}, ""},
		{
			"changed, added, removed", true,
			attributes{"message.type": "FIFO", "old": "x", "cleanup.policy": "DELETE"},
			attributes{"message.type": "NORMAL", "reserve.time": "-1", "cleanup.policy": "DELETE"},
			attributes{"+message.type": "NORMAL", "+reserve.time": "-1", "-old": ""}, "+message.type=NORMAL,+reserve.time=-1,-old",
		},
		{"all removed", true, attributes{"message.type": "FIFO"}, nil, attributes{"-message.type": ""}, "-message.type"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := AttributeDiff(tc.exists, tc.current, tc.wanted)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if field := attributesField(got); field != tc.field {
				t.Errorf("written %q, want %q", field, tc.field)
			}
		})
	}
}

func TestAttributeDiffRefused(t *testing.T) {
	for _, tc := range []struct {
		current, wanted map[string]string
		createOnly      bool
		want            string
	}{
		{map[string]string{"queue.type": "SimpleCQ"}, map[string]string{"queue.type": "BatchCQ"}, true, `queue.type from "SimpleCQ" to "BatchCQ"`},
		{nil, map[string]string{"cleanup.policy": "COMPACTION"}, true, `cleanup.policy from "" to "COMPACTION"`},
		{map[string]string{"cleanup.policy": "DELETE"}, nil, true, `cleanup.policy from "DELETE" to nothing`},
		{nil, map[string]string{"a-b": "c"}, false, `attribute "a-b"`},
		{nil, map[string]string{"": "c"}, false, `attribute ""`},
		{nil, map[string]string{"a": "b,+c=d"}, false, `value "b,+c=d"`},
	} {
		_, err := AttributeDiff(true, tc.current, tc.wanted)
		if err == nil || errors.Is(err, ErrCreateOnly) != tc.createOnly || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v to %v: error %v, want one with %s", tc.current, tc.wanted, err, tc.want)
		}
	}
}
