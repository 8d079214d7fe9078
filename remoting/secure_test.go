// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSign compares with the result of: printf abcv1v2body | openssl dgst -sha1 -hmac secret -binary | base64
func TestSign(t *testing.T) {
	fields := map[string]string{"z": "v2", "a": "v1"}
	c := &Credentials{AccessKey: "abc", SecretKey: "secret"}
	got := c.sign(Request{Fields: fields, Body: []byte("body")})
	const want = "XvHFDvpj3iGWnHQXWFPBaphRyoM=" // AccessKey sorts before a and z
	if got.Fields["AccessKey"] != "abc" || got.Fields["Signature"] != want || got.Fields["z"] != "v2" || len(got.Fields) != 4 {
		t.Errorf("fields %v, want the signature %s", got.Fields, want)
	}
	if len(fields) != 2 {
		t.Errorf("the caller's fields became %v", fields)
	}
	c.SecurityToken = "token"
	got = c.sign(Request{})
	if want := hmacSHA1("secret", "abc"+"token"); got.Fields["SecurityToken"] != "token" || got.Fields["Signature"] != want {
		t.Errorf("fields %v, want the signature %s", got.Fields, want)
	}
}

func TestInvokeSigned(t *testing.T) {
	s := newFakeServer(t, answering(echo))
	c := newTestClient(t, Options{Credentials: &Credentials{AccessKey: "abc", SecretKey: "secret"}})
	resp, err := c.Invoke(t.Context(), s.addr, Request{Code: 28})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Fields["AccessKey"] != "abc" || resp.Fields["Signature"] != hmacSHA1("secret", "abc") {
		t.Errorf("the server got %v", resp.Fields)
	}
	resp, err = c.Invoke(t.Context(), s.addr, Request{Code: 28, Credentials: &Credentials{AccessKey: "of this request", SecretKey: "x"}})
	if err != nil || resp.Fields["AccessKey"] != "of this request" {
		t.Errorf("the server got %v (%v)", resp, err)
	}
}

// tlsServer is a fakeServer that speaks TLS with a certificate for 127.0.0.1, which the pool trusts.
func tlsServer(t *testing.T) (s *fakeServer, pool *x509.CertPool) {
	t.Helper()
	https := httptest.NewUnstartedServer(nil)
	https.StartTLS() // for its certificate
	t.Cleanup(https.Close)
	pool = x509.NewCertPool()
	pool.AddCert(https.Certificate())
	config := &tls.Config{Certificates: https.TLS.Certificates}
	return newFakeServer(t, func(conn net.Conn) { answering(echo)(tls.Server(conn, config)) }), pool
}

func TestInvokeTLS(t *testing.T) {
	s, pool := tlsServer(t)
	for _, tc := range []struct {
		name   string
		config *tls.Config
		want   string // in the error
	}{
		{"custom CA", &tls.Config{RootCAs: pool}, ""},
		{"custom CA and name", &tls.Config{RootCAs: pool, ServerName: "example.com"}, ""},
		{"any certificate", &tls.Config{InsecureSkipVerify: true}, ""},
		{"other name", &tls.Config{RootCAs: pool, ServerName: "elsewhere"}, "TLS handshake: tls: failed to verify certificate"},
		{"unknown CA", &tls.Config{RootCAs: x509.NewCertPool()}, "TLS handshake: tls: failed to verify certificate"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newTestClient(t, Options{TLS: tc.config})
			_, err := c.Invoke(t.Context(), s.addr, Request{Code: 28})
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// TestInvokeTLSTroubledServers: a handshake ends with its context, and one with a server without TLS at once.
func TestInvokeTLSTroubledServers(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"silent":    func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) },
		"plain":     func(conn net.Conn) { _, _ = conn.Write([]byte("\x00\x00\x00\x10garbage garbage")) },
		"slow drip": func(conn net.Conn) { drip(conn) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeServer(t, serve)
			c := newTestClient(t, Options{TLS: &tls.Config{InsecureSkipVerify: true}, Timeout: 200 * time.Millisecond})
			start := time.Now()
			if _, err := c.Invoke(context.Background(), s.addr, Request{Code: 28}); err == nil {
				t.Error("no error")
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func drip(conn net.Conn) {
	for err := error(nil); err == nil; _, err = conn.Write([]byte{22}) { // the type of a handshake record, again and again
		time.Sleep(5 * time.Millisecond)
	}
}

func hmacSHA1(key, text string) string {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// authority is a CA of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t: t, cert: cert, key: key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue signs a certificate for DNS names.
func (a *authority) issue(names ...string) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secured is a fakeServer with TLS, whose configuration may change; it answers with the client's name.
func secured(t *testing.T, config func() *tls.Config) *fakeServer {
	t.Helper()
	return newFakeServer(t, func(conn net.Conn) {
		s := tls.Server(conn, config())
		if err := s.HandshakeContext(t.Context()); err != nil {
			return
		}
		client := ""
		if certs := s.ConnectionState().PeerCertificates; len(certs) > 0 {
			client = certs[0].Subject.CommonName
		}
		answering(func(header, []byte) (*header, []byte) {
			return &header{ExtFields: map[string]string{"client": client}}, nil
		})(s)
	})
}

// TestServerName: the certificate is for a pod's DNS name, while the pod's IP address is dialled.
func TestServerName(t *testing.T) {
	ca := newAuthority(t)
	s := secured(t, func() *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{ca.issue("broker-0.svc", "*.brokers.svc")}}
	})
	name := func(name string) func(string) string {
		return func(addr string) string {
			if addr != s.addr {
				t.Errorf("asked for the name of %s, want %s", addr, s.addr)
			}
			return name
		}
	}
	for _, tc := range []struct {
		name string
		opts Options
		want string // in the error
	}{
		{"its name", Options{TLS: &tls.Config{RootCAs: ca.pool()}, ServerName: name("broker-0.svc")}, ""},
		{"a wildcard", Options{TLS: &tls.Config{RootCAs: ca.pool()}, ServerName: name("b-1.brokers.svc")}, ""},
		{"another name", Options{TLS: &tls.Config{RootCAs: ca.pool()}, ServerName: name("broker-1.svc")}, "valid for broker-0.svc"},
		{"the host in the address", Options{TLS: &tls.Config{RootCAs: ca.pool()}, ServerName: name("")}, "127.0.0.1"},
		{"the configuration's own", Options{TLS: &tls.Config{RootCAs: ca.pool(), ServerName: "broker-0.svc"}, ServerName: name("x")}, ""},
		{"with TLSFor", Options{
			TLSFor:     func(string) (*tls.Config, error) { return &tls.Config{RootCAs: ca.pool()}, nil },
			ServerName: name("broker-0.svc"),
		}, ""},
		{"no configuration to be had", Options{TLSFor: func(string) (*tls.Config, error) { return nil, errors.New("no CA in the Secret") }}, "no CA in the Secret"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := newTestClient(t, tc.opts).Invoke(t.Context(), s.addr, Request{Code: 28})
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// TestServerWithoutTLSBesideOthers: TLSFor may leave a server unsecured.
func TestServerWithoutTLSBesideOthers(t *testing.T) {
	ca := newAuthority(t)
	s := secured(t, func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{ca.issue("s")}} })
	plain := newFakeServer(t, answering(echo))
	c := newTestClient(t, Options{TLSFor: func(addr string) (*tls.Config, error) {
		if addr == plain.addr {
			return nil, nil
		}
		return &tls.Config{RootCAs: ca.pool(), ServerName: "s"}, nil
	}})
	for _, addr := range []string{s.addr, plain.addr} {
		if _, err := c.Invoke(t.Context(), addr, Request{Code: 28}); err != nil {
			t.Error(err)
		}
	}
}

// TestRenewedCertificates: CA and client pair change while the client goes on; Reconnect brings them into force.
func TestRenewedCertificates(t *testing.T) {
	var mu sync.Mutex
	var server, client *tls.Config
	renew := func(ca *authority, name string) {
		mu.Lock()
		defer mu.Unlock()
		server = &tls.Config{Certificates: []tls.Certificate{ca.issue("s")}, ClientCAs: ca.pool(), ClientAuth: tls.RequireAndVerifyClientCert}
		client = &tls.Config{Certificates: []tls.Certificate{ca.issue(name)}, RootCAs: ca.pool(), ServerName: "s"}
	}
	current := func(config **tls.Config) *tls.Config {
		mu.Lock()
		defer mu.Unlock()
		return *config
	}
	renew(newAuthority(t), "first")
	s := secured(t, func() *tls.Config { return current(&server) })
	c := newTestClient(t, Options{TLSFor: func(string) (*tls.Config, error) { return current(&client), nil }})
	check := func(want string, connections int32) {
		t.Helper()
		resp, err := c.Invoke(t.Context(), s.addr, Request{Code: 28})
		if err != nil {
			t.Fatal(err)
		}
		if resp.Fields["client"] != want || s.accepted.Load() != connections {
			t.Errorf("client %q on connection %d, want %q on %d", resp.Fields["client"], s.accepted.Load(), want, connections)
		}
	}
	check("first", 1)
	renew(newAuthority(t), "second")
	check("first", 1) // connections stay as they are
	c.Reconnect()
	check("second", 2)

	// A client without the certificate that the server wants is told so.
	bare := newTestClient(t, Options{TLS: &tls.Config{RootCAs: current(&client).RootCAs, ServerName: "s"}})
	if _, err := bare.Invoke(t.Context(), s.addr, Request{Code: 28}); err == nil {
		t.Error("a client without certificate was answered")
	}
}
