// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/rocketmq-operator/rocketmq-operator/test/localkube/internal/policy"
)

const (
	// gather is how long changes are gathered before the rules are made anew: a pod that starts changes several times.
	gather = 50 * time.Millisecond
	// again is when what failed is tried again.
	again = time.Second
	// nftTimeout bounds one run of nft, which takes milliseconds.
	nftTimeout = 20 * time.Second
)

// enforcer keeps the packet filters of the nodes as the NetworkPolicies say.
type enforcer struct {
	objects func() (policy.Objects, error)
	// namespaces are the nodes' network namespaces, "" for that of this process.
	namespaces map[string]string
	// written is what each node was last told.
	written map[string]string
}

// enforce brings every node up to date, and does nothing where nothing changed.
func (e *enforcer) enforce(ctx context.Context) error {
	all, err := e.objects()
	if err != nil {
		return err
	}
	for node, namespace := range e.namespaces {
		script := policy.Script(all, node)
		if e.written[node] == script {
			continue
		}
		if err := nft(ctx, namespace, script); err != nil {
			return fmt.Errorf("%s: %w", node, err)
		}
		e.written[node] = script
	}
	return nil
}

func nft(ctx context.Context, namespace, script string) error {
	args := []string{"nft", "-f", "-"}
	if namespace != "" {
		args = append([]string{"nsenter", "--net=/run/netns/" + namespace}, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, nftTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}

// networkPolicy enforces NetworkPolicies until it is told to end. The rules stay then.
func networkPolicy(args []string) {
	flags := flag.NewFlagSet("network-policy", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	e := enforcer{namespaces: map[string]string{}, written: map[string]string{}}
	flags.Func("node", "`name=namespace` of a node and its network namespace, the latter empty for that of this process; repeated", func(text string) error {
		name, namespace, _ := strings.Cut(text, "=")
		e.namespaces[name] = namespace
		return nil
	})
	_ = flags.Parse(args) // exits on errors
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	cfg, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	factory := informers.NewSharedInformerFactory(kubernetes.NewForConfigOrDie(cfg), 0)
	changed := make(chan struct{}, 1)
	if e.objects, err = watch(factory, func() {
		select {
		case changed <- struct{}{}:
		default: // it is told already
		}
	}); err != nil {
		klog.Fatal(err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for ctx.Err() == nil {
		wait := gather
		if err := e.enforce(ctx); err != nil {
			klog.ErrorS(err, "enforce NetworkPolicies")
			wait = again
		} else {
			select {
			case <-ctx.Done():
			case <-changed:
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// watch tells of every change, and returns how to list what the rules depend on.
func watch(factory informers.SharedInformerFactory, tell func()) (func() (policy.Objects, error), error) {
	pods, namespaces, policies := factory.Core().V1().Pods(), factory.Core().V1().Namespaces(), factory.Networking().V1().NetworkPolicies()
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { tell() }, UpdateFunc: func(_, _ any) { tell() }, DeleteFunc: func(any) { tell() },
	}
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, err
		}
	}
	return func() (all policy.Objects, err error) {
		if all.Pods, err = pods.Lister().List(labels.Everything()); err != nil {
			return all, err
		}
		if all.Namespaces, err = namespaces.Lister().List(labels.Everything()); err != nil {
			return all, err
		}
		all.Policies, err = policies.Lister().List(labels.Everything())
		return all, err
	}, nil
}
