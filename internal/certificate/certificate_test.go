// SPDX-License-Identifier: Apache-2.0

package certificate

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/test/certs"
)

func authority(t *testing.T, name string) *certs.CA {
	t.Helper()
	ca, err := certs.NewCA(name)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func issue(t *testing.T, ca *certs.CA, want certs.Want) certs.Certificate {
	t.Helper()
	c, err := ca.Issue(want)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCheck: what is wrong with a certificate is said with the remedy.
func TestCheck(t *testing.T) {
	ours, other := authority(t, "ours"), authority(t, "other")
	names := Names{Services: []string{"ns-nameserver.mq.svc.cluster.local"}, Pods: []string{
		"ns-0.ns-nameserver-headless.mq.svc.cluster.local", "ns-1.ns-nameserver-headless.mq.svc.cluster.local",
	}}
	const all = "*.ns-nameserver-headless.mq.svc.cluster.local"
	good := certs.Want{Names: []string{names.Services[0], all}}
	with := func(change func(*certs.Want)) certs.Want {
		out := good
		change(&out)
		return out
	}
	for _, test := range []struct {
		name   string
		ca     *certs.CA // that signs
		want   certs.Want
		given  []byte // the CA in the Secret
		client bool
		says   string // "" if it is good
	}{
		{"good", ours, good, ours.PEM, false, ""},
		{"good for clients too", ours, good, ours.PEM, true, ""},
		{"each pod by its name", ours, with(func(w *certs.Want) { w.Names = append(names.Pods, names.Services...) }), ours.PEM, false, ""},
		{"both CAs", ours, good, append(append([]byte{}, other.PEM...), ours.PEM...), false, ""},
		{"another CA", other, good, ours.PEM, false, "not signed by the CA in ca.crt"},
		{"no CA", ours, good, nil, false, "there is no ca.crt: add it, or name a Secret that has it in tls.caSecretName"},
		{"expired", ours, with(func(w *certs.Want) { w.From = time.Now().Add(-2 * time.Hour) }), ours.PEM, false, "expired at "},
		{"not good yet", ours, with(func(w *certs.Want) { w.From = time.Now().Add(time.Hour) }), ours.PEM, false, "is not good now (it is from "},
		{"no names of pods", ours, with(func(w *certs.Want) { w.Names = names.Services }), ours.PEM, false, "add to its DNS names: " + all},
		{"no names", ours, certs.Want{}, ours.PEM, false, "add to its DNS names: " + names.Services[0] + ", " + all},
		{"for clients only", ours, with(func(w *certs.Want) { w.Usages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), ours.PEM, false, `"server auth"`},
		{"for servers only", ours, with(func(w *certs.Want) { w.Usages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), ours.PEM, false, ""},
		{"for servers only, where clients show one", ours, with(func(w *certs.Want) { w.Usages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), ours.PEM, true, `"client auth"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := issue(t, test.ca, test.want)
			bundle, err := Read(c.Certificate, c.Key, test.given)
			if err != nil {
				t.Fatal(err)
			}
			if err := bundle.Check(time.Now(), names, test.client); test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
}

func TestRead(t *testing.T) {
	ca := authority(t, "ca")
	one, two := issue(t, ca, certs.Want{}), issue(t, ca, certs.Want{})
	for name, test := range map[string]struct {
		certificate, key, ca []byte
		says                 string
	}{
		"nothing":             {nil, nil, nil, "it has no tls."},
		"no key":              {one.Certificate, nil, nil, "it has no tls.key"},
		"the key of another":  {one.Certificate, two.Key, nil, "are no pair: private key does not match public key"},
		"no PEM":              {[]byte("x"), one.Key, nil, "are no pair"},
		"a CA that is no PEM": {one.Certificate, one.Key, []byte("x"), "ca.crt holds no certificate in PEM form"},
	} {
		if _, err := Read(test.certificate, test.key, test.ca); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: got %v, want %q", name, err, test.says)
		}
	}
}

// TestDigest: what has to be loaded anew is told from what has not.
func TestDigest(t *testing.T) {
	ca, other := authority(t, "ca"), authority(t, "ca")
	one := issue(t, ca, certs.Want{})
	renewed, err := ca.Renew(one, certs.Want{})
	if err != nil {
		t.Fatal(err)
	}
	digest := func(c certs.Certificate, ca *certs.CA, certificate bool) string {
		bundle, err := Read(c.Certificate, c.Key, ca.PEM)
		if err != nil {
			t.Fatal(err)
		}
		return bundle.Digest(certificate)
	}
	if digest(one, ca, false) != digest(renewed, ca, false) || digest(one, ca, true) == digest(renewed, ca, true) {
		t.Error("a renewed certificate counts where it should not, or does not where it should")
	}
	if digest(one, ca, false) == digest(one, other, false) {
		t.Error("another CA does not count")
	}
}

func TestExpiresSoon(t *testing.T) {
	ca := authority(t, "ca")
	for left, want := range map[time.Duration]bool{50 * time.Hour: false, 31 * time.Hour: false, 29 * time.Hour: true, -time.Hour: true} {
		c := issue(t, ca, certs.Want{From: time.Now().Add(left - 90*time.Hour), Life: 90 * time.Hour})
		bundle, err := Read(c.Certificate, c.Key, ca.PEM)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Now().After(bundle.ExpiresSoon()); got != want {
			t.Errorf("%s before its end it is expiring: %t", left, got)
		}
	}
}
