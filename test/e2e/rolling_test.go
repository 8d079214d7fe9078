// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const rollingGroups = 2

// A user changes brokers that are in use: properties that need no restart, then memory and one that does, while producers
// see no error; an image that does not exist, which costs one slave until it is taken back; and something that cannot be
// done without refusing messages, which is not begun.
func rolling(t *testing.T, w *world) {
	ctx := t.Context()
	c := small(w.namespace(t, "rolling", kit.Restricted))
	ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits()...))
	ok(t, c.AwaitReady(ctx, smallLimit))
	ok(t, c.AwaitRegistered(ctx, c.NameServers(1), c.Topology(rollingGroups, groupMembers), time.Minute))
	c.Log.Printf("Ready")
	for _, part := range []struct {
		name string
		tell func(*testing.T, *kit.Installation)
	}{{"Undisturbed", rollUndisturbed}, {"BadImage", rollBadImage}, {"Blocked", rollBlocked}} {
		if !t.Run(part.name, func(t *testing.T) { part.tell(t, small(in(t, c.Namespace))) }) {
			return
		}
	}
}

// rollingEdits make the cluster of testdata/scale.yaml one of two groups, with more in the Broker's spec and config.
func rollingEdits(more ...string) []string {
	base := []string{
		fmt.Sprintf("size: %d", rollingGroups), `config.transactionCheckInterval: "5000"`, `config.transactionTimeOut: "3000"`,
		`config.maxMessageSize: "65536"`, // each thread that stores keeps a buffer of that size, and POP has many
	}
	return brokerEdits(append(base, more...)...)
}

// moreMemory is an edit of what brokers request.
const moreMemory = "memory: 300Mi"

// brokerEdits put more into the Broker's spec, or config, of a file of testdata.
func brokerEdits(more ...string) []string {
	spec, config := "", ""
	var edits []string
	for _, line := range more {
		if line == moreMemory {
			edits = append(edits, "memory: 256Mi", moreMemory)
			continue
		}
		if key, isConfig := strings.CutPrefix(line, "config."); isConfig {
			config += "    " + key + "\n"
			continue
		}
		spec += "  " + line + "\n"
	}
	return append(edits, "  config:\n", spec+"  config:\n"+config)
}

// rollUndisturbed changes a live property, then memory and a property that needs a restart, while ledgers send every kind of message.
// The operator dies in the middle of that, which changes nothing. Then masters are stopped.
func rollUndisturbed(t *testing.T, c *kit.Installation) {
	ctx := t.Context()
	before, err := c.Lives(ctx)
	ok(t, err)
	var order []string
	for group := range rollingGroups {
		slave, master := members(t, c, group)
		order = append(order, slave, master)
	}
	const live, restart = `config.fileReservedTime: "24"`, `config.flushIntervalCommitLog: "400"`
	mixUndisturbed(t, c, meanwhileAll(t, c, mix("rolling", scalePoll), func() {
		ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits(live)...))
		ok(t, runWith(ctx, c, order, "fileReservedTime", "24", 2*time.Minute))
		if now, err := c.Lives(ctx); err != nil || !cmp.Equal(before, now) {
			t.Errorf("a property that RocketMQ takes over live restarted pods: %v (%v)", cmp.Diff(before, now), err)
		}

		c.Log.Printf("changing memory and a property")
		replaceInOrder(t, c, order, func() {
			ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits(moreMemory, restart)...))
			ok(t, c.Await(ctx, order[0]+" to be new", 3*time.Minute, func(ctx context.Context) error { return allNew(ctx, c, before, order[:1]) }))
			ok(t, killOperator(ctx, c))
		})
		mastersStop(t, c)
	}))
	after, err := c.Lives(ctx)
	ok(t, err)
	for pod, life := range before {
		if !slices.Contains(order, pod) && after[pod] != life {
			t.Errorf("%s was restarted although its spec did not change", pod)
		}
	}
	for _, name := range order {
		pod, err := c.Pod(ctx, name)
		ok(t, err)
		if got := requestedMemory(pod); got != "300Mi" {
			t.Errorf("%s requests %s of memory, want 300Mi", name, got)
		}
	}
	ok(t, runWith(ctx, c, order, "flushIntervalCommitLog", "400", time.Minute))
	ok(t, runWith(ctx, c, order, "fileReservedTime", "72", time.Minute)) // it was taken back
}

// mastersStop: a group's master is deleted, with the time that it has and with less, and evicted. It hands over within that,
// whatever is sent and consumed.
func mastersStop(t *testing.T, c *kit.Installation) {
	ctx := t.Context()
	remove := func(options ...client.DeleteOption) func(*corev1.Pod) error {
		return func(pod *corev1.Pod) error { return c.Client.Delete(ctx, pod, options...) }
	}
	evict := func(pod *corev1.Pod) error {
		return c.Set.PolicyV1().Evictions(c.Name).Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: c.Name, Name: pod.Name}})
	}
	for _, way := range []struct {
		name  string
		stop  func(*corev1.Pod) error
		short bool // java, which gets a third of the time, may not have what it needs to flush its store
	}{{"deleted", remove(), false}, {"deleted with --grace-period=20", remove(client.GracePeriodSeconds(20)), true}, {"evicted", evict, false}} {
		heir, master := members(t, c, 0)
		pod, err := c.Pod(ctx, master)
		ok(t, err)
		back := func() { ok(t, c.AwaitPodReady(ctx, master, pod.UID, 2*time.Minute)) }
		if !way.short {
			back = watchEndings(t, c, master)
		}
		c.Log.Printf("the master %s is %s", master, way.name)
		handsOver(t, c, master, heir, func() { ok(t, way.stop(pod)) })
		back()
		ok(t, c.AwaitReady(ctx, 2*time.Minute))
	}
}

// replaceInOrder expects that a change replaces these pods once each, in this order, and no others. The leader of each group
// goes last: it may be another one by the time that its group's turn comes.
func replaceInOrder(t *testing.T, c *kit.Installation, order []string, change func()) {
	t.Helper()
	ctx := t.Context()
	before, err := c.Lives(ctx)
	ok(t, err)
	seen := watchReplacements(ctx, t, c)
	began := time.Now()
	c.Log.Printf("the order is to be %v", order)
	change()
	var told string
	ok(t, c.Await(ctx, "all broker pods to be new", 8*time.Minute, func(ctx context.Context) error {
		if now, err := upToDate(ctx, c); err != nil || now != told {
			told = now
			c.Log.Printf("%s (%v)", told, err)
		}
		if err := leadersLast(ctx, c, before, order); err != nil {
			return err
		}
		return allNew(ctx, c, before, order)
	}))
	ok(t, c.AwaitReady(ctx, 2*time.Minute))
	c.Log.Printf("Ready and up to date after %.0f s", time.Since(began).Seconds())
	time.Sleep(10 * time.Second) // a second replacement would begin now
	var want []string
	for _, pod := range order {
		want = append(want, "created "+pod)
	}
	if diff := cmp.Diff(want, seen()); diff != "" {
		t.Errorf("pods were not replaced once each, slaves first (-want +got):\n%s", diff)
	}
}

// leadersLast brings an order up to date: in each group that has not begun yet, the present leader goes last.
func leadersLast(ctx context.Context, c *kit.Installation, before map[string]kit.Life, order []string) error {
	b, err := c.Status(ctx)
	if err != nil {
		return err
	}
	now, err := c.Lives(ctx)
	if err != nil {
		return err
	}
	for _, group := range b.Status.Groups {
		begun := slices.ContainsFunc(group.Members, func(m v1alpha1.BrokerMemberStatus) bool { return now[m.Pod] != before[m.Pod] })
		leader := slices.Index(order, group.Master)
		if begun || leader < 0 {
			continue
		}
		last := leader
		for i, pod := range order {
			if strings.HasPrefix(pod, group.Name+"-") {
				last = max(last, i)
			}
		}
		order[leader], order[last] = order[last], order[leader]
	}
	return nil
}

// upToDate is what the condition of that name says.
func upToDate(ctx context.Context, c *kit.Installation) (string, error) {
	condition, err := c.Condition(ctx, "Broker", c.Broker, v1alpha1.ConditionUpToDate)
	if err != nil || condition == nil {
		return "", err
	}
	return condition.Message, nil
}

// members of a group: the slave and the master.
func members(t *testing.T, c *kit.Installation, group int) (slave, master string) {
	t.Helper()
	master, err := c.Master(t.Context(), group)
	ok(t, err)
	if slave = c.Member(group, 0); slave == master {
		slave = c.Member(group, 1)
	}
	return slave, master
}

// runWith waits until brokers run with a property.
func runWith(ctx context.Context, c *kit.Installation, pods []string, key, value string, limit time.Duration) error {
	return c.Await(ctx, key+"="+value, limit, func(ctx context.Context) error {
		for _, pod := range pods {
			config, err := c.Admin.BrokerConfig(ctx, brokerOf(c, pod))
			if err != nil {
				return err
			}
			if got := config[key]; got != value {
				return fmt.Errorf("%s runs with %s=%s", pod, key, got)
			}
		}
		return nil
	})
}

func allNew(ctx context.Context, c *kit.Installation, before map[string]kit.Life, pods []string) error {
	lives, err := c.Lives(ctx)
	if err != nil {
		return err
	}
	for _, pod := range pods {
		if lives[pod].UID == before[pod].UID || lives[pod].UID == "" {
			return fmt.Errorf("%s is still the old pod", pod)
		}
	}
	return nil
}

// rollBadImage: the change stops at the first pod, the group serves on, and taking the change back heals it.
func rollBadImage(t *testing.T, c *kit.Installation) {
	ctx := t.Context()
	before, err := c.Lives(ctx)
	ok(t, err)
	slave, _ := members(t, c, 0)
	const restart = `config.flushIntervalCommitLog: "400"`
	ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits(moreMemory, restart, "brokerImage: apache/rocketmq:5.4.77")...))
	ok(t, c.Await(ctx, slave+" to stop the change", 5*time.Minute, func(ctx context.Context) error {
		now, err := upToDate(ctx, c)
		if err != nil {
			return err
		}
		if !strings.Contains(now, slave+" cannot start with the new spec") {
			return errors.New(now)
		}
		c.Log.Printf("%s", now)
		return nil
	}))
	sendAndReceive(t, c, "bad-image", 100)
	othersLive(t, c, before, slave)
	c.Log.Printf("taking it back")
	ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits(moreMemory, restart)...))
	ok(t, c.AwaitReady(ctx, 2*time.Minute))
	othersLive(t, c, before, slave)
}

// othersLive: no pod but one was restarted.
func othersLive(t *testing.T, c *kit.Installation, before map[string]kit.Life, but string) {
	t.Helper()
	now, err := c.Lives(t.Context())
	ok(t, err)
	for pod, life := range before {
		if pod != but && now[pod] != life {
			t.Errorf("%s was restarted", pod)
		}
	}
}

// rollBlocked: groups of two that take messages only when both are in sync. The user is told the choices, and takes one.
func rollBlocked(t *testing.T, c *kit.Installation) {
	ctx := t.Context()
	before, err := c.Lives(ctx)
	ok(t, err)
	slave, master := members(t, c, 0)
	const restart, all = `config.flushIntervalCommitLog: "400"`, `config.minInSyncReplicas: "2"`
	ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits(moreMemory, restart, all)...))
	ok(t, runWith(ctx, c, []string{slave, master}, "minInSyncReplicas", "2", time.Minute))
	ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits(moreMemory, restart, all, "podAnnotations: {changed: once}")...))
	condition, err := c.AwaitCondition(ctx, "Broker", c.Broker, v1alpha1.ConditionRolloutBlocked, metav1.ConditionTrue, time.Minute)
	ok(t, err)
	c.Log.Printf("%s", condition.Message)
	for _, choice := range []string{"replicaPerGroup", "config.minInSyncReplicas", "delete the pods"} {
		if !strings.Contains(condition.Message, choice) {
			t.Errorf("the choice %q is missing", choice)
		}
	}
	ok(t, c.Apply(ctx, manifest(t, "scale.yaml"), rollingEdits(moreMemory, restart)...))
	ok(t, c.AwaitReady(ctx, time.Minute))
	ok(t, c.AwaitNoCondition(ctx, "Broker", c.Broker, v1alpha1.ConditionRolloutBlocked, time.Minute))
	othersLive(t, c, before, "")
}

func requestedMemory(pod *corev1.Pod) string {
	for _, container := range pod.Spec.Containers {
		if container.Name == kit.RocketMQContainer {
			return container.Resources.Requests.Memory().String()
		}
	}
	return ""
}

// watchReplacements notes the pods that the operator's StatefulSets make from now on, in their order. The function
// that it returns ends the watch and tells them.
func watchReplacements(ctx context.Context, t *testing.T, c *kit.Installation) func() []string {
	t.Helper()
	selector := metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: map[string]string{kit.ManagedByLabel: kit.OperatorName}})
	list, err := c.Set.CoreV1().Pods(c.Name).List(ctx, metav1.ListOptions{LabelSelector: selector})
	ok(t, err)
	known := map[types.UID]bool{}
	for _, pod := range list.Items {
		known[pod.UID] = true
	}
	w, err := c.Set.CoreV1().Pods(c.Name).Watch(ctx, metav1.ListOptions{LabelSelector: selector, ResourceVersion: list.ResourceVersion})
	ok(t, err)
	var seen []string
	var failure error
	stopping, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for event := range w.ResultChan() {
			switch pod, isPod := event.Object.(*corev1.Pod); {
			case !isPod || event.Type == watch.Error:
				select {
				case <-stopping: // a stopped watch may report its own end as an error
				default:
					failure = errors.Join(failure, fmt.Errorf("watch pods: %v", event.Object))
				}
			case !known[pod.UID]:
				known[pod.UID] = true
				seen = append(seen, "created "+pod.Name)
				c.Log.Printf("created %s", pod.Name)
			}
		}
	}()
	return func() []string {
		close(stopping)
		w.Stop()
		<-done
		ok(t, failure)
		return seen
	}
}
