// SPDX-License-Identifier: Apache-2.0

// Package certificate says what is wrong with a certificate of servers, and how to speak TLS with those.
package certificate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Bundle is a certificate with its key, and the CAs to trust.
type Bundle struct {
	pair tls.Certificate
	ca   []byte // in PEM, empty for the system's CAs
	pool *x509.CertPool
}

// Read the contents of Secrets: certificate, key and CAs in PEM. Without a CA those of the system count. The key must be the
// certificate's.
func Read(certificate, key, ca []byte) (*Bundle, error) {
	for name, content := range map[string][]byte{settings.TLSCert: certificate, settings.TLSKey: key} {
		if len(content) == 0 {
			return nil, fmt.Errorf("it has no %s: it must be of type kubernetes.io/tls", name)
		}
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are no pair: %s. Put the two there as they were issued", settings.TLSCert, settings.TLSKey,
			strings.TrimPrefix(err.Error(), "tls: "))
	}
	b := &Bundle{pair: pair, ca: ca}
	if len(ca) > 0 {
		b.pool = x509.NewCertPool()
		if !b.pool.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", settings.TLSCA)
		}
	}
	return b, nil
}

// UnusableError says why Secrets hold nothing that can be used.
type UnusableError struct {
	// Secret is the name of the one in which it is wrong.
	Secret string
	why    error
}

func (e *UnusableError) Error() string { return fmt.Sprintf("Secret %s: %s", e.Secret, e.why) }

func (e *UnusableError) Unwrap() error { return e.why }

// Unusable is why a certificate in a Secret cannot be used.
func Unusable(secret string, why error) *UnusableError { return &UnusableError{secret, why} }

// HasCA reports whether the CAs to trust are given.
func (b *Bundle) HasCA() bool { return b.pool != nil }

// Expires is when the certificate does.
func (b *Bundle) Expires() time.Time { return b.pair.Leaf.NotAfter }

// ExpiresSoon is when less than a third of the certificate's life is left. Until then cert-manager has renewed it.
func (b *Bundle) ExpiresSoon() time.Time {
	life := b.pair.Leaf.NotAfter.Sub(b.pair.Leaf.NotBefore)
	return b.pair.Leaf.NotAfter.Add(-life / 3)
}

// Names that a certificate must be for: those of Services, and those of single pods.
type Names struct{ Services, Pods []string }

// Check that the certificate is good for servers of these names, and for clients if servers ask for their certificates. The error says
// what to do.
func (b *Bundle) Check(now time.Time, names Names, client bool) error {
	leaf := b.pair.Leaf
	err := b.verify(now, x509.ExtKeyUsageServerAuth)
	if err == nil && client {
		if !b.HasCA() {
			return fmt.Errorf("there is no %s, and tls.clientAuth needs the CA that signs the clients' certificates: add it, or name another "+
				"Secret in tls.caSecretName", settings.TLSCA)
		}
		err = b.verify(now, x509.ExtKeyUsageClientAuth)
	}
	invalid, unknown := x509.CertificateInvalidError{}, x509.UnknownAuthorityError{}
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.After(leaf.NotAfter):
		return fmt.Errorf("the certificate, of %s, expired at %s: renew it", Subject(leaf), leaf.NotAfter.UTC().Format(time.RFC3339))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the certificate, of %s, or one of its CAs, is not good now (it is from %s on): renew it, or set the operator's clock",
			Subject(leaf), leaf.NotBefore.UTC().Format(time.RFC3339))
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return fmt.Errorf("the certificate, of %s, is not made for what servers use it for, which is also to be clients of each other: "+
			"give it the usages \"server auth\" and \"client auth\"", Subject(leaf))
	case errors.As(err, &unknown) && b.HasCA():
		return fmt.Errorf("the certificate, of %s, is not signed by the CA in %s: put the CA of its issuer there, and while a CA is "+
			"replaced both", Subject(leaf), settings.TLSCA)
	case errors.As(err, &unknown):
		return fmt.Errorf("the certificate, of %s, is signed by a CA that is not publicly known, and there is no %s: add it, or name a "+
			"Secret that has it in tls.caSecretName", Subject(leaf), settings.TLSCA)
	case err != nil:
		return fmt.Errorf("the certificate, of %s, cannot be verified: %w", Subject(leaf), err)
	}
	return checkNames(leaf, names)
}

func (b *Bundle) verify(now time.Time, usage x509.ExtKeyUsage) error {
	others := x509.NewCertPool()
	for _, der := range b.pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			others.AddCert(c)
		}
	}
	_, err := b.pair.Leaf.Verify(x509.VerifyOptions{Roots: b.pool, Intermediates: others, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

func checkNames(leaf *x509.Certificate, names Names) error {
	var lacks []string
	for _, name := range names.Services {
		if leaf.VerifyHostname(name) != nil {
			lacks = append(lacks, name)
		}
	}
	for _, name := range names.Pods {
		_, parent, _ := strings.Cut(name, ".")
		if any := "*." + parent; leaf.VerifyHostname(name) != nil && !slices.Contains(lacks, any) {
			lacks = append(lacks, any)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("the certificate, of %s, is not for the names of the servers: add to its DNS names: %s", Subject(leaf), strings.Join(lacks, ", "))
}

// Client returns how to open connections to the server of that name.
func (b *Bundle) Client(server string) *tls.Config {
	return &tls.Config{
		ServerName: server, RootCAs: b.pool, MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &b.pair, nil },
	}
}

// Digest tells one set of CAs from another, and one certificate from another if it counts too.
func (b *Bundle) Digest(certificate bool) string {
	sum := sha256.New()
	sum.Write(b.ca)
	if certificate {
		for _, der := range b.pair.Certificate {
			sum.Write(der)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// Subject of a certificate, as its owner knows it.
func Subject(certificate *x509.Certificate) string {
	if name := certificate.Subject.String(); name != "" {
		return name
	}
	return strings.Join(certificate.DNSNames, ", ")
}
