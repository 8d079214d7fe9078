// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// pod is "namespace/name ip node" with the label app.
func pod(t *testing.T, description string) *corev1.Pod {
	t.Helper()
	fields := strings.Fields(description)
	namespace, name, _ := strings.Cut(fields[0], "/")
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{NodeName: fields[2], Containers: []corev1.Container{{Ports: []corev1.ContainerPort{
			{Name: "web", ContainerPort: 8080}, {Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP}}}}},
		Status: corev1.PodStatus{PodIP: fields[1], Phase: corev1.PodRunning},
	}
}

func objects(t *testing.T, policies ...string) Objects {
	t.Helper()
	all := Objects{Pods: []*corev1.Pod{
		pod(t, "shop/server 10.244.1.5 node1"), pod(t, "shop/client 10.244.2.6 node2"), pod(t, "bank/client 10.244.1.7 node1"),
	}}
	for _, name := range []string{"shop", "bank"} {
		all.Namespaces = append(all.Namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": name}}})
	}
	for _, text := range policies {
		p := &networkingv1.NetworkPolicy{}
		if err := yaml.UnmarshalStrict([]byte(text), p); err != nil {
			t.Fatal(err)
		}
		p.Namespace = "shop"
		all.Policies = append(all.Policies, p)
	}
	return all
}

// chain is what a script says of one chain, "" if it has none.
func chain(script, name string) string {
	_, rest, found := strings.Cut(script, "\tchain "+name+" {\n")
	if !found {
		return ""
	}
	body, _, _ := strings.Cut(rest, "\t}\n")
	return strings.TrimSpace(strings.ReplaceAll(body, "\t\t", ""))
}

func TestWithoutPoliciesEverythingPasses(t *testing.T) {
	want := `add table ip localkube-policy
delete table ip localkube-policy
table ip localkube-policy {
	chain egress {
		type filter hook forward priority 0; policy accept;
	}
	chain ingress {
		type filter hook forward priority 1; policy accept;
	}
}
`
	if diff := cmp.Diff(want, Script(objects(t), "node1")); diff != "" {
		t.Error(diff)
	}
}

func TestThePodsOfANodeAreIsolatedThere(t *testing.T) {
	all := objects(t, "spec: {podSelector: {}, policyTypes: [Ingress, Egress]}")
	script := Script(all, "node1")
	if got, want := chain(script, "ingress"), "type filter hook forward priority 1; policy accept;\nct state established,related accept\n"+
		"ip daddr vmap { 10.244.1.5 : goto ingress-10.244.1.5 }"; got != want {
		t.Errorf("ingress:\n%s\nwant\n%s", got, want)
	}
	if got, want := chain(script, "egress-10.244.1.5"), "ip daddr 10.244.1.5 accept\ndrop"; got != want {
		t.Errorf("egress of the server:\n%s\nwant\n%s", got, want)
	}
	if strings.Contains(script, "10.244.2.6") || strings.Contains(script, "10.244.1.7") {
		t.Errorf("node1 has rules for a pod of another node or namespace:\n%s", script)
	}
	if chain(Script(all, "node2"), "ingress-10.244.2.6") == "" {
		t.Error("node2 has no rules for its pod")
	}
}

func TestWhatAPolicyAllows(t *testing.T) {
	for _, test := range []struct{ name, rule, want string }{
		{"everybody", "{}", "accept"},
		{"everybody, a port", "{ports: [{port: 80}, {port: 90, endPort: 99}, {protocol: UDP}]}",
			"tcp dport 80 accept\ntcp dport 90-99 accept\nmeta l4proto udp accept"},
		{"a port by its name", "{ports: [{port: web}, {port: dns, protocol: UDP}, {port: dns}, {port: none}]}",
			"tcp dport 8080 accept\nudp dport 53 accept"},
		{"pods of the same namespace", "{from: [{podSelector: {matchLabels: {app: client}}}]}", "ip saddr { 10.244.2.6 } accept"},
		{"pods of another namespace", "{from: [{namespaceSelector: {matchLabels: {team: bank}}, podSelector: {}}], ports: [{port: 1}]}",
			"ip saddr { 10.244.1.7 } tcp dport 1 accept"},
		{"all pods", "{from: [{namespaceSelector: {}}, {podSelector: {}}]}", "ip saddr { 10.244.1.5, 10.244.1.7, 10.244.2.6 } accept"},
		{"no pod", "{from: [{podSelector: {matchLabels: {app: none}}}]}", ""},
		{"addresses", "{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]}}], ports: [{port: 1}]}",
			"ip saddr 10.0.0.0/8 ip saddr != 10.1.0.0/16 ip saddr != 10.2.0.0/16 tcp dport 1 accept"},
	} {
		t.Run(test.name, func(t *testing.T) {
			all := objects(t, "spec: {podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress], ingress: ["+test.rule+"]}")
			want := strings.ReplaceAll("ip saddr 10.244.1.5 accept\n"+test.want+"\ndrop", "\n\n", "\n")
			if diff := cmp.Diff(want, chain(Script(all, "node1"), "ingress-10.244.1.5")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEgressKnowsThePortsOfItsPeers(t *testing.T) {
	all := objects(t, `spec: {podSelector: {matchLabels: {app: server}}, policyTypes: [Egress], egress: [
		{to: [{namespaceSelector: {}, podSelector: {matchLabels: {app: client}}}, {ipBlock: {cidr: 10.9.0.0/16}}], ports: [{port: web}, {port: 1}]},
		{ports: [{port: 53, protocol: UDP}]}]}`)
	all.Pods[2].Spec.Containers[0].Ports[0].ContainerPort = 9090
	want := `ip daddr 10.244.1.5 accept
ip daddr 10.244.1.7 tcp dport 9090 accept
ip daddr 10.244.1.7 tcp dport 1 accept
ip daddr 10.244.2.6 tcp dport 8080 accept
ip daddr 10.244.2.6 tcp dport 1 accept
ip daddr 10.9.0.0/16 tcp dport 1 accept
udp dport 53 accept
drop`
	script := Script(all, "node1")
	if diff := cmp.Diff(want, chain(script, "egress-10.244.1.5")); diff != "" {
		t.Error(diff)
	}
	if chain(script, "ingress-10.244.1.5") != "" {
		t.Error("a policy for Egress isolates from what comes in")
	}
}

func TestPoliciesAddUp(t *testing.T) {
	all := objects(t,
		"{metadata: {name: b}, spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 2}]}]}}",
		"{metadata: {name: a}, spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 1}]}]}}")
	if got, want := chain(Script(all, "node1"), "ingress-10.244.1.5"), "ip saddr 10.244.1.5 accept\ntcp dport 1 accept\ntcp dport 2 accept\ndrop"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

func TestWhoHasNoAddressOfItsOwn(t *testing.T) {
	all := objects(t, "spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}")
	host, finished, pending, successor := pod(t, "shop/host 10.89.0.1 node1"), pod(t, "shop/job 10.244.1.8 node1"), pod(t, "shop/new 10.244.1.9 node1"), pod(t, "bank/next 10.244.1.5 node1")
	host.Spec.HostNetwork = true
	finished.Status.Phase = corev1.PodFailed
	pending.Status.PodIP = ""
	successor.CreationTimestamp = metav1.Unix(1, 0)
	all.Pods = append(all.Pods, host, finished, pending)
	if got, want := chain(Script(all, "node1"), "ingress-10.244.1.5"), "ip saddr 10.244.1.5 accept\nip saddr { 10.244.1.5, 10.244.2.6 } accept\ndrop"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if script := Script(all, "node1"); strings.Contains(script, "10.89.0.1") || strings.Contains(script, "10.244.1.8") {
		t.Errorf("rules for a pod without an address of its own:\n%s", script)
	}
	all.Pods = append(all.Pods, successor)
	if script := Script(all, "node1"); strings.Contains(script, "10.244.1.5") {
		t.Errorf("a policy holds for the pod that has the address now, though it selects only the one before:\n%s", script)
	}
}
