// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFileSizes: a broker whose files have another length than its properties say does not start, and the message says what would.
func TestFileSizes(t *testing.T) {
	const first = "00000000000000000000"
	for _, test := range []struct {
		name       string
		files      map[string]int64
		properties map[string]string
		want       []string // none if the broker starts
	}{
		{"a new broker", nil, map[string]string{"mappedFileSizeCommitLog": "67108864"}, nil},
		{"the same size", map[string]int64{"commitlog/" + first: 67108864}, map[string]string{"mappedFileSizeCommitLog": "67108864"}, nil},
		{"the default size", map[string]int64{"commitlog/" + first: 1 << 30, "consumequeue/t/0/" + first: 6_000_000}, nil, nil},
		{"smaller", map[string]int64{"commitlog/" + first: 67108864}, map[string]string{"mappedFileSizeCommitLog": "33554432"},
			[]string{"commitlog/" + first + " is 67108864 bytes long", `set mappedFileSizeCommitLog back to "67108864"`}},
		{"taken out", map[string]int64{"commitlog/" + first: 67108864}, nil, []string{`set mappedFileSizeCommitLog back to "67108864"`}},
		{"no number is the default", map[string]int64{"commitlog/" + first: 1 << 30}, map[string]string{"mappedFileSizeCommitLog": "1Gi"}, nil},
		{"queues", map[string]int64{"consumequeue/t/0/" + first: 6_000_000}, map[string]string{"mappedFileSizeConsumeQueue": "600000"},
			[]string{"consumequeue/t/0/", `set mappedFileSizeConsumeQueue back to "6000000"`}},
		{"queues are rounded up", map[string]int64{"consumequeue/t/0/" + first: 600020}, map[string]string{"mappedFileSizeConsumeQueue": "600001"}, nil},
		{"timers", map[string]int64{"timerlog/" + first: 1 << 20}, nil, []string{`set mappedFileSizeTimerLog back to "1048576"`}},
		{"an empty file, which RocketMQ removes", map[string]int64{"commitlog/" + first: 0}, nil, nil},
		{"what is no file of the store", map[string]int64{"commitlog/notes": 5, "commitlog/" + first + "/x": 5}, nil, nil},
	} {
		dir := t.TempDir()
		for file, size := range test.files {
			path := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, size); err != nil { // sparse
				t.Fatal(err)
			}
		}
		err := checkFileSizes(dir, test.properties)
		if (err != nil) != (len(test.want) > 0) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", test.name, err, part)
			}
		}
	}
}
