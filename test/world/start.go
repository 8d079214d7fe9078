// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// managed is the variable that lets every test that can run the operator as its program does: with caches that lag behind, and
// woken by watches only.
const managed = "WORLD_MANAGED"

// Start an operator whose passes the test makes. It works on this world and sees the others too.
func (w *World) Start(others ...*World) *Operator {
	w.Helper()
	if os.Getenv(managed) != "" && len(others) == 0 {
		return w.Manage()
	}
	return w.StartMortal(-1, others...)
}

// StartMortal is Start of an operator that dies after some writes, never if that is negative.
func (w *World) StartMortal(writesToLive int, others ...*World) *Operator {
	w.Helper()
	p := &process{worlds: []*World{w}, writes: &writes{left: writesToLive}, events: &Events{}}
	config := rest.CopyConfig(server)
	config.Wrap(p.writes.wrap)
	whole, err := client.NewWithWatch(config, client.Options{Scheme: w.Scheme(), Mapper: w.RESTMapper()})
	w.Must(err)
	seen := &reads{writes: p.writes, namespaces: namespacesOf(append(others, w))}
	c := interceptor.NewClient(whole, seen.funcs())

	ctx, cancel := context.WithCancel(context.Background())
	o := w.options(300*time.Millisecond, seen.namespaces, serversOf(append(others, w)))
	env := &pass.Env{
		Client: c, Reader: c, Recorder: p.events, Installation: o.Installation, Failures: &pass.Failures{},
		Reach: reach.New(o.Installation, c, c, o.RocketMQ),
	}
	reconcilers := reconcile.All(ctx, env, o)
	p.pass = func() error {
		seen.forget()
		return w.pass(reconcilers)
	}
	p.shutdown = sync.OnceFunc(func() { cancel(); _ = env.Reach.Close() })
	w.Cleanup(p.shutdown)
	return &Operator{p, w}
}

// pass reconciles every resource of the namespace once. An error that a retry mends is none.
func (w *World) pass(reconcilers map[string]reconcile.Reconciler) error {
	var errs []error
	for _, kind := range v1alpha1.Kinds() {
		list := kind.NewList()
		w.listOurs(list)
		w.Must(meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			request := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(object)}
			if _, err := reconcilers[kind.Name].Reconcile(w.Context(), request); err != nil && !apierrors.IsConflict(err) {
				errs = append(errs, fmt.Errorf("%T %s: %w", object, object.GetName(), err))
			}
			return nil
		}))
	}
	return errors.Join(errs...)
}

// Pass lets the operator reconcile every resource once. Everybody else stands still.
func (o *Operator) Pass() {
	o.world.Helper()
	if o.pass == nil {
		o.world.Skip("the test makes the operator's passes itself, and " + managed + " is set")
	}
	o.world.Must(o.pass())
}

// DieAfter runs an operator that was started to die after k writes to its end, or until done says "": it may need fewer
// writes this time, two of the status in one.
func (o *Operator) DieAfter(k int, done func() string) {
	o.world.Helper()
	for deadline := time.Now().Add(patience); o.writes.count() < k; {
		wrote := o.writes.count()
		o.world.Turn()
		if err := o.pass(); err != nil && !strings.Contains(err.Error(), errDead.Error()) {
			o.world.Fatal(err)
		}
		if done() == "" {
			break
		}
		if time.Now().After(deadline) {
			o.world.Fatalf("%d writes in %s, want %d", o.writes.count(), patience, k)
		}
		o.rest(wrote)
	}
	o.shutdown()
}
