// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// patience bounds every wait of a test, a roll of nine pods among them, on a machine that has much else to do.
const patience = 2 * time.Minute

// Operator is one process of the operator.
type Operator struct {
	*process
	world *World // that it is watched in
}

type process struct {
	worlds   []*World // that it works on
	writes   *writes
	events   *Events
	pass     func() error // one of all resources; nil if it acts by itself
	shutdown func()
}

// In another world that it works on, the same operator.
func (o *Operator) In(w *World) *Operator { return &Operator{o.process, w} }

// Shutdown ends it. A test's end does too.
func (o *Operator) Shutdown() { o.shutdown() }

// Writes are its requests so far that changed something, in order.
func (o *Operator) Writes() []string { return o.writes.all() }

// Events that it told so far, as "name Reason: note", in order.
func (o *Operator) Events() []string { return o.events.All() }

// options of an operator.
func (w *World) options(interval time.Duration, namespaces []string, servers fakemq.Servers) reconcile.Options {
	return reconcile.Options{
		Installation: desired.Installation{Domain: "cluster.local", AgentImage: w.Agent, OperatorNamespace: "operators"},
		Namespaces:   namespaces, ObserveInterval: interval,
		RocketMQ: remoting.Options{Timeout: time.Second, Dialer: fakemq.Dialer(servers)},
	}
}

// Until lets the operator and everybody else act until done says "".
func (o *Operator) Until(done func() string) {
	o.world.Helper()
	var missing string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		wrote := o.writes.count()
		o.turn()
		if missing = done(); missing == "" {
			return
		}
		o.rest(wrote)
	}
	o.world.Fatalf("after %s: %s", patience, missing)
}

// turn lets everybody act once.
func (o *Operator) turn() {
	o.world.Helper()
	for _, w := range o.worlds {
		w.Turn()
	}
	if o.pass != nil {
		o.world.Must(o.pass())
	}
}

// rest is longer after a pass that had nothing to write: what waits for a clock leaves the machine to the other tests.
func (o *Operator) rest(wrote int) {
	if o.pass == nil {
		time.Sleep(100 * time.Millisecond)
	} else if o.writes.count() > wrote {
		time.Sleep(200 * time.Millisecond)
	} else {
		time.Sleep(700 * time.Millisecond)
	}
}

// Reports waits until a resource, "Kind name", has a condition whose "reason: message" holds all the parts.
func (o *Operator) Reports(resource, condition string, status metav1.ConditionStatus, parts ...string) {
	o.world.Helper()
	o.Until(func() string {
		text := o.world.Condition(resource, condition, status)
		if text != "" && !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) }) {
			return ""
		}
		var all []string
		o.world.eachResource(func(name string, r v1alpha1.Resource) {
			all = append(all, fmt.Sprintf("%s: %+v", name, r.Common().Conditions))
		})
		return fmt.Sprintf("%s has no condition %s=%s with %q, but\n%s", resource, condition, status, parts, strings.Join(all, "\n"))
	})
}

// Finish lets everything happen that is under way.
func (o *Operator) Finish() {
	o.world.Helper()
	for range 10 {
		o.turn()
		time.Sleep(200 * time.Millisecond)
	}
}

// CheckSilence runs the operator for a while and expects that it writes nothing and says nothing.
func (o *Operator) CheckSilence() { o.world.Helper(); o.CheckSilenceFor(1500 * time.Millisecond) }

// CheckSilenceFor is CheckSilence of another length.
func (o *Operator) CheckSilenceFor(while time.Duration) {
	o.world.Helper()
	wrote, said := o.writes.count(), len(o.events.All())
	for end := time.Now().Add(while); time.Now().Before(end); time.Sleep(250 * time.Millisecond) {
		if o.pass != nil {
			o.world.Must(o.pass())
		}
	}
	if more := o.writes.all()[wrote:]; len(more) > 0 {
		o.world.Errorf("converged, and wrote %v", more)
	}
	if more := o.events.All()[said:]; len(more) > 0 {
		o.world.Errorf("converged, and said %v", more)
	}
}

// Said reports whether an event holds the text.
func (o *Operator) Said(text string) bool {
	return slices.ContainsFunc(o.events.All(), func(e string) bool { return strings.Contains(e, text) })
}

// CheckEvent expects an event that holds all the parts.
func (o *Operator) CheckEvent(parts ...string) {
	o.world.Helper()
	if !slices.ContainsFunc(o.events.All(), func(e string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(e, part) })
	}) {
		o.world.Errorf("no event with %q in\n%s", parts, strings.Join(o.events.All(), "\n"))
	}
}
