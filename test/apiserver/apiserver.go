// SPDX-License-Identifier: Apache-2.0

// Package apiserver runs a real kube-apiserver and etcd for a test binary, with this project's CRDs. There is no
// kubelet, no scheduler and no controller: tests play those.
package apiserver

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	buildTimeout = 25 * time.Minute // from empty caches
	startTimeout = 2 * time.Minute
)

// Run starts the servers, gives their address to use, and stops them when it returns: for TestMain. The executables
// are those in KUBEBUILDER_ASSETS, or localkube's. With -short nothing is started, and the address is nil.
func Run(use func(*rest.Config) int) int {
	flag.Parse() // TestMain comes before the tests' own
	if testing.Short() {
		return use(nil)
	}
	code, err := run(use)
	if err != nil {
		fmt.Fprintln(os.Stderr, "API server for tests:", err)
		return 1
	}
	return code
}

func run(use func(*rest.Config) int) (code int, err error) {
	root, err := moduleRoot()
	if err != nil {
		return 0, err
	}
	assets, err := executables(root)
	if err != nil {
		return 0, err
	}
	environment := &envtest.Environment{
		CRDDirectoryPaths:        []string{filepath.Join(root, "config", "crd")},
		ErrorIfCRDPathMissing:    true,
		BinaryAssetsDirectory:    assets,
		ControlPlaneStartTimeout: startTimeout,
		ControlPlaneStopTimeout:  startTimeout,
	}
	var log tail
	server := environment.ControlPlane.GetAPIServer()
	server.Err = &log
	// Many tests have Services at the same time, and the default is room for 254.
	server.Configure().Set("service-cluster-ip-range", "10.0.0.0/16")
	// A certificate is verified with every request, a token just looked up.
	tokens, token, err := tokenFile()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.Remove(tokens)) }()
	server.Configure().Set("token-auth-file", tokens)
	config, err := environment.Start()
	if err != nil {
		return 0, errors.Join(err, environment.Stop())
	}
	defer func() { err = errors.Join(err, environment.Stop()) }()
	config.BearerToken, config.CertData, config.KeyData = token, nil, nil
	config.QPS, config.Burst = -1, -1
	code = use(config)
	if code != 0 {
		address := strings.TrimSuffix(strings.TrimPrefix(config.Host, "https://"), "/")
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
		} else {
			fmt.Fprintf(os.Stderr, "kube-apiserver ended before the tests did. Its last words:\n%s\n", &log)
		}
	}
	return code, nil
}

// tokenFile lets whoever has the token do everything.
func tokenFile() (name, token string, err error) {
	file, err := os.CreateTemp("", "tokens-*.csv")
	if err != nil {
		return "", "", err
	}
	token = rand.Text()
	_, err = fmt.Fprintf(file, "%s,admin,admin,system:masters\n", token)
	return file.Name(), token, errors.Join(err, file.Close())
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const kept = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-kept):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

func executables(root string) (string, error) {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		return assets, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	build := exec.CommandContext(ctx, "go", "-C", filepath.Join(root, "test", "localkube"), "run", "./cmd/localkube", "assets")
	build.Stderr = os.Stderr
	out, err := build.Output()
	if err != nil {
		return "", fmt.Errorf("build kube-apiserver and etcd (or set KUBEBUILDER_ASSETS): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// moduleRoot is the nearest directory above a test's own that holds the CRDs.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "config", "crd")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no config/crd above the working directory: run the tests in the repository")
		}
		dir = parent
	}
}
