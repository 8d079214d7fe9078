package reconcile

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// operator is one process of the operator, without a manager: the test says when it reconciles.
type operator struct {
	world       *world
	writes      *writes
	reads       *reads
	events      *recorder
	reconcilers map[string]Reconciler
	shutdown    func()
}

// start an operator that dies after some writes, never if that is negative. It works on this world and sees the others too.
func (w *world) start(writesToLive int, others ...*world) *operator {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o := &operator{world: w, writes: &writes{left: writesToLive}, events: &recorder{}}
	config := rest.CopyConfig(restConfig)
	config.Wrap(o.writes.wrap)
	whole, err := client.NewWithWatch(config, client.Options{Scheme: w.Scheme(), Mapper: w.RESTMapper()})
	w.must(err)
	o.reads = &reads{writes: o.writes, namespaces: []string{w.namespace}}
	for _, other := range others {
		o.reads.namespaces = append(o.reads.namespaces, other.namespace)
	}
	c := interceptor.NewClient(whole, o.reads.funcs())
	options := Options{
		Installation:    desired.Installation{Domain: "cluster.local", AgentImage: "agent:1"},
		ObserveInterval: 300 * time.Millisecond,
	}
	env := &pass.Env{
		Client: c, Reader: c, Recorder: o.events, Installation: options.Installation, Failures: &pass.Failures{},
		Reach: reach.New(c, remoting.Options{Timeout: time.Second, Dialer: fakemq.Dialer(w.mq)}),
	}
	o.reconcilers = All(ctx, env, options)
	o.shutdown = sync.OnceFunc(func() { cancel(); _ = env.Reach.Close() })
	w.Cleanup(o.shutdown)
	return o
}

// pass reconciles every resource of the namespace once. An error that a retry mends is none.
func (o *operator) pass() error {
	ctx := o.world.Context()
	o.reads.forget()
	var errs []error
	for _, kind := range v1alpha1.Kinds() {
		list := kind.NewList()
		o.world.listOurs(list)
		o.world.must(meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			request := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(object)}
			if _, err := o.reconcilers[kind.Name].Reconcile(ctx, request); err != nil && !apierrors.IsConflict(err) {
				errs = append(errs, fmt.Errorf("%T %s: %w", object, object.GetName(), err))
			}
			return nil
		}))
	}
	return errors.Join(errs...)
}

// until runs the operator and everybody else until done says "".
func (o *operator) until(done func() string) {
	o.world.Helper()
	var missing string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		wrote := o.writes.count()
		o.world.turn()
		o.world.must(o.pass())
		if missing = done(); missing == "" {
			return
		}
		o.rest(wrote)
	}
	o.world.Fatalf("after %s: %s", patience, missing)
}

// dieAfter runs an operator that was started to die after k writes to its end, or until done says "": it may need fewer
// writes this time, two of the status in one.
func (o *operator) dieAfter(k int, done func() string) {
	o.world.Helper()
	for deadline := time.Now().Add(patience); o.writes.count() < k; {
		wrote := o.writes.count()
		o.world.turn()
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

// rest is longer after a pass that had nothing to write: what waits for a clock leaves the machine to the other tests.
func (o *operator) rest(wrote int) {
	if o.writes.count() > wrote {
		time.Sleep(200 * time.Millisecond)
	} else {
		time.Sleep(700 * time.Millisecond)
	}
}

// settled runs the operator until a resource has a condition whose "reason: message" holds all the parts.
func (o *operator) settled(resource, condition string, status metav1.ConditionStatus, parts ...string) {
	o.world.Helper()
	o.until(func() string {
		text := o.world.condition(resource, condition, status)
		for _, part := range parts {
			if !strings.Contains(text, part) {
				text = ""
			}
		}
		if text == "" {
			var all []string
			o.world.eachResource(func(name string, _, _ int64, conditions []metav1.Condition) {
				all = append(all, fmt.Sprintf("%s: %+v", name, conditions))
			})
			return fmt.Sprintf("%s has no condition %s=%s with %q, but\n%s", resource, condition, status, parts, strings.Join(all, "\n"))
		}
		return ""
	})
}

// recorder keeps the events.
type recorder struct {
	mu   sync.Mutex
	list []string
}

func (r *recorder) Eventf(regarding, _ runtime.Object, _, reason, _, note string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := ""
	if object, ok := regarding.(client.Object); ok {
		name = object.GetName()
	}
	r.list = append(r.list, fmt.Sprintf("%s %s: %s", name, reason, fmt.Sprintf(note, args...)))
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

// writes counts the requests that change something, not those that are refused, and lets nothing pass after the last
// one that is allowed.
type writes struct {
	mu   sync.Mutex
	left int // negative: no limit
	list []string
	next http.RoundTripper
}

var errDead = errors.New("the operator is dead")

func (w *writes) wrap(next http.RoundTripper) http.RoundTripper {
	w.next = next
	return w
}

func (w *writes) RoundTrip(request *http.Request) (*http.Response, error) {
	w.mu.Lock()
	if w.left == 0 {
		w.mu.Unlock()
		return nil, errDead
	}
	w.mu.Unlock()
	response, err := w.next.RoundTrip(request)
	if err == nil && request.Method != http.MethodGet && response.StatusCode < http.StatusBadRequest {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.left > 0 {
			w.left--
		}
		w.list = append(w.list, request.Method+" "+request.URL.Path)
	}
	return response, err
}

func (w *writes) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.list)
}

func (w *writes) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.list)
}
