// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// mount writes a Secret as Kubernetes mounts one.
func mount(t *testing.T, dir string, p pair) {
	t.Helper()
	for name, content := range map[string][]byte{settings.TLSCert: p.certificate, settings.TLSKey: p.key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// issued makes a certificate that is good for a year from now on, and its key in the form of SEC 1.
func issued(t *testing.T) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway"}, NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})}
}

// shown is the certificate that java would show, if the key is its own.
func (c *certificate) shown(t *testing.T) string {
	t.Helper()
	if _, err := tls.LoadX509KeyPair(filepath.Join(c.installed, settings.TLSCert), filepath.Join(c.installed, settings.TLSKey)); err != nil {
		t.Error(err)
	}
	content, err := os.ReadFile(filepath.Join(c.installed, settings.TLSCert))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// A new pair reaches java within seconds; one that is not a pair never does.
func TestCertificateIsFollowed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := &certificate{secret: "cert", mounted: dir, installed: filepath.Join(dir, "run", "tls")}
		first, second := issued(t), issued(t)
		mount(t, dir, first)
		if news, err := c.install(); err != nil || !news {
			t.Fatalf("news %v, error %v", news, err)
		}
		if news, err := c.install(); err != nil || news {
			t.Errorf("the same pair again: news %v, error %v", news, err)
		}
		go c.follow(t.Context())
		for _, step := range []struct {
			name        string
			mount, want pair
		}{
			{"a pair that is none", pair{second.certificate, first.key}, first},
			{"a new pair", second, second},
			{"nothing", pair{}, second},
			{"the first pair", first, first},
		} {
			mount(t, dir, step.mount)
			time.Sleep(certificateInterval + time.Second)
			synctest.Wait()
			if c.shown(t) != string(step.want.certificate) {
				t.Errorf("after %s: another certificate is shown", step.name)
			}
		}
		if err := os.Remove(filepath.Join(dir, settings.TLSKey)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.install(); err == nil || !strings.Contains(err.Error(), `the Secret "cert" is missing or has no tls.key`) {
			t.Errorf("without a key: %v", err)
		}
	})
}
