// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"syscall"
	"time"
)

// A build of a thing is thrown away when keep newer ones were made and nobody asked for it for a while: tests run
// from what is here, and several checkouts may share it.
const (
	keep   = 4
	unused = 2 * time.Hour
)

// cache is a directory of files and directories that were built once. An entry is there completely or not at all.
type cache struct {
	dir      string
	progress func(format string, args ...any)
}

// get returns the entry <name>-<key><suffix>. If it is not there, build makes it at the path it is given, while
// callers of the same entry in other processes wait.
func (c cache) get(ctx context.Context, name, key, suffix string, build func(tmp string) error) (string, error) {
	path := filepath.Join(c.dir, name+"-"+key+suffix)
	if exists(path) {
		now := time.Now()
		// The time of the last use decides what is thrown away first; a cache of somebody else may be read-only.
		_ = os.Chtimes(path, now, now)
		return path, nil
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return "", fmt.Errorf("make the cache directory: %w", err)
	}
	unlock, err := c.lock(ctx, filepath.Join(c.dir, "."+name+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(path) {
		return path, nil
	}
	tmp := filepath.Join(c.dir, "."+name+".tmp")
	if err := os.RemoveAll(tmp); err != nil {
		return "", fmt.Errorf("remove the rest of an interrupted build: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := build(tmp); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("put the finished build into the cache: %w", err)
	}
	return path, c.prune(name, suffix, path)
}

// lock takes the file lock at path; the kernel releases it when this process ends, however it ends.
func (c cache) lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock of a cache entry: %w", err)
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			c.progress("waiting for another process that builds the same (%s)", path)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for lock %s: %w", path, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// prune removes old builds of name, never current.
func (c cache) prune(name, suffix, current string) error {
	paths, err := filepath.Glob(filepath.Join(c.dir, name+"-"+keyGlob+suffix))
	if err != nil {
		return err
	}
	used := make(map[string]time.Time, len(paths))
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil {
			used[p] = info.ModTime()
		}
	}
	sort.Slice(paths, func(i, j int) bool { return used[paths[i]].After(used[paths[j]]) })
	for i, p := range paths {
		if i >= keep && p != current && time.Since(used[p]) > unused {
			if err := os.RemoveAll(p); err != nil {
				return fmt.Errorf("remove an old build: %w", err)
			}
		}
	}
	return nil
}

// keyGlob matches what key returns.
const keyGlob = "[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]"

// key is a short hash of parts and of where each ends.
func key(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
