// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/rocketmq-operator/rocketmq-operator/internal/plugin"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// What a cluster lives through, it lives through with users and with TLS only too, and with three controllers: a broker group more, a
// node that is drained, a broker group less. A user is promised the same as without: no acknowledged message is lost, and as long as
// there are two groups, no producer sees an error.
func securedLife(t *testing.T, w *world) {
	ctx := t.Context()
	n := w.namespace(t, "secured-life", kit.Restricted)
	c := n.InstallationOfCluster("shop")
	certify(t, c, newAuthority(t))
	resized := func(groups string) {
		ok(t, c.Apply(ctx, manifest(t, "secured.yaml"), "controllers: {size: 1,", "controllers: {size: 3,", "  - storage: {size: 1Gi}\n    resources", "  - size: "+groups+
			"\n    storage: {size: 1Gi}\n    resources"))
	}
	resized("1")
	ok(t, c.AwaitReadyAloud(ctx, smallLimit))
	application(t, c)
	options := kit.LedgerOptions{Topic: securedTopic, TopicExists: true, Poll: securedPoll, TLS: true, Credentials: kit.LedgerCredentials{
		Secret: securedSecret, NameKey: "username", PasswordKey: "password",
	}}

	admitted(t, meanwhile(t, c, options, func() {
		resized("2")
		groupsAre(t, c, 2, smallLimit)
	}))
	prints(t, c, "shop-broker-1", "topics", "describe", securedTopic)

	master, err := c.Master(ctx, 0)
	ok(t, err)
	pod, err := c.Pod(ctx, master)
	ok(t, err)
	node := pod.Spec.NodeName
	t.Cleanup(func() {
		if _, err := w.place.Kubectl(context.WithoutCancel(ctx), "uncordon", node); err != nil {
			t.Error(err)
		}
	})
	ok(t, c.AwaitReady(ctx, smallLimit))
	options.AvoidNode = node
	undisturbed(t, c, meanwhile(t, c, options, func() {
		c.Log.Printf("kubectl drain %s", node)
		_, err := w.place.Kubectl(ctx, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=5m")
		ok(t, err)
	}))
	_, err = w.place.Kubectl(ctx, "uncordon", node)
	ok(t, err)
	ok(t, c.AwaitReady(ctx, smallLimit))

	admitted(t, meanwhile(t, c, options, func() {
		resized("1")
		groupsAre(t, c, 1, smallLimit)
	}))
	prints(t, c, "shop-broker-0", "topics", "describe", securedTopic)
	passwordsAreHidden(t, c)
}

// prints lets kubectl rocketmq, which signs in and verifies the servers, run a command, and expects a text of it.
func prints(t *testing.T, c *kit.Installation, want string, args ...string) {
	t.Helper()
	log.SetLogger(logr.Discard()) // else there is a warning after 30 s, which no command of a user's takes
	var out strings.Builder
	cmd := plugin.Command(plugin.Connect)
	cmd.SetArgs(append(args, "--namespace", c.Name, "--broker", c.Broker))
	cmd.SetOut(&out)
	ok(t, cmd.ExecuteContext(t.Context()))
	if !strings.Contains(out.String(), want) {
		t.Errorf("kubectl rocketmq %s does not print %q:\n%s", strings.Join(args, " "), want, out.String())
	}
}
