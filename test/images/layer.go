// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// entry is one file, directory or symbolic link of an image.
type entry struct {
	path    string      // in the image, without the leading slash
	mode    fs.FileMode // type and permissions
	owner   int         // user and group
	source  string      // a regular file's content lies there on this machine, or
	content string      // it is this
	target  string      // of a symbolic link
}

func directory(path string, perm fs.FileMode, owner int) entry {
	return entry{path: path, mode: fs.ModeDir | perm, owner: owner}
}

func text(path, content string, owner int) entry {
	return entry{path: path, mode: 0o644, content: content, owner: owner}
}

func executable(path, source string) entry { return entry{path: path, mode: 0o755, source: source} }

func symlink(path, target string) entry {
	return entry{path: path, mode: fs.ModeSymlink | 0o777, target: target}
}

// tree lists what lies below source, to be put below at.
func tree(source, at string, owner int) ([]entry, error) {
	var entries []entry
	err := filepath.WalkDir(source, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e := entry{path: path.Join(at, relative), mode: info.Mode(), owner: owner}
		switch {
		case info.Mode().IsRegular():
			e.source = name
		case info.Mode()&fs.ModeSymlink != 0:
			if e.target, err = os.Readlink(name); err != nil {
				return err
			}
		}
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

// layout completes entries to the listing of a layer: sorted, with the directories that nobody named (owned by root),
// every parent before what it holds. Two entries of one path are an error.
func layout(entries []entry) ([]entry, error) {
	byPath := make(map[string]entry, len(entries))
	for _, e := range entries {
		if e.path == "" || e.path != path.Clean(e.path) || strings.HasPrefix(e.path, "/") || strings.HasPrefix(e.path, "..") {
			return nil, fmt.Errorf("image path %q is not clean and relative", e.path)
		}
		if _, twice := byPath[e.path]; twice {
			return nil, fmt.Errorf("image path %q comes twice", e.path)
		}
		byPath[e.path] = e
	}
	for _, e := range entries {
		for parent := path.Dir(e.path); parent != "."; parent = path.Dir(parent) {
			if _, known := byPath[parent]; !known {
				byPath[parent] = directory(parent, 0o755, 0)
			}
		}
	}
	all := make([]entry, 0, len(byPath))
	for _, e := range byPath {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// writeLayer writes the entries, in their order, as a tar that depends on nothing else: no times, no names of users.
func writeLayer(w io.Writer, entries []entry) error {
	tw := tar.NewWriter(w)
	for _, e := range entries {
		if err := writeEntry(tw, e); err != nil {
			return fmt.Errorf("write %s: %w", e.path, err)
		}
	}
	return tw.Close()
}

func writeEntry(tw *tar.Writer, e entry) (err error) {
	h := &tar.Header{Name: e.path, Uid: e.owner, Gid: e.owner, ModTime: time.Unix(0, 0), Mode: int64(e.mode.Perm())}
	if e.mode&fs.ModeSticky != 0 {
		h.Mode |= 0o1000
	}
	var content io.Reader = strings.NewReader(e.content)
	switch {
	case e.mode.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, e.path+"/"
	case e.mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.target
	case !e.mode.IsRegular():
		return fmt.Errorf("a file of type %v has no place in an image", e.mode.Type())
	case e.source != "":
		f, err := os.Open(e.source)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		content, h.Size = f, info.Size()
	default:
		h.Size = int64(len(e.content))
	}
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeSymlink {
		return nil
	}
	n, err := io.Copy(tw, content)
	if err == nil && n != h.Size {
		err = errors.New("the file became shorter while it was read")
	}
	return err
}
