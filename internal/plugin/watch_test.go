// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// changes runs something at the nth look at the brokers.
func (w *world) changes(at map[int]func()) {
	looks, mu := 0, sync.Mutex{}
	w.intercept.List = func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		if _, is := list.(*v1alpha1.BrokerList); is {
			mu.Lock()
			looks++
			change := at[looks]
			mu.Unlock()
			if change != nil {
				change()
			}
		}
		return c.List(ctx, list, options...)
	}
}

func (w *world) put(o client.Object) {
	w.t.Helper()
	if err := w.kubernetes.Update(w.t.Context(), o); err != nil {
		w.t.Error(err)
	}
}

// loses its second master, and gets it back.
func failover(w *world, broker *v1alpha1.Broker) (lost, back func()) {
	read := func() *v1alpha1.Broker {
		b := &v1alpha1.Broker{}
		if err := w.kubernetes.Get(w.t.Context(), client.ObjectKeyFromObject(broker), b); err != nil {
			w.t.Error(err)
		}
		return b
	}
	lost = func() {
		b := read()
		b.Status.Members, b.Status.Groups[1].Master = "3/4", ""
		b.Status.Groups[1].Members[1] = v1alpha1.BrokerMemberStatus{Pod: "quickstart-1-1"}
		b.Status.Conditions = conditions("Ready", "NoMaster", "quickstart-1 has no master")
		w.put(b)
	}
	back = func() {
		b := read()
		b.Status.Members, b.Status.Groups[1].Master = "4/4", "quickstart-1-0"
		b.Status.Conditions = conditions("", "", "")
		w.put(b)
	}
	return lost, back
}

func TestStatusIsWatchedOnATerminal(t *testing.T) {
	w := newWorld(t)
	lost, back := failover(w, object[*v1alpha1.Broker](w, "quickstart"))
	ctx, stop := context.WithCancel(t.Context())
	var seen watched
	var before string
	w.changes(map[int]func(){2: lost, 3: func() { before = seen.shows(t); back() }, 5: stop})
	if err := w.runOn(ctx, &seen, new(bytes.Buffer), "status", "--watch", "--interval", "1ms"); err != nil {
		t.Errorf("ended by the user: %v", err)
	}
	if !strings.Contains(before, "no master") || strings.Count(before, "Broker mq/quickstart ") != 1 {
		t.Errorf("while the master is gone it shows\n%s", before)
	}
	after := seen.shows(t)
	if strings.Contains(after, "no master") || strings.Count(after, "Broker mq/quickstart ") != 1 || !strings.Contains(after, "All is as it should be") {
		t.Errorf("at last it shows\n%s", after)
	}
}

// clock is the time before each line.
var clock = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `)

func TestStatusIsWatchedWithoutATerminal(t *testing.T) {
	w := newWorld(t)
	lost, back := failover(w, object[*v1alpha1.Broker](w, "quickstart"))
	ctx, stop := context.WithCancel(t.Context())
	var out bytes.Buffer
	w.changes(map[int]func(){3: lost, 5: back, 7: stop})
	if err := w.runOn(ctx, &out, new(bytes.Buffer), "status", "--watch", "--interval", "1ms"); err != nil {
		t.Errorf("ended by the user: %v", err)
	}
	if clocks := len(clock.FindAllString(out.String(), -1)); clocks != strings.Count(out.String(), "\n") {
		t.Errorf("lines without the time:\n%s", out.String())
	}
	golden(t, "status-watch", clock.ReplaceAllString(out.String(), ""))
}

func TestALookThatFails(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	looks := 0
	w.intercept.List = func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		if _, is := list.(*v1alpha1.BrokerList); is {
			switch looks++; looks {
			case 2, 3:
				return errors.New("connection refused")
			case 5:
				stop()
			}
		}
		return c.List(ctx, list, options...)
	}
	var out bytes.Buffer
	if err := w.runOn(ctx, &out, new(bytes.Buffer), "status", "-w", "--interval", "1ms"); err != nil {
		t.Errorf("a later look may fail: %v", err)
	}
	if strings.Count(out.String(), "error: list RocketMQ resources: connection refused") != 1 {
		t.Errorf("it printed\n%s", out.String())
	}

	w.fails([]string{"no Broker in namespace other"}, "status", "-w", "-n", "other")
	w.fails([]string{"--watch shows text only", "--output json"}, "status", "-w", "-o", "json")
	w.fails([]string{"--interval 0s is no time to wait"}, "status", "-w", "--interval", "0")
}

func drained(t *testing.T) (*world, *v1alpha1.TopicTransfer) {
	w := newWorld(t)
	at := func(ago time.Duration) metav1.Time { return metav1.NewTime(time.Now().Add(-ago).Truncate(time.Second)) }
	tt := &v1alpha1.TopicTransfer{ObjectMeta: named("orders")}
	tt.Spec = v1alpha1.TopicTransferSpec{Topic: "orders", SourceCluster: "one", TargetCluster: "two", DrainTimeout: &metav1.Duration{Duration: 90 * time.Minute}}
	tt.Status = v1alpha1.TopicTransferStatus{
		CommonStatus: common([]metav1.Condition{{Type: "Ready", Status: "False", Reason: "Drain", Message: "consumer group billing has 1200 messages left at one-0"}}),
		Phase:        v1alpha1.TransferDrain, Lag: new(int64(1200)),
		Steps: []v1alpha1.TransferStep{
			{Phase: v1alpha1.TransferPending, Since: at(40*time.Minute + 5*time.Second)}, {Phase: v1alpha1.TransferCreateTarget, Since: at(40 * time.Minute)},
			{Phase: v1alpha1.TransferForbidWrites, Since: at(39*time.Minute + 30*time.Second)}, {Phase: v1alpha1.TransferDrain, Since: at(35*time.Minute + 30*time.Second)},
		},
		Source: &v1alpha1.TransferCluster{Cluster: "one"}, Target: &v1alpha1.TransferCluster{Cluster: "two"},
		Groups: []v1alpha1.TransferGroup{{Name: "audit", Stays: true}, {Name: "billing", Lags: []v1alpha1.TransferLag{{Broker: "one-0", Messages: 1000}, {Broker: "one-1", Messages: 200}}}},
	}
	w.add(tt)
	return w, tt
}

// dates are those of the steps, which begin some time ago.
var dates = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)

func TestTransfer(t *testing.T) {
	w, tt := drained(t)
	shows := func(file string, args ...string) {
		t.Helper()
		out, err := w.run(args...)
		if err != nil {
			t.Error(err)
		}
		golden(t, file, dates.ReplaceAllString(out, "2026-05-01 12:00:00"))
	}
	shows("transfers", "transfer")
	shows("transfer", "transfer", "orders")

	held := metav1.NewTime(time.Now().Add(-10*time.Minute - 30*time.Second))
	tt.Spec.HoldBeforeClean, tt.Status.HeldSince, tt.Status.Lag = true, &held, new(int64(0))
	if out, err := w.run("transfer", "orders"); err != nil || !strings.Contains(out, "about 0 messages, held for 10m by spec.holdBeforeClean") {
		t.Errorf("held: %v\n%s", err, out)
	}

	tt.Status.Phase, tt.Status.RollBackReason, tt.Status.HeldSince = v1alpha1.TransferRolledBack, "spec.abort is set", nil
	tt.Status.Steps = append(tt.Status.Steps,
		v1alpha1.TransferStep{Phase: v1alpha1.TransferRollBack, Since: metav1.NewTime(tt.Status.Steps[3].Since.Add(20 * time.Minute))},
		v1alpha1.TransferStep{Phase: v1alpha1.TransferRolledBack, Since: metav1.NewTime(tt.Status.Steps[3].Since.Add(21 * time.Minute))})
	tt.Status.Conditions[0].Message, tt.Status.Left = "everything is as before", []string{"topic orders at two-1: its pod is gone"}
	shows("transfer-rolled-back", "transfer", "orders")

	w.fails([]string{"no TopicTransfer order in namespace mq", "transfer -A"}, "transfer", "order")
	w.fails([]string{"-n instead of -A"}, "transfer", "orders", "-A")
	w.fails([]string{"rolled back: spec.abort is set"}, "transfer", "orders", "--watch")
	if out, err := w.run("transfer", "-n", "other"); err != nil || !strings.Contains(out, "No TopicTransfers") {
		t.Errorf("none: %v\n%s", err, out)
	}
}

func TestTransferIsWatchedToItsEnd(t *testing.T) {
	w, tt := drained(t)
	looks := 0
	w.intercept.Get = func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
		if looks++; looks == 3 {
			tt.Status.Phase, tt.Status.Conditions[0].Message = v1alpha1.TransferCompleted, "topic orders is in cluster two"
			tt.Status.Steps = append(tt.Status.Steps, v1alpha1.TransferStep{Phase: v1alpha1.TransferCompleted, Since: metav1.Now()})
			if err := c.Get(ctx, key, into); err != nil {
				return err
			}
			tt.ResourceVersion = into.GetResourceVersion()
			if err := c.Update(ctx, tt.DeepCopy()); err != nil {
				return err
			}
		}
		return c.Get(ctx, key, into, options...)
	}
	out, err := w.run("transfer", "orders", "--watch", "--interval", "1ms")
	if err != nil {
		t.Error(err)
	}
	golden(t, "transfer-watch", clock.ReplaceAllString(out, ""))
}

// busy is a world with two topics, whose queues grow, and a consumer group.
func busy(t *testing.T) *world {
	w := consumers(t)
	for _, pod := range []string{"quickstart-0-0", "quickstart-0-1", "quickstart-1-0", "quickstart-1-1"} {
		w.answer(pod, remoting.GetBrokerRuntimeInfo, figures("1200.3"))
	}
	w.masters(remoting.GetAllTopicConfig, topicTable("payments"))
	asked := map[string]int64{}
	w.servers.answering = func(pod string, request remoting.Request) (fakemq.Answer, bool) {
		if request.Code != remoting.GetTopicStatsInfo {
			return fakemq.Answer{}, false
		}
		topic := request.Fields["topic"]
		n := asked[pod+topic]
		asked[pod+topic]++
		if topic == "payments" {
			n = 0
		}
		return fakemq.Answer{Body: fmt.Sprintf(`{"offsetTable":{{"brokerName":"q","queueId":0,"topic":%q}:{"lastUpdateTimestamp":%d,"maxOffset":%d,"minOffset":10}}}`,
			topic, longAgo().UnixMilli(), 30+1000*n)}, true
	}
	return w
}

// rate is what a topic took in a second, which depends on the machine.
var rate = regexp.MustCompile(`(orders +)(\d+\.\d)( +)`)

func TestTop(t *testing.T) {
	w := busy(t)
	out, err := w.run("top")
	if err != nil {
		t.Error(err)
	}
	found := rate.FindStringSubmatch(out)
	if found == nil || found[2] == "0.0" {
		t.Errorf("topic orders grows, and it shows\n%s", out)
	}
	golden(t, "top", rate.ReplaceAllString(out, "${1}1998.7${3}"))

	if out, err := w.run("top", "--rows", "1"); err != nil || !strings.Contains(out, "and 1 more: --rows 0 shows all") || strings.Contains(out, "payments") {
		t.Errorf("one row: %v\n%s", err, out)
	}
	w.fails([]string{"--rows -1 cannot be shown"}, "top", "--rows", "-1")

	out, err = w.run("top", "-o", "json")
	var r topReport
	if err := errors.Join(err, json.Unmarshal([]byte(out), &r)); err != nil || len(r.Brokers) != 4 || len(r.Topics) != 2 || r.Groups[0].Lag != 18 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTopOnATerminal(t *testing.T) {
	w := busy(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var seen watched
	refreshed := 0
	answering := w.servers.answering
	w.servers.answering = func(pod string, request remoting.Request) (fakemq.Answer, bool) {
		if request.Code == remoting.GetBrokerClusterInfo {
			if refreshed++; refreshed == 5 {
				stop()
			}
		}
		return answering(pod, request)
	}
	if err := w.runOn(ctx, &seen, new(bytes.Buffer), "top", "--interval", "1ms"); err != nil {
		t.Errorf("ended by the user: %v", err)
	}
	if text := seen.shows(t); strings.Count(text, "TOPIC") != 1 || !strings.HasPrefix(text, "Cluster quickstart: in 2400.6 messages/s") {
		t.Errorf("it shows\n%s", text)
	}
	if all := seen.all.String(); strings.Count(all, "TOPIC") < 2 {
		t.Errorf("it was never refreshed:\n%s", all)
	}

	var once watched
	if err := w.runOn(t.Context(), &once, new(bytes.Buffer), "top", "--once"); err != nil || strings.Contains(once.all.String(), "\x1b") {
		t.Errorf("--once: %v\n%s", err, once.all.String())
	}
}

func TestTopWithoutAMaster(t *testing.T) {
	w := busy(t)
	w.servers.states["quickstart-1-1"] = fakemq.Refused
	w.fails([]string{"without quickstart-1", "connection refused"}, "top")
}
