// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/render"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// certificateInterval is how often is looked whether Kubernetes has brought a new certificate, which takes it up to two minutes.
const certificateInterval = 2 * time.Second

// certificate is that of a server, from a Secret that the user, or cert-manager, writes. Java reads a copy, whose key is in the
// form that it understands; a pair that would end in nothing but failed handshakes never gets there.
//
// Name servers and brokers, and proxies of 5.4.0 and later, show a new certificate within seconds. Controllers never do, and nobody
// takes a new one, or new CAs, for the connections that he opens (NettyRemotingClient reads them once): the operator restarts servers
// for that.
type certificate struct {
	// secret is the Secret's name; mounted is where it is, installed where java reads.
	secret, mounted, installed string
	// serves: connections are taken with the pair, so that there must be one. verifies: others are verified by the CAs, if there are
	// any. asksClients: clients are, so that there must be some.
	serves, verifies, asksClients bool
	// orExpired: at the start, a certificate that has expired is better than none.
	orExpired bool
	// selfSigned: java has a pair of the agent's for the connections that it takes.
	selfSigned bool

	mu sync.Mutex
	// used is what java and the agent have.
	used secretFiles
}

// secretFiles are the content of a Secret; nil for what it does not have.
type secretFiles struct{ certificate, key, ca []byte }

func (f secretFiles) equal(other secretFiles) bool {
	return bytes.Equal(f.certificate, other.certificate) && bytes.Equal(f.key, other.key) && bytes.Equal(f.ca, other.ca)
}

// tls says what java finds.
func (c *certificate) tls() render.TLS {
	if c == nil {
		return render.TLS{}
	}
	return render.TLS{
		Dir: c.installed, Serves: c.serves, SelfSigned: c.selfSigned, AsksClients: c.asksClients,
		Pair: c.used.certificate != nil, CA: c.used.ca != nil,
	}
}

// install copies the Secret if java has another one, and says what is wrong with one that cannot be used.
func (c *certificate) install() (news bool, err error) {
	found, err := c.read()
	if err != nil || found.equal(c.used) {
		return false, err
	}
	key, err := c.check(found)
	if err != nil {
		return false, err
	}
	// Java reads the pair when both files have changed, and the CAs, with the pair, when those have (the listener of FileWatchService):
	// they come last, so that it never reads half a pair. A new certificate changes the key's file too: see render.Key.
	for _, file := range []struct {
		name    string
		content []byte
	}{{settings.TLSCert, found.certificate}, {settings.TLSKey, key}, {settings.TLSCA, found.ca}} {
		if err := c.replace(file.name, file.content); err != nil {
			return false, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = found
	return true, nil
}

func (c *certificate) read() (secretFiles, error) {
	var f secretFiles
	for name, content := range map[string]*[]byte{settings.TLSCert: &f.certificate, settings.TLSKey: &f.key, settings.TLSCA: &f.ca} {
		text, err := os.ReadFile(filepath.Join(c.mounted, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return f, fmt.Errorf("spec.tls.secretName: the Secret %q: %w", c.secret, err)
		}
		if len(bytes.TrimSpace(text)) > 0 { // cert-manager may have an empty ca.crt
			*content = text
		}
	}
	if !c.verifies && !c.asksClients {
		f.ca = nil
	}
	missing := ""
	switch {
	case f.certificate == nil && (c.serves || f.key != nil):
		missing = settings.TLSCert
	case f.key == nil && (c.serves || f.certificate != nil):
		missing = settings.TLSKey
	case f.ca == nil && c.asksClients:
		return f, fmt.Errorf("spec.tls.clientAuth: there is no %s to verify clients by in the Secret %q: "+
			"put the CA that signs their certificates there, or name a Secret that has it in spec.tls.caSecretName", settings.TLSCA, c.secret)
	default:
		return f, nil
	}
	return f, fmt.Errorf("spec.tls.secretName: the Secret %q is missing or has no %s: it must be of type kubernetes.io/tls", c.secret, missing)
}

// check a Secret's content, and return the key as java reads it.
func (c *certificate) check(f secretFiles) (key []byte, err error) {
	if f.ca != nil {
		if _, err := render.CAs(f.ca); err != nil {
			return nil, fmt.Errorf("spec.tls: the Secret %q, or that of caSecretName: %w", c.secret, err)
		}
	}
	if f.certificate == nil {
		return nil, nil
	}
	key, err = render.Key(f.certificate, f.key)
	if err == nil && !bytes.Equal(f.certificate, c.used.certificate) {
		err = c.good(f.certificate)
	}
	if err != nil {
		return nil, fmt.Errorf("spec.tls.secretName: the Secret %q: %w", c.secret, err)
	}
	return key, nil
}

func (c *certificate) good(certificate []byte) error {
	err := render.Good(certificate, time.Now())
	if err != nil && c.orExpired && c.used.certificate == nil {
		logf("WARN", "spec.tls.secretName: the Secret %q: %s. Whoever verifies it refuses this server", c.secret, err)
		return nil
	}
	return err
}

// replace a file whole: java may look at any moment. There is none for what a Secret does not have.
func (c *certificate) replace(name string, content []byte) error {
	if content == nil {
		return nil
	}
	path := filepath.Join(c.installed, name)
	err := os.MkdirAll(c.installed, 0o700)
	if err == nil {
		err = os.WriteFile(path+".new", content, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("write the certificate: %w", err)
	}
	return nil
}

// follow the Secret until ctx ends. What cannot be used is told once, and java goes on with what it has.
func (c *certificate) follow(ctx context.Context) {
	ticker := time.NewTicker(certificateInterval)
	defer ticker.Stop()
	told := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		switch news, err := c.install(); {
		case err != nil && err.Error() != told:
			told = err.Error()
			logf("WARN", "the certificate stays as it is: %s", err)
		case err == nil:
			told = ""
			if news {
				logf("INFO", "there is a new certificate in the Secret %q", c.secret)
			}
		}
	}
}

// client is the configuration of a connection that the agent opens, to its own server or to another.
func (c *certificate) client(own bool) (*tls.Config, error) {
	c.mu.Lock()
	used := c.used
	c.mu.Unlock()
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if used.ca != nil {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(used.ca)
	}
	if used.certificate == nil {
		return config, nil
	}
	pair, err := tls.X509KeyPair(used.certificate, used.key)
	if err != nil {
		return nil, fmt.Errorf("the Secret %q: %w", c.secret, err)
	}
	config.Certificates = []tls.Certificate{pair}
	if own { // a server whose certificate has expired would never count as started
		config.Time = func() time.Time { return within(time.Now(), pair.Leaf.NotBefore, pair.Leaf.NotAfter) }
	}
	return config, nil
}

// within the two times is the one nearest to t.
func within(t, from, to time.Time) time.Time {
	switch {
	case t.Before(from):
		return from
	case t.After(to):
		return to
	}
	return t
}

// selfSign makes a pair for a proxy that has none of the user's to take connections with. RocketMQ would make one too, but not while it
// verifies the servers that it connects to: both hang on tls.test.mode.enable.
func (c *certificate) selfSign() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "rocketmq-proxy"},
		NotBefore: time.Now().AddDate(-1, 0, 0),
		NotAfter:  time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC), // never (RFC 5280, 4.1.2.5)
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return fmt.Errorf("sign a certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	c.selfSigned = true
	return errors.Join(
		c.replace(render.SelfSignedCert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})),
		c.replace(render.SelfSignedKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	)
}
