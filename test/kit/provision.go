// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Environment variables that choose where tests run.
const (
	// kubeconfigEnv: run on this cluster instead of localkube.
	kubeconfigEnv = "KUBECONFIG"
	// loadImageEnv is a command that loads image archives into that cluster; the paths are appended:
	// "kind load image-archive".
	loadImageEnv = "LOAD_IMAGE"
	// auditLogEnv is the API server's audit log, set with localkube.
	auditLogEnv = "LOCALKUBE_AUDIT_LOG"
)

// Place is where tests run: localkube, or the cluster of $KUBECONFIG.
type Place struct {
	root string
	log  *Log
	// Local is true for localkube, which can cut off nodes and keeps an audit log.
	Local bool
}

// FindPlace says where tests run, and starts nothing.
func FindPlace(ctx context.Context, log *Log) (*Place, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	p := &Place{root: root, log: log}
	local, err := p.localkubeConfig(ctx)
	if err != nil {
		return nil, err
	}
	given := os.Getenv(kubeconfigEnv)
	p.Local = given == "" || given == local
	return p, nil
}

// Built reports whether localkube has ever been built on this machine, which takes minutes.
func Built() bool {
	cache, err := os.UserCacheDir()
	if err != nil {
		return false
	}
	found, err := filepath.Glob(filepath.Join(cache, "rocketmq-operator", "localkube", "bin-*"))
	return err == nil && len(found) > 0
}

// Provision makes a Kubernetes ready for the operator: it starts localkube, or takes the cluster of $KUBECONFIG, and
// gives it the images. It sets the environment so that kubectl and Connect find that cluster.
func Provision(ctx context.Context, log *Log) (*Place, error) {
	p, err := FindPlace(ctx, log)
	if err != nil {
		return nil, err
	}
	if p.Local {
		log.Printf("starting localkube, a Kubernetes of three nodes on this machine (seconds once built, minutes the first time)")
		if _, err := p.localkube(ctx, "up"); err != nil {
			return nil, err
		}
		if err := p.setEnv(ctx); err != nil {
			return nil, err
		}
	} else {
		log.Printf("using the cluster of KUBECONFIG=%s", os.Getenv(kubeconfigEnv))
	}
	return p, p.loadImages(ctx)
}

// RemoveLocalkube ends localkube and deletes its state.
func (p *Place) RemoveLocalkube(ctx context.Context) error {
	_, err := p.localkube(ctx, "down", "--wipe")
	return err
}

func (p *Place) localkubeConfig(ctx context.Context) (string, error) {
	path, err := p.localkube(ctx, "kubeconfig")
	return strings.TrimSpace(path), err
}

// setEnv takes over the shell commands that localkube prints for users: export NAME="value".
func (p *Place) setEnv(ctx context.Context) error {
	text, err := p.localkube(ctx, "env")
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if !ok {
			continue
		}
		value = os.ExpandEnv(strings.ReplaceAll(value, `"`, ""))
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// loadImages builds the images of the tests and gives them to the cluster.
func (p *Place) loadImages(ctx context.Context) error {
	p.log.Printf("building the images: RocketMQ, operator, message ledger")
	return p.loadImage(ctx, "all")
}

// LoadRocketMQ gives the cluster the image of a further RocketMQ release.
func (p *Place) LoadRocketMQ(ctx context.Context, version string) error {
	p.log.Printf("building the image of RocketMQ %s", version)
	return p.loadImage(ctx, "rocketmq", version)
}

// LoadGRPCClient gives the cluster the image of the gRPC client.
func (p *Place) LoadGRPCClient(ctx context.Context) error {
	p.log.Printf("building the image of the gRPC client")
	return p.loadImage(ctx, "grpc-client")
}

// loadImage builds what test/images calls by that name and gives it to the cluster.
func (p *Place) loadImage(ctx context.Context, image ...string) error {
	if !p.loads() {
		p.log.Printf("the cluster must have or pull the images (LOAD_IMAGE is not set, for example to \"kind load image-archive\")")
		return nil
	}
	out, err := p.run(ctx, "", "go", append([]string{"run", "./test/images"}, image...)...)
	if err != nil {
		return err
	}
	return p.loadArchives(ctx, strings.Fields(out)...)
}

// loads reports whether image archives can be given to the cluster.
func (p *Place) loads() bool { return p.Local || os.Getenv(loadImageEnv) != "" }

// loadArchives gives the cluster images.
func (p *Place) loadArchives(ctx context.Context, archives ...string) error {
	p.log.Printf("loading the images into the cluster")
	if p.Local {
		_, err := p.localkube(ctx, append([]string{"load-image"}, archives...)...)
		return err
	}
	load := strings.Fields(os.Getenv(loadImageEnv))
	for _, archive := range archives {
		if _, err := p.run(ctx, "", load[0], append(load[1:], archive)...); err != nil {
			return err
		}
	}
	return nil
}

// InstallOperator runs install-operator.sh as a user does and waits for the operator. It reports whether it was
// installed before; then it is restarted, because its image may have changed under the same name.
func (p *Place) InstallOperator(ctx context.Context, c *Cluster) (before bool, err error) {
	key := client.ObjectKey{Namespace: OperatorNamespace, Name: OperatorName}
	err = c.Client.Get(ctx, key, &appsv1.Deployment{})
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("look for an installed operator: %w", err)
	}
	before = !apierrors.IsNotFound(err)
	p.log.Printf("installing the operator: ./install-operator.sh")
	if _, err := p.run(ctx, "", "./install-operator.sh"); err != nil {
		return before, err
	}
	n := &Namespace{Cluster: c, Name: OperatorNamespace, Log: p.log}
	if before {
		if err := c.Client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(OperatorNamespace)); err != nil {
			return before, fmt.Errorf("restart the operator: %w", err)
		}
	}
	if err := n.AwaitOperator(ctx, 2*time.Minute); err != nil {
		return before, err
	}
	p.log.Printf("the operator runs")
	return before, nil
}

// RemoveOperator runs purge-operator.sh as a user does.
func (p *Place) RemoveOperator(ctx context.Context) error {
	p.log.Printf("removing the operator: ./purge-operator.sh")
	_, err := p.run(ctx, "", "./purge-operator.sh")
	return err
}

// AwaitOperator waits until the operator's Deployment, which is in n, has all its pods.
func (n *Namespace) AwaitOperator(ctx context.Context, limit time.Duration) error {
	return n.Await(ctx, "the operator to be available", limit, func(ctx context.Context) error {
		var deployment appsv1.Deployment
		if err := n.Client.Get(ctx, client.ObjectKey{Namespace: n.Name, Name: OperatorName}, &deployment); err != nil {
			return err
		}
		want := int32(1)
		if deployment.Spec.Replicas != nil {
			want = *deployment.Spec.Replicas
		}
		s := deployment.Status
		if s.ObservedGeneration != deployment.Generation || s.UpdatedReplicas != want || s.AvailableReplicas != want || s.Replicas != want {
			return fmt.Errorf("%d of %d pods are available", s.AvailableReplicas, want)
		}
		return nil
	})
}

// CutNode takes a node's network link down; HealNode takes it up. Only localkube can do that.
func (p *Place) CutNode(ctx context.Context, node string) error {
	_, err := p.localkube(ctx, "cut", node)
	return err
}

// HealNode ends CutNode.
func (p *Place) HealNode(ctx context.Context, node string) error {
	_, err := p.localkube(ctx, "heal", node)
	return err
}

// Kubectl runs kubectl and returns what it printed.
func (p *Place) Kubectl(ctx context.Context, args ...string) (string, error) {
	return p.run(ctx, "", "kubectl", args...)
}

func (p *Place) localkube(ctx context.Context, args ...string) (string, error) {
	return p.run(ctx, "test/localkube", "go", append([]string{"run", "./cmd/localkube"}, args...)...)
}

// run starts a program in a directory of the repository and returns its standard output. Its standard error is
// shown as it comes where that helps a waiting user, and ends up in the error.
func (p *Place) run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = filepath.Join(p.root, dir)
	var stdout, stderr bytes.Buffer
	progress := &output{log: p.log, name: strings.Join(append([]string{filepath.Base(name)}, args...), " "), started: time.Now()}
	defer progress.watch()()
	cmd.Stdout, cmd.Stderr = &stdout, io.MultiWriter(&stderr, progress)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Run(); err != nil {
		line := strings.Join(append([]string{name}, args...), " ")
		return stdout.String(), fmt.Errorf("%s: %w\n%s%s", line, errors.Join(err, ctx.Err()), stdout.String(), withoutDownloads(stderr.String()))
	}
	return stdout.String(), nil
}
