// SPDX-License-Identifier: Apache-2.0

// Package kit is what the end-to-end tests, the demo and the benchmarks share: it talks to a real Kubernetes as a user
// would, waits with a limit, and says what it was waiting for when the limit passes.
package kit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// The operator's own names (config/).
const (
	OperatorNamespace = "rocketmq-operator-system"
	OperatorName      = "rocketmq-operator"
)

// testLabel marks the namespaces that tests make, so that a later run can remove what a killed one left. Its value is
// the first word of the namespace's name.
const testLabel = "rocketmq-operator-test"

// Cluster is a Kubernetes cluster.
type Cluster struct {
	Config *rest.Config
	Client client.Client
	Set    kubernetes.Interface
	// Admin reaches RocketMQ servers in pods, given as "<pod>.<namespace>:<port>", from anywhere.
	Admin *admin.Client
}

// Connect uses $KUBECONFIG, or ~/.kube/config.
func Connect() (*Cluster, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig (set KUBECONFIG): %w", err)
	}
	config.QPS, config.Burst = 50, 100
	config.WarningHandler = rest.NoWarnings{}

	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	c := &Cluster{Config: config}
	// A client without a cache logs nothing. But the default logger prints a stack trace when the process is 30 s old.
	nothing := logr.New(log.NullLogSink{})
	if c.Client, err = client.New(config, client.Options{Scheme: scheme, Log: nothing}); err != nil {
		return nil, fmt.Errorf("reach %s: %w", config.Host, err)
	}
	if c.Set, err = kubernetes.NewForConfig(config); err != nil {
		return nil, err
	}
	// A connection lives as long as its port-forward, so idle ones are given back soon.
	c.Admin = admin.New(remoting.NewClient(remoting.Options{Dialer: c.Dial, TLSFor: c.tlsFor, Timeout: 30 * time.Second, IdleTimeout: 10 * time.Second}))
	return c, nil
}

// Namespace is where a test's objects live.
type Namespace struct {
	*Cluster
	Name string
	Log  *Log
}

// PodSecurity is what a namespace admits.
type PodSecurity string

// The levels that tests use.
const (
	Restricted PodSecurity = "restricted"
	Privileged PodSecurity = "privileged"
)

// CreateNamespace makes a namespace whose pods must meet level.
func (c *Cluster) CreateNamespace(ctx context.Context, name string, level PodSecurity, log *Log) (*Namespace, error) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		testLabel:                            firstWord(name),
		"pod-security.kubernetes.io/enforce": string(level),
		"pod-security.kubernetes.io/warn":    string(level),
	}}}
	if err := c.Client.Create(ctx, ns); err != nil {
		return nil, fmt.Errorf("create namespace %s: %w", name, err)
	}
	n := &Namespace{Cluster: c, Name: name, Log: log}
	// Pods are refused until the namespace has its service account.
	return n, n.Await(ctx, "the namespace's service account", 30*time.Second, func(ctx context.Context) error {
		return c.Client.Get(ctx, client.ObjectKey{Namespace: name, Name: "default"}, &corev1.ServiceAccount{})
	})
}

// Delete removes the namespace, its pods without the time that they ask for, and waits until it is gone.
func (n *Namespace) Delete(ctx context.Context, limit time.Duration) error {
	if err := n.BeginDelete(ctx); err != nil {
		return err
	}
	return n.AwaitDeleted(ctx, limit)
}

// BeginDelete is Delete without the wait.
func (n *Namespace) BeginDelete(ctx context.Context) error {
	err := n.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: n.Name}})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil && !apierrors.IsConflict(err): // that it is being deleted
		return err
	}
	return n.Client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(n.Name), client.GracePeriodSeconds(0))
}

func firstWord(name string) string {
	word, _, _ := strings.Cut(name, "-")
	return word
}

// DeleteTestNamespaces removes every namespace whose name begins with word and that CreateNamespace made, and waits
// until they are gone.
func (c *Cluster) DeleteTestNamespaces(ctx context.Context, word string, log *Log) error {
	var list corev1.NamespaceList
	if err := c.Client.List(ctx, &list, client.MatchingLabels{testLabel: word}); err != nil {
		return fmt.Errorf("list the namespaces of earlier tests: %w", err)
	}
	for _, found := range list.Items {
		log.Printf("deleting namespace %s", found.Name)
		n := &Namespace{Cluster: c, Name: found.Name, Log: log}
		if err := n.BeginDelete(ctx); err != nil {
			return err
		}
	}
	for _, found := range list.Items {
		n := &Namespace{Cluster: c, Name: found.Name, Log: log}
		if err := n.AwaitDeleted(ctx, 5*time.Minute); err != nil {
			return err
		}
	}
	return nil
}

// AwaitDeleted waits until the namespace is gone.
func (n *Namespace) AwaitDeleted(ctx context.Context, limit time.Duration) error {
	return n.Await(ctx, "namespace "+n.Name+" to be gone", limit, func(ctx context.Context) error {
		var ns corev1.Namespace
		switch err := n.Client.Get(ctx, client.ObjectKey{Name: n.Name}, &ns); {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		}
		for _, condition := range ns.Status.Conditions {
			if condition.Type == corev1.NamespaceContentRemaining && condition.Status == corev1.ConditionTrue {
				return errors.New(condition.Message)
			}
		}
		return errors.New("it is still there")
	})
}
