// SPDX-License-Identifier: Apache-2.0

// Package pack writes archives that depend on nothing but what is put into them: equal files give equal bytes.
package pack

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// File is one file of an archive. It belongs to root there.
type File struct {
	Path    string // with slashes, relative
	Mode    fs.FileMode
	Content []byte
}

// Tree reads the files below dir, to be put below prefix.
func Tree(dir, prefix string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files = append(files, File{Path: prefix + filepath.ToSlash(name), Mode: 0o644, Content: content})
		return nil
	})
	return files, err
}

// Tar writes the files, sorted by path, as a tar; each was last changed at when.
func Tar(w io.Writer, when time.Time, files []File) error {
	archive := tar.NewWriter(w)
	for _, f := range sorted(files) {
		header := &tar.Header{Name: f.Path, Mode: int64(f.Mode.Perm()), Size: int64(len(f.Content)), ModTime: when}
		if err := archive.WriteHeader(header); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if _, err := archive.Write(f.Content); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return archive.Close()
}

// TarGz is Tar, compressed.
func TarGz(w io.Writer, when time.Time, files []File) error {
	compressed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	return errors.Join(Tar(compressed, when, files), compressed.Close())
}

// Zip writes the files, sorted by path, as a zip; each was last changed at when.
func Zip(w io.Writer, when time.Time, files []File) error {
	archive := zip.NewWriter(w)
	for _, f := range sorted(files) {
		header := &zip.FileHeader{Name: f.Path, Method: zip.Deflate, Modified: when.UTC()}
		header.SetMode(f.Mode)
		entry, err := archive.CreateHeader(header)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if _, err := entry.Write(f.Content); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return archive.Close()
}

func sorted(files []File) []File {
	return slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Path, b.Path) })
}
