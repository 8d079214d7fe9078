package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

// uids of the servers' pods, by name.
func (w *world) uids() map[string]string {
	w.Helper()
	out := map[string]string{}
	for _, pod := range w.pods() {
		out[pod.Name] = string(pod.UID)
	}
	return out
}

// checkReplaced: these pods are others than before, and no others are.
func (w *world) checkReplaced(before map[string]string, want ...string) {
	w.Helper()
	var got []string
	for name, uid := range w.uids() {
		if before[name] != uid {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.Errorf("replaced %q, want %q", got, want)
	}
}

// checkEvent: the operator said something that holds all the parts.
func (o *operator) checkEvent(parts ...string) {
	o.world.Helper()
	if !slices.ContainsFunc(o.events.all(), func(e string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(e, part) })
	}) {
		o.world.Errorf("no event with %q in\n%s", parts, strings.Join(o.events.all(), "\n"))
	}
}

// properties of a Broker from pairs.
func properties(pairs ...string) map[string]v1alpha1.ConfigValue {
	out := map[string]v1alpha1.ConfigValue{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = v1alpha1.ConfigValue(pairs[i+1])
	}
	return out
}

// TestLiveConfig: a property that RocketMQ takes over live reaches every broker without a restart, and goes back to its
// default; others restart.
func TestLiveConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)
	before := w.uids()
	w.mq.mu.Lock()
	w.mq.deaf["b-0-1"] = 1
	w.mq.mu.Unlock()
	told := func(want map[string]string) string {
		for _, pod := range []string{"b-0-0", "b-0-1", "b-1-0", "b-1-1"} {
			for key, value := range want {
				if got := w.told(pod, key); got != value {
					return fmt.Sprintf("%s runs with %s=%s, want %s", pod, key, got, value)
				}
			}
		}
		return w.allReady()
	}
	for _, step := range []struct {
		config map[string]v1alpha1.ConfigValue
		want   map[string]string
	}{
		{properties("fileReservedTime", "48", "slaveReadEnable", "TRUE"), map[string]string{"fileReservedTime": "48", "slaveReadEnable": "true"}},
		{properties("fileReservedTime", "024"), map[string]string{"fileReservedTime": "24", "slaveReadEnable": "false"}},
		{nil, map[string]string{"fileReservedTime": "72", "deleteWhen": "04"}},
	} {
		edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config = step.config })
		o.until(func() string { return told(step.want) })
		o.checkSilence()
	}
	w.checkReplaced(before)
	o.checkEvent("PropertiesNotUpdated", "b-0-1 could not be given fileReservedTime=48 slaveReadEnable=true")
	o.checkEvent("PropertiesUpdated", "b-1-1 now runs with fileReservedTime=48 slaveReadEnable=true")

	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config = properties("fileReservedTime", "two days") })
	o.settled("Broker b", v1alpha1.ConditionInvalidSpec, metav1.ConditionTrue, "fileReservedTime", "whole number")
	edit(w, "b", func(b *v1alpha1.Broker) {
		b.Spec.Config = properties("fileReservedTime", "12", "flushDiskType", "SYNC_FLUSH")
	})
	o.until(func() string { return told(map[string]string{"fileReservedTime": "12"}) })
	w.checkReplaced(before, "b-0-0", "b-0-1", "b-1-0", "b-1-1")

	// A release that does not know a property is not told it again and again.
	w.mq.mu.Lock()
	for _, properties := range w.mq.configs {
		delete(properties, "transactionTimeOut")
	}
	w.mq.mu.Unlock()
	o.settle()
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config["transactionTimeOut"] = "7000" })
	o.settle()
	o.checkSilence()
	if got := w.told("b-0-0", "transactionTimeOut"); got != "" {
		t.Errorf("a broker was told transactionTimeOut=%s, which it does not know", got)
	}
}

// TestBadImage: a change that the first pod fails with stops there, and taking it back heals it.
func TestBadImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)
	before := w.uids()
	w.missing = "apache/rocketmq:5.4.99"
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.BrokerImage = w.missing })
	o.settled("Broker b", upToDate, metav1.ConditionFalse, "3 pods", "b-0-1 cannot start with the new spec", "ImagePullBackOff: not found")
	o.settle()
	w.checkReplaced(before, "b-0-1")
	o.checkEvent("RolloutWaiting", "b-0-1 cannot start")
	bad := w.uids()["b-0-1"]
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.BrokerImage = "" })
	o.until(w.allReady)
	if w.uids()["b-0-1"] == bad {
		t.Error("the pod with the bad image is still there")
	}
	w.checkReplaced(before, "b-0-1")
	o.checkEvent("ReplacingPod", "b-0-1", "it cannot become ready with its old spec: ImagePullBackOff")
}

// TestRolloutBlocked: a group of two that takes messages only when both are in sync cannot be rolled without refusing
// some; the user has choices, one of which needs no restart.
func TestRolloutBlocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + strings.Replace(brokers, "size: 2", "size: 1, config: {minInSyncReplicas: '2'}", 1))
	o := w.start(-1)
	o.until(w.allReady)
	before := w.uids()
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Env = []corev1.EnvVar{{Name: "A", Value: "b"}} })
	o.settled("Broker b", v1alpha1.ConditionRolloutBlocked, metav1.ConditionTrue, "2 pods", "2 of its 2 members", "replicaPerGroup", "config.minInSyncReplicas")
	o.settled("Broker b", upToDate, metav1.ConditionFalse, v1alpha1.ConditionRolloutBlocked)
	o.settled("Broker b", ready, metav1.ConditionTrue)
	o.checkEvent("RolloutBlocked", "replicaPerGroup")
	o.settle()
	o.checkSilence()
	w.checkReplaced(before)
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config = properties("minInSyncReplicas", "1") })
	o.until(w.allReady)
	w.checkReplaced(before, "b-0-0", "b-0-1")
	if text := w.condition("Broker b", v1alpha1.ConditionRolloutBlocked, metav1.ConditionTrue); text != "" {
		t.Errorf("still told: %s", text)
	}
}

// TestAllowMessageLoss: the user may give up the only copy of data, of one pod, once.
func TestAllowMessageLoss(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + strings.Replace(static, "replicaPerGroup: 1", "replicaPerGroup: 0, storageMode: EmptyDir", 1))
	o := w.start(-1)
	o.until(w.allReady)
	for _, value := range []string{"a", "b"} {
		before := w.uids()
		edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.PodAnnotations = map[string]string{"x": value} })
		o.settled("Broker b", v1alpha1.ConditionWouldLoseMessages, metav1.ConditionTrue, "b-0-0 is not replaced", "kubectl annotate --overwrite -n "+w.namespace+" broker b")
		o.settle()
		w.checkReplaced(before)
		message := w.condition("Broker b", v1alpha1.ConditionWouldLoseMessages, metav1.ConditionTrue)
		key, pod, _ := strings.Cut(message[strings.LastIndex(message, " ")+1:], "=")
		edit(w, "b", func(b *v1alpha1.Broker) { b.Annotations = map[string]string{key: pod} })
		o.until(w.allReady)
		w.checkReplaced(before, "b-0-0")
	}
}

// TestHostNetworkChanges: pods of the older spec are known by the network that they have, so that they are replaced.
func TestHostNetworkChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)
	for _, on := range []bool{true, false} {
		edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.HostNetwork = on })
		o.until(w.allReady)
		for _, pod := range w.pods() {
			if pod.Labels[desired.LabelComponent] == string(desired.Broker) && pod.Spec.HostNetwork != on {
				t.Errorf("hostNetwork of %s is %t", pod.Name, pod.Spec.HostNetwork)
			}
		}
		for _, group := range get[v1alpha1.Broker](w, "b").Status.Groups {
			for _, m := range group.Members {
				if strings.HasSuffix(m.Address, ".svc.cluster.local:10911") == on {
					t.Errorf("hostNetwork is %t, and %s is at %s", on, m.Pod, m.Address)
				}
			}
		}
	}
}

// TestRolloutWaits: each thing that a roll waits for is told, nothing is replaced meanwhile, and it goes on by itself.
func TestRolloutWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(strings.Replace(nameService, "size: 2", "size: 3", 1) + controllers + strings.Replace(brokers, "size: 2", "size: 2, drainSeconds: 12", 1))
	o := w.start(-1)
	o.until(w.allReady)
	for _, group := range []string{"b-0", "b-1"} {
		w.mq.inGroup(group, func(t *tables) { t.topics["t"] = admin.TopicConfig{Name: "t"} })
	}
	set := func(which map[string]bool, pod string, value bool) {
		w.mq.mu.Lock()
		defer w.mq.mu.Unlock()
		which[pod] = value
	}
	change := func() {
		v := fmt.Sprint(len(o.events.all()))
		edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Spec.PodAnnotations = map[string]string{"x": v} })
		edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.PodAnnotations = map[string]string{"x": v} })
	}
	set(w.mq.estranged, "ns-2", true)
	set(w.mq.estranged, "ctl-2", true)
	set(w.mq.bare, "b-0-1", true)
	o.settle() // for all that to be seen
	change()
	all := w.uids()
	o.settled("Broker b", upToDate, metav1.ConditionFalse, "is not registered at every name server")
	o.settled("Controller ctl", upToDate, metav1.ConditionFalse, "3 pods", "ctl-2 does not follow ctl-0 yet")
	w.checkReplaced(all)
	set(w.mq.estranged, "ns-2", false)
	set(w.mq.estranged, "ctl-2", false)
	o.settled("Broker b", upToDate, metav1.ConditionFalse, "3 pods", "b-0-1 lacks topics or consumer groups of its master, and b-0-0 may stop only when that is over")
	o.settle()
	for pod, uid := range w.uids() {
		if changed := all[pod] != uid; strings.HasPrefix(pod, "b-") && changed != (pod == "b-0-1") {
			t.Errorf("%s is replaced: %t", pod, changed)
		}
	}
	set(w.mq.estranged, "b-0-1", true)
	o.settled("Broker b", upToDate, metav1.ConditionFalse, "3 pods", "b-0-1 is not in the SyncStateSet")
	set(w.mq.bare, "b-0-1", false)
	set(w.mq.estranged, "b-0-1", false)
	o.until(w.allReady)
	w.checkReplaced(all, "b-0-0", "b-0-1", "b-1-0", "b-1-1", "ctl-0", "ctl-1", "ctl-2")
	// Drained for 12 s of the 30 that clients need to see that b-0 is back.
	back := pods.ReadySince(get[corev1.Pod](w, "b-0-0"))
	if seen := get[corev1.Pod](w, "b-1-0").CreationTimestamp.Sub(back.Time); seen < 18*time.Second {
		t.Errorf("b-1-0, which leads, is replaced %s after b-0 is back", seen)
	}
	o.checkSilence()
}
