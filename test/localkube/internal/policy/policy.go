// SPDX-License-Identifier: Apache-2.0

// Package policy turns NetworkPolicies into nftables rules, as the network of a real cluster does.
//
// A pod that a policy selects is isolated in the policy's directions: what a policy allows comes through, all else is dropped
// without a word. The rules look at packets that a node forwards, at the node of the pod, and at the first packet of a connection
// only: a connection that exists goes on whatever changes. What the node itself sends to its pods is never looked at, which the
// documentation of NetworkPolicies promises to the kubelet's probes. A pod in its node's network is neither isolated nor chosen
// by a podSelector: it has the node's address.
package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Table is the nftables table that holds the rules of a node, in the family ip.
const Table = "localkube-policy"

// Objects are what the rules depend on.
type Objects struct {
	Pods       []*corev1.Pod
	Namespaces []*corev1.Namespace
	Policies   []*networkingv1.NetworkPolicy
}

// direction of a packet, seen from the pod.
type direction struct {
	name string
	kind networkingv1.PolicyType
	// own and peer are the words for the addresses of the pod and of the other side.
	own, peer string
	priority  int
}

func directions() []direction {
	return []direction{
		{"egress", networkingv1.PolicyTypeEgress, "saddr", "daddr", 0},
		{"ingress", networkingv1.PolicyTypeIngress, "daddr", "saddr", 1},
	}
}

// Script is the input of nft that replaces the table of a node by the rules for its pods, in one transaction.
func Script(all Objects, node string) string {
	c := newCluster(all)
	var b strings.Builder
	fmt.Fprintf(&b, "add table ip %s\ndelete table ip %s\ntable ip %s {\n", Table, Table, Table)
	for _, d := range directions() {
		var verdicts []string
		for _, pod := range c.pods {
			if pod.Spec.NodeName != node {
				continue
			}
			policies := c.isolating(pod, d)
			if len(policies) == 0 {
				continue
			}
			chain := d.name + "-" + pod.Status.PodIP
			verdicts = append(verdicts, pod.Status.PodIP+" : goto "+chain)
			fmt.Fprintf(&b, "\tchain %s {\n", chain)
			for _, rule := range c.rules(pod, policies, d) {
				b.WriteString("\t\t" + rule + "\n")
			}
			b.WriteString("\t}\n")
		}
		fmt.Fprintf(&b, "\tchain %s {\n\t\ttype filter hook forward priority %d; policy accept;\n", d.name, d.priority)
		if len(verdicts) > 0 {
			fmt.Fprintf(&b, "\t\tct state established,related accept\n\t\tip %s vmap { %s }\n", d.own, strings.Join(verdicts, ", "))
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// cluster is what policies are matched with.
type cluster struct {
	pods       []*corev1.Pod // with an address of their own, by address
	namespaces map[string]labels.Set
	policies   []*networkingv1.NetworkPolicy // by name
}

func newCluster(all Objects) cluster {
	byIP := map[string]*corev1.Pod{}
	for _, pod := range all.Pods {
		finished := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if pod.Status.PodIP == "" || pod.Spec.HostNetwork || finished {
			continue
		}
		// An address may go to another pod before the one that had it is gone.
		if other := byIP[pod.Status.PodIP]; other == nil || other.CreationTimestamp.Before(&pod.CreationTimestamp) {
			byIP[pod.Status.PodIP] = pod
		}
	}
	c := cluster{namespaces: map[string]labels.Set{}, policies: slices.Clone(all.Policies)}
	for _, ip := range slices.Sorted(maps.Keys(byIP)) {
		c.pods = append(c.pods, byIP[ip])
	}
	for _, namespace := range all.Namespaces {
		c.namespaces[namespace.Name] = namespace.Labels
	}
	slices.SortFunc(c.policies, func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return c
}

// isolating are the policies that select a pod for a direction.
func (c cluster) isolating(pod *corev1.Pod, d direction) []*networkingv1.NetworkPolicy {
	var out []*networkingv1.NetworkPolicy
	for _, p := range c.policies {
		if p.Namespace == pod.Namespace && slices.Contains(p.Spec.PolicyTypes, d.kind) && selects(&p.Spec.PodSelector, pod.Labels) {
			out = append(out, p)
		}
	}
	return out
}

// rules of one pod in one direction: what the policies allow, then nothing.
func (c cluster) rules(pod *corev1.Pod, policies []*networkingv1.NetworkPolicy, d direction) []string {
	out := []string{"ip " + d.peer + " " + pod.Status.PodIP + " accept"} // a pod cannot be kept from itself
	for _, p := range policies {
		if d.kind == networkingv1.PolicyTypeIngress {
			for _, rule := range p.Spec.Ingress {
				out = append(out, allow(c.sources(p.Namespace, rule.From, pod), rule.Ports)...)
			}
			continue
		}
		for _, rule := range p.Spec.Egress {
			out = append(out, allow(c.destinations(p.Namespace, rule.To), rule.Ports)...)
		}
	}
	return append(out, "drop")
}

// traffic that a rule is about: a match of nftables for its addresses, and the pod whose ports have names, nil for none.
type traffic struct {
	match  string
	server *corev1.Pod
}

// sources of what may come to a pod.
func (c cluster) sources(namespace string, peers []networkingv1.NetworkPolicyPeer, to *corev1.Pod) []traffic {
	if len(peers) == 0 {
		return []traffic{{"", to}}
	}
	var out []traffic
	var addresses []string
	for _, peer := range peers {
		if peer.IPBlock != nil {
			out = append(out, traffic{block("saddr", peer.IPBlock), to})
			continue
		}
		for _, pod := range c.peers(namespace, peer) {
			addresses = append(addresses, pod.Status.PodIP)
		}
	}
	if len(addresses) > 0 {
		slices.Sort(addresses)
		out = append(out, traffic{"ip saddr { " + strings.Join(slices.Compact(addresses), ", ") + " }", to})
	}
	return out
}

// destinations that a pod may go to, each for itself, because a port's name may mean another number there. Without peers no pod
// is known, and a port's name means nothing.
func (c cluster) destinations(namespace string, peers []networkingv1.NetworkPolicyPeer) []traffic {
	if len(peers) == 0 {
		return []traffic{{}}
	}
	var out []traffic
	for _, peer := range peers {
		if peer.IPBlock != nil {
			out = append(out, traffic{block("daddr", peer.IPBlock), nil})
			continue
		}
		for _, pod := range c.peers(namespace, peer) {
			out = append(out, traffic{"ip daddr " + pod.Status.PodIP, pod})
		}
	}
	return out
}

func block(address string, b *networkingv1.IPBlock) string {
	match := "ip " + address + " " + b.CIDR
	for _, except := range b.Except {
		match += " ip " + address + " != " + except
	}
	return match
}

// peers are the pods that the selectors of a policy in a namespace choose.
func (c cluster) peers(namespace string, peer networkingv1.NetworkPolicyPeer) []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range c.pods {
		there := pod.Namespace == namespace
		if peer.NamespaceSelector != nil {
			there = selects(peer.NamespaceSelector, c.namespaces[pod.Namespace])
		}
		if there && (peer.PodSelector == nil || selects(peer.PodSelector, pod.Labels)) {
			out = append(out, pod)
		}
	}
	return out
}

// allow traffic to any of the ports, to all if there are none.
func allow(all []traffic, ports []networkingv1.NetworkPolicyPort) []string {
	var out []string
	for _, t := range all {
		matches := []string{""}
		if len(ports) > 0 {
			matches = nil
			for _, port := range ports {
				matches = append(matches, portMatches(port, t.server)...)
			}
		}
		for _, match := range matches {
			out = append(out, strings.Join(strings.Fields(t.match+" "+match+" accept"), " "))
		}
	}
	return out
}

// portMatches are the matches of nftables for a port; the server's number if it has a name, which several containers may have.
func portMatches(port networkingv1.NetworkPolicyPort, server *corev1.Pod) []string {
	protocol := corev1.ProtocolTCP
	if port.Protocol != nil {
		protocol = *port.Protocol
	}
	word := strings.ToLower(string(protocol))
	switch {
	case port.Port == nil:
		return []string{"meta l4proto " + word}
	case port.Port.Type == intstr.Int && port.EndPort != nil:
		return []string{fmt.Sprintf("%s dport %d-%d", word, port.Port.IntVal, *port.EndPort)}
	case port.Port.Type == intstr.Int:
		return []string{fmt.Sprintf("%s dport %d", word, port.Port.IntVal)}
	case server == nil:
		return nil
	}
	var out []string
	for _, container := range server.Spec.Containers {
		for _, p := range container.Ports {
			if p.Name == port.Port.StrVal && cmp.Or(p.Protocol, corev1.ProtocolTCP) == protocol {
				out = append(out, fmt.Sprintf("%s dport %d", word, p.ContainerPort))
			}
		}
	}
	return out
}

// selects is false for a selector that says nothing sensible; the API server takes none.
func selects(selector *metav1.LabelSelector, of labels.Set) bool {
	s, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && s.Matches(of)
}
