// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

func block(kind string, der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// issue a certificate for a key, good from 2026 to 2027.
func issue(t *testing.T, key crypto.Signer) []byte {
	return issueTo(t, key, pkix.Name{CommonName: "gateway"})
}

func issueTo(t *testing.T, key crypto.Signer, subject pkix.Name) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: subject, DNSNames: []string{"gateway.example.org"},
		NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return block("CERTIFICATE", der, err)
}

func TestKeyIsMadePKCS8(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return block("PRIVATE KEY", der, err)
	}
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	for name, test := range map[string]struct {
		key  crypto.Signer
		text []byte
	}{
		"PKCS#1, cert-manager's default": {rsaKey, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil)},
		"SEC 1":                          {ecKey, block("EC PRIVATE KEY", sec1, err)},
		"SEC 1 after its parameters":     {ecKey, append(block("EC PARAMETERS", []byte{6, 8}, nil), block("EC PRIVATE KEY", sec1, err)...)},
		"PKCS#8, RSA":                    {rsaKey, pkcs8(rsaKey)},
		"PKCS#8, EC":                     {ecKey, pkcs8(ecKey)},
		"PKCS#8, Ed25519":                {edKey, pkcs8(edKey)},
	} {
		t.Run(name, func(t *testing.T) {
			certificate, renewed := issue(t, test.key), issue(t, test.key)
			got, err := Key(certificate, test.text)
			if err != nil {
				t.Fatal(err)
			}
			if block, _ := pem.Decode(got); block == nil || block.Type != "PRIVATE KEY" {
				t.Errorf("not PKCS#8:\n%s", got)
			}
			if _, err := tls.X509KeyPair(certificate, got); err != nil {
				t.Error(err)
			}
			again, err := Key(renewed, test.text)
			if err != nil || bytes.Equal(got, again) {
				t.Errorf("the key's file is the same with a renewed certificate (%v)", err)
			}
		})
	}
}

func TestPairThatIsNotUsed(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return block("PRIVATE KEY", der, err)
	}
	certificate, good, june := issue(t, key), pkcs8(key), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		certificate, key []byte
		now              time.Time
		want             string
	}{
		"another key":        {certificate, pkcs8(other), june, "tls.key is not the key of the certificate in tls.crt (its first one, of CN=gateway)"},
		"the issuer first":   {append(issue(t, other), certificate...), good, june, "tls.key is not the key"},
		"expired":            {certificate, good, june.AddDate(1, 0, 0), "expired at 2027-01-01T00:00:00Z: renew it"},
		"not yet":            {certificate, good, june.AddDate(-1, 0, 0), "is good only from 2026-01-01T00:00:00Z on"},
		"no certificate":     {good, good, june, "tls.crt holds no certificate in PEM form"},
		"half a certificate": {block("CERTIFICATE", []byte{1}, nil), good, june, "a certificate in tls.crt cannot be read"},
		"half a chain":       {append(issue(t, key), block("CERTIFICATE", []byte{1}, nil)...), good, june, "a certificate in tls.crt cannot be read"},
		"issued by nobody":   {issueTo(t, key, pkix.Name{}), good, june, "of gateway.example.org, has no name of an issuer"},
		"no key":             {certificate, certificate, june, "tls.key holds no private key in PEM form"},
		"half a key":         {certificate, block("PRIVATE KEY", []byte{1}, nil), june, "the key in tls.key (PRIVATE KEY) cannot be read"},
		"a wrong name":       {certificate, bytes.ReplaceAll(good, []byte("PRIVATE KEY"), []byte("RSA PRIVATE KEY")), june, "the key in tls.key (RSA PRIVATE KEY) cannot be read"},
		"encrypted":          {certificate, block("ENCRYPTED PRIVATE KEY", []byte{1}, nil), june, "is encrypted: RocketMQ needs it without a password"},
		"encrypted, older": {certificate, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}}), june,
			"is encrypted"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Key(test.certificate, test.key)
			if err == nil {
				err = Good(test.certificate, test.now)
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestCAs(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old, renewed := issue(t, key), issue(t, key)
	for name, test := range map[string]struct {
		text []byte
		want int
		err  string
	}{
		"one":            {old, 1, ""},
		"two in turn":    {slices.Concat([]byte("# the old one\n"), old, renewed), 2, ""},
		"none":           {[]byte("not PEM"), 0, "ca.crt holds no certificate in PEM form"},
		"half of one":    {append(issue(t, key), block("CERTIFICATE", []byte{1}, nil)...), 0, "a certificate in ca.crt cannot be read"},
		"without a name": {issueTo(t, key, pkix.Name{}), 0, "the certificate in ca.crt, of gateway.example.org, has no name of an issuer"},
	} {
		got, err := CAs(test.text)
		if len(got) != test.want || (test.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %d certificates, error %v; want %d, %q", name, len(got), err, test.want, test.err)
		}
	}
}
