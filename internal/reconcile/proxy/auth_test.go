// SPDX-License-Identifier: Apache-2.0

package proxy_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// securedBroker asks for credentials.
func securedBroker(name string) string {
	return strings.Replace(world.OneBroker(name, "main"), "spec: {", "spec: {auth: {enabled: true}, ", 1)
}

// TestProxyOfSecuredBrokers: a proxy signs in with its own account in the Broker's Secret, and its topic is spread with the operator's.
func TestProxyOfSecuredBrokers(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Start()
	w.CreateYAML(world.NameService + securedBroker("b") + world.ProxyOf("p", "{brokerRef: {name: b}}"))
	o.Reports("Proxy p", v1alpha1.ConditionInvalidSpec, metav1.ConditionTrue, "spec.auth: Broker b asks for credentials", "set spec.auth.enabled")
	world.Edit(w, "p", func(p *v1alpha1.Proxy) { p.Spec.Auth = &v1alpha1.AuthSettings{Enabled: true} })
	o.Until(w.AllReady)
	volumes := world.Get[appsv1.Deployment](w, "p").Spec.Template.Spec.Volumes
	mounted := volumes[len(volumes)-1].Secret
	if mounted == nil || mounted.SecretName != "b-auth" || len(mounted.Items) != 2 || mounted.Items[0].Key != "proxy-username" {
		t.Errorf("the proxy mounts %+v", mounted)
	}
	w.CreateYAML(securedBroker("later"))
	o.Until(func() string {
		if _, has := w.MQ.Tables("later-0").Topics[world.SystemTopic]; !has {
			return "the later pool has no system topic"
		}
		return w.AllReady()
	})
	o.CheckSilence()
}

// TestProxyAuthTroubles: what keeps a proxy from having credentials is told.
func TestProxyAuthTroubles(t *testing.T) {
	t.Parallel()
	for _, trouble := range []world.Trouble{
		{
			Name: "brokers without users", Resource: "Proxy p", Condition: v1alpha1.ConditionInvalidSpec,
			Objects: world.NameService + world.OneBroker("b", "main") + world.ProxyOf("p", "{auth: {enabled: true}}"),
			Says:    []string{"spec.auth: Broker b has no users", "remove spec.auth"},
		},
		{
			Name: "a cluster by name", Resource: "Proxy p", Condition: v1alpha1.ConditionInvalidSpec,
			Objects: world.NameService + securedBroker("b") + world.ProxyOf("p", "{clusterName: main, auth: {enabled: true}}"),
			Says:    []string{"does not know the Broker's Secret", "spec.auth.credentialsSecretRef"},
		},
		{
			Name: "a release without users", Resource: "Proxy p", Condition: v1alpha1.ConditionInvalidSpec,
			Objects: world.NameService + securedBroker("b") + world.ProxyOf("p", "{image: 'apache/rocketmq:5.2.0', auth: {enabled: true}}"),
			Says:    []string{"spec.auth: RocketMQ 5.2.0 has no users"},
		},
	} {
		trouble.Run(t)
	}
}
