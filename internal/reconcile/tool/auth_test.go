// SPDX-License-Identifier: Apache-2.0

package tool_test

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// accountOf a tool: the Secret that its pods mount, "" for none.
func accountOf(w *world.World, deployment string) string {
	w.Helper()
	for _, volume := range world.Get[appsv1.Deployment](w, deployment).Spec.Template.Spec.Volumes {
		if volume.Name == "rocketmq-auth" {
			return volume.Secret.SecretName
		}
	}
	return ""
}

// TestToolsFollowAuth: dashboard and exporter sign in as soon as the brokers beside them have users, and as long as these do.
func TestToolsFollowAuth(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Console + world.Exporter + world.OneBroker("b", "main"))
	o := w.Start()
	o.Until(w.AllReady)

	for _, step := range []struct {
		auth *v1alpha1.AuthSettings
		want string
	}{
		{nil, ""},
		{&v1alpha1.AuthSettings{Enabled: true, Mode: v1alpha1.AuthPermissive}, "b-auth"},
		{&v1alpha1.AuthSettings{Enabled: true}, "b-auth"},
		{nil, ""},
		{&v1alpha1.AuthSettings{Enabled: true}, "b-auth"},
	} {
		world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Auth = step.auth })
		o.Until(func() string {
			for _, tool := range []string{"con", "exp"} {
				if got := accountOf(w, tool); got != step.want {
					return tool + " has the account of Secret " + got
				}
			}
			return w.AllReady()
		})
		o.CheckSilence()
		if got := given(w, "exp")["rocketmq.config.enableACL"] == true; got != (step.want != "") {
			t.Errorf("with %v the exporter signs: %t", step.auth, got)
		}
	}
}

// TestToolsWithOtherAccounts: what the user says counts, be it a Secret or an account in the environment.
func TestToolsWithOtherAccounts(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Exporter + securedBroker +
		world.ConsoleOf("login: {secretRef: {name: users}}, auth: {credentialsSecretRef: {name: mine}}"))
	w.Starting["con"] = true
	o := w.Start()
	o.Reports("Console con", v1alpha1.ConditionReady, metav1.ConditionFalse, "users.properties", `the Secret "mine" with its keys proxy-username and proxy-password`)
	w.Starting["con"] = false
	o.Until(w.AllReady)
	if got := accountOf(w, "con"); got != "mine" {
		t.Errorf("the dashboard has the account of Secret %q", got)
	}

	world.Edit(w, "exp", func(e *v1alpha1.Exporter) {
		e.Spec.Env = []corev1.EnvVar{{Name: "ROCKETMQ_CONFIG_ACCESSKEY", Value: "reader"}}
	})
	o.Until(func() string {
		if got := accountOf(w, "exp"); got != "" {
			return "the exporter has the account of Secret " + got
		}
		return w.AllReady()
	})
}

// securedBroker asks for credentials.
const securedBroker = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: b}, " +
	"spec: {replicaPerGroup: 0, auth: {enabled: true}}}\n---\n"

// TestToolAuthTroubles: what keeps a tool from signing in is told, and does not keep it from running.
func TestToolAuthTroubles(t *testing.T) {
	t.Parallel()
	t.Run("a dashboard without a login", func(t *testing.T) {
		t.Parallel()
		w := world.New(t)
		w.CreateYAML(world.NameService + securedBroker + world.ConsoleOf("replicas: 1"))
		o := w.Start()
		o.Reports("Console con", v1alpha1.ConditionMissingCredentials, metav1.ConditionTrue, "without a password: set spec.login", "b-auth")
		o.Until(w.AllReady)
		world.Edit(w, "con", func(c *v1alpha1.Console) {
			c.Spec.Login = &v1alpha1.ConsoleLogin{SecretRef: v1alpha1.SecretReference{Name: "people"}}
		})
		o.Until(func() string {
			if text := w.Condition("Console con", v1alpha1.ConditionMissingCredentials, metav1.ConditionTrue); text != "" {
				return text
			}
			return w.AllReady()
		})
		if got := accountOf(w, "con"); got != "b-auth" {
			t.Errorf("the dashboard has the account of Secret %q", got)
		}
	})
	t.Run("a Broker of another namespace", func(t *testing.T) {
		t.Parallel()
		far := world.New(t)
		w := far.Neighbour()
		far.CreateYAML(world.NameService + securedBroker)
		world.Edit(far, "ns", func(ns *v1alpha1.NameService) {
			ns.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: w.Namespace}
		})
		far.Start().Until(far.AllReady)
		w.CreateYAML("{apiVersion: rocketmq.apache.org/v1alpha1, kind: Exporter, metadata: {name: exp}, " +
			"spec: {nameServiceRef: {name: ns, namespace: " + far.Namespace + "}}}")
		o := w.Start(far)
		o.Reports("Exporter exp", v1alpha1.ConditionMissingCredentials, metav1.ConditionTrue,
			"Secret b-auth is in namespace "+far.Namespace, "copy its keys proxy-username and proxy-password")
		o.Until(w.AllReady)
	})
}
