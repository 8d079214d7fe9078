// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"testing/fstest"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

func TestMemoryLimit(t *testing.T) {
	const mebi = 1 << 20
	for _, test := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing to see", nil, 0},
		{"second version", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 * mebi},
		{"second version, no limit", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0},
		{
			"second version, of the host", map[string]string{
				"proc/self/cgroup":                                           "0::/kubepods.slice/pod1.slice/c.scope\n",
				"sys/fs/cgroup/kubepods.slice/memory.max":                    "max\n",
				"sys/fs/cgroup/kubepods.slice/pod1.slice/memory.max":         "1073741824\n",
				"sys/fs/cgroup/kubepods.slice/pod1.slice/c.scope/memory.max": "536870912\n",
			}, 512 * mebi,
		},
		{
			"the pod has less than its container", map[string]string{
				"proc/self/cgroup":                            "0::/pod1.slice/c.scope\n",
				"sys/fs/cgroup/pod1.slice/memory.max":         "268435456\n",
				"sys/fs/cgroup/pod1.slice/c.scope/memory.max": "536870912\n",
			}, 256 * mebi,
		},
		{
			"first version", map[string]string{
				"proc/self/cgroup":                           "11:cpu,cpuacct:/a\n4:memory:/kubepods/pod1/c\n",
				"sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
			}, 512 * mebi,
		},
		{"first version, no limit", map[string]string{"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range test.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := memoryLimit(root); got != test.want {
				t.Errorf("%d, want %d", got, test.want)
			}
		})
	}
}

// TestDefaultMemoryFits: what the operator chose without seeing a limit fits into the one that the container has.
func TestDefaultMemoryFits(t *testing.T) {
	for _, test := range []struct {
		name         string
		role         settings.Role
		heap, direct string
		limit        int64 // MiB
		want         string
	}{
		{"no limit", settings.Broker, "1024m", "512m", 0, "1024m 512m"},
		{"the operator saw it", settings.Broker, "256m", "128m", 512, "256m 128m"},
		{"a LimitRange's", settings.Broker, "1024m", "512m", 512, "256m 128m"},
		{"a LimitRange's, name server", settings.NameServer, "512m", "256m", 512, "128m 128m"},
		{"a large one", settings.Broker, "1024m", "512m", 8192, "1024m 512m"},
		{"java's own default", settings.Broker, "", "", 512, " "},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &config{role: test.role, defaultHeap: test.heap, defaultDirectMemory: test.direct}
			heap, direct := c.defaultMemory(test.limit << 20)
			if got := heap + " " + direct; got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
