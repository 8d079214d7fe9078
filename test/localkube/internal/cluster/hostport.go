// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// removeHostPorts removes what the CNI plugin portmap set up on the host for pods with a hostPort on node1. (The
// other nodes' rules vanish with their namespaces.)
func removeHostPorts(ctx context.Context) error {
	for _, f := range []struct{ tool, family string }{{"iptables", "ip"}, {"ip6tables", "ip6"}} {
		saved, err := command(ctx, f.tool+"-save", "-t", "nat")
		if err != nil {
			return err
		}
		script, empty := hostPortCleanUp(saved)
		if script != "" {
			cmd := exec.CommandContext(ctx, f.tool+"-restore", "--noflush")
			cmd.Stdin = strings.NewReader(script)
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("remove the rules of host ports: %w: %s", err, strings.TrimSpace(string(out)))
			}
		}
		if empty {
			// The plugin's first look made the table, which does nothing without rules. With the legacy iptables
			// there is no such thing to delete.
			_, _ = command(ctx, "nft", "delete", "table", f.family, "nat")
		}
	}
	return nil
}

// hostPortCleanUp turns the output of iptables-save -t nat into input for iptables-restore --noflush that deletes our
// rules and, if nobody else's need them, the chains that portmap has in common for all networks. The script is
// empty if there is nothing to do; empty tells if no chains and rules but the built-in ones are there afterwards.
func hostPortCleanUp(saved string) (script string, empty bool) {
	const dispatch = "CNI-HOSTPORT-DNAT" // has a rule for each pod, which jumps to a chain of the pod's own
	var chains, rules []string
	for line := range strings.Lines(saved) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, ":"); ok {
			name, policy, _ := strings.Cut(name, " ")
			if strings.HasPrefix(policy, "-") { // built-in chains have a policy
				chains = append(chains, name)
			}
		} else if strings.HasPrefix(line, "-A ") {
			rules = append(rules, line)
		}
	}
	chainOf := func(rule string) string { return strings.Fields(rule)[1] }
	targetOf := func(rule string) string {
		f := strings.Fields(rule)
		if i := slices.Index(f, "-j"); i >= 0 && i+1 < len(f) {
			return f[i+1]
		}
		return ""
	}
	var doomed []string
	others := false
	for _, r := range rules {
		if chainOf(r) != dispatch {
			continue
		}
		if strings.Contains(r, `name: \"lk-node`) {
			doomed = append(doomed, targetOf(r))
		} else {
			others = true
		}
	}
	if !others {
		for _, c := range chains {
			if strings.HasPrefix(c, "CNI-HOSTPORT-") {
				doomed = append(doomed, c)
			}
		}
	}
	if len(doomed) == 0 {
		return "", len(chains)+len(rules) == 0
	}
	left := len(chains) - len(doomed)
	var b strings.Builder
	b.WriteString("*nat\n")
	for _, r := range rules {
		switch {
		case slices.Contains(doomed, chainOf(r)): // goes with its chain
		case slices.Contains(doomed, targetOf(r)):
			b.WriteString("-D" + strings.TrimPrefix(r, "-A") + "\n")
		default:
			left++
		}
	}
	for _, c := range doomed {
		b.WriteString("-F " + c + "\n")
	}
	for _, c := range doomed {
		b.WriteString("-X " + c + "\n")
	}
	b.WriteString("COMMIT\n")
	return b.String(), left == 0
}
