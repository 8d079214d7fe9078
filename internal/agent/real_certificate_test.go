// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"testing"
	"time"
)

// serial makes a certificate of that number for a key, PEM.
func serial(t *testing.T, number int64, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: "gateway"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return encoded(t, "CERTIFICATE", der, err)
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pkcs1 is an RSA key as cert-manager writes one by default, PEM.
func pkcs1(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	return encoded(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), nil)
}

// mountRSA gives a sandbox the certificate of number 1, as cert-manager makes one by default: PKCS#1.
func mountRSA(t *testing.T, s sandbox) {
	t.Helper()
	key := rsaKey(t)
	mount(t, s.path("tls"), secretFiles{certificate: serial(t, 1, key), key: pkcs1(t, key)})
}

// certificates follows a running proxy through certificates whose keys have other forms, and through a renewal that keeps the key.
func certificates(t *testing.T, s sandbox) {
	const gRPC = "127.0.0.1:8081"
	shows(t, 1, gRPC, atProxy)
	ec := ecKey(t)
	other := rsaKey(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(other)
	for number, p := range []secretFiles{
		2: {certificate: serial(t, 2, ec), key: sec1(t, ec)},
		3: {certificate: serial(t, 3, ec), key: sec1(t, ec)}, // only the certificate is new
		4: {certificate: serial(t, 4, other), key: encoded(t, "PRIVATE KEY", pkcs8, err)},
		5: {certificate: serial(t, 5, other), key: pkcs1(t, other)},
	} {
		if p.certificate != nil {
			mount(t, s.path("tls"), p)
			shows(t, int64(number), gRPC, atProxy)
		}
	}
}

// shows waits until servers at all these addresses show the certificate of that number.
func shows(t *testing.T, number int64, addresses ...string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for _, address := range addresses {
		for err := shown(t.Context(), address, number); err != nil; err = shown(t.Context(), address, number) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v", address, err)
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
}

// shown says why a server does not show the certificate of that number. It does not matter whether it takes the connection.
func shown(ctx context.Context, address string, number int64) error {
	var got *x509.Certificate
	dialer := tls.Dialer{Config: &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{"h2"},
		VerifyPeerCertificate: func(chain [][]byte, _ [][]*x509.Certificate) (err error) {
			got, err = x509.ParseCertificate(chain[0])
			return err
		},
	}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	switch {
	case got == nil:
		return fmt.Errorf("no certificate: %w", err)
	case got.SerialNumber.Int64() != number:
		return fmt.Errorf("it shows certificate %d, want %d", got.SerialNumber, number)
	}
	return nil
}
