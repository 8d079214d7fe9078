// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"embed"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"text/template"
	"time"
)

//go:embed files
var files embed.FS

// values are what the templates below files may use.
type values struct {
	Run, PKI     string
	Host, DNS    string
	DNSReady     string
	PauseImage   string
	Name, IP     string // of the node, as all that follow
	PodCIDR      string
	CgroupRoot   string
	Dir, State   string
	Socket       string
	MaxOpenFiles uint64
	LeaseSeconds int
}

// values returns what the templates need, of the cluster and of one node.
func (c *Cluster) values(n node) (values, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return values{}, err
	}
	return values{
		Run: c.run, PKI: c.pki(), Host: hostIP, DNS: dnsIP, DNSReady: dnsReady, PauseImage: pauseImage,
		Name: n.name(), IP: n.ip(), PodCIDR: n.podCIDR(), CgroupRoot: "/" + n.cgroup(),
		Dir: c.dir(n), State: filepath.Join(ephemeral, n.name()), Socket: n.socket(), MaxOpenFiles: limit.Max,
		LeaseSeconds: int(leaseDuration.Seconds()),
	}, nil
}

func (c *Cluster) pki() string { return filepath.Join(c.run, "pki") }

func render(name string, v values) ([]byte, error) {
	t, err := template.ParseFS(files, "files/"+name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, v)
	return b.Bytes(), err
}

// writeConfig renders every configuration file of the cluster into its state directory.
func (c *Cluster) writeConfig(nodes []node) error {
	type target struct {
		template, path string
		node           node
	}
	targets := []target{
		{"Corefile", filepath.Join(c.run, "Corefile"), 1},
		{"audit-policy.yaml", filepath.Join(c.run, "audit-policy.yaml"), 1},
		{"addons.yaml", filepath.Join(c.run, "addons.yaml"), 1},
	}
	dirs := []string{filepath.Join(c.run, "logs"), filepath.Join(c.run, "pv")}
	for _, n := range nodes {
		dir := c.dir(n)
		targets = append(targets,
			target{"containerd.toml", filepath.Join(dir, "containerd.toml"), n},
			target{"cni.conflist", filepath.Join(dir, "cni", "10-localkube.conflist"), n},
			target{"kubelet.yaml", filepath.Join(dir, "kubelet.yaml"), n})
		dirs = append(dirs, filepath.Join(dir, "cni"), filepath.Join(dir, "kubelet"), filepath.Join(dir, "podlogs"), filepath.Dir(n.socket()))
	}
	for _, d := range dirs {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	for _, t := range targets {
		v, err := c.values(t.node)
		if err != nil {
			return err
		}
		b, err := render(t.template, v)
		if err == nil {
			err = writeFile(t.path, b, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if err := writeFile(filepath.Join(c.run, "resolv.conf"), []byte("nameserver "+hostIP+"\n"), 0o644); err != nil {
		return err
	}
	admin, err := os.ReadFile(filepath.Join(c.pki(), "admin.conf"))
	if err != nil {
		return err
	}
	return writeFile(c.Kubeconfig(), admin, 0o600)
}

// stage orders the start: a part needs those of the stages before it.
type stage int

const (
	first   stage = iota // needs nothing
	withAPI              // needs the API server
	addons               // needs the objects of addons.yaml
)

// podSlack is the timer slack of pods. A server of RocketMQ has threads that wake every millisecond to look for work; of many
// servers on two cores, waking cost more than a third of the CPU that they used at rest.
const podSlack = 5 * time.Millisecond

// parts returns all processes of the cluster that start at the given stage.
func (c *Cluster) parts(nodes []node, s stage) []part {
	const etcdURL, peerURL = "http://127.0.0.1:23790", "http://127.0.0.1:23800" // not where a user's own etcd listens
	pki := c.pki()
	var parts []part
	add := func(name string, n node, args ...string) {
		parts = append(parts, part{name: name, node: n, args: args})
	}
	kubeconfigs := func(name string) []string {
		f := filepath.Join(pki, name+".conf")
		return []string{"--kubeconfig=" + f, "--authentication-kubeconfig=" + f, "--authorization-kubeconfig=" + f}
	}
	switch s {
	case first:
		add("etcd", 1, "etcd", "--name=local", "--data-dir="+filepath.Join(c.run, "etcd"),
			"--listen-client-urls="+etcdURL, "--advertise-client-urls="+etcdURL,
			"--listen-peer-urls="+peerURL, "--initial-advertise-peer-urls="+peerURL, "--initial-cluster=local="+peerURL,
			"--unsafe-no-fsync", "--auto-compaction-retention=5m", "--log-level=warn")
		add("kube-apiserver", 1, "kube-apiserver", "--etcd-servers="+etcdURL,
			"--advertise-address="+hostIP, "--bind-address="+hostIP, "--secure-port=6443", "--service-cluster-ip-range="+serviceCIDR,
			"--tls-cert-file="+pki+"/apiserver.crt", "--tls-private-key-file="+pki+"/apiserver.key", "--client-ca-file="+pki+"/ca.crt",
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file="+pki+"/sa.pub", "--service-account-signing-key-file="+pki+"/sa.key",
			"--kubelet-client-certificate="+pki+"/apiserver-kubelet-client.crt", "--kubelet-client-key="+pki+"/apiserver-kubelet-client.key",
			"--kubelet-certificate-authority="+pki+"/ca.crt", "--kubelet-preferred-address-types=InternalIP",
			"--requestheader-client-ca-file="+pki+"/front-proxy-ca.crt", "--requestheader-allowed-names=front-proxy-client",
			"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
			"--requestheader-extra-headers-prefix=X-Remote-Extra-",
			"--proxy-client-cert-file="+pki+"/front-proxy-client.crt", "--proxy-client-key-file="+pki+"/front-proxy-client.key",
			"--audit-policy-file="+filepath.Join(c.run, "audit-policy.yaml"), "--audit-log-path="+c.AuditLog(),
			"--audit-log-maxsize=100", "--audit-log-maxbackup=1")
		for _, n := range nodes {
			parts = append(parts, part{name: "containerd-" + n.name(), node: n, slack: podSlack,
				args: []string{"containerd", "--config=" + filepath.Join(c.dir(n), "containerd.toml")}})
		}
	case withAPI:
		add("kube-controller-manager", 1, append([]string{"kube-controller-manager", "--client-ca-file=" + pki + "/ca.crt",
			"--requestheader-client-ca-file=" + pki + "/front-proxy-ca.crt", "--root-ca-file=" + pki + "/ca.crt",
			"--cluster-signing-cert-file=" + pki + "/ca.crt", "--cluster-signing-key-file=" + pki + "/ca.key",
			"--service-account-private-key-file=" + pki + "/sa.key", "--use-service-account-credentials=true",
			"--service-cluster-ip-range=" + serviceCIDR, "--cluster-cidr=" + podCIDR, "--allocate-node-cidrs=false",
			"--leader-elect=false", "--bind-address=127.0.0.1",
			// A node that is cut off is noticed after 20 s instead of 50 s: tests wait for it.
			"--node-monitor-grace-period=" + leaseDuration.String()}, kubeconfigs("controller-manager")...)...)
		add("kube-scheduler", 1, append([]string{"kube-scheduler", "--leader-elect=false", "--bind-address=127.0.0.1"}, kubeconfigs("scheduler")...)...)
		for _, n := range nodes {
			add("kubelet-"+n.name(), n, "kubelet", "--config="+filepath.Join(c.dir(n), "kubelet.yaml"),
				"--kubeconfig="+pki+"/kubelet-"+n.name()+".conf", "--root-dir="+filepath.Join(c.dir(n), "kubelet"),
				"--hostname-override="+n.name(), "--node-ip="+n.ip(), "--node-labels=topology.kubernetes.io/zone=zone"+strconv.Itoa(int(n)))
			add("kube-proxy-"+n.name(), n, "kube-proxy", "--kubeconfig="+pki+"/kube-proxy.conf", "--proxy-mode=nftables",
				"--hostname-override="+n.name(), "--cluster-cidr="+podCIDR, "--oom-score-adj=0",
				"--healthz-bind-address="+n.ip()+":10256",
				// Zero leaves the kernel's settings alone, which belong to the whole machine.
				"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0")
		}
	case addons:
		enforcer := []string{"network-policy", "--kubeconfig=" + pki + "/network-policy.conf"}
		for _, n := range nodes {
			enforcer = append(enforcer, "--node="+n.name()+"="+n.netns())
		}
		add("network-policy", 1, enforcer...)
		add("coredns", 1, "coredns", "-conf", filepath.Join(c.run, "Corefile"))
		add("provisioner", 1, "provisioner", "--kubeconfig="+pki+"/provisioner.conf", "--root="+filepath.Join(c.run, "pv"))
	}
	return parts
}

// allParts returns the parts of every stage.
func (c *Cluster) allParts(nodes []node) []part {
	var all []part
	for s := first; s <= addons; s++ {
		all = append(all, c.parts(nodes, s)...)
	}
	return all
}
