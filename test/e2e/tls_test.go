// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/certs"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// tlsMode is how secured.yaml says what servers do about TLS.
var tlsMode = map[v1alpha1.TLSMode]string{
	v1alpha1.TLSDisabled:   "paused: false", // it says nothing of TLS
	v1alpha1.TLSPermissive: "tls: {secretName: shop-tls, mode: Permissive}",
	v1alpha1.TLSEnforcing:  "tls: {secretName: shop-tls}",
}

func newAuthority(t *testing.T) *certs.CA {
	t.Helper()
	ca, err := certs.NewCA("the company's CA")
	ok(t, err)
	return ca
}

// certify writes the Secret with the certificate of all servers, as cert-manager does.
func certify(t *testing.T, c *kit.Installation, ca *certs.CA) (issued certs.Certificate) {
	t.Helper()
	var names []string
	for _, service := range []string{"shop-ns-nameserver", "shop-proxy-proxy"} {
		names = append(names, fmt.Sprintf("%s.%s.svc.cluster.local", service, c.Name))
	}
	for _, service := range []string{"shop-ns-nameserver", "shop-ctl-controller", "shop-broker-broker"} {
		names = append(names, fmt.Sprintf("*.%s-headless.%s.svc.cluster.local", service, c.Name))
	}
	issued, err := ca.Issue(certs.Want{Names: names})
	ok(t, err)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: c.Name, Name: "shop-tls"}, Type: corev1.SecretTypeTLS, Data: ca.Secret(issued)}
	if err := c.Client.Create(t.Context(), secret); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	} else if err != nil {
		ok(t, c.Client.Update(t.Context(), secret))
	}
	return issued
}

// tlsServers are the name server, the controller and the brokers, as the test dials them.
func tlsServers(c *kit.Installation) []string {
	return append(brokersOf(c), "shop-ns-0."+c.Name+":9876", "shop-ctl-0."+c.Name+":9878", c.Member(0, 0)+"."+c.Name+":10909")
}

// plainTextGetsNothing: servers answer nobody who does not speak TLS.
func plainTextGetsNothing(t *testing.T, c *kit.Installation) {
	t.Helper()
	plain := remoting.NewClient(remoting.Options{Dialer: c.Dial, Timeout: 5 * time.Second})
	defer plain.Close()
	for _, server := range tlsServers(c) {
		_, err := admin.New(plain).ClusterInfo(t.Context(), server)
		if answer := new(remoting.ResponseError); err == nil || errors.As(err, &answer) {
			t.Errorf("%s answers plain text: %v", server, err)
		}
	}
}

// shown is the certificate that a server shows now.
func shown(t *testing.T, c *kit.Installation, server string) ([]byte, error) {
	t.Helper()
	conn, err := c.Dial(t.Context(), "tcp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ok(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if err := secured.HandshakeContext(t.Context()); err != nil {
		return nil, err
	}
	return secured.ConnectionState().PeerCertificates[0].Raw, nil
}

// securedRenewed: every server shows the new certificate soon. Brokers and name servers are not restarted for it.
func securedRenewed(t *testing.T, c *kit.Installation, ca *certs.CA) {
	ctx := t.Context()
	before, err := c.OwnPods(ctx)
	ok(t, err)
	began := time.Now()
	issued, err := tls.X509KeyPair(pairOf(certify(t, c, ca)))
	ok(t, err)
	for _, server := range tlsServers(c) {
		ok(t, c.Await(ctx, "the new certificate at "+server, 4*time.Minute, func(context.Context) error {
			got, err := shown(t, c, server)
			if err == nil && !bytes.Equal(got, issued.Certificate[0]) {
				err = fmt.Errorf("it shows the one of before")
			}
			return err
		}))
	}
	c.Log.Printf("every server shows the new certificate after %.0f s", time.Since(began).Seconds())
	after, err := c.OwnPods(ctx)
	ok(t, err)
	for name, pod := range before {
		if controller := pod.Labels["app.kubernetes.io/component"] == "controller"; (after[name].UID == pod.UID) == controller {
			t.Errorf("pod %s was replaced: %t", name, !controller)
		}
	}
}

func pairOf(c certs.Certificate) (certificate, key []byte) { return c.Certificate, c.Key }

// switchTLS of a cluster that runs, and wait until all do what is asked for.
func switchTLS(t *testing.T, c *kit.Installation, mode v1alpha1.TLSMode) {
	t.Helper()
	ctx := t.Context()
	began := time.Now()
	ok(t, c.Apply(ctx, manifest(t, "secured.yaml"), tlsMode[v1alpha1.TLSEnforcing], tlsMode[mode]))
	awaitMode(t, c, mode, 10*time.Minute, func(b *v1alpha1.Broker) (does, asked v1alpha1.TLSMode) {
		return b.Status.TLS.Does(), b.Spec.TLS.Wanted()
	})
	ok(t, c.AwaitReady(ctx, 2*time.Minute))
	c.Log.Printf("every server is %s after %.0f s", mode, time.Since(began).Seconds())
	if mode == v1alpha1.TLSEnforcing {
		plainTextGetsNothing(t, c)
	}
}

// awaitMode waits until the brokers were asked for a mode and have it, and everything else of the cluster is up to date too.
func awaitMode[M ~string](t *testing.T, c *kit.Installation, mode M, limit time.Duration, of func(*v1alpha1.Broker) (does, asked M)) {
	t.Helper()
	ok(t, c.Await(t.Context(), fmt.Sprintf("every server to be %s", mode), limit, func(ctx context.Context) error {
		var b v1alpha1.Broker
		if err := c.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: "shop-broker"}, &b); err != nil {
			return err
		}
		var cluster v1alpha1.RocketMQCluster
		if err := c.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: "shop"}, &cluster); err != nil {
			return err
		}
		does, asked := of(&b)
		upToDate := cluster.Status.ObservedGeneration == cluster.Generation && meta.IsStatusConditionTrue(cluster.Status.Conditions, v1alpha1.ConditionUpToDate)
		if does != mode || asked != mode || !upToDate {
			return fmt.Errorf("brokers are %s, the cluster is up to date: %t", does, upToDate)
		}
		return nil
	}))
}
