// SPDX-License-Identifier: Apache-2.0

package render

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/certificate"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Key turns the private key of a certificate, both in PEM, into the one form that every server of RocketMQ reads, PKCS#8. The
// gRPC server of a proxy knows no other, and cert-manager writes PKCS#1 unless it is told otherwise. The certificate must be the key's.
//
// The result begins with a line about the certificate: servers take a renewed certificate only when the key's file has changed too
// (FileWatchService, in the listeners of NamesrvController, BrokerController and TlsCertificateManager), and the key may be the same.
func Key(cert, key []byte) ([]byte, error) {
	chain, err := certificates(settings.TLSCert, cert)
	if err != nil {
		return nil, err
	}
	leaf := chain[0]
	private, err := privateKey(key)
	if err != nil {
		return nil, err
	}
	public, comparable := private.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !comparable || !public.Equal(leaf.PublicKey) {
		return nil, fmt.Errorf("%s is not the key of the certificate in %s (its first one, of %s): put the pair there as it was issued",
			settings.TLSKey, settings.TLSCert, certificate.Subject(leaf))
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", settings.TLSKey, err)
	}
	about := fmt.Sprintf("# of the certificate with SHA-256 %x\n", sha256.Sum256(cert))
	return append([]byte(about), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})...), nil
}

// Good says whether the certificate, the first one of the text, is good at the time given.
func Good(cert []byte, now time.Time) error {
	chain, err := certificates(settings.TLSCert, cert)
	if err != nil {
		return err
	}
	switch leaf := chain[0]; {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("the certificate in %s, of %s, expired at %s: renew it",
			settings.TLSCert, certificate.Subject(leaf), leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("the certificate in %s, of %s, is good only from %s on: wait, or set the node's clock",
			settings.TLSCert, certificate.Subject(leaf), leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// CAs that servers and clients verify each other by.
func CAs(text []byte) ([]*x509.Certificate, error) { return certificates(settings.TLSCA, text) }

// certificates in the file of that name. Java reads none that was issued by nobody (X509CertInfo.verifyCert), as a self-signed one is
// that has nothing but DNS names.
func certificates(file string, text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for block, rest := firstBlock(text, "CERTIFICATE"); block != nil; block, rest = firstBlock(rest, "CERTIFICATE") {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("a certificate in %s cannot be read: %w", file, err)
		}
		if len(c.Issuer.Names) == 0 {
			return nil, fmt.Errorf("the certificate in %s, of %s, has no name of an issuer, and Java cannot read it: give it a commonName",
				file, certificate.Subject(c))
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", file)
	}
	return out, nil
}

// privateKey reads PKCS#8, PKCS#1 (RSA) and SEC 1 (EC).
func privateKey(text []byte) (crypto.Signer, error) {
	block, _ := firstBlock(text, "PRIVATE KEY")
	if block == nil {
		return nil, fmt.Errorf("%s holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)", settings.TLSKey)
	}
	var key any
	var err error
	switch {
	case strings.HasPrefix(block.Type, "ENCRYPTED"), strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return nil, fmt.Errorf("the key in %s is encrypted: RocketMQ needs it without a password", settings.TLSKey)
	case block.Type == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	signer, signs := key.(crypto.Signer)
	if err == nil && !signs {
		err = errors.New("it is no key of a certificate")
	}
	if err != nil {
		return nil, fmt.Errorf("the key in %s (%s) cannot be read: %w", settings.TLSKey, block.Type, err)
	}
	return signer, nil
}

// firstBlock whose type ends like this, nil if there is none. Others may come before, such as the parameters of an EC key.
func firstBlock(text []byte, kind string) (block *pem.Block, rest []byte) {
	for block, rest = pem.Decode(text); block != nil && !strings.HasSuffix(block.Type, kind); {
		block, rest = pem.Decode(rest)
	}
	return block, rest
}
