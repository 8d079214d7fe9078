// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/internal/plugin/blank"
)

// bundle is an archive that is being written. What cannot be had is told in it, so that the rest can be.
type bundle struct {
	file *os.File
	gzip *gzip.Writer
	tar  *tar.Writer

	directory string // that all files are in
	at        time.Time
	files     int      // in it, those that say what is missing included
	missing   []string // what could not be had, and why
	broken    error    // the archive itself cannot be written
}

// newBundle does not replace a file, and lets only the user read it.
func newBundle(path string, at time.Time) (*bundle, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s exists: remove it, or choose another --file", path)
	}
	if err != nil {
		return nil, fmt.Errorf("write the archive: %w", err)
	}
	b := &bundle{file: file, gzip: gzip.NewWriter(file), directory: "rocketmq-report", at: at}
	b.tar = tar.NewWriter(b.gzip)
	return b, nil
}

// add a file.
func (b *bundle) add(path string, content []byte) {
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: b.directory + "/" + path, Size: int64(len(content)), Mode: 0o644, ModTime: b.at, Format: tar.FormatPAX,
	}
	err := b.tar.WriteHeader(header)
	if err == nil {
		_, err = b.tar.Write(content)
	}
	b.files++
	b.broken = errors.Join(b.broken, err)
}

// addYAML adds a file with a value.
func (b *bundle) addYAML(path string, value any) {
	content, err := yaml.Marshal(value)
	if err != nil {
		b.lacks(path, err)
		return
	}
	b.add(path, content)
}

// lacks says why there is no such file.
func (b *bundle) lacks(path string, err error) {
	text := blank.Text(strings.TrimSpace(err.Error()))
	b.missing = append(b.missing, path+": "+strings.ReplaceAll(text, "\n", "; "))
	b.add(path+".error.txt", []byte(text+"\n"))
}

// close writes what is left. It removes an archive that is broken.
func (b *bundle) close() (size int64, err error) {
	err = errors.Join(b.broken, b.tar.Close(), b.gzip.Close())
	if info, statErr := b.file.Stat(); statErr == nil {
		size = info.Size()
	}
	if err = errors.Join(err, b.file.Close()); err != nil {
		return 0, errors.Join(fmt.Errorf("write %s: %w", b.file.Name(), err), os.Remove(b.file.Name()))
	}
	return size, nil
}

// discard removes the archive.
func (b *bundle) discard() error { return errors.Join(b.file.Close(), os.Remove(b.file.Name())) }

// tail keeps the last bytes that are written to it.
type tail struct {
	most    int
	kept    []byte
	dropped int64
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if len(t.kept) > 2*t.most { // not for each line
		t.trim()
	}
	return len(p), nil
}

func (t *tail) trim() {
	if excess := len(t.kept) - t.most; excess > 0 {
		t.dropped += int64(excess)
		t.kept = append(t.kept[:0], t.kept[excess:]...)
	}
}

// bytes are whole lines, after a line that says what is missing.
func (t *tail) bytes() []byte {
	t.trim()
	if t.dropped == 0 {
		return t.kept
	}
	_, whole, found := strings.Cut(string(t.kept), "\n")
	if !found {
		whole = string(t.kept)
	}
	return fmt.Appendf(nil, "(about %d bytes before this are left out: --log-bytes)\n%s", t.dropped, whole)
}
