// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// keys makes the cluster's keys, certificates and kubeconfigs below dir, each once: what exists is kept.
type keys struct {
	dir        string
	root       authority // for everybody
	frontProxy authority // for the API server's requests to extension API servers
}

type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// makeKeys makes all that is missing for the given nodes.
func makeKeys(dir string, nodes []node) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	k := keys{dir: dir}
	var err error
	if k.root, err = k.authority("ca"); err != nil {
		return err
	}
	if k.frontProxy, err = k.authority("front-proxy-ca"); err != nil {
		return err
	}
	if err := k.serviceAccountKey(); err != nil {
		return err
	}
	certs := []struct {
		ca       authority
		name     string
		subject  pkix.Name
		dns, ips []string
	}{
		{ca: k.root, name: "apiserver", subject: pkix.Name{CommonName: "kube-apiserver"},
			dns: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"},
			ips: []string{hostIP, apiIP, "127.0.0.1"}},
		{ca: k.root, name: "apiserver-kubelet-client", subject: pkix.Name{CommonName: "kube-apiserver-kubelet-client", Organization: []string{"system:masters"}}},
		{ca: k.frontProxy, name: "front-proxy-client", subject: pkix.Name{CommonName: "front-proxy-client"}},
	}
	users := []struct {
		name    string
		subject pkix.Name
	}{
		{"admin", pkix.Name{CommonName: "kubernetes-admin", Organization: []string{"system:masters"}}},
		{"controller-manager", pkix.Name{CommonName: "system:kube-controller-manager"}},
		{"scheduler", pkix.Name{CommonName: "system:kube-scheduler"}},
		{"kube-proxy", pkix.Name{CommonName: "system:kube-proxy"}},
		{"coredns", pkix.Name{CommonName: "system:coredns"}},
		{"provisioner", pkix.Name{CommonName: "system:provisioner"}},
		{"network-policy", pkix.Name{CommonName: "system:network-policy"}},
	}
	for _, n := range nodes {
		subject := pkix.Name{CommonName: "system:node:" + n.name(), Organization: []string{"system:nodes"}}
		serving := certs[0]
		serving.name, serving.subject, serving.dns, serving.ips = "kubelet-serving-"+n.name(), subject, []string{n.name()}, []string{n.ip()}
		certs = append(certs, serving)
		users = append(users, struct {
			name    string
			subject pkix.Name
		}{"kubelet-" + n.name(), subject})
	}
	for _, cert := range certs {
		if k.exists(cert.name + ".crt") {
			continue
		}
		crt, key, err := sign(cert.ca, cert.subject, cert.dns, cert.ips)
		if err != nil {
			return fmt.Errorf("make certificate %s: %w", cert.name, err)
		}
		// The certificate last: it shows that the pair is complete.
		if err := errors.Join(k.write(cert.name+".key", key), k.write(cert.name+".crt", crt)); err != nil {
			return err
		}
	}
	for _, u := range users {
		if k.exists(u.name + ".conf") {
			continue
		}
		crt, key, err := sign(k.root, u.subject, nil, nil)
		if err != nil {
			return fmt.Errorf("make certificate of %s: %w", u.subject.CommonName, err)
		}
		if err := k.write(u.name+".conf", kubeconfig(k.root.cert, u.subject.CommonName, crt, key)); err != nil {
			return err
		}
	}
	return nil
}

func (k keys) exists(name string) bool {
	_, err := os.Stat(filepath.Join(k.dir, name))
	return err == nil
}

func (k keys) write(name string, b []byte) error {
	return writeFile(filepath.Join(k.dir, name), b, 0o600)
}

// authority reads or makes a certificate authority.
func (k keys) authority(name string) (authority, error) {
	if b, err := os.ReadFile(filepath.Join(k.dir, name+".crt")); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return authority{}, err
		}
		keyPEM, err := os.ReadFile(filepath.Join(k.dir, name+".key"))
		if err != nil {
			return authority{}, err
		}
		crtBlock, _ := pem.Decode(b)
		keyBlock, _ := pem.Decode(keyPEM)
		if crtBlock == nil || keyBlock == nil {
			return authority{}, fmt.Errorf("%s in %s is damaged; start afresh with up --fresh", name, k.dir)
		}
		cert, err := x509.ParseCertificate(crtBlock.Bytes)
		if err != nil {
			return authority{}, err
		}
		key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
		return authority{cert, key}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template, err := certificate(pkix.Name{CommonName: name})
	if err != nil {
		return authority{}, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return authority{}, err
	}
	return authority{cert, key}, errors.Join(k.write(name+".key", keyPEM), k.write(name+".crt", encodeCert(der)))
}

// serviceAccountKey makes the pair that signs and checks service account tokens.
func (k keys) serviceAccountKey() error {
	if k.exists("sa.pub") {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return errors.Join(
		k.write("sa.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		k.write("sa.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})))
}

// certificate is the common part of all certificates, valid for ten years.
func certificate(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	return &x509.Certificate{
		SerialNumber: serial, Subject: subject,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}, err
}

// sign makes a key and a certificate for it, both PEM.
func sign(ca authority, subject pkix.Name, dns, ips []string) (crt, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template, err := certificate(subject)
	if err != nil {
		return nil, nil, err
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	template.DNSNames = dns
	for _, ip := range ips {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(ip))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, k.Public(), ca.key)
	if err != nil {
		return nil, nil, err
	}
	key, err = encodeKey(k)
	return encodeCert(der), key, err
}

func encodeCert(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}

// kubeconfig is a client's configuration with everything in one file.
func kubeconfig(ca *x509.Certificate, user string, crt, key []byte) []byte {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: local
clusters:
- name: local
  cluster: {server: "%s", certificate-authority-data: %s}
users:
- name: "%s"
  user: {client-certificate-data: %s, client-key-data: %s}
contexts:
- name: local
  context: {cluster: local, user: "%s"}
`, apiURL, b64(encodeCert(ca.Raw)), user, b64(crt), b64(key), user)
}
