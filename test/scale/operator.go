// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"
)

// deployment is how config/manager runs the operator.
type deployment struct {
	namespace, image       string
	arguments, environment []string // what does not depend on the pod
}

// profileAddress is the variable that tells the operator where to serve its profiles: see testdata/operator.
const profileAddress = "SCALE_PROFILE_ADDRESS"

func readDeployment(root string) (deployment, error) {
	text, err := os.ReadFile(filepath.Join(root, "config", "manager", "deployment.yaml"))
	if err != nil {
		return deployment{}, err
	}
	var d appsv1.Deployment
	if err := yaml.UnmarshalStrict(text, &d); err != nil {
		return deployment{}, fmt.Errorf("config/manager/deployment.yaml: %w", err)
	}
	containers := d.Spec.Template.Spec.Containers
	if len(containers) != 1 {
		return deployment{}, fmt.Errorf("config/manager/deployment.yaml has %d containers instead of one", len(containers))
	}
	out := deployment{namespace: d.Namespace, image: containers[0].Image, arguments: containers[0].Args}
	for _, variable := range containers[0].Env {
		if variable.ValueFrom == nil {
			out.environment = append(out.environment, variable.Name+"="+variable.Value)
		}
	}
	return out, nil
}

// operator is its program, as deployed but out of the cluster.
type operator struct {
	user string // at the API server, and the name of its files
	// metrics and profiles are served at these addresses.
	metrics, profiles string
	dir               string
	process           *exec.Cmd
	started           time.Time
	ended             chan error
}

// startOperator as a user of the API server, and wait until it serves its metrics.
func (b *bench) startOperator(ctx context.Context, user string) (*operator, error) {
	kubeconfig, err := b.plane.kubeconfig(user)
	if err != nil {
		return nil, err
	}
	log, err := b.plane.log(user)
	if err != nil {
		return nil, err
	}
	o := &operator{user: user, dir: b.plane.dir, ended: make(chan error, 1)}
	var probes string
	for _, addr := range []*string{&o.metrics, &o.profiles, &probes} {
		if *addr, err = freePort(ctx); err != nil {
			return nil, err
		}
	}
	arguments := slices.Concat(b.deployment.arguments, []string{ // the last one of a flag counts
		"--agent-image=" + b.deployment.image, "--leader-election-namespace=" + b.deployment.namespace,
		"--metrics-bind-address=" + o.metrics, "--health-probe-bind-address=" + probes,
	})
	o.process = exec.CommandContext(context.Background(), b.o.program, arguments...) // stop and kill end it
	o.process.Env = append([]string{"KUBECONFIG=" + kubeconfig}, b.deployment.environment...)
	if b.o.profiles {
		o.process.Env = append(o.process.Env, profileAddress+"="+o.profiles, "GODEBUG=") // which may switch the heap's profile off
	}
	o.process.Env = append(o.process.Env, b.o.environment...)
	o.process.Stdout, o.process.Stderr = log, log
	o.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	o.started = time.Now()
	if err := o.process.Start(); err != nil {
		return nil, err
	}
	go func() { o.ended <- o.process.Wait() }()
	return o, o.awaitMetrics(ctx)
}

func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (o *operator) awaitMetrics(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		if _, err := scrape(ctx, o.metrics); err == nil {
			return nil
		}
		select {
		case err := <-o.ended:
			return fmt.Errorf("the operator ended: %w; see %s/%s.log", err, o.dir, o.user)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (o *operator) pid() int { return o.process.Process.Pid }

// stop lets it end by itself.
func (o *operator) stop() error {
	if err := o.process.Process.Signal(syscall.SIGTERM); err != nil {
		return nil //nolint:nilerr // it has ended
	}
	select {
	case err := <-o.ended:
		if err != nil {
			return fmt.Errorf("the operator was to stop: %w; see %s/%s.log", err, o.dir, o.user)
		}
		return nil
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("the operator did not stop within 30 s"), o.kill())
	}
}

// kill it, as a node that dies does.
func (o *operator) kill() error {
	if err := o.process.Process.Kill(); err != nil {
		return err
	}
	var exit *exec.ExitError
	if err := <-o.ended; err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// profile saves a profile of so many seconds, or of the moment.
func (o *operator) profile(ctx context.Context, kind, file string, lasting time.Duration) error {
	url := fmt.Sprintf("http://%s/debug/pprof/%s", o.profiles, kind)
	if lasting > 0 {
		url += fmt.Sprintf("?seconds=%.0f", lasting.Seconds())
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s: %s", url, response.Status)
	}
	out, err := os.Create(filepath.Join(o.dir, strings.ReplaceAll(file, " ", "-")+".pprof"))
	if err != nil {
		return err
	}
	_, err = io.Copy(out, response.Body)
	return errors.Join(err, out.Close())
}

// quiet waits until nothing has been reconciled for a while, and returns when that began.
func (o *operator) quiet(ctx context.Context, lasting time.Duration) (time.Time, error) {
	since, done := time.Now(), -1.0
	for {
		m, err := scrape(ctx, o.metrics)
		if err != nil {
			return since, err
		}
		if now := total(m.Reconciles); m.Queued+m.Active > 0 || now != done {
			since, done = time.Now(), now
		}
		if time.Since(since) >= lasting {
			return since, nil
		}
		select {
		case <-ctx.Done():
			return since, fmt.Errorf("not quiet: %.0f queued, %.0f active, %.0f reconciles so far: %w", m.Queued, m.Active, done, ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}
