// SPDX-License-Identifier: Apache-2.0

package rocketmqcluster_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// securedCluster has two pools and proxies, which have one Secret.
const securedCluster = `
apiVersion: rocketmq.apache.org/v1alpha1
kind: RocketMQCluster
metadata: {name: c}
spec:
  auth: {enabled: true}
  brokers: [{replicaPerGroup: 0}, {name: hot, replicaPerGroup: 0}]
  proxy: {}
`

func TestClusterAccounts(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(securedCluster)
	o := w.Start()
	o.Until(w.AllReady)
	secret := world.Get[corev1.Secret](w, "c-auth")
	if len(secret.Data) != 6 || len(secret.OwnerReferences) != 0 {
		t.Errorf("Secret with %d keys, of %v", len(secret.Data), secret.OwnerReferences)
	}
	for _, pool := range []string{"c-broker", "c-broker-hot"} {
		if !world.Gone[corev1.Secret](w, pool+"-auth") {
			t.Errorf("%s has a Secret of its own", pool)
		}
	}
	o.CheckSilence()

	// It is not made anew: the brokers would refuse it.
	w.Remove(secret)
	o.Reports("RocketMQCluster c", v1alpha1.ConditionMissingCredentials, metav1.ConditionTrue, "Broker c-broker: spec.auth", `Secret "c-auth"`)
	if !world.Gone[corev1.Secret](w, "c-auth") {
		t.Error("there are other passwords")
	}
	w.Must(w.Create(w.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: "c-auth", Labels: secret.Labels}, Data: secret.Data,
	}))
	o.Until(w.AllReady)
}

// TestClusterAuthIsSwitched on and off while it runs.
func TestClusterAuthIsSwitched(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(strings.Replace(securedCluster, "  auth: {enabled: true}\n", "", 1))
	o := w.Start()
	o.Until(w.AllReady)

	for _, test := range []struct {
		auth             *v1alpha1.AuthSettings
		brokers, proxies v1alpha1.AuthMode
	}{
		{&v1alpha1.AuthSettings{Enabled: true, Mode: v1alpha1.AuthPermissive}, v1alpha1.AuthPermissive, v1alpha1.AuthDisabled},
		{&v1alpha1.AuthSettings{Enabled: true}, v1alpha1.AuthEnforcing, v1alpha1.AuthEnforcing},
		{nil, v1alpha1.AuthDisabled, v1alpha1.AuthDisabled},
		{&v1alpha1.AuthSettings{Enabled: true}, v1alpha1.AuthEnforcing, v1alpha1.AuthEnforcing},
		{&v1alpha1.AuthSettings{Enabled: true, Mode: v1alpha1.AuthPermissive}, v1alpha1.AuthPermissive, v1alpha1.AuthDisabled},
	} {
		world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Auth = test.auth })
		o.Until(func() string {
			var pods corev1.PodList
			w.Must(w.List(w.Context(), &pods, client.InNamespace(w.Namespace), client.MatchingLabels{desired.LabelComponent: string(desired.Broker)}))
			for i := range pods.Items {
				if got := desired.AuthOf(&pods.Items[i].Spec).Mode; got != test.brokers {
					return pods.Items[i].Name + " is " + string(got)
				}
			}
			if got := desired.AuthOf(&world.Get[appsv1.Deployment](w, "c-proxy").Spec.Template.Spec).Mode; got != test.proxies {
				return "proxies are " + string(got)
			}
			return w.AllReady()
		})
		o.CheckSilence()
		if got := world.Get[v1alpha1.Broker](w, "c-broker").Status.Auth; (got != nil) != test.auth.On() {
			t.Errorf("with %v the Broker's status says %v", test.auth, got)
		}
	}
}

// TestClusterToolsSignIn: dashboard and exporter have the account of the cluster's Secret, until somebody gives them another one.
func TestClusterToolsSignIn(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(strings.Replace(securedCluster, "proxy: {}", "console: {}\n  exporter: {}", 1))
	o := w.Start()
	signsIn := func(tool, want string) string {
		secret := ""
		for _, volume := range world.Get[appsv1.Deployment](w, tool).Spec.Template.Spec.Volumes {
			if volume.Name == "rocketmq-auth" {
				secret = volume.Secret.SecretName
			}
		}
		if secret != want {
			return tool + " has the account of Secret " + secret
		}
		return w.AllReady()
	}
	o.Until(w.AllReady)
	for _, tool := range []string{"c-console", "c-exporter"} {
		o.Until(func() string { return signsIn(tool, "c-auth") })
	}
	o.CheckSilence()

	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
		c.Spec.Console.Overrides = world.Raw(`{"env": [{"name": "ROCKETMQ_CONFIG_ACCESSKEY", "value": "dashboard"}]}`)
	})
	o.Until(func() string { return signsIn("c-console", "") })
}

func TestClusterAccountsOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML("{apiVersion: v1, kind: Secret, metadata: {name: c-auth}, stringData: {operator-username: a}}\n---\n" + securedCluster)
	before := world.Get[corev1.Secret](w, "c-auth").ResourceVersion
	o := w.Start()
	o.Reports("RocketMQCluster c", v1alpha1.ConditionNameConflict, metav1.ConditionTrue, "Broker c-broker: Secret c-auth exists and was not made for this cluster")
	o.Finish()
	if !world.Gone[v1alpha1.Broker](w, "c-broker") || world.Get[corev1.Secret](w, "c-auth").ResourceVersion != before {
		t.Error("brokers were made with somebody else's Secret")
	}
	w.Remove(world.Get[corev1.Secret](w, "c-auth"))
	o.Until(w.AllReady)
}

// A Secret of the user's is passed on, and none is made.
func TestClusterGivenAccounts(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(strings.Replace(securedCluster, "{enabled: true}", "{enabled: true, credentialsSecretRef: {name: mine}}", 1))
	o := w.Start()
	o.Reports("RocketMQCluster c", v1alpha1.ConditionMissingCredentials, metav1.ConditionTrue, `Secret "mine"`, "Create it")
	var data []string
	for _, account := range []string{"operator", "proxy", "inner"} {
		data = append(data, account+"-username: "+account, account+"-password: p")
	}
	w.CreateYAML("{apiVersion: v1, kind: Secret, metadata: {name: mine}, stringData: {" + strings.Join(data, ", ") + "}}")
	o.Until(w.AllReady)
	if !world.Gone[corev1.Secret](w, "c-auth") {
		t.Error("there is another Secret")
	}
}
