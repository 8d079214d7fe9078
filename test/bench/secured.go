// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/certs"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	securedManifest = "test/e2e/testdata/secured.yaml"
	securedBar      = 1.15 // times the p50 of the servers by hand
	// securedTopic is what the application may send to, and no more.
	securedTopic = "bench"
	// The account that brokers by hand begin with, and its password. They serve for some minutes, on this machine.
	handUser, handPassword = "bench", "only-for-the-benchmark"
)

// secured compares sends of an application with a user of its own to servers that take only TLS: those of the operator, and the same
// by hand.
func (b *bench) secured(ctx context.Context, pairs int) error {
	ca, err := certs.NewCA("bench")
	if err != nil {
		return err
	}
	managed, err := b.securedCluster(ctx, ca)
	if err != nil {
		return err
	}
	byHand, err := b.securedByHand(ctx, ca)
	if err != nil {
		return err
	}
	sides := map[string]*kit.Installation{"managed": managed, "by-hand": byHand}
	taken, err := inTurn(pairs, []string{"managed", "by-hand"}, func(side, run string, rate int, lasts time.Duration) (latency, error) {
		return b.timed(ctx, sides[side], run, kit.LedgerOptions{
			NameServers: sides[side].NameServerAddresses(1), Topic: securedTopic, Rate: rate, Duration: lasts, TLS: true,
			Credentials: kit.LedgerCredentials{Secret: "app-rocketmq", NameKey: "username", PasswordKey: "password"},
		})
	})
	if err != nil {
		return err
	}
	return errors.Join(judgeSecured(b.out, taken["managed"], taken["by-hand"]), managed.Delete(ctx, deleteLimit), byHand.Delete(ctx, deleteLimit))
}

// writeCertificate of servers in a namespace into a Secret, with more files.
func writeCertificate(ctx context.Context, n *kit.Namespace, ca *certs.CA, services []string, more map[string][]byte) error {
	var names []string
	for _, service := range services {
		names = append(names, fmt.Sprintf("*.%s.%s.svc.cluster.local", service, n.Name))
	}
	names = append(names, fmt.Sprintf("shop-ns-nameserver.%s.svc.cluster.local", n.Name))
	issued, err := ca.Issue(certs.Want{Names: names})
	if err != nil {
		return err
	}
	data := ca.Secret(issued)
	maps.Copy(data, more)
	return n.Client.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: n.Name, Name: "shop-tls"}, Data: data})
}

// securedCluster is that of the story Secured, without proxies, and with the settings of the one by hand.
func (b *bench) securedCluster(ctx context.Context, ca *certs.CA) (*kit.Installation, error) {
	n, err := b.cluster.CreateNamespace(ctx, "bench-secured", kit.Restricted, b.log)
	if err != nil {
		return nil, err
	}
	c := n.InstallationOfCluster("shop")
	services := []string{"shop-ns-nameserver-headless", "shop-ctl-controller-headless", "shop-broker-broker-headless"}
	if err := writeCertificate(ctx, n, ca, services, nil); err != nil {
		return nil, err
	}
	err = c.ApplyPath(ctx, securedManifest, "  proxy: {jvm: {heap: 192Mi}}\n", "", `    maxMessageSize: "65536"`, "    flushDiskType: ASYNC_FLUSH")
	if err != nil {
		return nil, err
	}
	if err := c.AwaitReady(ctx, startLimit); err != nil {
		return nil, err
	}
	const objects = `
{apiVersion: rocketmq.apache.org/v1alpha1, kind: Topic, metadata: {name: bench}, spec: {queues: 4}}
---
{apiVersion: rocketmq.apache.org/v1alpha1, kind: User, metadata: {name: app}, spec: {permissions: [{resource: Topic, name: bench, actions: [Pub]}]}}`
	if err := c.Apply(ctx, objects); err != nil {
		return nil, err
	}
	return c, errors.Join(c.AwaitResourceReady(ctx, "Topic", securedTopic, startLimit), c.AwaitResourceReady(ctx, "User", "app", startLimit))
}

// handTLS is the file that java is told of.
const handTLS = `tls.test.mode.enable=false
tls.server.certPath=/tls/tls.crt
tls.server.keyPath=/tls/tls.key
tls.server.trustCertPath=/tls/ca.crt
tls.client.certPath=/tls/tls.crt
tls.client.keyPath=/tls/tls.key
tls.client.authServer=true
tls.client.trustCertPath=/tls/ca.crt
`

// securedByHand is the quickstart by hand, as small as that cluster, with users and TLS.
func (b *bench) securedByHand(ctx context.Context, ca *certs.CA) (*kit.Installation, error) {
	own := *b.cluster // with a client that knows these servers
	own.Admin = admin.New(remoting.NewClient(remoting.Options{
		Dialer: own.Dial, Timeout: 30 * time.Second, IdleTimeout: 10 * time.Second,
		TLS:         &tls.Config{InsecureSkipVerify: true}, // what is measured are sends
		Credentials: &remoting.Credentials{AccessKey: handUser, SecretKey: handPassword},
	}))
	n, err := own.CreateNamespace(ctx, "bench-secured-by-hand", kit.Restricted, b.log)
	if err != nil {
		return nil, err
	}
	services := []string{"quickstart-ns-nameserver-headless", "quickstart-ctl-headless", "quickstart-broker-headless"}
	if err := writeCertificate(ctx, n, ca, services, map[string][]byte{"tls.properties": []byte(handTLS)}); err != nil {
		return nil, err
	}
	const provider = "org.apache.rocketmq.auth."
	edits := append(smaller()[:8:8],
		"exec java ", "exec java -Dtls.server.mode=enforcing -Dtls.enable=true -Dtls.config.file=/tls/tls.properties ",
		"      echo fileReservedTime=48\n", fmt.Sprintf("      echo authenticationEnabled=true\n      echo authorizationEnabled=true\n"+
			"      echo authenticationMetadataProvider=%sauthentication.provider.LocalAuthenticationMetadataProvider\n"+
			"      echo authorizationMetadataProvider=%[1]sauthorization.provider.LocalAuthorizationMetadataProvider\n"+
			"      echo 'innerClientAuthenticationCredentials={\"accessKey\":\"%s\",\"secretKey\":\"%s\"}'\n", provider, handUser, handPassword),
		"{name: scripts, mountPath: /scripts}", "{name: scripts, mountPath: /scripts}, {name: tls, mountPath: /tls}",
		"{name: scripts, configMap: {name: scripts}}", "{name: scripts, configMap: {name: scripts}}, {name: tls, secret: {secretName: shop-tls}}")
	c, err := startedByHand(ctx, n, edits)
	if err != nil {
		return nil, err
	}
	return c, applicationByHand(ctx, c)
}

// applicationByHand gives the application its topic and its user, as the operator does.
func applicationByHand(ctx context.Context, c *kit.Installation) error {
	info, err := c.ClusterInfo(ctx, c.NameServers(1)[0])
	if err != nil {
		return err
	}
	master := info.Brokers[c.Group(0)].Addrs[admin.MasterID]
	config := admin.TopicConfig{Name: securedTopic, ReadQueues: 4, WriteQueues: 4, Perm: admin.PermRead | admin.PermWrite}
	entry := admin.PolicyEntry{Resource: "Topic:" + securedTopic, Actions: []admin.Action{admin.ActionPub}, Decision: admin.Allow}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Name, Name: "app-rocketmq"}, StringData: map[string]string{"username": "app", "password": handPassword},
	}
	return errors.Join(
		c.Client.Create(ctx, secret),
		c.Admin.PutTopic(ctx, master, nil, config),
		c.Admin.CreateUser(ctx, master, admin.User{Name: "app", Password: handPassword, Type: admin.NormalUser, Status: admin.UserEnabled}),
		c.Admin.PutACL(ctx, master, admin.ACL{User: "app", Policies: []admin.Policy{{Type: admin.CustomPolicy, Entries: []admin.PolicyEntry{entry}}}}),
	)
}

// judgeSecured prints both sides, and returns what misses its bar.
func judgeSecured(out io.Writer, managed, byHand []latency) error {
	m, h := middleLatency(managed), middleLatency(byHand)
	ratio := m.p50.Seconds() / h.p50.Seconds()
	fmt.Fprintf(out, "\nsends with a user and TLS, %d a second, median of %d:\n  with the operator  p50 %s, p99 %s\n  by hand            p50 %s, p99 %s\n  ratio of p50 %.2f (bar %.2f)\n",
		proxyRate, len(managed), m.p50, m.p99, h.p50, h.p99, ratio, securedBar)
	if ratio > securedBar {
		return fmt.Errorf("with the operator a send takes %.2f times as long", ratio)
	}
	return nil
}
