package agent

import (
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/jvm"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// memoryLimit is the container's in bytes, 0 if there is none that can be seen. The operator does not see every one: a
// LimitRange of the namespace gives one to containers that have none. root is the file system's.
func memoryLimit(root fs.FS) int64 {
	least := int64(0)
	for _, dir := range cgroups(root) {
		for _, name := range []string{"memory.max", "memory.limit_in_bytes"} { // of the second and of the first version
			text, err := fs.ReadFile(root, path.Join(dir, name))
			if err != nil {
				continue
			}
			limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			// Without a limit there stands "max", or a number of pages that no machine has.
			if err == nil && limit > 0 && limit < 1<<60 && (least == 0 || limit < least) {
				least = limit
			}
		}
	}
	return least
}

// cgroups are the directories that may bound this process: its own and those above. In a container's own view of them there
// is only the topmost.
func cgroups(root fs.FS) []string {
	dirs := []string{"sys/fs/cgroup", "sys/fs/cgroup/memory"}
	text, _ := fs.ReadFile(root, "proc/self/cgroup") // without it the topmost will do
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

// defaultMemory are heap and direct memory for a server whose spec says nothing of them: the operator's, or less, if the
// container has less than the operator could see.
func (c *config) defaultMemory(limit int64) (heap, direct string) {
	if limit == 0 || jvm.Bytes(c.defaultHeap)+jvm.Bytes(c.defaultDirectMemory) <= limit/4*3 {
		return c.defaultHeap, c.defaultDirectMemory
	}
	fitting := settings.DefaultMemory(c.role, limit)
	logf("INFO", "the container may use %d MiB, so java gets a heap of %s and %s of direct memory unless told otherwise",
		limit>>20, fitting.HeapOption(), fitting.DirectOption())
	return fitting.HeapOption(), fitting.DirectOption()
}

// warnOfMemory says that java was given more than the container may use.
func warnOfMemory(args []string, limit int64) {
	heap, direct := jvm.MemoryOf(args)
	if limit > 0 && heap+direct > limit {
		const remedy = "raise resources.limits.memory, or lower jvm.heap and jvm.directMemory"
		logf("WARN", "java may use %d MiB of heap and %d MiB of direct memory, the container only %d MiB: it will be killed when java does; %s",
			heap>>20, direct>>20, limit>>20, remedy)
	}
}
