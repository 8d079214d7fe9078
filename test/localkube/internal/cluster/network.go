// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/rocketmq-operator/rocketmq-operator/test/localkube/internal/policy"
)

// setUpNetwork makes the bridge, the nodes' namespaces and the routes, as far as they are missing, and the links
// that were cut whole.
func setUpNetwork(ctx context.Context, nodes []node) error {
	sysctls := map[string]string{
		"net/ipv4/ip_forward":           "1",
		"fs/inotify/max_user_instances": "8192", // the usual 128 are too few for several kubelets
		"fs/inotify/max_user_watches":   "1048576",
	}
	for name, value := range sysctls {
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0); err != nil {
			return fmt.Errorf("set a kernel parameter: %w", err)
		}
	}
	// Frames from node to node are no business of the host's packet filter. The parameter exists only where
	// something else loaded br_netfilter.
	err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("0"), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("set a kernel parameter: %w", err)
	}
	var cmds []string
	if !linkExists(bridge) {
		cmds = append(cmds, "ip link add "+bridge+" type bridge", "ip addr add "+hostIP+"/24 dev "+bridge)
	}
	cmds = append(cmds, "ip link set "+bridge+" up")
	for _, n := range nodes[1:] {
		ns := n.netns()
		if _, err := os.Stat("/run/netns/" + ns); err != nil {
			cmds = append(cmds, "ip netns add "+ns)
		}
		if !linkExists(n.veth()) {
			cmds = append(cmds,
				"ip link add "+n.veth()+" type veth peer name eth0 netns "+ns,
				"ip link set "+n.veth()+" master "+bridge,
				"ip -n "+ns+" link set lo up",
				"ip -n "+ns+" addr add "+n.ip()+"/24 dev eth0",
				"ip -n "+ns+" link set eth0 up",
				"ip -n "+ns+" route add default via "+hostIP,
				"nsenter --net=/run/netns/"+ns+" sysctl -qw net.ipv4.ip_forward=1")
		}
		cmds = append(cmds, "ip link set "+n.veth()+" up", "ip route replace "+n.podCIDR()+" via "+n.ip()+" dev "+bridge)
		for _, other := range nodes {
			if other != n {
				cmds = append(cmds, "ip -n "+ns+" route replace "+other.podCIDR()+" via "+other.ip())
			}
		}
	}
	for _, cmd := range cmds {
		if _, err := command(ctx, strings.Fields(cmd)...); err != nil {
			return err
		}
	}
	return nil
}

func linkExists(name string) bool {
	_, err := os.Stat("/sys/class/net/" + name)
	return err == nil
}

// tearDownNetwork removes all that setUpNetwork, kube-proxy and network-policy made, as far as it is there.
func tearDownNetwork(ctx context.Context) error {
	links := []string{bridge}
	for n := node(2); n <= maxNodes; n++ {
		links = append(links, n.veth())
	}
	for _, l := range links {
		if !linkExists(l) {
			continue
		}
		// A link of a namespace that is being destroyed vanishes at a moment of the kernel's choice.
		if _, err := command(ctx, "ip", "link", "del", l); err != nil && linkExists(l) {
			return err
		}
	}
	namespaces, err := filepath.Glob("/run/netns/lk-node[0-9]")
	if err != nil {
		return err
	}
	for _, ns := range namespaces {
		if _, err := command(ctx, "ip", "netns", "del", filepath.Base(ns)); err != nil {
			return err
		}
	}
	tables, err := command(ctx, "nft", "list", "tables")
	if err != nil {
		return err
	}
	for line := range strings.Lines(tables) {
		if f := strings.Fields(line); len(f) == 3 && (f[2] == "kube-proxy" || f[2] == policy.Table) {
			if _, err := command(ctx, "nft", "delete", "table", f[1], f[2]); err != nil {
				return err
			}
		}
	}
	// "ip netns add" mounts this directory on itself and leaves it so.
	if left, err := os.ReadDir("/run/netns"); err == nil && len(left) == 0 {
		_ = syscall.Unmount("/run/netns", syscall.MNT_DETACH)
		_ = syscall.Rmdir("/run/netns")
	}
	return nil
}

// Cut takes a node's only link down: nothing reaches it and it reaches nothing, while its pods run on.
func (c *Cluster) Cut(ctx context.Context, name string) error { return c.setLink(ctx, name, "down") }

// Heal takes a node's link up again.
func (c *Cluster) Heal(ctx context.Context, name string) error { return c.setLink(ctx, name, "up") }

func (c *Cluster) setLink(ctx context.Context, name, state string) error {
	s, err := c.started()
	if err != nil {
		return err
	}
	for _, n := range s.nodes() {
		if n.name() != name {
			continue
		}
		if n.netns() == "" {
			return fmt.Errorf("%s is this machine itself and cannot be cut off; take node2 or a later one", name)
		}
		if !linkExists(n.veth()) {
			return fmt.Errorf("%s has no link: the cluster is not running; start it with up", name)
		}
		_, err := command(ctx, "ip", "link", "set", n.veth(), state)
		return err
	}
	return fmt.Errorf("no node %q; there are node1 to node%d", name, s.Nodes)
}
