// SPDX-License-Identifier: Apache-2.0

// Package cluster runs a real Kubernetes of several nodes on one Debian machine: the control plane and node1 in the
// host's network namespace, every further node in a network namespace of its own, all on one bridge.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	bridge      = "lk0"
	hostIP      = "10.89.0.1" // node1's address, and what the control plane and DNS listen on
	serviceCIDR = "10.96.0.0/16"
	podCIDR     = "10.244.0.0/16"
	apiIP       = "10.96.0.1" // first address of serviceCIDR: Service default/kubernetes
	dnsIP       = "10.96.0.10"
	dnsReady    = "127.0.0.1:18181"
	apiURL      = "https://" + hostIP + ":6443"
	pauseImage  = "localhost/pause:1"

	// ephemeral holds what must not outlive the processes: sockets and containerd's state. It is short because a
	// unix socket's path is limited to 107 bytes.
	ephemeral = "/run/localkube"

	// leaseDuration is how long a kubelet's sign of life counts; it gives one every quarter of this.
	leaseDuration = 20 * time.Second

	// maxNodes bounds the one-digit names that clean-up looks for.
	maxNodes = 9
)

// Cluster is the one local cluster of this machine and user.
type Cluster struct {
	base  string // holds the binaries, the lock and run
	run   string // state of the cluster
	out   io.Writer
	start time.Time
}

// New returns the cluster whose files live below the user's cache directory; progress is written to out.
func New(out io.Writer) (*Cluster, error) {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("find the cache directory: %w; set XDG_CACHE_HOME", err)
		}
		cache = filepath.Join(home, ".cache")
	}
	base := filepath.Join(cache, "rocketmq-operator", "localkube")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, err
	}
	// Mounts are listed by resolved paths, and clean-up compares with them.
	base, err := filepath.EvalSymlinks(base)
	if err != nil {
		return nil, err
	}
	// The longest socket is the kubelet's <run>/nodeN/kubelet/pod-resources/kubelet.sock.
	if n := len(base) + len("/run/node1/kubelet/pod-resources/kubelet.sock"); n > 107 {
		return nil, fmt.Errorf("%s is %d bytes too long for the unix sockets below it; set XDG_CACHE_HOME to a shorter path", base, n-107)
	}
	return &Cluster{base: base, run: filepath.Join(base, "run"), out: out, start: time.Now()}, nil
}

// Kubeconfig is the path of the administrator's kubeconfig; the file exists once the cluster was started.
func (c *Cluster) Kubeconfig() string { return filepath.Join(c.run, "admin.conf") }

// AuditLog is the path of the API server's log of write requests, one JSON object (audit.k8s.io/v1 Event) per line.
func (c *Cluster) AuditLog() string { return filepath.Join(c.run, "audit.log") }

// Lock waits until no other command that changes the cluster runs, and returns the function that lets the next one go.
func (c *Cluster) Lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(c.base, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if !told {
			c.say("waiting for another localkube command to end")
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// say prints a line of progress with the time since the command started.
func (c *Cluster) say(format string, args ...any) {
	fmt.Fprintf(c.out, "%6.1fs %s\n", time.Since(c.start).Seconds(), fmt.Sprintf(format, args...))
}

// node is one of the cluster's machines, numbered from 1.
type node int

func (n node) name() string    { return "node" + strconv.Itoa(int(n)) }
func (n node) ip() string      { return "10.89.0." + strconv.Itoa(int(n)) }
func (n node) podCIDR() string { return "10.244." + strconv.Itoa(int(n)) + ".0/24" }
func (n node) veth() string    { return "lkv" + strconv.Itoa(int(n)) }

// cgroup names the node's directory in every cgroup hierarchy.
func (n node) cgroup() string { return "lk-" + n.name() }

// netns is the name of the node's network namespace, empty for the host's.
func (n node) netns() string {
	if n == 1 {
		return ""
	}
	return "lk-" + n.name()
}

// socket is where the node's containerd listens.
func (n node) socket() string { return filepath.Join(ephemeral, n.name(), "containerd.sock") }

// dir holds the node's lasting state.
func (c *Cluster) dir(n node) string { return filepath.Join(c.run, n.name()) }

// settings say what runs. They are kept in a file so that the commands other than up know it.
type settings struct {
	Nodes int    `json:"nodes"`
	Bin   string `json:"bin"` // directory of the executables
}

func (s settings) nodes() []node {
	nodes := make([]node, s.Nodes)
	for i := range nodes {
		nodes[i] = node(i + 1)
	}
	return nodes
}

func (c *Cluster) settingsFile() string { return filepath.Join(c.run, "settings.json") }

// settings returns what up was last called with; none when there is no state.
func (c *Cluster) settings() (settings, error) {
	var s settings
	b, err := os.ReadFile(c.settingsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read the cluster's settings: %w; start afresh with up --fresh", err)
	}
	return s, nil
}

// started returns the settings of a cluster that was started, or an error that says how to start one.
func (c *Cluster) started() (settings, error) {
	s, err := c.settings()
	if err == nil && s.Nodes == 0 {
		err = errors.New("there is no local cluster; start it with up")
	}
	return s, err
}

// writeFile replaces a file whole, so that a command killed half-way leaves the old or the new one.
func writeFile(name string, b []byte, mode fs.FileMode) error {
	tmp := name + ".tmp"
	if err := os.WriteFile(tmp, b, mode); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}

func (c *Cluster) saveSettings(s settings) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return writeFile(c.settingsFile(), append(b, '\n'), 0o644)
}
