// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// secured is a Broker with authentication. Its servers refuse whatever is not signed.
func secured() string {
	return strings.Replace(world.Static, "spec: {", "spec: {auth: {enabled: true}, ", 1)
}

// TestSecured follows a Broker with authentication: everything that the operator asks is signed, and what it is told when it has the
// wrong credentials, or none.
func TestSecured(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + secured())
	o := w.Start()
	o.Until(w.AllReady)
	secret := world.Get[corev1.Secret](w, "b-auth")
	if len(secret.Data) != 6 || len(secret.Data["operator-password"]) < 20 || len(secret.OwnerReferences) != 0 {
		t.Errorf("Secret %v of %v", maps.Keys(secret.Data), secret.OwnerReferences)
	}
	o.CheckEvent("created Secret b-auth")

	w.MQ.Change("b-0", func(t *fakemq.Tables) {
		t.Topics["t"], t.Groups["g"] = admin.TopicConfig{Name: "t", ReadQueues: 2, WriteQueues: 2, Perm: 6}, admin.NewSubscriptionGroup("g")
		t.Offsets["t@g"] = map[string]int64{"0": 5, "1": 7}
	})
	world.Edit(w, "b", func(b *v1alpha1.Broker) {
		b.Spec.Size, b.Spec.Config = new(int32(2)), map[string]v1alpha1.ConfigValue{"fileReservedTime": "24"}
	})
	o.Until(func() string {
		if w.MQ.Property("b-1-0", "fileReservedTime") != "24" || w.MQ.Property("b-0-0", "fileReservedTime") != "24" {
			return "brokers do not run with the property"
		}
		return w.AllReady()
	})
	if got := w.MQ.Tables("b-1").Topics["t"].ReadQueues; got != 2 {
		t.Errorf("the new group has %d queues of the topic", got)
	}

	// Somebody changes the Secret, loses it, and puts it back.
	world.Edit(w, "b-auth", func(s *corev1.Secret) { s.Data["operator-password"] = []byte("wrong") })
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Annotations = map[string]string{"look": "1"} })
	o.Reports("Broker b", v1alpha1.ConditionRefusedCredentials, metav1.ConditionTrue, "b-0-0 refuses the operator", "check signature failed", "Secret b-auth", "put those back")
	w.Remove(world.Get[corev1.Secret](w, "b-auth"))
	o.Reports("Broker b", v1alpha1.ConditionMissingCredentials, metav1.ConditionTrue, `Secret "b-auth"`, "Restore it from a backup")
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionMissingCredentials)
	if !world.Gone[corev1.Secret](w, "b-auth") {
		t.Error("the operator has made other passwords than those on the brokers' disks")
	}
	again := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: "b-auth", Labels: secret.Labels}, Data: secret.Data}
	w.Must(w.Create(w.Context(), again))
	o.Until(w.AllReady)
	o.CheckSilence()
}

// TestSecretOutlivesItsBroker: what keeps its disks needs the passwords on them.
func TestSecretOutlivesItsBroker(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + secured())
	o := w.Start()
	o.Until(w.AllReady)
	before := world.Get[corev1.Secret](w, "b-auth")
	o.Shutdown()

	w.CreateYAML(strings.Replace(secured(), "name: b", "name: c", 1) + strings.Replace(strings.Replace(secured(), "name: b", "name: d", 1), "spec: {", "spec: {storageMode: EmptyDir, ", 1))
	w.CreateYAML("{apiVersion: v1, kind: Secret, metadata: {name: c-auth, labels: " + labelsOf(before.Labels, "c") + "}, stringData: " + data("of before") + "}")
	o = w.Start()
	o.Until(w.AllReady)
	if got := world.Get[corev1.Secret](w, "c-auth"); string(got.Data["operator-password"]) != "of before" {
		t.Error("a new Broker does not take the passwords of the one before it")
	}
	if got := world.Get[corev1.Secret](w, "d-auth"); len(got.OwnerReferences) != 1 || got.OwnerReferences[0].Name != "d" {
		t.Errorf("the Secret of brokers without disks belongs to %v", got.OwnerReferences)
	}
}

// labelsOf a Secret, of another Broker.
func labelsOf(labels map[string]string, name string) string {
	var out []string
	for key, value := range labels {
		if value == "b" {
			value = name
		}
		out = append(out, key+": "+value)
	}
	return "{" + strings.Join(out, ", ") + "}"
}

// data of a Secret with accounts.
func data(password string) string {
	var out []string
	for _, account := range []string{"operator", "proxy", "inner"} {
		out = append(out, account+"-username: rocketmq-"+account, account+"-password: '"+password+"'")
	}
	return "{" + strings.Join(out, ", ") + "}"
}

// TestCredentialTroubles: what keeps a Broker from being secured is told, with what to do.
func TestCredentialTroubles(t *testing.T) {
	t.Parallel()
	given := strings.Replace(world.Static, "spec: {", "spec: {auth: {enabled: true, credentialsSecretRef: {name: mine}}, ", 1)
	for _, trouble := range []world.Trouble{
		{
			Name: "somebody's Secret of the name", Resource: "Broker b", Condition: v1alpha1.ConditionNameConflict,
			Objects: "{apiVersion: v1, kind: Secret, metadata: {name: b-auth}, stringData: " + data("p") + "}\n---\n" + world.NameService + secured(),
			Says:    []string{`Secret "b-auth" exists and was not made by the operator`, "Rename or remove it"}, Untouched: "Secret b-auth",
		},
		{
			Name: "a Secret that is missing", Resource: "Broker b", Condition: v1alpha1.ConditionMissingCredentials,
			Objects: world.NameService + given, Says: []string{`Secret "mine"`, "Create it"},
		},
		{
			Name: "a Secret that is incomplete", Resource: "Broker b", Condition: v1alpha1.ConditionMissingCredentials,
			Objects: "{apiVersion: v1, kind: Secret, metadata: {name: mine}, stringData: {operator-username: a}}\n---\n" + world.NameService + given,
			Says:    []string{`Secret "mine" is of no use: it has no operator-password`}, Untouched: "Secret mine",
		},
		{
			Name: "a release without users", Resource: "Broker b", Condition: v1alpha1.ConditionInvalidSpec,
			Objects: world.NameService + strings.Replace(secured(), "size: 1", "brokerImage: 'apache/rocketmq:5.2.0'", 1),
			Says:    []string{"spec.auth: RocketMQ 5.2.0 has no users", "use 5.4.0"},
		},
	} {
		trouble.Run(t)
	}
}
