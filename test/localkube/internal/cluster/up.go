// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Up installs and builds what is missing, starts a cluster of so many nodes and waits until it can be used. On a
// healthy cluster it changes nothing. What was killed is started again with the state it had; fresh wipes that first.
// The caller holds the lock.
func (c *Cluster) Up(ctx context.Context, nodes int, fresh bool) error {
	if nodes < 1 || nodes > maxNodes {
		return fmt.Errorf("%d nodes: there can be 1 to %d", nodes, maxNodes)
	}
	if os.Geteuid() != 0 {
		return errors.New("need root, for network namespaces, mounts and cgroups")
	}
	if err := c.alone(); err != nil {
		return err
	}
	if err := c.installPackages(ctx); err != nil {
		return err
	}
	bin, err := c.Build(ctx)
	if err != nil {
		return err
	}
	want := settings{Nodes: nodes, Bin: bin}
	if !fresh {
		problems := c.Problems(ctx, want)
		if len(problems) == 0 {
			c.say("%d nodes are up", nodes)
			return nil
		}
		resumable, err := c.resumable(want)
		if err != nil {
			return err
		}
		if resumable {
			c.say("resuming: %s", oneLine(problems))
			return c.converge(ctx, want)
		}
	}
	if err := c.stop(ctx, fresh); err != nil {
		return err
	}
	return c.converge(ctx, want)
}

// resumable tells if what is missing of the cluster can be added to what runs. It cannot if the settings are others,
// or if a containerd is gone: then what is left of its pods is better cleared away.
func (c *Cluster) resumable(want settings) (bool, error) {
	have, err := c.settings()
	if err != nil || have != want {
		return false, err
	}
	running, err := c.running()
	if err != nil {
		return false, err
	}
	for _, n := range want.nodes() {
		if _, ok := running["containerd-"+n.name()]; !ok {
			return false, nil
		}
	}
	return true, nil
}

// converge starts what does not run and waits until the cluster can be used.
func (c *Cluster) converge(ctx context.Context, s settings) error {
	if err := os.MkdirAll(c.run, 0o755); err != nil {
		return err
	}
	nodes := s.nodes()
	if err := makeKeys(c.pki(), nodes); err != nil {
		return err
	}
	if err := c.writeConfig(nodes); err != nil {
		return err
	}
	if err := c.saveSettings(s); err != nil {
		return err
	}
	if err := setUpNetwork(ctx, nodes); err != nil {
		return err
	}
	if err := setUpCgroups(nodes); err != nil {
		return err
	}
	running, err := c.running()
	if err != nil {
		return err
	}
	all := c.allParts(nodes)
	died := make(chan error, len(all))
	start := func(at stage) error {
		for _, p := range c.parts(nodes, at) {
			if _, ok := running[p.name]; ok {
				continue
			}
			if err := c.startPart(ctx, p, s.Bin, died); err != nil {
				return err
			}
		}
		return nil
	}
	// wait gives up as soon as a part that was started has ended.
	wait := func(what string, limit time.Duration, try func() error) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		done := make(chan struct{})
		defer close(done)
		go func() {
			select {
			case err := <-died:
				cancel(err)
			case <-done:
			}
		}()
		if err := poll(ctx, limit, 100*time.Millisecond, try); err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return fmt.Errorf("wait for %s: %w\nlogs are in %s; if up fails again, up --fresh starts without the old state", what, err, filepath.Join(c.run, "logs"))
		}
		return nil
	}

	if err := start(first); err != nil {
		return err
	}
	a, err := c.api()
	if err != nil {
		return err
	}
	if err := wait("the API server", 90*time.Second, func() error { return a.call(ctx, http.MethodGet, "/readyz", nil) }); err != nil {
		return err
	}
	c.say("API server ready")
	if err := start(withAPI); err != nil {
		return err
	}
	for _, n := range nodes {
		if err := wait("containerd of "+n.name(), 30*time.Second, func() error { _, err := images(ctx, s, n); return err }); err != nil {
			return err
		}
	}
	if _, err := c.loadImage(ctx, s, filepath.Join(s.Bin, "pause.tar")); err != nil {
		return err
	}
	if err := c.applyAddons(ctx, s); err != nil {
		return err
	}
	if err := start(addons); err != nil {
		return err
	}
	if err := wait("the nodes", 120*time.Second, func() error { return a.nodesReady(ctx, nodes, c.start) }); err != nil {
		return err
	}
	c.say("%d nodes Ready", len(nodes))
	if err := a.forgetOtherNodes(ctx, nodes); err != nil {
		return err
	}
	if err := wait("DNS", 60*time.Second, func() error { return dnsWorks(ctx) }); err != nil {
		return err
	}
	if err := wait("the default service account", 60*time.Second, func() error { return a.hasDefaultServiceAccount(ctx) }); err != nil {
		return err
	}
	c.say("DNS and default service account ready")
	return nil
}

// applyAddons creates or updates the objects that every cluster has: DNS's Service, StorageClasses, roles.
func (c *Cluster) applyAddons(ctx context.Context, s settings) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.Bin, "kubectl"), "apply", "--server-side", "--force-conflicts", "-f", filepath.Join(c.run, "addons.yaml"))
	cmd.Env = c.environment(s.Bin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apply addons.yaml: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// forgetOtherNodes deletes the Node objects of a time when there were more nodes.
func (a api) forgetOtherNodes(ctx context.Context, keep []node) error {
	have, err := a.nodes(ctx)
	if err != nil {
		return err
	}
	for _, h := range have {
		if slices.ContainsFunc(keep, func(n node) bool { return n.name() == h.Name }) {
			continue
		}
		if err := a.call(ctx, http.MethodDelete, "/api/v1/nodes/"+h.Name, nil); err != nil {
			return err
		}
	}
	return nil
}

func oneLine(errs []error) string {
	return strings.ReplaceAll(errors.Join(errs...).Error(), "\n", "; ")
}

// Problems returns what keeps a cluster with these settings from being healthy.
func (c *Cluster) Problems(ctx context.Context, want settings) []error {
	have, err := c.settings()
	if err != nil {
		return []error{err}
	}
	if have.Nodes == 0 {
		return []error{errors.New("there is no local cluster")}
	}
	if have != want {
		return []error{fmt.Errorf("it has %d nodes of %s instead of %d nodes of %s", have.Nodes, have.Bin, want.Nodes, want.Bin)}
	}
	running, err := c.running()
	if err != nil {
		return []error{err}
	}
	var problems []error
	for _, p := range c.allParts(want.nodes()) {
		if _, ok := running[p.name]; !ok {
			problems = append(problems, errors.New(p.name+" does not run"))
		}
	}
	if len(running) == 0 {
		return []error{errors.New("nothing of it runs")}
	}
	for _, n := range want.nodes()[1:] {
		if b, _ := os.ReadFile("/sys/class/net/" + n.veth() + "/operstate"); strings.TrimSpace(string(b)) != "up" {
			problems = append(problems, errors.New(n.name()+" is cut off"))
		}
	}
	if len(problems) > 0 {
		return problems
	}
	a, err := c.api()
	if err != nil {
		return []error{err}
	}
	for _, err := range []error{a.nodesReady(ctx, want.nodes(), time.Now().Add(-leaseDuration)), a.hasDefaultServiceAccount(ctx), dnsWorks(ctx)} {
		if err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}
