// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/jvm"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// memoryLimit is the container's limit in bytes, 0 if none can be found. The operator does not know every limit: a LimitRange of the
// namespace gives one to containers without. root is the root of the file system.
func memoryLimit(root fs.FS) int64 {
	least := int64(0)
	for _, dir := range cgroups(root) {
		for _, name := range []string{"memory.max", "memory.limit_in_bytes"} { // cgroup version 2, version 1
			text, err := fs.ReadFile(root, path.Join(dir, name))
			if err != nil {
				continue
			}
			limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			// Without a limit the file says "max", or a number that is larger than any machine's memory.
			if err == nil && limit > 0 && limit < 1<<60 && (least == 0 || limit < least) {
				least = limit
			}
		}
	}
	return least
}

// cgroups are the directories that may limit this process: its own and those above it. Inside a container often only the topmost can be
// seen.
func cgroups(root fs.FS) []string {
	dirs := []string{"sys/fs/cgroup", "sys/fs/cgroup/memory"}
	text, _ := fs.ReadFile(root, "proc/self/cgroup") // if it cannot be read, the topmost directory is enough
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount := ""
		switch {
		case parts[0] == "0" && parts[1] == "":
			mount = "sys/fs/cgroup"
		case strings.Contains(","+parts[1]+",", ",memory,"):
			mount = "sys/fs/cgroup/memory"
		default:
			continue
		}
		for dir := path.Clean("/" + parts[2]); dir != "/"; dir = path.Dir(dir) {
			dirs = append(dirs, mount+dir)
		}
	}
	return dirs
}

// defaultMemory are heap and direct memory of a server whose spec gives none: the operator's default, or less if the container has a
// smaller limit than the operator knows.
func (c *config) defaultMemory(limit int64) (heap, direct string) {
	if limit == 0 || jvm.Bytes(c.defaultHeap)+jvm.Bytes(c.defaultDirectMemory) <= limit/4*3 {
		return c.defaultHeap, c.defaultDirectMemory
	}
	fitting := settings.DefaultMemory(c.role, limit)
	logf("INFO", "the container may use %d MiB, so java gets a heap of %s and %s of direct memory unless told otherwise",
		limit>>20, fitting.HeapOption(), fitting.DirectOption())
	return fitting.HeapOption(), fitting.DirectOption()
}

// warnOfMemory logs a warning if java may use more memory than the container.
func warnOfMemory(args []string, limit int64) {
	heap, direct := jvm.MemoryOf(args)
	if limit > 0 && heap+direct > limit {
		const remedy = "raise resources.limits.memory, or lower jvm.heap and jvm.directMemory"
		logf("WARN", "java may use %d MiB of heap and %d MiB of direct memory, the container only %d MiB: it will be killed when java does; %s",
			heap>>20, direct>>20, limit>>20, remedy)
	}
}
