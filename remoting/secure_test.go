package remoting

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net"
	"net/http/httptest"
	"strings"
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
