// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"testing"
	"time"
)

func TestEqualFilesGiveEqualArchives(t *testing.T) {
	when := time.Unix(1700000000, 0)
	first := File{Path: "a/program", Mode: 0o755, Content: []byte("one")}
	second := File{Path: "b", Mode: 0o644, Content: []byte("two")}

	for _, c := range []struct {
		name  string
		write func(io.Writer, time.Time, []File) error
		modes func(*testing.T, []byte) map[string]fs.FileMode
	}{
		{"tar.gz", TarGz, tarModes},
		{"zip", Zip, zipModes},
	} {
		t.Run(c.name, func(t *testing.T) {
			var here, there bytes.Buffer
			if err := c.write(&here, when, []File{first, second}); err != nil {
				t.Fatal(err)
			}
			if err := c.write(&there, when.In(time.FixedZone("elsewhere", 3600)), []File{second, first}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(here.Bytes(), there.Bytes()) {
				t.Error("another order of files, or another time zone, gives other bytes")
			}
			if modes := c.modes(t, here.Bytes()); len(modes) != 2 || modes["a/program"] != 0o755 || modes["b"] != 0o644 {
				t.Errorf("modes %v", modes)
			}
		})
	}
}

func tarModes(t *testing.T, content []byte) map[string]fs.FileMode {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	modes, archive := map[string]fs.FileMode{}, tar.NewReader(plain)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return modes
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[header.Name] = header.FileInfo().Mode().Perm()
	}
}

func zipModes(t *testing.T, content []byte) map[string]fs.FileMode {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]fs.FileMode{}
	for _, f := range archive.File {
		modes[f.Name] = f.Mode().Perm()
	}
	return modes
}
