// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/render"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// certificateInterval is how often is looked whether Kubernetes has brought a new certificate, which takes it up to two minutes.
const certificateInterval = 5 * time.Second

// certificate is that of a server, from a Secret that the user, or cert-manager, writes. Java reads a copy, whose key is in the
// form that it understands; a pair that would end in nothing but failed handshakes never gets there.
type certificate struct {
	// secret is the Secret's name; mounted is where it is, installed where java reads.
	secret, mounted, installed string
	// used is the pair that java has.
	used pair
}

// pair is the content of a Secret.
type pair struct{ certificate, key []byte }

func (p pair) equal(other pair) bool {
	return bytes.Equal(p.certificate, other.certificate) && bytes.Equal(p.key, other.key)
}

// install copies the pair if java has another one, and says what is wrong with one that cannot be used.
func (c *certificate) install() (news bool, err error) {
	found, err := c.read()
	if err != nil || found.equal(c.used) {
		return false, err
	}
	key, err := render.Key(found.certificate, found.key, time.Now())
	if err != nil {
		return false, fmt.Errorf("spec.tls.secretName: the Secret %q: %w", c.secret, err)
	}
	if err := os.MkdirAll(c.installed, 0o700); err != nil {
		return false, fmt.Errorf("the directory for the certificate: %w", err)
	}
	if err := errors.Join(c.replace(settings.TLSCert, found.certificate), c.replace(settings.TLSKey, key)); err != nil {
		return false, fmt.Errorf("write the certificate: %w", err)
	}
	c.used = found
	return true, nil
}

func (c *certificate) read() (pair, error) {
	var p pair
	for name, content := range map[string]*[]byte{settings.TLSCert: &p.certificate, settings.TLSKey: &p.key} {
		var err error
		if *content, err = os.ReadFile(filepath.Join(c.mounted, name)); errors.Is(err, fs.ErrNotExist) {
			return p, fmt.Errorf("spec.tls.secretName: the Secret %q is missing or has no %s: it must be of type kubernetes.io/tls", c.secret, name)
		} else if err != nil {
			return p, fmt.Errorf("spec.tls.secretName: the Secret %q: %w", c.secret, err)
		}
	}
	return p, nil
}

// replace a file whole: java may look at any moment.
func (c *certificate) replace(name string, content []byte) error {
	path := filepath.Join(c.installed, name)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
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
