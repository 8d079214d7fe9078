// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newCluster(t *testing.T) *Cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "lk") // t.TempDir is too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("XDG_CACHE_HOME", dir)
	c, err := New(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNewRefusesPathsTooLongForSockets(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", filepath.Join(t.TempDir(), strings.Repeat("x", 100)))
	if _, err := New(io.Discard); err == nil || !strings.Contains(err.Error(), "set XDG_CACHE_HOME to a shorter path") {
		t.Errorf("got %v", err)
	}
}

func TestLockIsExclusiveAndHonoursTheContext(t *testing.T) {
	c := newCluster(t)
	unlock, err := c.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a second lock: %v", err)
	}
	unlock()
	unlock, err = c.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestSettings(t *testing.T) {
	c := newCluster(t)
	if _, err := c.started(); err == nil || !strings.Contains(err.Error(), "start it with up") {
		t.Errorf("without a cluster: %v", err)
	}
	if err := os.MkdirAll(c.run, 0o755); err != nil {
		t.Fatal(err)
	}
	want := settings{Nodes: 2, Bin: "/bin-1"}
	if err := c.saveSettings(want); err != nil {
		t.Fatal(err)
	}
	got, err := c.started()
	if err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	var env strings.Builder
	if err := c.Env(&env); err != nil {
		t.Fatal(err)
	}
	wantEnv := `export KUBECONFIG="` + c.run + `/admin.conf"
export KUBECACHEDIR="` + c.run + `/kubectl-cache"
export PATH="/bin-1":"$PATH"
export LOCALKUBE_AUDIT_LOG="` + c.run + `/audit.log"
`
	if diff := cmp.Diff(wantEnv, env.String()); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(c.settingsFile(), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.settings(); err == nil || !strings.Contains(err.Error(), "up --fresh") {
		t.Errorf("damaged settings: %v", err)
	}
}

func TestCutNamesTheNodes(t *testing.T) {
	c := newCluster(t)
	if err := os.MkdirAll(c.run, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.saveSettings(settings{Nodes: 3}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"node1": "cannot be cut off",
		"node4": "there are node1 to node3",
		"":      "there are node1 to node3",
	} {
		if err := c.Cut(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("cut %q: %v, want %q", name, err, want)
		}
	}
}

func TestConfigRendersForEveryNode(t *testing.T) {
	c := newCluster(t)
	nodes := settings{Nodes: 2}.nodes()
	if err := makeKeys(c.pki(), nodes); err != nil {
		t.Fatal(err)
	}
	entries, err := files.ReadDir("files")
	if err != nil {
		t.Fatal(err)
	}
	v, err := c.values(nodes[1])
	if err != nil {
		t.Fatal(err)
	}
	rendered := map[string]string{}
	for _, e := range entries {
		b, err := render(e.Name(), v)
		if err != nil {
			t.Fatal(err)
		}
		rendered[e.Name()] = string(b)
	}
	for name, lines := range map[string][]string{
		"containerd.toml": {
			`root = "` + c.run + `/node2/containerd"`, `state = "/run/localkube/node2/state"`,
			`  address = "/run/localkube/node2/containerd.sock"`, `  sandbox = "localhost/pause:1"`,
		},
		"kubelet.yaml": {
			"address: 10.89.0.2", "cgroupRoot: /lk-node2", `clusterDNS: ["10.96.0.10"]`, "nodeLeaseDurationSeconds: 20",
			"tlsCertFile: " + c.run + "/pki/kubelet-serving-node2.crt",
		},
		"cni.conflist": {`        "ranges": [[{"subnet": "10.244.2.0/24"}]],`, `  "name": "lk-node2",`},
		"Corefile":     {"    bind 10.89.0.1", "        kubeconfig " + c.run + "/pki/coredns.conf local"},
		"addons.yaml":  {"  clusterIP: 10.96.0.10", `endpoints: [{addresses: ["10.89.0.1"], conditions: {ready: true}}]`},
	} {
		for _, line := range lines {
			if !strings.Contains("\n"+rendered[name], "\n"+line+"\n") {
				t.Errorf("%s has no line %q:\n%s", name, line, rendered[name])
			}
		}
	}
	// Nothing is left half-written, and every file that a part is started with is there. (All but the directory of
	// sockets, which is for root to make.)
	for _, p := range c.allParts(nodes) {
		for _, a := range p.args {
			_, file, _ := strings.Cut(a, "=")
			if strings.HasPrefix(file, c.pki()) {
				if _, err := os.Stat(file); err != nil {
					t.Errorf("%s is told %s: %v", p.name, a, err)
				}
			}
		}
	}
}

func TestPartsAreKnownExecutables(t *testing.T) {
	c := newCluster(t)
	var names []string
	for _, p := range c.allParts(settings{Nodes: 2}.nodes()) {
		names = append(names, p.name)
		if exe := p.args[0]; exe != "containerd" && exe != "coredns" && !strings.Contains(strings.Join(kubeNames(), " "), exe) {
			t.Errorf("%s: no executable %s is built", p.name, exe)
		}
	}
	want := []string{"etcd", "kube-apiserver", "containerd-node1", "containerd-node2", "kube-controller-manager", "kube-scheduler",
		"kubelet-node1", "kube-proxy-node1", "kubelet-node2", "kube-proxy-node2", "network-policy", "coredns", "provisioner"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestMissingPackages(t *testing.T) {
	root := t.TempDir()
	touch := func(name string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	all := []string{"runc", "containernetworking-plugins", "nftables", "iptables", "conntrack", "iproute2", "busybox-static", "socat", "ethtool"}
	if diff := cmp.Diff(all, missingPackages(root)); diff != "" {
		t.Errorf("on an empty machine: %s", diff)
	}
	for _, f := range []string{"usr/sbin/runc", "usr/lib/cni/ptp", "sbin/nft", "usr/sbin/iptables", "usr/sbin/conntrack", "bin/ip", "usr/bin/socat", "usr/sbin/ethtool"} {
		touch(f)
	}
	if diff := cmp.Diff([]string{"busybox-static"}, missingPackages(root)); diff != "" {
		t.Error(diff)
	}
}

func TestHostPortCleanUp(t *testing.T) {
	const head = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
	const shared = ":CNI-HOSTPORT-DNAT - [0:0]\n:CNI-HOSTPORT-SETMARK - [0:0]\n" +
		"-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n"
	const ours = `:CNI-DN-50ac - [0:0]
-A CNI-DN-50ac -s 10.244.1.0/24 -p tcp -m tcp --dport 18081 -j CNI-HOSTPORT-SETMARK
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"lk-node1\" id: \"2054\"" -m multiport --dports 18081 -j CNI-DN-50ac
`
	const others = `:CNI-DN-77aa - [0:0]
-A CNI-DN-77aa -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.88.0.3:80
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"podman\" id: \"77\"" -m multiport --dports 80 -j CNI-DN-77aa
`
	const oursGone = `-D CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"lk-node1\" id: \"2054\"" -m multiport --dports 18081 -j CNI-DN-50ac
`
	for name, test := range map[string]struct {
		saved, script string
		empty         bool
	}{
		"no table":           {saved: "", empty: true},
		"no rules":           {saved: head + "COMMIT\n", empty: true},
		"a stranger's rules": {saved: head + "-A OUTPUT -j DOCKER\nCOMMIT\n"},
		"ours only": {
			saved: head + shared + ours + "COMMIT\n",
			script: "*nat\n-D PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n" +
				"-F CNI-DN-50ac\n-F CNI-HOSTPORT-DNAT\n-F CNI-HOSTPORT-SETMARK\n-X CNI-DN-50ac\n-X CNI-HOSTPORT-DNAT\n-X CNI-HOSTPORT-SETMARK\nCOMMIT\n",
			empty: true,
		},
		"ours and a stranger's beside it": {
			saved: head + "-A OUTPUT -j DOCKER\n" + shared + "COMMIT\n",
			script: "*nat\n-D PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT\n" +
				"-F CNI-HOSTPORT-DNAT\n-F CNI-HOSTPORT-SETMARK\n-X CNI-HOSTPORT-DNAT\n-X CNI-HOSTPORT-SETMARK\nCOMMIT\n",
		},
		"ours and another network's": {
			saved:  head + shared + ours + others + "COMMIT\n",
			script: "*nat\n" + oursGone + "-F CNI-DN-50ac\n-X CNI-DN-50ac\nCOMMIT\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			script, empty := hostPortCleanUp(test.saved)
			if diff := cmp.Diff(test.script, script); diff != "" {
				t.Error(diff)
			}
			if empty != test.empty {
				t.Errorf("empty is %v", empty)
			}
		})
	}
}

func TestParseMounts(t *testing.T) {
	got := parseMounts("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ntmpfs /home/a\\040b/c\\134d tmpfs rw 0 0\n\n")
	want := []mount{{"/sys/fs/cgroup/cpu", "cgroup"}, {`/home/a b/c\d`, "tmpfs"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mount{})); diff != "" {
		t.Error(diff)
	}
}

func TestBelow(t *testing.T) {
	for _, test := range []struct {
		path string
		want bool
	}{{"/run/localkube", true}, {"/run/localkube/node1", true}, {"/run/localkube2", false}, {"/run", false}} {
		if got := below(test.path, "/run/localkube"); got != test.want {
			t.Errorf("%s: %v", test.path, got)
		}
	}
}
