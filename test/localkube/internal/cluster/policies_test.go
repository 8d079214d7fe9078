// SPDX-License-Identifier: Apache-2.0

//go:build localkube

package cluster

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// inForce is how soon a change of a policy, a pod or a namespace shows.
const inForce = 2 * time.Second

// policies keeps the pods of testdata/policies.yaml apart.
type policies struct {
	kubectl
	server map[string]string // addresses of the servers by node
}

func testNetworkPolicies(t *testing.T, k kubectl) {
	k.run(t, "apply", "-f", "testdata/policies.yaml")
	defer k.run(t, "delete", "namespace", "policies", "policies-clients", "--wait=false")
	k.run(t, "rollout", "status", "-n", "policies", "daemonset/server", "--timeout=90s")
	for _, namespace := range []string{"policies", "policies-clients"} {
		k.run(t, "wait", "-n", namespace, "pod", "--all", "--for=condition=Ready", "--timeout=60s")
	}
	p := policies{k, map[string]string{}}
	for line := range strings.Lines(k.run(t, "get", "pods", "-n", "policies", "-l", "app=server", "-o", `jsonpath={range .items[*]}{.spec.nodeName} {.status.podIP}:8080{"\n"}{end}`)) {
		if node, address, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			p.server[node] = address
		}
	}
	const own, other, host = "policies/client", "policies-clients/client", "policies/host"

	p.reach(t, own, "node1", true)
	answers := p.hold(t, own, p.server["node3"])
	p.goesOn(t, answers)
	start := time.Now()
	p.policy(t, "[]")
	p.reach(t, own, "node1", false)
	t.Logf("all clients denied %.1fs after kubectl apply", time.Since(start).Seconds())
	p.goesOn(t, answers) // a connection that there was before
	for _, client := range []string{own, other} {
		for node := range p.server { // its own among them
			p.reach(t, client, node, false)
		}
	}
	if _, err := p.exec(t, own, "get", "http://server.policies"); err == nil {
		t.Error("a denied client reached the servers through their Service")
	}
	if got, err := p.exec(t, own, "dns", "kubernetes.default"); err != nil || got != "["+apiIP+"]" {
		t.Errorf("a client of which nothing was said resolves kubernetes.default to %s (%v)", got, err)
	}
	// A node always reaches its own pods, so probes do. One with its node's address is no client that a selector knows.
	p.reach(t, host, "node2", true)
	p.reach(t, host, "node3", false)
	if _, err := command(t.Context(), "curl", "-sm1", "http://"+p.server["node1"]); err != nil {
		t.Errorf("node1 does not reach its pod: %v", err)
	}

	p.policy(t, `[{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: web}]}]`)
	p.reach(t, own, "node1", true)
	p.reach(t, own, "node2", true)
	p.reach(t, other, "node1", false)
	p.reach(t, host, "node3", false)
	if got, err := p.exec(t, own, "get", "http://server.policies"); err != nil || !strings.HasPrefix(got, "server-") {
		t.Errorf("an allowed client reached %q through the Service (%v)", got, err)
	}
	p.policy(t, `[{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 8081}]}]`)
	p.reach(t, own, "node1", false)
	p.policy(t, `[{from: [{namespaceSelector: {matchLabels: {team: clients}}}]}]`)
	p.reach(t, other, "node1", true)
	p.reach(t, own, "node1", false)
	k.run(t, "label", "namespace", "policies-clients", "team-")
	p.reach(t, other, "node1", false)
	p.policy(t, `[{from: [{ipBlock: {cidr: 10.89.0.0/24}}]}]`)
	p.reach(t, host, "node3", true)
	if _, err := command(t.Context(), "curl", "-sm1", "http://"+p.server["node2"]); err != nil {
		t.Errorf("node1 does not reach a pod of node2: %v", err)
	}

	// What goes out: by name, through the Service, to one port, and to the other namespace.
	p.policy(t, "[{}]")
	k.apply(t, `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: client, namespace: policies},
		spec: {podSelector: {matchLabels: {app: client}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: server}}}], ports: [{port: web}]}]}}`)
	p.reach(t, own, "node1", true)
	if out, err := p.exec(t, own, "dial", "10.96.0.1:443"); err == nil {
		t.Errorf("an isolated client reached the API server: %s", out)
	}

	if restarts := k.run(t, "get", "pods", "-n", "policies", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}"); strings.Trim(restarts, "0 ") != "" {
		t.Errorf("restarts %s: probes were denied", restarts)
	}
	start = time.Now()
	k.run(t, "delete", "networkpolicy", "-n", "policies", "--all")
	p.reach(t, other, "node1", true)
	t.Logf("all clients allowed %.1fs after kubectl delete", time.Since(start).Seconds())
}

// policy replaces the one that selects the servers.
func (p policies) policy(t *testing.T, ingress string) {
	t.Helper()
	p.apply(t, `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: server, namespace: policies},
		spec: {podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress], ingress: `+ingress+`}}`)
}

// exec runs nettool in the pod "namespace/name".
func (p policies) exec(t *testing.T, pod string, args ...string) (string, error) {
	t.Helper()
	namespace, name, _ := strings.Cut(pod, "/")
	return p.try(t.Context(), append([]string{"exec", "-n", namespace, name, "--", "/nettool"}, args...)...)
}

// reach waits until a client does or does not reach the server of a node.
func (p policies) reach(t *testing.T, client, node string, want bool) {
	t.Helper()
	limit := time.Now().Add(inForce)
	for {
		began := time.Now()
		out, err := p.exec(t, client, "dial", p.server[node])
		if (err == nil) == want {
			return
		}
		if began.After(limit) {
			t.Errorf("%s reaches the server on %s: %v, want %v (%s)", client, node, err == nil, want, out)
			return
		}
	}
}

// goesOn waits for further answers on a connection.
func (p policies) goesOn(t *testing.T, answers func() int) {
	t.Helper()
	before := answers()
	if err := poll(t.Context(), 10*time.Second, 100*time.Millisecond, func() error {
		if answers() < before+3 {
			return errors.New("the connection does not go on")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// hold keeps a connection of a pod open until the test ends, and returns how to count what has come over it.
func (p policies) hold(t *testing.T, pod, address string) (answers func() int) {
	t.Helper()
	namespace, name, _ := strings.Cut(pod, "/")
	cmd := exec.CommandContext(t.Context(), filepath.Join(p.bin, "kubectl"), "exec", "-n", namespace, name, "--", "/nettool", "hold", address)
	cmd.Env = p.c.environment(p.bin)
	lines := &lineCounter{}
	cmd.Stdout = lines
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the end of the test's context killed it
	return lines.count
}

// lineCounter counts the lines that are written to it.
type lineCounter struct {
	mu    sync.Mutex
	lines int
}

func (l *lineCounter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines += bytes.Count(b, []byte("\n"))
	return len(b), nil
}

func (l *lineCounter) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines
}
