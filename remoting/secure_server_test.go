// SPDX-License-Identifier: Apache-2.0

package remoting_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

// TestSecuredBroker asks a real broker that takes only TLS, with certificates of our own CA on both sides, and only known users.
func TestSecuredBroker(t *testing.T) {
	certificate := newCertificate(t)
	s := rocketmq.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // on a starved machine; usually 15 s
	defer cancel()
	nameServer, err := s.NameServer()
	if err != nil {
		t.Fatal(err)
	}
	broker, err := s.Broker(rocketmq.Broker{
		Cluster: "c", Name: "secured", NameServers: []*rocketmq.Server{nameServer},
		Properties: map[string]string{
			"authenticationEnabled":                "true",
			"authorizationEnabled":                 "true",
			"authenticationMetadataProvider":       "org.apache.rocketmq.auth.authentication.provider.LocalAuthenticationMetadataProvider",
			"authorizationMetadataProvider":        "org.apache.rocketmq.auth.authorization.provider.LocalAuthorizationMetadataProvider",
			"initAuthenticationUser":               `{"username":"admin","password":"swordfish"}`,
			"innerClientAuthenticationCredentials": `{"accessKey":"inner","secretKey":"herring"}`,
		},
		// A broker that enforces TLS speaks it to its name server too, unless told otherwise (BrokerStartup).
		Flags: []string{"-Dtls.server.mode=enforcing", "-Dtls.enable=false", "-Dtls.config.file=" + certificate.properties},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := rocketmq.AllReady(ctx, nameServer, broker); err != nil {
		t.Fatal(err)
	}

	trusted := &tls.Config{RootCAs: certificate.pool, Certificates: []tls.Certificate{certificate.client}}
	admin := &remoting.Credentials{AccessKey: "admin", SecretKey: "swordfish"}
	for _, tc := range []struct {
		name   string
		opts   remoting.Options
		denied bool
		want   string // in the error, of anything but an answer
	}{
		{name: "all is well", opts: remoting.Options{TLS: trusted, Credentials: admin}},
		{name: "any certificate", opts: remoting.Options{TLS: &tls.Config{InsecureSkipVerify: true, Certificates: trusted.Certificates}, Credentials: admin}},
		{name: "by a name that is not the address", opts: remoting.Options{
			TLS: trusted, Credentials: admin, ServerName: func(string) string { return "secured.brokers.svc" },
		}},
		{name: "by another broker's name", opts: remoting.Options{
			TLS: trusted, Credentials: admin, ServerName: func(string) string { return "other.brokers.svc" },
		}, want: "certificate is valid for secured.brokers.svc"},
		{name: "without a client certificate", opts: remoting.Options{TLS: &tls.Config{RootCAs: certificate.pool}, Credentials: admin}, want: "GET_BROKER_CONFIG to "},
		{name: "another CA", opts: remoting.Options{TLS: &tls.Config{RootCAs: x509.NewCertPool()}, Credentials: admin}, want: "certificate"},
		{name: "without TLS", opts: remoting.Options{Credentials: admin}, want: "GET_BROKER_CONFIG to "},
		{name: "no user", opts: remoting.Options{TLS: trusted}, denied: true},
		{name: "unknown user", opts: remoting.Options{TLS: trusted, Credentials: &remoting.Credentials{AccessKey: "eve", SecretKey: "swordfish"}}, denied: true},
		{name: "wrong password", opts: remoting.Options{TLS: trusted, Credentials: &remoting.Credentials{AccessKey: "admin", SecretKey: "sword"}}, denied: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.opts.Timeout = 10 * time.Second
			c := remoting.NewClient(tc.opts)
			defer c.Close()
			resp, err := c.Invoke(ctx, broker.Addr, remoting.Request{Code: remoting.GetBrokerConfig})
			switch {
			case tc.denied:
				if !remoting.IsCode(err, remoting.NoPermission) {
					t.Errorf("got %v, want NO_PERMISSION", err)
				}
			case tc.want != "":
				if err == nil || !strings.Contains(err.Error(), tc.want) || remoting.IsCode(err, remoting.NoPermission) {
					t.Errorf("got %v, want an error with %q", err, tc.want)
				}
			case err != nil:
				t.Error(err)
			case !strings.Contains(string(resp.Body), "brokerName=secured"):
				t.Errorf("answer %q", resp.Body)
			}
		})
	}

	// A request with fields and a body is signed over both.
	c := remoting.NewClient(remoting.Options{TLS: trusted, Credentials: admin, Timeout: 10 * time.Second})
	defer c.Close()
	for _, req := range []remoting.Request{
		{Code: remoting.GetConsumeStats, Fields: map[string]string{"consumerGroup": "gruppe-ä", "topicList": "a;b"}},
		{Code: remoting.UpdateBrokerConfig, Body: []byte("fileReservedTime=50\n")},
	} {
		if _, err := c.Invoke(ctx, broker.Addr, req); err != nil {
			t.Error(err)
		}
	}
}

type certificate struct {
	pool       *x509.CertPool
	client     tls.Certificate
	properties string // file for a server's -Dtls.config.file
}

// newCertificate makes a CA and, signed by it, a certificate for a server at 127.0.0.1 and for clients, which the server asks
// for.
func newCertificate(t *testing.T) certificate {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "broker"}, NotAfter: ca.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"secured.brokers.svc"},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	must(err)
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)

	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		must(os.WriteFile(path, text, 0o600))
		return path
	}
	keyFile := write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
	certFile := write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER}))
	parsed, err := x509.ParseCertificate(caDER)
	must(err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	caFile := write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}))
	properties := write("tls.properties", []byte("tls.test.mode.enable=false\n"+
		"tls.server.authClient=true\ntls.server.need.client.auth=require\ntls.server.trustCertPath="+caFile+"\n"+
		"tls.server.keyPath="+keyFile+"\ntls.server.certPath="+certFile+"\n"))
	return certificate{pool, tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}, properties}
}
