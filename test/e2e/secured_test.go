// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	// securedTopic is the application's, securedUser its user, who may do nothing else, and securedSecret the one that the operator
	// makes for it.
	securedTopic  = "orders"
	securedUser   = "orders-app"
	securedSecret = securedUser + "-rocketmq"
	// securedPoll is how often its clients look for routes.
	securedPoll = time.Second
)

// A user wants a cluster that lets only those in who have a password, and that nobody can read along with. Everything works as without:
// messages, a master that is deleted, a rolling change, a certificate that is renewed, a master that is killed, a proxy. Whoever has no
// credentials, or speaks plain text, gets nothing, and no password is where others can read it.
func secured(t *testing.T, w *world) {
	ctx := t.Context()
	n := w.namespace(t, "secured", kit.Restricted)
	c := n.InstallationOfCluster("shop")
	ca := newAuthority(t)
	certify(t, c, ca)
	ok(t, c.Apply(ctx, manifest(t, "secured.yaml")))
	ok(t, c.AwaitReadyAloud(ctx, smallLimit))
	show(t, w, n)
	ok(t, c.AwaitRegistered(ctx, c.NameServers(1), c.Topology(1, groupMembers), time.Minute))

	operator := operatorOf(t, c)
	strangersGetNothing(t, c, operator)
	plainTextGetsNothing(t, c)
	passwordsAreHidden(t, c)
	application(t, c)
	t.Run("Users", func(t *testing.T) { securedUsers(t, c, operator) })

	credentials := kit.LedgerCredentials{Secret: securedSecret, NameKey: "username", PasswordKey: "password"}
	for _, part := range []struct {
		name string
		tell func(*testing.T, *kit.Installation)
	}{{"MasterDeleted", securedDeleted}, {"Switched", securedSwitched}, {"Renewed", func(t *testing.T, c *kit.Installation) { securedRenewed(t, c, ca) }}, {"MasterKilled", securedKilled}} {
		t.Run(part.name, func(t *testing.T) {
			here := *c
			here.Namespace = in(t, n)
			options := kit.LedgerOptions{Topic: securedTopic, TopicExists: true, Poll: securedPoll, Credentials: credentials, TLS: true}
			admitted(t, meanwhile(t, &here, options, func() {
				time.Sleep(5 * time.Second)
				part.tell(t, &here)
			}))
			ok(t, here.AwaitReady(ctx, 2*time.Minute))
		})
	}
	throughProxy(t, w, c)
	passwordsAreHidden(t, c)
}

// operatorOf reads the operator's credentials, as an administrator does.
func operatorOf(t *testing.T, c *kit.Installation) *admin.Client {
	t.Helper()
	var secret corev1.Secret
	ok(t, c.Client.Get(t.Context(), client.ObjectKey{Namespace: c.Name, Name: "shop-auth"}, &secret))
	return c.Admin.As(&remoting.Credentials{
		AccessKey: string(secret.Data["operator-username"]), SecretKey: string(secret.Data["operator-password"]),
	})
}

// brokersOf the only group, as the test dials them.
func brokersOf(c *kit.Installation) []string {
	var out []string
	for ordinal := range groupMembers {
		out = append(out, c.Member(0, ordinal)+"."+c.Name+":10911")
	}
	return out
}

// strangersGetNothing: without credentials, with wrong ones, and with those that stand in the brokers' own configuration.
func strangersGetNothing(t *testing.T, c *kit.Installation, operator *admin.Client) {
	t.Helper()
	ctx := t.Context()
	for _, broker := range brokersOf(c) {
		users, err := operator.Users(ctx, broker, "")
		ok(t, err)
		kinds := map[string]admin.UserType{}
		var inner *admin.User
		for _, user := range users {
			kinds[user.Name] = user.Type
			if user.Name == "rocketmq-inner" {
				inner = &user
			}
		}
		if len(kinds) != 3 || inner == nil || inner.Type != admin.NormalUser || kinds["rocketmq-operator"] != admin.SuperUser || kinds["rocketmq-proxy"] != admin.SuperUser {
			t.Fatalf("%s has the users %v", broker, kinds)
		}
		for name, test := range map[string]struct {
			as   *remoting.Credentials
			want error
		}{
			"nobody":           {nil, remoting.ErrNotAuthenticated},
			"a guess":          {&remoting.Credentials{AccessKey: "rocketmq-operator", SecretKey: "guess"}, remoting.ErrSignature},
			"the brokers' own": {&remoting.Credentials{AccessKey: inner.Name, SecretKey: inner.Password}, remoting.ErrNotPermitted},
		} {
			if _, err := c.Admin.As(test.as).Users(ctx, broker, ""); !errors.Is(err, test.want) {
				t.Errorf("%s asks %s for its users: %v, want %v", name, broker, err, test.want)
			}
			if err := c.Admin.As(test.as).PutTopic(ctx, broker, nil, admin.TopicConfig{Name: "stranger", ReadQueues: 1, WriteQueues: 1, Perm: 6}); !errors.Is(err, test.want) {
				t.Errorf("%s makes a topic at %s: %v, want %v", name, broker, err, test.want)
			}
		}
	}
}

// passwordsAreHidden: they are in Secrets, and in no ConfigMap, pod, resource, event or log.
func passwordsAreHidden(t *testing.T, c *kit.Installation) {
	t.Helper()
	ctx := t.Context()
	var secrets corev1.SecretList
	ok(t, c.Client.List(ctx, &secrets, client.InNamespace(c.Name), client.MatchingLabels{desired.LabelManagedBy: desired.ManagedBy}))
	shown := map[string]string{}
	for what, list := range map[string]client.ObjectList{
		"ConfigMaps": &corev1.ConfigMapList{}, "pods": &corev1.PodList{}, "events": &corev1.EventList{},
		"RocketMQClusters": &v1alpha1.RocketMQClusterList{}, "Brokers": &v1alpha1.BrokerList{}, "Proxies": &v1alpha1.ProxyList{},
		"Users": &v1alpha1.UserList{},
	} {
		options := []client.ListOption{client.InNamespace(c.Name)}
		if what == "pods" { // those of the test have what an application has
			options = append(options, client.MatchingLabels{desired.LabelManagedBy: desired.ManagedBy})
		}
		ok(t, c.Client.List(ctx, list, options...))
		text, err := yaml.Marshal(list)
		ok(t, err)
		shown[what] = string(text)
	}
	pods, err := c.OwnPods(ctx)
	ok(t, err)
	for name := range pods {
		text, err := c.Logs(ctx, name, kit.RocketMQContainer)
		ok(t, err)
		shown["the log of "+name] = text
	}
	for what, text := range shown {
		for _, secret := range secrets.Items {
			for key, value := range secret.Data {
				if strings.HasSuffix(key, "password") && strings.Contains(text, string(value)) {
					t.Errorf("%s: %s of %s is shown", what, key, secret.Name)
				}
			}
		}
	}
}

// application gets a topic, and a user who may use it, as objects.
func application(t *testing.T, c *kit.Installation) {
	t.Helper()
	applyObject(t, c, "Topic", securedTopic, "queues: 4")
	applyObject(t, c, "User", securedUser, "permissions: [{resource: Topic, name: orders, actions: [Pub, Sub]}, {resource: Group, name: orders, actions: [Sub]}]")
	for kind, name := range map[string]string{"Topic": securedTopic, "User": securedUser} {
		ok(t, c.AwaitResourceReady(t.Context(), kind, name, entityLimit))
	}
	var user v1alpha1.User
	ok(t, c.Client.Get(t.Context(), client.ObjectKey{Namespace: c.Name, Name: securedUser}, &user))
	if want := fmt.Sprintf("%d/%[1]d", groupMembers); user.Status.Members != want || user.Status.Secret != securedSecret {
		t.Errorf("status %+v, want %s members", user.Status, want)
	}
}

func applyObject(t *testing.T, c *kit.Installation, kind, name, spec string) {
	t.Helper()
	ok(t, c.Apply(t.Context(), fmt.Sprintf("{apiVersion: rocketmq.apache.org/v1alpha1, kind: %s, metadata: {name: %s}, spec: {%s}}", kind, name, spec)))
}

// passwordOf a user, as its application reads it.
func passwordOf(t *testing.T, c *kit.Installation, secret string) string {
	t.Helper()
	var s corev1.Secret
	ok(t, c.Client.Get(t.Context(), client.ObjectKey{Namespace: c.Name, Name: secret}, &s))
	return string(s.Data["password"])
}

// securedUsers: a user does what its object says and nothing else, at every broker. Its password changes with its Secret, what
// somebody changes is put back, and it goes with its object.
func securedUsers(t *testing.T, c *kit.Installation, operator *admin.Client) {
	ctx := t.Context()
	send := func(user, password, topic string) error {
		as := c.Admin.As(&remoting.Credentials{AccessKey: user, SecretKey: password})
		_, err := as.Send(ctx, masterOf(t, c, 0), admin.Outgoing{Topic: topic, Body: []byte("by hand")})
		return err
	}
	applyObject(t, c, "Topic", "theirs", "queues: 1")
	ok(t, c.AwaitResourceReady(ctx, "Topic", "theirs", entityLimit))
	ok(t, send(securedUser, passwordOf(t, c, securedSecret), securedTopic))
	if err := send(securedUser, passwordOf(t, c, securedSecret), "theirs"); !errors.Is(err, remoting.ErrNotPermitted) {
		t.Errorf("a topic of somebody else: %v", err)
	}

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Name, Name: "second"}, StringData: map[string]string{"pw": "swordfish"}}
	ok(t, c.Client.Create(ctx, secret))
	applyObject(t, c, "User", "second", "username: Second_App, passwordSecret: {name: second, key: pw}, deletionPolicy: Delete, "+
		"permissions: [{resource: Topic, name: ord, pattern: Prefix, actions: [Pub]}]")
	ok(t, c.AwaitResourceReady(ctx, "User", "second", entityLimit))
	ok(t, send("Second_App", "swordfish", securedTopic))

	secret.Data, secret.StringData = map[string][]byte{"pw": []byte("herring")}, nil
	began := time.Now()
	ok(t, c.Client.Update(ctx, secret))
	isEverywhere := func(ctx context.Context, password string) error {
		for _, broker := range brokersOf(c) {
			user, err := operator.User(ctx, broker, "Second_App")
			if err != nil {
				return err
			}
			if user.Password != password {
				return fmt.Errorf("%s has another password", broker)
			}
		}
		return nil
	}
	ok(t, c.Await(ctx, "the new password", entityLimit, func(ctx context.Context) error { return isEverywhere(ctx, "herring") }))
	c.Log.Printf("a changed password counts at every broker after %.1f s", time.Since(began).Seconds())
	if err := send("Second_App", "swordfish", securedTopic); !errors.Is(err, remoting.ErrSignature) {
		t.Errorf("the former password: %v", err)
	}
	ok(t, send("Second_App", "herring", securedTopic))

	for _, broker := range brokersOf(c) {
		ok(t, operator.UpdateUser(ctx, broker, admin.User{Name: "Second_App", Password: "stolen"}))
	}
	ok(t, c.Await(ctx, "the password to be put back", 2*time.Minute, func(ctx context.Context) error { return isEverywhere(ctx, "herring") }))

	ok(t, c.Client.Delete(ctx, &v1alpha1.User{ObjectMeta: metav1.ObjectMeta{Namespace: c.Name, Name: "second"}}))
	ok(t, c.Await(ctx, "the user to be gone", entityLimit, func(ctx context.Context) error {
		for _, broker := range brokersOf(c) {
			if _, err := operator.User(ctx, broker, "Second_App"); !errors.Is(err, admin.ErrNoSuchUser) {
				return fmt.Errorf("%s: %w", broker, err)
			}
		}
		return nil
	}))
}

// securedDeleted: the master's pod is deleted, and hands over.
func securedDeleted(t *testing.T, c *kit.Installation) { replaceMaster(t, c, false) }

// securedKilled: the master dies without a word, right after a user was made. The new one knows that.
func securedKilled(t *testing.T, c *kit.Installation) {
	applyObject(t, c, "User", "late", "permissions: [{resource: Topic, pattern: Any, actions: [Get]}]")
	ok(t, c.AwaitResourceReady(t.Context(), "User", "late", entityLimit))
	replaceMaster(t, c, true)
	late := c.Admin.As(&remoting.Credentials{AccessKey: "late", SecretKey: passwordOf(t, c, "late-rocketmq")})
	_, err := late.Topic(t.Context(), masterOf(t, c, 0), securedTopic)
	ok(t, err)
}

func replaceMaster(t *testing.T, c *kit.Installation, force bool) {
	t.Helper()
	ctx := t.Context()
	awaitInSync(t, c)
	before, err := c.Master(ctx, 0)
	ok(t, err)
	pod, err := c.Pod(ctx, before)
	ok(t, err)
	c.Log.Printf("deleting pod %s, the master, by force: %t", before, force)
	began := time.Now()
	ok(t, c.DeletePod(ctx, before, force))
	master, err := c.AwaitNewMaster(ctx, 0, before, time.Minute)
	ok(t, err)
	c.Log.Printf("%s is master after %.1f s", master, time.Since(began).Seconds())
	awaitSeen(t, c, before, master)
	ok(t, c.AwaitPodReady(ctx, before, pod.UID, 2*time.Minute))
}

// throughProxy: gRPC clients need credentials too, and theirs count, not the proxy's.
func throughProxy(t *testing.T, w *world, c *kit.Installation) {
	t.Helper()
	ctx := t.Context()
	ok(t, w.place.LoadGRPCClient(ctx))
	var p v1alpha1.Proxy
	ok(t, c.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: "shop-proxy"}, &p))
	viaGRPC(t, c, "grpc-app", p.Status.GRPCAddress, map[string]string{
		"ACCESS_KEY": securedUser, "SECRET_KEY": passwordOf(t, c, securedSecret), "GRPC_TLS": "always",
	}, securedTopic+"=NORMAL")
	for name, env := range map[string]map[string]string{
		"nobody": {"GRPC_TLS": "always"}, "guess": {"ACCESS_KEY": securedUser, "SECRET_KEY": "guess", "GRPC_TLS": "always"},
	} {
		out, err := c.RunGRPCClient(ctx, "grpc-"+name, env, grpcLimit, p.Status.GRPCAddress, fmt.Sprint(grpcMessages), securedTopic+"=NORMAL")
		if err == nil || strings.Contains(out, `"sent"`) {
			t.Errorf("%s sends through the proxy: %v\n%s", name, err, out)
		}
	}
}
