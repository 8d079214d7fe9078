// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// startLimit is for an API server on a machine that has much else to do.
const startLimit = 3 * time.Minute

// Users of the API server. All may do everything.
const (
	benchUser   = "scale"
	managerUser = "controller-manager"
)

// plane is a control plane without a scheduler and kubelets: etcd, kube-apiserver and kube-controller-manager.
type plane struct {
	environment *envtest.Environment
	config      *rest.Config // of benchUser
	manager     *exec.Cmd
	dir         string
	tokens      map[string]string // of the users
	logs        []io.Closer
}

// The controllers that the operator's objects need: those that make pods and the status of what the operator watches, and the one
// that puts a ConfigMap into every namespace, as in every cluster.
const planeControllers = "statefulset-controller,disruption-controller,root-ca-certificate-publisher-controller"

// auditPolicy logs what the named users ask for, and nothing of anybody else.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: %s, users: [%s], omitManagedFields: true}
- {level: None}
`

// startPlane in a directory, with the users whose requests are logged.
func startPlane(o options, dir string, logged []string) (_ *plane, err error) {
	p := &plane{dir: dir, tokens: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.stop())
		}
	}()
	level := "Metadata"
	if o.bodies {
		level = "RequestResponse"
	}
	policy := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, fmt.Appendf(nil, auditPolicy, level, strings.Join(logged, ", ")), 0o600); err != nil {
		return nil, err
	}
	tokens, err := p.writeTokens(append(logged, benchUser, managerUser))
	if err != nil {
		return nil, err
	}
	p.environment = &envtest.Environment{
		CRDDirectoryPaths:        []string{filepath.Join(o.root, "config", "crd")},
		ErrorIfCRDPathMissing:    true,
		BinaryAssetsDirectory:    o.assets,
		ControlPlaneStartTimeout: startLimit,
		ControlPlaneStopTimeout:  startLimit,
	}
	server := p.environment.ControlPlane.GetAPIServer()
	if server.Err, err = p.log("kube-apiserver"); err != nil {
		return nil, err
	}
	server.Configure().
		Set("advertise-address", "10.200.0.1").         // nobody dials it; a network of its own has only the loopback device
		Set("service-cluster-ip-range", "10.0.0.0/12"). // for thousands of Services
		Set("token-auth-file", tokens).
		Set("audit-policy-file", policy).
		Set("audit-log-path", p.auditLog()).
		Set("audit-log-maxsize", "16384") // MB: one file, whose sizes mark moments
	etcd := &envtest.Etcd{}
	if etcd.Err, err = p.log("etcd"); err != nil {
		return nil, err
	}
	etcd.Configure().Set("quota-backend-bytes", "8589934592").Set("auto-compaction-retention", "5m").Set("log-level", "warn")
	p.environment.ControlPlane.Etcd = etcd
	if p.config, err = p.environment.Start(); err != nil {
		return nil, err
	}
	p.config.BearerToken, p.config.CertData, p.config.KeyData = p.tokens[benchUser], nil, nil
	p.config.QPS, p.config.Burst = -1, -1
	return p, p.startManager(o.assets, filepath.Join(server.CertDir, "apiserver.crt"))
}

func (p *plane) auditLog() string { return filepath.Join(p.dir, "audit.log") }

// writeTokens makes a token for each user. (A certificate would be verified with every request.)
func (p *plane) writeTokens(users []string) (file string, err error) {
	var lines strings.Builder
	for _, user := range users {
		p.tokens[user] = rand.Text()
		fmt.Fprintf(&lines, "%s,%s,%s,system:masters\n", p.tokens[user], user, user)
	}
	file = filepath.Join(p.dir, "tokens.csv")
	return file, os.WriteFile(file, []byte(lines.String()), 0o600)
}

// log of a process, closed when the plane stops.
func (p *plane) log(name string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(p.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		p.logs = append(p.logs, file)
	}
	return file, err
}

// kubeconfig writes the file by which a user finds the API server.
func (p *plane) kubeconfig(user string) (string, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters["scale"] = &clientcmdapi.Cluster{Server: p.config.Host, CertificateAuthorityData: p.config.CAData}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: p.tokens[user]}
	config.Contexts["scale"] = &clientcmdapi.Context{Cluster: "scale", AuthInfo: user}
	config.CurrentContext = "scale"
	file := filepath.Join(p.dir, user+".kubeconfig")
	return file, clientcmd.WriteToFile(*config, file)
}

// startManager without limits of its own: what is measured is the operator.
func (p *plane) startManager(assets, certificate string) error {
	kubeconfig, err := p.kubeconfig(managerUser)
	if err != nil {
		return err
	}
	log, err := p.log("kube-controller-manager")
	if err != nil {
		return err
	}
	p.manager = exec.CommandContext(context.Background(), filepath.Join(assets, "kube-controller-manager"), "--kubeconfig="+kubeconfig,
		"--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--controllers="+planeControllers, "--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0",
		"--root-ca-file="+certificate, "--kube-api-qps=5000", "--kube-api-burst=5000",
		"--concurrent-statefulset-syncs=20", "--use-service-account-credentials=false")
	p.manager.Stdout, p.manager.Stderr = log, log
	p.manager.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return p.manager.Start()
}

// processes by name.
func (p *plane) processes() (map[string]int, error) {
	out, err := children("etcd", "kube-apiserver")
	if err != nil {
		return nil, err
	}
	out["kube-controller-manager"] = p.manager.Process.Pid
	return out, nil
}

func (p *plane) stop() error {
	var errs []error
	if p.manager != nil && p.manager.Process != nil {
		errs = append(errs, p.manager.Process.Kill())
		_ = p.manager.Wait() // it was killed
	}
	if p.environment != nil {
		errs = append(errs, p.environment.Stop())
	}
	for _, log := range p.logs {
		errs = append(errs, log.Close())
	}
	return errors.Join(errs...)
}
