// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// authority is a CA of a test.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	// ca is the CA's own certificate, PEM.
	ca []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := ecKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{certificate: certificate, key: key, ca: encoded(t, "CERTIFICATE", der, nil)}
}

// issue a certificate for servers and clients, PEM. It has the serial number, is for *.h.test and localhost, and good from an hour ago
// until the time given.
func (a *authority) issue(t *testing.T, key crypto.Signer, number int64, until time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: "servers"}, DNSNames: []string{"*.h.test", "localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	return encoded(t, "CERTIFICATE", der, err)
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
