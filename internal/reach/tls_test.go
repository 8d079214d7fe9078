// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/certs"
)

// TestTLSFor: servers whose pods have a certificate are spoken to with TLS, and must be those that they say they are; all others are not.
func TestTLSFor(t *testing.T) {
	ca, err := certs.NewCA("ca")
	if err != nil {
		t.Fatal(err)
	}
	issued, err := ca.Issue(certs.Want{Names: []string{"*.b-broker-headless.mq.svc.cluster.local"}})
	if err != nil {
		t.Fatal(err)
	}
	in := desired.Installation{Domain: "cluster.local"}
	b := &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "b"}}
	_, set, err := in.BrokerGroup(b, 0, desired.GroupState{Members: 1}, desired.Dependencies{TLS: desired.TLS{Mode: v1alpha1.TLSOffered, Secret: "tls"}})
	if err != nil {
		t.Fatal(err)
	}
	secured := pod("b-0-0", "10.0.0.1", "b", desired.Broker)
	secured.Spec = set.Spec.Template.Spec
	named := pod("n-0", "10.0.0.3", "n", desired.NameServer) // for which the certificate is not
	named.Spec = set.Spec.Template.Spec
	objects := fake.NewClientBuilder().WithIndex(&corev1.Pod{}, IndexIP, IPOf).WithObjects(
		secured, named, pod("b-1-0", "10.0.0.2", "b", desired.Broker),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "tls"}, Data: ca.Secret(issued)},
	).Build()
	r := New(in, objects, objects, remoting.Options{})
	t.Cleanup(func() { _ = r.Close() })

	pair, err := tls.X509KeyPair(issued.Certificate, issued.Key)
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"10.0.0.1:10911":      "",
		"10.0.0.2:10911":      "plain text",
		"10.0.0.1:9876":       "plain text", // no name server is there
		"203.0.113.1:9876":    "plain text",
		"ns.example:9876":     "plain text",
		"10.0.0.3:9876":       "certificate is valid for *.b-broker-headless.mq.svc.cluster.local, not n-0.n-nameserver-headless.mq.svc.cluster.local",
		"[2001:db8::1]:10911": "plain text",
		"no address":          "plain text",
	} {
		config, err := r.tlsFor(addr)
		if err != nil {
			t.Fatal(err)
		}
		if config == nil {
			if want != "plain text" {
				t.Errorf("%s is spoken to in plain text", addr)
			}
			continue
		}
		ours, theirs := net.Pipe()
		go func() {
			server := tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12})
			_ = server.Handshake()
			_ = theirs.Close()
		}()
		got := ""
		if err := tls.Client(ours, config).Handshake(); err != nil {
			got = err.Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", addr, got, want)
		}
	}
}
