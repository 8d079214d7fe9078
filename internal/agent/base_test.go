// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBaseFile: it is found in whichever volume has it, and what else is wrong is said.
func TestBaseFile(t *testing.T) {
	write := func(name, text string, mode os.FileMode) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		name      string
		volumes   []string
		files     []func(t *testing.T, dir string)
		want      map[string]string
		wantError string
	}{
		{name: "no volumes"},
		{name: "an older template", files: []func(*testing.T, string){write("broker-common.conf", "a=1", 0o644)}, want: map[string]string{"a": "1"}},
		{
			name: "one", volumes: []string{"base"},
			files: []func(*testing.T, string){write("base/broker-common.conf", "a=1", 0o644)}, want: map[string]string{"a": "1"},
		},
		{
			name: "behind a file and a Secret", volumes: []string{"tz", "keys", "base"},
			files: []func(*testing.T, string){write("tz", "TZif", 0o644), write("keys/tls.key", "x", 0o644), write("base/broker-common.conf", "a=1", 0o644)},
			want:  map[string]string{"a": "1"},
		},
		{name: "the first of two", volumes: []string{"x", "y"},
			files: []func(*testing.T, string){write("x/broker-common.conf", "a=1", 0o644), write("y/broker-common.conf", "a=2", 0o644)}, want: map[string]string{"a": "1"}},
		{name: "nowhere", volumes: []string{"tz", "keys"}, files: []func(*testing.T, string){write("tz", "TZif", 0o644), write("keys/tls.key", "x", 0o644)}},
		{
			name: "malformed", volumes: []string{"base"}, files: []func(*testing.T, string){write("base/broker-common.conf", "b=\\uzz", 0o644)},
			wantError: `broker-common.conf of volume "base" of spec.volumes: line 1: malformed escape`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &config{baseDir: filepath.Join(t.TempDir(), "base"), baseVolumes: test.volumes}
			for _, file := range test.files {
				file(t, c.baseDir)
			}
			got, err := c.baseFile()
			if test.wantError != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantError) {
					t.Errorf("%v, want %q", err, test.wantError)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestWhatIsInAVolume: whoever mounted the wrong one reads what it is.
func TestWhatIsInAVolume(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: "a, b, c, d, e, ...", empty: "no files", filepath.Join(dir, "a"): "one file, not a directory",
		filepath.Join(dir, "none"): "nothing that can be read",
	} {
		if got := whatIn(path); !strings.HasPrefix(got, want) {
			t.Errorf("%s has %q, want %q", path, got, want)
		}
	}
}
