// SPDX-License-Identifier: Apache-2.0

package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// everyPart is a cluster of all kinds.
const everyPart = `{apiVersion: rocketmq.apache.org/v1alpha1, kind: RocketMQCluster, metadata: {name: c}, spec: {
  networkPolicy: Enabled, controllers: {size: 1}, brokers: [{replicaPerGroup: 1}], proxy: {}, console: {}, exporter: {}, schemaRegistry: {image: 'registry:1'}}}
---
`

// policyNames are those of the namespace's NetworkPolicies, in order.
func policyNames(w *world.World) []string {
	return slices.DeleteFunc(w.Names(), func(name string) bool { return !strings.HasPrefix(name, "NetworkPolicy ") })
}

// TestNetworkPolicies: each component has one while the spec asks for it. Nobody is restarted for it, and what is done to it by
// hand is put back.
func TestNetworkPolicies(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Manage()
	w.CreateYAML(everyPart)
	o.Until(w.AllReady)
	want := []string{
		"NetworkPolicy c-broker-broker", "NetworkPolicy c-console-console", "NetworkPolicy c-ctl-controller", "NetworkPolicy c-exporter-exporter",
		"NetworkPolicy c-ns-nameserver", "NetworkPolicy c-proxy-proxy", "NetworkPolicy c-schema-schemaregistry",
	}
	if got := policyNames(w); !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
	pods := w.UIDs()
	made := map[string]networkingv1.NetworkPolicy{}
	for _, name := range want {
		_, name, _ = strings.Cut(name, " ")
		made[name] = *world.Get[networkingv1.NetworkPolicy](w, name)
		if owner := metav1.GetControllerOf(new(made[name])); owner == nil || owner.Name != name[:strings.LastIndex(name, "-")] {
			t.Errorf("%s belongs to %+v", name, owner)
		}
	}

	// One loses its rules, all others are deleted.
	world.Edit(w, "c-ns-nameserver", func(policy *networkingv1.NetworkPolicy) { policy.Spec.Ingress = nil })
	deleted := map[types.UID]bool{}
	for name, policy := range made {
		if name != "c-ns-nameserver" {
			w.Remove(&policy)
			deleted[policy.UID] = true
		}
	}
	o.Until(func() string {
		for name, before := range made {
			now := &networkingv1.NetworkPolicy{}
			if err := w.Get(t.Context(), w.Key(name), now); err != nil || deleted[now.UID] || len(now.Spec.Ingress) != len(before.Spec.Ingress) {
				return fmt.Sprintf("%s is not put back: %+v (%v)", name, now.Spec, err)
			}
		}
		return ""
	})

	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.NetworkPolicy = v1alpha1.NetworkPolicyDisabled })
	o.Until(func() string {
		if left := policyNames(w); len(left) > 0 {
			return fmt.Sprintf("there are still %q", left)
		}
		return w.AllReady()
	})
	w.CheckReplaced(pods)
}

// TestNetworkPolicyOfSomebodyElse: one of the name that ours would have is not touched, wanted or not.
func TestNetworkPolicyOfSomebodyElse(t *testing.T) {
	t.Parallel()
	const foreign = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: ns-nameserver, labels: {app: theirs}}, spec: {podSelector: {}}}\n---\n"
	world.Trouble{
		Name: "wanted", Resource: "NameService ns", Condition: v1alpha1.ConditionNameConflict,
		Objects: foreign + strings.Replace(world.NameService, "spec: {", "spec: {networkPolicy: Enabled, ", 1),
		Says:    []string{`NetworkPolicy "ns-nameserver"`, "another name"}, Untouched: "NetworkPolicy ns-nameserver",
	}.Run(t)
	t.Run("not wanted", func(t *testing.T) {
		t.Parallel()
		w := world.New(t)
		w.CreateYAML(foreign + world.NameService)
		o := w.Start()
		before := world.Get[networkingv1.NetworkPolicy](w, "ns-nameserver").ResourceVersion
		o.Until(w.AllReady)
		if now := world.Get[networkingv1.NetworkPolicy](w, "ns-nameserver").ResourceVersion; now != before {
			t.Error("it was written to")
		}
	})
}

// TestNetworkPolicyWithoutEffect: no NetworkPolicy holds in a node's network, and the resource says so.
func TestNetworkPolicyWithoutEffect(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Start()
	w.CreateYAML(strings.Replace(world.NameService, "spec: {", "spec: {hostNetwork: true, networkPolicy: Enabled, ", 1))
	o.Reports("NameService ns", v1alpha1.ConditionPolicyWithoutEffect, metav1.ConditionTrue, "hostNetwork", "firewall", "ipBlock")
	world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.NetworkPolicy = "" })
	o.Until(func() string {
		return w.Condition("NameService ns", v1alpha1.ConditionPolicyWithoutEffect, metav1.ConditionTrue)
	})
}
