// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
)

// Status prints what runs, and fails unless the cluster is healthy.
func (c *Cluster) Status(ctx context.Context, out io.Writer) error {
	s, err := c.started()
	if err != nil {
		return err
	}
	running, err := c.running()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, p := range c.allParts(s.nodes()) {
		state := "does not run"
		if r, ok := running[p.name]; ok {
			state = fmt.Sprintf("pid %d", r.Pid)
		}
		fmt.Fprintf(w, "%s\t%s\n", p.name, state)
	}
	if _, ok := running["kube-apiserver"]; ok {
		a, err := c.api()
		if err != nil {
			return err
		}
		nodes, err := a.nodes(ctx)
		if err != nil {
			fmt.Fprintf(w, "nodes\t%v\n", err)
		}
		for _, n := range nodes {
			state := "not Ready"
			if n.Ready {
				state = "Ready"
			}
			fmt.Fprintf(w, "%s\t%s, %s\n", n.Name, state, n.Version)
		}
	}
	fmt.Fprintf(w, "KUBECONFIG\t%s\n", c.Kubeconfig())
	if err := w.Flush(); err != nil {
		return err
	}
	if problems := c.Problems(ctx, s); len(problems) > 0 {
		return fmt.Errorf("the cluster is not healthy: %s", oneLine(problems))
	}
	fmt.Fprintln(out, "healthy")
	return nil
}

// Env prints shell commands that make kubectl and the like use the cluster. kubectl remembers for hours which kinds there are
// at an address; the address is every cluster's, so each has its own memory.
func (c *Cluster) Env(out io.Writer) error {
	s, err := c.started()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "export KUBECONFIG=%q\nexport KUBECACHEDIR=%q\nexport PATH=%q:\"$PATH\"\nexport LOCALKUBE_AUDIT_LOG=%q\n",
		c.Kubeconfig(), filepath.Join(c.run, "kubectl-cache"), s.Bin, c.AuditLog())
	return err
}
