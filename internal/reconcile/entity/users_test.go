// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// securedPair is a group of a master and a slave that ask for credentials.
const securedPair = world.NameService + world.Controllers + "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: b}, " +
	"spec: {auth: {enabled: true}, size: 1, clusterMode: CONTROLLER}}\n---\n"

// ordersPermissions let an application use its topic.
const ordersPermissions = "permissions: [{resource: Topic, name: orders, actions: [Pub, Sub]}, {resource: Group, name: orders-, pattern: Prefix, actions: [Sub]}]"

// secretOf has a password.
func secretOf(name, password string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Secret, metadata: {name: %s}, stringData: {password: %q}}\n---\n", name, password)
}

// knows reports a difference of a user at these brokers from the one that is wanted, who may do this with resources.
func knows(w *world.World, want admin.User, may map[string]string, brokers ...string) func() string {
	return func() string {
		var wrong []string
		for _, broker := range brokers {
			user, entries := w.MQ.User(broker, want.Name)
			got := map[string]string{}
			for resource, entry := range entries {
				got[resource] = fmt.Sprint(entry.Decision, entry.Actions)
			}
			if diff := cmp.Diff(want, user) + cmp.Diff(may, got); diff != "" {
				wrong = append(wrong, broker+":\n"+diff)
			}
		}
		return strings.Join(wrong, "\n")
	}
}

// normal user of a broker.
func normal(name, password string) admin.User {
	return admin.User{Name: name, Password: password, Type: admin.NormalUser, Status: admin.UserEnabled}
}

// ownSecret is the password that the operator made for a User.
func ownSecret(w *world.World, user string) string {
	w.Helper()
	return string(world.Get[corev1.Secret](w, user+"-rocketmq").Data["password"])
}

var mayOrders = map[string]string{"Topic:orders": "Allow[Pub Sub]", "Group:orders-*": "Allow[Sub]"}

// TestUsers: what objects say is at every broker, slaves too, and stays so whatever somebody does there. Users without an object are
// left alone.
func TestUsers(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, securedPair)
	for _, broker := range []string{"b-0-0", "b-0-1"} {
		w.MQ.ChangeAccess(broker, func(a *fakemq.Access) { a.Users["theirs"], a.Users["old"] = normal("theirs", "x"), normal("old", "x") })
	}
	w.CreateYAML(secretOf("given", "sesame") + object("User", "orders-app", ordersPermissions) +
		object("User", "old", "passwordSecret: {name: given}, type: Super, disabled: true, brokerRef: {name: b}"))
	o.Until(w.AllReady)
	super := admin.User{Name: "old", Password: "sesame", Type: admin.SuperUser, Status: admin.UserDisabled}
	as := all(
		knows(w, normal("orders-app", ownSecret(w, "orders-app")), mayOrders, "b-0-0", "b-0-1"),
		knows(w, super, map[string]string{}, "b-0-0", "b-0-1"), knows(w, normal("theirs", "x"), map[string]string{}, "b-0-0", "b-0-1"),
	)
	if text := as(); text != "" {
		t.Error(text)
	}
	o.CheckEvent("old Adopted", "existed at b-0-1", "password", "type Normal to Super")
	o.CheckEvent("orders-app Created", "orders-app-rocketmq")
	secret := world.Get[corev1.Secret](w, "orders-app-rocketmq")
	if owner := metav1.GetControllerOf(secret); owner == nil || owner.Kind != "User" || len(secret.Data["password"]) < 20 || string(secret.Data["username"]) != "orders-app" {
		t.Errorf("Secret of %v with %d characters for %s", owner, len(secret.Data["password"]), secret.Data["username"])
	}
	got := world.Get[v1alpha1.User](w, "orders-app").Status
	if got.Cluster != "b" || got.Members != "2/2" || got.Secret != secret.Name || got.Username != "orders-app" {
		t.Errorf("status %+v", got)
	}
	o.Finish()
	o.CheckSilence()

	w.MQ.ChangeAccess("b-0-1", func(a *fakemq.Access) {
		user := a.Users["orders-app"]
		user.Password, user.Type = "stolen", admin.SuperUser
		a.Users["orders-app"] = user
		a.ACLs["orders-app"][admin.CustomPolicy]["Topic:*"] = admin.PolicyEntry{Resource: "Topic:*", Actions: []admin.Action{admin.ActionAll}, Decision: admin.Allow}
		delete(a.Users, "old")
	})
	w.CreateYAML(object("User", "another", "")) // so that the members are looked at now, and not within a minute
	o.Until(all(as, w.AllReady))
	o.CheckEvent("orders-app PutBack", "orders-app was changed at b-0-1", "password", "type Super to Normal", "no permission on Topic:*")
	o.CheckEvent("old PutBack", "old was missing at b-0-1")

	world.Edit(w, "orders-app", func(u *v1alpha1.User) {
		u.Spec.Permissions = []v1alpha1.Permission{{Resource: v1alpha1.ResourceTopic, Name: "orders", Actions: []v1alpha1.PermissionAction{"Pub"}, Effect: v1alpha1.EffectDeny}}
	})
	o.Until(all(w.AllReady, knows(w, normal("orders-app", ownSecret(w, "orders-app")), map[string]string{"Topic:orders": "Deny[Pub]"}, "b-0-0", "b-0-1")))
	for _, text := range append(o.Events(), o.Writes()...) {
		if strings.Contains(text, ownSecret(w, "orders-app")) || strings.Contains(text, "sesame") || strings.Contains(text, "stolen") {
			t.Errorf("a password is shown: %s", text)
		}
	}
}

// TestPasswords: a Secret of one's own may come late and change, and so may the one that the operator made.
func TestPasswords(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(securedPair)
	o := w.Manage() // with watches
	o.Until(w.AllReady)
	w.CreateYAML(object("User", "app", "passwordSecret: {name: given, key: pw}") + object("User", "made", "username: Made.by-us"))
	o.Reports("User app", v1alpha1.ConditionMissingCredentials, metav1.ConditionTrue, "Secret given does not exist", "key pw")
	w.CreateYAML("{apiVersion: v1, kind: Secret, metadata: {name: given}, stringData: {other: x}}\n---\n")
	o.Reports("User app", v1alpha1.ConditionMissingCredentials, metav1.ConditionTrue, "has no password in the key pw")
	write := func(password string) {
		t.Helper()
		world.Edit(w, "given", func(s *corev1.Secret) { s.Data["pw"] = []byte(password) })
	}
	write("   ")
	o.Reports("User app", v1alpha1.ConditionMissingCredentials, metav1.ConditionTrue, "has no password in the key pw")
	write("sesame\n")
	o.Reports("User app", v1alpha1.ConditionMissingCredentials, metav1.ConditionTrue, "line break")
	write("sesame")
	o.Reports("User app", v1alpha1.ConditionReady, metav1.ConditionTrue)
	if text := knows(w, normal("app", "sesame"), map[string]string{}, "b-0-0", "b-0-1")(); text != "" {
		t.Error(text)
	}

	o.Until(w.AllReady)
	began := time.Now()
	write("renewed")
	o.Until(knows(w, normal("app", "renewed"), map[string]string{}, "b-0-0", "b-0-1"))
	took := time.Since(began)
	t.Logf("a changed password is at every broker after %.2f s", took.Seconds())
	if took > 5*time.Second {
		t.Error("a changed Secret wakes nobody")
	}
	o.Until(func() string {
		if !o.Said("PasswordChanged") {
			return "nobody is told of the new password"
		}
		return ""
	})
	o.CheckEvent("app PasswordChanged", "Secret given has changed")
	if o.Said("PutBack") {
		t.Errorf("a rotation is told as drift: %q", o.Events())
	}

	before := ownSecret(w, "made")
	o.Until(knows(w, normal("Made.by-us", before), map[string]string{}, "b-0-1"))
	w.Remove(world.Get[corev1.Secret](w, "made-rocketmq"))
	o.Until(func() string {
		if world.Gone[corev1.Secret](w, "made-rocketmq") {
			return "there is no Secret"
		}
		return knows(w, normal("Made.by-us", ownSecret(w, "made")), map[string]string{}, "b-0-0", "b-0-1")()
	})
	if ownSecret(w, "made") == before {
		t.Error("the password is the one from before")
	}
	w.Remove(world.Get[corev1.Secret](w, "given"))
	o.Reports("User app", v1alpha1.ConditionMissingCredentials, metav1.ConditionTrue, "does not exist")
	if text := knows(w, normal("app", "renewed"), map[string]string{}, "b-0-0", "b-0-1")(); text != "" {
		t.Errorf("a user goes with its Secret: %s", text)
	}
}

// TestUserConflicts: whatever keeps a user from being followed is its reason, and nothing of somebody else's is touched.
func TestUserConflicts(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, securedPair+world.OneBroker("open", "open"))
	operator, _ := w.MQ.User("b-0-0", "rocketmq-operator")
	w.CreateYAML(secretOf("foreign-rocketmq", "theirs") + secretOf("given", "sesame") +
		object("User", "anywhere", "") + object("User", "nowhere", "brokerRef: {name: nowhere}") + object("User", "nobody", "brokerRef: {name: open}") +
		object("User", "foreign", "brokerRef: {name: b}") + object("User", "reserved", "username: rocketmq-operator, brokerRef: {name: b}, deletionPolicy: Delete") +
		object("User", "a-first", "username: shared, brokerRef: {name: b}, passwordSecret: {name: given}"))
	o.Reports("User anywhere", v1alpha1.ConditionAmbiguousReference, metav1.ConditionTrue, "brokerRef")
	o.Reports("User nowhere", v1alpha1.ConditionMissingReference, metav1.ConditionTrue, "nowhere")
	o.Reports("User nobody", v1alpha1.ConditionInvalidSpec, metav1.ConditionTrue, "Broker open lets everybody in", "spec.auth", "spec.brokerRef")
	o.Reports("User foreign", v1alpha1.ConditionNameConflict, metav1.ConditionTrue, "Secret foreign-rocketmq exists", "spec.passwordSecret")
	o.Reports("User reserved", v1alpha1.ConditionInvalidSpec, metav1.ConditionTrue, "rocketmq-operator is an account", "Secret b-auth", "spec.username")
	o.Reports("User a-first", v1alpha1.ConditionReady, metav1.ConditionTrue)
	w.CreateYAML(object("User", "second", "username: shared, brokerRef: {name: b}"))
	o.Reports("User second", v1alpha1.ConditionNameConflict, metav1.ConditionTrue, "User "+w.Namespace+"/a-first", "is older")
	if text := knows(w, normal("shared", "sesame"), map[string]string{}, "b-0-0", "b-0-1")(); text != "" {
		t.Error(text)
	}
	if !bytes.Equal(world.Get[corev1.Secret](w, "foreign-rocketmq").Data["password"], []byte("theirs")) {
		t.Error("somebody else's Secret is changed")
	}

	for _, name := range []string{"reserved", "foreign", "nobody", "nowhere"} {
		w.Remove(world.Get[v1alpha1.User](w, name))
		o.Until(objectGone[v1alpha1.User](w, name))
	}
	if text := knows(w, operator, map[string]string{}, "b-0-0", "b-0-1")(); text != "" {
		t.Errorf("the operator's account: %s", text)
	}
	w.Remove(world.Get[v1alpha1.User](w, "a-first"))
	o.Reports("User second", v1alpha1.ConditionReady, metav1.ConditionTrue)

	over := w.MQ.Inject(func(at fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
		refused := request.Code == remoting.AuthCreateUser && request.Fields["username"] == "refused"
		return fakemq.Answer{Code: remoting.NoPermission, Remark: "no"}, at.Group != "" && refused
	})
	w.CreateYAML(object("User", "refused", "brokerRef: {name: b}") + object("User", "beside-it", "brokerRef: {name: b}"))
	o.Reports("User refused", v1alpha1.ConditionRefused, metav1.ConditionTrue, "b-0-0 refuses it")
	o.Reports("User beside-it", v1alpha1.ConditionReady, metav1.ConditionTrue)
	over()
}

// TestUserDeletion: a user goes from every broker if its object says so, and stays otherwise. Its cluster may be gone.
func TestUserDeletion(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, securedPair)
	w.CreateYAML(object("User", "kept", "") + object("User", "dropped", "deletionPolicy: Delete, "+ordersPermissions) + object("User", "late", "deletionPolicy: Delete"))
	o.Until(w.AllReady)
	kept := ownSecret(w, "kept")
	for _, name := range []string{"kept", "dropped"} {
		w.Remove(world.Get[v1alpha1.User](w, name))
		o.Until(objectGone[v1alpha1.User](w, name))
	}
	if text := all(knows(w, normal("kept", kept), map[string]string{}, "b-0-0", "b-0-1"), knows(w, admin.User{}, map[string]string{}, "b-0-0", "b-0-1"))(); text != "" {
		t.Error(text)
	}
	for _, broker := range []string{"b-0-0", "b-0-1"} {
		if user, entries := w.MQ.User(broker, "dropped"); user.Name != "" || len(entries) > 0 {
			t.Errorf("%s has %v, who may %v", broker, user, entries)
		}
	}
	o.CheckEvent("dropped Deleted")

	w.MQ.Silence("b-0-1", true)
	w.Remove(world.Get[v1alpha1.User](w, "late"))
	o.Reports("User late", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForBrokers, "b-0-1: it could not be asked", v1alpha1.AnnotationLetGo)
	w.Remove(world.Get[v1alpha1.Broker](w, "b"))
	o.Until(objectGone[v1alpha1.User](w, "late"))
}

// TestUsersOfAnotherNamespace: they may be made if the cluster allows it, but no administrators, and users that are there already are
// not theirs.
func TestUsersOfAnotherNamespace(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, securedPair)
	other := w.Neighbour()
	o.Shutdown()
	both := other.Manage(w)
	w.MQ.ChangeAccess("b-0-0", func(a *fakemq.Access) { a.Users["theirs"] = normal("theirs", "x") })
	ref := fmt.Sprintf("brokerRef: {name: b, namespace: %s}, ", w.Namespace)
	other.CreateYAML(object("User", "app", ref+ordersPermissions) + object("User", "theirs", ref+"deletionPolicy: Delete") + object("User", "super", ref+"type: Super") +
		object("User", "admin", ref+"permissions: [{resource: Cluster, pattern: Any, actions: [Get]}]"))
	both.Reports("User app", v1alpha1.ConditionNotAllowed, metav1.ConditionTrue, v1alpha1.AnnotationAllowFrom)
	world.Edit(w, "b", func(b *v1alpha1.Broker) {
		b.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: other.Namespace}
	})
	both.Reports("User app", v1alpha1.ConditionReady, metav1.ConditionTrue)
	if text := knows(w, normal("app", ownSecret(other, "app")), mayOrders, "b-0-0", "b-0-1")(); text != "" {
		t.Error(text)
	}
	both.Reports("User super", v1alpha1.ConditionNotAllowed, metav1.ConditionTrue, "a Super user may administer Broker "+w.Namespace+"/b")
	both.Reports("User admin", v1alpha1.ConditionNotAllowed, metav1.ConditionTrue, "a user with permissions on a Cluster")
	both.Reports("User theirs", v1alpha1.ConditionNameConflict, metav1.ConditionTrue, "did not make it")
	other.Remove(world.Get[v1alpha1.User](other, "theirs"))
	both.Until(objectGone[v1alpha1.User](other, "theirs"))
	if text := knows(w, normal("theirs", "x"), map[string]string{}, "b-0-0")(); text != "" {
		t.Error(text)
	}
}

// TestNewMembers: a broker that comes back on an empty disk gets the users at once, and one that does not answer is named.
func TestNewMembers(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, securedPair+object("User", "app", ordersPermissions))
	want := knows(w, normal("app", ownSecret(w, "app")), mayOrders, "b-0-0", "b-0-1")
	slave := "b-0-1"
	if world.Get[v1alpha1.Broker](w, "b").Status.Groups[0].Master == slave {
		slave = "b-0-0"
	}
	w.Must(w.Delete(w.Context(), world.Get[corev1.Pod](w, slave)))
	o.Until(all(want, w.AllReady))

	w.MQ.Silence(slave, true)
	w.CreateYAML(object("User", "late", ""))
	o.Reports("User late", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForBrokers, slave+": it could not be asked")
	if got := world.Get[v1alpha1.User](w, "late").Status.Members; got != "1/2" {
		t.Errorf("members %s", got)
	}
	if w.Condition("User app", v1alpha1.ConditionReady, metav1.ConditionTrue) == "" {
		t.Error("a member that is silent for a moment shows at a user that is as specified")
	}
	w.MQ.Silence(slave, false)
	o.Until(w.AllReady)
	o.Finish()
	o.CheckSilence()
}

// TestUsersOfNewGroup: a group is not opened to clients before its members know the users, those without an object too.
func TestUsersOfNewGroup(t *testing.T) {
	t.Parallel()
	w, o := newWorld(t, securedPair+object("User", "app", ordersPermissions))
	for _, broker := range []string{"b-0-0", "b-0-1"} {
		w.MQ.ChangeAccess(broker, func(a *fakemq.Access) { a.Users["theirs"] = normal("theirs", "x") })
	}
	over := w.MQ.Inject(func(at fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
		refused := at.Group == "b-1" && request.Code == remoting.AuthCreateUser && request.Fields["username"] == "theirs"
		return fakemq.Answer{Code: remoting.SystemError, Remark: "not now"}, refused
	})
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size = new(int32(2)) })
	o.Reports("Broker b", v1alpha1.ConditionMetadataCopy, metav1.ConditionFalse, "b-1 stays hidden from clients", "the users of b-0-", "not now")
	app := knows(w, normal("app", ownSecret(w, "app")), mayOrders, "b-0-0", "b-0-1", "b-1-0", "b-1-1")
	o.Until(app) // it is wanted there already
	if state := world.Get[v1alpha1.Broker](w, "b").Status.Groups[1].State; state != "hidden" {
		t.Errorf("the group is %s", state)
	}
	over()
	o.Until(w.AllReady)
	if text := all(app, knows(w, normal("theirs", "x"), map[string]string{}, "b-0-0", "b-1-0", "b-1-1"))(); text != "" {
		t.Error(text)
	}
	if got := world.Get[v1alpha1.User](w, "app").Status.Members; got != "4/4" {
		t.Errorf("members %s", got)
	}
}

// TestManyUsers: hundreds of users are at every broker within seconds, and cost nothing while nothing changes.
func TestManyUsers(t *testing.T) {
	t.Parallel()
	const users = 300
	w := world.New(t)
	w.CreateYAML(securedPair)
	o := w.Manage()
	o.Until(w.AllReady)
	var all strings.Builder
	for i := range users {
		all.WriteString(object("User", fmt.Sprintf("user-%d", i), ordersPermissions))
	}
	requests := &counted{codes: map[remoting.RequestCode]int{}}
	w.MQ.Inject(requests.fault)
	w.CreateYAML(all.String())
	accepted := time.Now()
	o.Until(w.AllReady)
	t.Logf("%d users are Ready %.1f s after the last was accepted; requests %v", users, time.Since(accepted).Seconds(), requests.taken())
	o.Finish()
	requests.taken()
	o.CheckSilence()
	if still := requests.taken(); still[remoting.AuthCreateUser]+still[remoting.AuthUpdateUser]+still[remoting.AuthUpdateACL] > 0 {
		t.Errorf("requests %v while nothing changed", still)
	}
}
