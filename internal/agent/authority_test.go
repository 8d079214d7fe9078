// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/test/certs"
)

// authority is a CA of a test.
type authority struct{ *certs.CA }

func newAuthority(t *testing.T) *authority {
	t.Helper()
	ca, err := certs.NewCA("ca")
	if err != nil {
		t.Fatal(err)
	}
	return &authority{ca}
}

// issue a certificate for servers and clients, PEM. It has the serial number, is for *.h.test and localhost, and good from an hour ago
// until the time given.
func (a *authority) issue(t *testing.T, key crypto.Signer, number int64, until time.Time) []byte {
	t.Helper()
	from := time.Now().Add(-time.Hour)
	issued, err := a.Sign(certs.Want{
		Subject: "servers", Serial: number, Names: []string{"*.h.test", "localhost"}, From: from, Life: until.Sub(from),
		Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key.Public(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return issued.Certificate
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sec1 is an EC key as cert-manager writes one by default, PEM.
func sec1(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	return encoded(t, "EC PRIVATE KEY", der, err)
}

func encoded(t *testing.T, kind string, der []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// mount writes a Secret as Kubernetes mounts one. Of what is nil there is no file.
func mount(t *testing.T, dir string, f secretFiles) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{settings.TLSCert: f.certificate, settings.TLSKey: f.key, settings.TLSCA: f.ca} {
		path := filepath.Join(dir, name)
		err := os.WriteFile(path, content, 0o644)
		if content == nil {
			err = os.RemoveAll(path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
