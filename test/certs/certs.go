// SPDX-License-Identifier: Apache-2.0

// Package certs makes certificates for tests, as cert-manager does.
package certs

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// CA that signs certificates.
type CA struct {
	// PEM is its own certificate.
	PEM []byte

	certificate *x509.Certificate
	key         crypto.Signer
}

// Certificate and its key, in PEM.
type Certificate struct{ Certificate, Key []byte }

// Secret is the content of one of type kubernetes.io/tls, as cert-manager writes it.
func (ca *CA) Secret(c Certificate) map[string][]byte {
	return map[string][]byte{"tls.crt": c.Certificate, "tls.key": c.Key, "ca.crt": ca.PEM}
}

// Want of a certificate; the zero value is good for an hour, and for servers and clients.
type Want struct {
	// Subject is the common name, rocketmq if there is none.
	Subject string
	// Names in DNS. An IP address is taken for what it is.
	Names []string
	// From and Life say when it is good; from a minute ago, for an hour.
	From time.Time
	Life time.Duration
	// Usages are all if there are none.
	Usages []x509.ExtKeyUsage
	// Serial number; one by chance if it is 0.
	Serial int64
}

// NewCA makes a CA of that name.
func NewCA(name string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-365 * 24 * time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	ca := &CA{PEM: encode("CERTIFICATE", der), key: key}
	ca.certificate, err = x509.ParseCertificate(der)
	return ca, err
}

// Issue a certificate with a new RSA key in PKCS#1, which is cert-manager's default.
func (ca *CA) Issue(want Want) (Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return Certificate{}, err
	}
	return ca.Sign(want, key.Public(), encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)))
}

// Renew a certificate with the same key.
func (ca *CA) Renew(old Certificate, want Want) (Certificate, error) {
	block, _ := pem.Decode(old.Key)
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return Certificate{}, err
	}
	return ca.Sign(want, key.Public(), old.Key)
}

// Sign a certificate for a key of any kind, which is returned with it as it is given.
func (ca *CA) Sign(want Want, public crypto.PublicKey, key []byte) (Certificate, error) {
	if want.From.IsZero() {
		want.From = time.Now().Add(-time.Minute)
	}
	if want.Life == 0 {
		want.Life = time.Hour
	}
	serial := big.NewInt(want.Serial)
	if want.Serial == 0 {
		var err error
		if serial, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
			return Certificate{}, err
		}
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: cmp.Or(want.Subject, "rocketmq")}, NotBefore: want.From, NotAfter: want.From.Add(want.Life),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: want.Usages, BasicConstraintsValid: true,
	}
	for _, name := range want.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, public, ca.key)
	return Certificate{Certificate: encode("CERTIFICATE", der), Key: key}, err
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
