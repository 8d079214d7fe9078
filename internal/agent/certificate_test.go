// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// issued is a new pair, with the CA that issued it.
func (a *authority) issued(t *testing.T) secretFiles {
	t.Helper()
	key := ecKey(t)
	return secretFiles{certificate: a.issue(t, key, 1, time.Now().AddDate(1, 0, 0)), key: sec1(t, key), ca: a.PEM}
}

// shown is the certificate that java would show, if the key is its own.
func (c *certificate) shown(t *testing.T) string {
	t.Helper()
	if _, err := tls.LoadX509KeyPair(filepath.Join(c.installed, settings.TLSCert), filepath.Join(c.installed, settings.TLSKey)); err != nil {
		t.Error(err)
	}
	return c.text(t, settings.TLSCert)
}

func (c *certificate) text(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(c.installed, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// A new pair reaches java within seconds; one that is not a pair never does.
func TestCertificateIsFollowed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := &certificate{secret: "cert", mounted: dir, installed: filepath.Join(dir, "run", "tls"), serves: true, verifies: true}
		ca := newAuthority(t)
		first, second := ca.issued(t), ca.issued(t)
		mount(t, dir, first)
		if news, err := c.install(); err != nil || !news {
			t.Fatalf("news %v, error %v", news, err)
		}
		if news, err := c.install(); err != nil || news {
			t.Errorf("the same pair again: news %v, error %v", news, err)
		}
		go c.follow(t.Context())
		key := ecKey(t)
		expired := secretFiles{certificate: ca.issue(t, key, 2, time.Now().Add(-time.Minute)), key: sec1(t, key)}
		for _, step := range []struct {
			name        string
			mount, want secretFiles
		}{
			{"a pair that is none", secretFiles{certificate: second.certificate, key: first.key}, first},
			{"a new pair", second, second},
			{"nothing", secretFiles{}, second},
			{"an expired one", expired, second},
			{"a CA that is none", secretFiles{certificate: first.certificate, key: first.key, ca: []byte("?")}, second},
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

// TestCAsAreFollowed: new CAs reach java and the agent, whatever has become of the certificate meanwhile.
func TestCAsAreFollowed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		old, renewed := newAuthority(t), newAuthority(t)
		c := &certificate{secret: "cert", mounted: dir, installed: filepath.Join(dir, "run"), serves: true, asksClients: true}
		key := ecKey(t)
		has := secretFiles{certificate: old.issue(t, key, 1, time.Now().Add(time.Minute)), key: sec1(t, key), ca: old.PEM}
		mount(t, dir, has)
		if _, err := c.install(); err != nil {
			t.Fatal(err)
		}
		go c.follow(t.Context())
		time.Sleep(2 * time.Minute) // it expires
		has.ca = append(has.ca, renewed.PEM...)
		mount(t, dir, has)
		time.Sleep(certificateInterval + time.Second)
		synctest.Wait()
		if got := c.text(t, settings.TLSCA); got != string(has.ca) {
			t.Errorf("java has the CAs\n%s", got)
		}
		config, err := c.client(false)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(old.PEM)
		pool.AppendCertsFromPEM(renewed.PEM)
		if !config.RootCAs.Equal(pool) {
			t.Error("the agent has other CAs")
		}
		has.ca = nil
		mount(t, dir, has)
		if _, err := c.install(); err == nil || !strings.Contains(err.Error(), "there is no ca.crt to verify clients by") {
			t.Errorf("without a CA: %v", err)
		}
	})
}

// TestStartWithCertificate: what a server starts with, and why it does not start.
func TestStartWithCertificate(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	good := ca.issued(t)
	key := ecKey(t)
	expired := secretFiles{certificate: ca.issue(t, key, 2, time.Now().Add(-time.Minute)), key: sec1(t, key), ca: ca.PEM}
	noCA, noKey, othersKey := good, good, good
	noCA.ca, noKey.key, othersKey.key = nil, nil, expired.key
	emptyCA, halfCA := good, good
	emptyCA.ca, halfCA.ca = []byte("\n"), other.PEM[:40]
	const permissive, enforcing = settings.TLSPermissive, settings.TLSEnforcing
	for name, test := range map[string]struct {
		role  settings.Role
		flags tlsFlags
		proxy *settings.ProxySettings
		mount secretFiles
		err   string
		files string // that java finds
	}{
		"no flags":      {role: settings.Broker, mount: good},
		"a certificate": {role: settings.Broker, flags: tlsFlags{server: permissive}, mount: good, files: "tls.crt tls.key"},
		"one to verify others by": {role: settings.Broker, flags: tlsFlags{server: permissive, client: true}, mount: good,
			files: "ca.crt tls.crt tls.key"},
		"a CA of no use": {role: settings.Broker, flags: tlsFlags{server: permissive}, mount: halfCA, files: "tls.crt tls.key"},
		"one that everybody can verify": {role: settings.Broker, flags: tlsFlags{server: enforcing, client: true}, mount: noCA,
			files: "tls.crt tls.key"},
		"an empty CA":    {role: settings.Broker, flags: tlsFlags{server: enforcing, client: true}, mount: emptyCA, files: "tls.crt tls.key"},
		"an expired one": {role: settings.NameServer, flags: tlsFlags{server: enforcing}, mount: expired, files: "tls.crt tls.key"},
		"an expired one of a proxy": {role: settings.Proxy, flags: tlsFlags{server: enforcing}, mount: expired,
			err: "of CN=servers, expired at "},
		"another key": {role: settings.Broker, flags: tlsFlags{server: enforcing}, mount: othersKey,
			err: `the Secret "pair": tls.key is not the key`},
		"no key": {role: settings.Broker, flags: tlsFlags{server: enforcing}, mount: noKey,
			err: `the Secret "pair" is missing or has no tls.key`},
		"nothing": {role: settings.Controller, flags: tlsFlags{server: enforcing}, err: `the Secret "pair" is missing or has no tls.crt`},
		"no CA for clients": {role: settings.Broker, flags: tlsFlags{server: enforcing, clientAuth: true}, mount: noCA,
			err: `spec.tls.clientAuth: there is no ca.crt to verify clients by in the Secret "pair"`},
		"half a CA": {role: settings.Broker, flags: tlsFlags{server: enforcing, client: true}, mount: halfCA,
			err: `the Secret "pair", or that of caSecretName: ca.crt holds no certificate`},
		"a proxy as before": {role: settings.Proxy, proxy: &settings.ProxySettings{TLSSecret: "pair"}, mount: halfCA,
			files: "tls.crt tls.key"},
		"a proxy with nothing": {role: settings.Proxy, flags: tlsFlags{client: true}, files: "self-signed.crt self-signed.key"},
		"a proxy with a CA": {role: settings.Proxy, flags: tlsFlags{client: true}, mount: secretFiles{ca: ca.PEM},
			files: "ca.crt self-signed.crt self-signed.key"},
		"a proxy with a pair for servers": {role: settings.Proxy, flags: tlsFlags{client: true}, mount: expired,
			files: "ca.crt self-signed.crt self-signed.key tls.crt tls.key"},
		"a proxy with half such a pair": {role: settings.Proxy, flags: tlsFlags{client: true}, mount: noKey, err: "has no tls.key"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.flags.given() {
				test.flags.secret = "pair"
			}
			c := &config{role: test.role, tls: test.flags, tlsDir: t.TempDir(), runDir: t.TempDir()}
			mount(t, c.tlsDir, test.mount)
			cert, err := c.certificate(settings.Settings{Proxy: test.proxy})
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			if err != nil {
				return
			}
			if got := cert.tls(); (got.Dir == "") != (test.files == "") || got.SelfSigned != strings.Contains(test.files, "self-signed") ||
				got.Pair != strings.Contains(test.files, "tls.key") || got.CA != strings.Contains(test.files, "ca.crt") {
				t.Errorf("java is told %+v", got)
			}
			var files []string
			entries, _ := os.ReadDir(filepath.Join(c.runDir, "tls"))
			for _, entry := range entries {
				files = append(files, entry.Name())
			}
			if got := strings.Join(files, " "); got != test.files {
				t.Errorf("java finds %s, want %s", got, test.files)
			}
		})
	}
}

// TestSelfSigned: java can take connections with what the agent makes.
func TestSelfSigned(t *testing.T) {
	dir := t.TempDir()
	if err := (&certificate{installed: dir}).selfSign(); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "self-signed.crt"), filepath.Join(dir, "self-signed.key"))
	if err != nil {
		t.Fatal(err)
	}
	if pair.Leaf.NotAfter.Year() != 9999 || len(pair.Leaf.Issuer.Names) == 0 {
		t.Errorf("%s until %s", pair.Leaf.Issuer, pair.Leaf.NotAfter)
	}
}

func TestWithin(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, time.May, n, 0, 0, 0, 0, time.UTC) }
	for at, want := range map[int]int{1: 2, 2: 2, 3: 3, 4: 4, 5: 4} {
		if got := within(day(at), day(2), day(4)); got != day(want) {
			t.Errorf("May %d: %s, want May %d", at, got, want)
		}
	}
}
