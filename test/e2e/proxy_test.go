// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	// grpcMessages are sent of each type; of the transactions every fourth is rolled back.
	grpcMessages = 40
	// grpcLimit is how long the gRPC client may take, most of it for what is delayed.
	grpcLimit = 3 * time.Minute
)

// A user whose applications speak gRPC adds a Proxy beside the cluster, in the same breath. It waits for its brokers,
// takes messages of every type, and says where to connect; then it moves to a NodePort and a certificate of the user's.
// The metrics tell the messages that were sent.
func proxy(t *testing.T, w *world) {
	ctx := t.Context()
	n := w.namespace(t, "proxy", kit.Restricted)
	c := small(n)
	ok(t, w.place.LoadGRPCClient(ctx))
	ok(t, c.Apply(ctx, manifest(t, "proxy.yaml")))
	// Each of a broker's threads that acknowledge what gRPC clients consumed has a buffer of 4 MiB (docs/proxy.md).
	ok(t, c.Apply(ctx, manifest(t, "small.yaml"), "directMemory: 128Mi", "directMemory: 256Mi"))
	ok(t, c.AwaitReadyAloud(ctx, smallLimit+time.Minute))
	show(t, w, n)
	p := proxyStatus(t, c)
	if p.Members != "1/1" || !strings.HasPrefix(p.GRPCAddress, "gateway-proxy."+n.Name+".svc.") {
		t.Errorf("status %+v", p)
	}
	defect, err := c.Condition(ctx, "Proxy", "gateway", v1alpha1.ConditionKnownDefect)
	ok(t, err)
	if defect == nil || !strings.Contains(defect.Message, "metrics") {
		t.Errorf("the status does not say that this release's proxies have no metrics: %v", defect)
	}

	master, err := c.Master(ctx, 0)
	ok(t, err)
	broker := master + "." + n.Name + ":10911"
	for _, kind := range []string{"NORMAL", "FIFO", "DELAY", "TRANSACTION"} {
		topic(t, c, broker, strings.ToLower(kind), kind)
	}
	orderly := admin.NewSubscriptionGroup("fifo")
	orderly.ConsumeOrderly = true
	ok(t, c.Admin.PutGroup(ctx, broker, nil, orderly))
	viaGRPC(t, c, "grpc-client", p.GRPCAddress, nil, "normal=NORMAL", "fifo=FIFO", "delay=DELAY", "transaction=TRANSACTION")
	scraped(t, c, master)
	for name, life := range mustLives(t, c) {
		if life.Restarts > 0 {
			t.Errorf("pod %s was restarted %d times: a proxy waits for its brokers", name, life.Restarts)
		}
	}

	certificate, key := selfSigned(t, "gateway.example.org")
	ok(t, c.Client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "gateway-tls", Namespace: n.Name}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key},
	}))
	c.Log.Printf("a certificate and a NodePort")
	ok(t, c.Apply(ctx, manifest(t, "proxy.yaml"), "spec:", "spec:\n  tls: {secretName: gateway-tls}\n  service: {type: NodePort}"))
	ok(t, c.AwaitResourceReady(ctx, "Proxy", "gateway", 2*time.Minute))
	for _, name := range proxyPods(t, c) {
		conn, err := c.Dial(ctx, "tcp", name+"."+n.Name+":8081")
		ok(t, err)
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		ok(t, secure.HandshakeContext(ctx))
		if shown := secure.ConnectionState().PeerCertificates[0].Subject.CommonName; shown != "gateway.example.org" {
			t.Errorf("pod %s shows the certificate of %q", name, shown)
		}
		ok(t, secure.Close())
	}
	port, isNodePort := strings.CutPrefix(proxyStatus(t, c).ExternalAddress, "<node>:")
	if !isNodePort {
		t.Fatalf("external address %q", proxyStatus(t, c).ExternalAddress)
	}
	topic(t, c, masterOf(t, c, 0), "outside", "NORMAL")
	viaGRPC(t, c, "grpc-outside", nodeAddress(t, c)+":"+port, map[string]string{"GRPC_TLS": "always"}, "outside=NORMAL")
}

func topic(t *testing.T, c *kit.Installation, broker, name, kind string) {
	t.Helper()
	ok(t, c.Admin.PutTopic(t.Context(), broker, nil, admin.TopicConfig{
		Name: name, ReadQueues: 4, WriteQueues: 4, Perm: admin.PermRead | admin.PermWrite, Attributes: map[string]string{"message.type": kind},
	}))
}

// viaGRPC sends and receives by the official client, which judges.
func viaGRPC(t *testing.T, c *kit.Installation, pod, endpoints string, env map[string]string, topics ...string) {
	t.Helper()
	c.Log.Printf("sending %d messages of each type through %s", grpcMessages, endpoints)
	out, err := c.RunGRPCClient(t.Context(), pod, env, grpcLimit, append([]string{endpoints, fmt.Sprint(grpcMessages)}, topics...)...)
	ok(t, err)
	seen := 0
	for line := range strings.Lines(out) {
		var v struct {
			Type             string
			Sent, RolledBack int
		}
		if !strings.HasPrefix(line, "{") {
			continue
		}
		ok(t, json.Unmarshal([]byte(line), &v))
		c.Log.Printf("%s", strings.TrimSpace(line))
		if v.Sent+v.RolledBack != grpcMessages || (v.RolledBack > 0) != (v.Type == "TRANSACTION") {
			t.Errorf("the client has not sent what it was to: %s", line)
		}
		seen++
	}
	if seen != len(topics) {
		t.Errorf("%d verdicts for %d topics:\n%s", seen, len(topics), out)
	}
}

// scraped checks the brokers' and the controllers' metrics against what was sent.
func scraped(t *testing.T, c *kit.Installation, master string) {
	t.Helper()
	ctx := t.Context()
	m, err := c.Scrape(ctx, master)
	ok(t, err)
	const in, out = "rocketmq_messages_in_total", "rocketmq_messages_out_total"
	for _, counted := range []struct {
		name, topic string
		want        float64
	}{
		{in, "normal", grpcMessages}, {in, "fifo", grpcMessages},
		{out, "normal", grpcMessages}, {out, "fifo", grpcMessages}, {out, "delay", grpcMessages}, {out, "transaction", grpcMessages * 3 / 4},
	} {
		// The client may send or take a message once more where an answer comes late.
		if sum, _ := m.Sum(counted.name, `topic="`+counted.topic+`"`); sum < counted.want || sum > counted.want*5/4 {
			t.Errorf("%s of topic %s is %v, want %v and few more", counted.name, counted.topic, sum, counted.want)
		}
	}
	if sum, series := m.Sum("rocketmq_broker_permission"); sum != 6 || series != 1 {
		t.Errorf("rocketmq_broker_permission is %v in %d series, want 6 in one", sum, series)
	}
	slave := c.Member(0, 0)
	if slave == master {
		slave = c.Member(0, 1)
	}
	m, err = c.Scrape(ctx, slave)
	ok(t, err)
	if sum, _ := m.Sum("rocketmq_messages_in_total", `topic="normal"`); sum != 0 {
		t.Errorf("a slave counts %v messages in", sum)
	}
	controller := c.Controllers(1)[0]
	m, err = c.Scrape(ctx, controller)
	ok(t, err)
	if sum, series := m.Sum("active_broker_num"); sum != groupMembers || series == 0 {
		t.Errorf("active_broker_num of the controller is %v in %d series, want %d", sum, series, groupMembers)
	}
	if sum, series := m.Sum("election_total"); sum < 1 || series == 0 {
		t.Errorf("election_total of the controller is %v in %d series, want 1 or more", sum, series)
	}
}

func proxyStatus(t *testing.T, c *kit.Installation) v1alpha1.ProxyStatus {
	t.Helper()
	var p v1alpha1.Proxy
	ok(t, c.Client.Get(t.Context(), client.ObjectKey{Namespace: c.Name, Name: "gateway"}, &p))
	return p.Status
}

// proxyPods are those that serve, not one that stops.
func proxyPods(t *testing.T, c *kit.Installation) []string {
	t.Helper()
	pods, err := c.OwnPods(t.Context())
	ok(t, err)
	var names []string
	for name, pod := range pods {
		if strings.HasPrefix(name, "gateway-") && pod.DeletionTimestamp == nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Fatal("there is no proxy pod")
	}
	return names
}

func mustLives(t *testing.T, c *kit.Installation) map[string]kit.Life {
	t.Helper()
	lives, err := c.Lives(t.Context())
	ok(t, err)
	return lives
}

func nodeAddress(t *testing.T, c *kit.Installation) string {
	t.Helper()
	var nodes corev1.NodeList
	ok(t, c.Client.List(t.Context(), &nodes))
	for _, node := range nodes.Items {
		for _, address := range node.Status.Addresses {
			if address.Type == corev1.NodeInternalIP {
				return address.Address
			}
		}
	}
	t.Fatal("no node has an address")
	return ""
}

// selfSigned makes a certificate for a name, as PEM.
func selfSigned(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	ok(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	ok(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
