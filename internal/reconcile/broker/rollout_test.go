// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestBadImage: a change that the first pod fails with stops there, and taking it back heals it.
func TestBadImage(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	before := w.UIDs()
	w.Missing = "apache/rocketmq:5.4.99"
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.BrokerImage = w.Missing })
	o.Reports("Broker b", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, "3 pods", "b-0-1 cannot start with the new spec", "ImagePullBackOff: not found")
	o.Finish()
	w.CheckReplaced(before, "b-0-1")
	o.CheckEvent("RolloutWaiting", "b-0-1 cannot start")
	bad := w.UIDs()["b-0-1"]
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.BrokerImage = "" })
	o.Until(w.AllReady)
	if w.UIDs()["b-0-1"] == bad {
		t.Error("the pod with the bad image is still there")
	}
	w.CheckReplaced(before, "b-0-1")
	o.CheckEvent("ReplacingPod", "b-0-1", "it cannot become ready with its old spec: ImagePullBackOff")
}

// TestRolloutBlocked: a group of two that takes messages only when both are in sync cannot be rolled without refusing
// some; the user has choices, one of which needs no restart.
func TestRolloutBlocked(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + strings.Replace(world.Brokers, "size: 2", "size: 1, config: {minInSyncReplicas: '2'}", 1))
	o := w.Start()
	o.Until(w.AllReady)
	before := w.UIDs()
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Env = []corev1.EnvVar{{Name: "A", Value: "b"}} })
	o.Reports("Broker b", v1alpha1.ConditionRolloutBlocked, metav1.ConditionTrue, "2 pods", "2 of its 2 members", "replicaPerGroup", "config.minInSyncReplicas")
	o.Reports("Broker b", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ConditionRolloutBlocked)
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionTrue)
	o.CheckEvent("RolloutBlocked", "replicaPerGroup")
	o.Finish()
	o.CheckSilence()
	w.CheckReplaced(before)
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config = world.Properties("minInSyncReplicas", "1") })
	o.Until(w.AllReady)
	w.CheckReplaced(before, "b-0-0", "b-0-1")
	if text := w.Condition("Broker b", v1alpha1.ConditionRolloutBlocked, metav1.ConditionTrue); text != "" {
		t.Errorf("still told: %s", text)
	}
}

// TestAllowMessageLoss: the user may give up the only copy of data, of one pod, once.
func TestAllowMessageLoss(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + strings.Replace(world.Static, "replicaPerGroup: 1", "replicaPerGroup: 0, storageMode: EmptyDir", 1))
	o := w.Start()
	o.Until(w.AllReady)
	for _, value := range []string{"a", "b"} {
		before := w.UIDs()
		world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.PodAnnotations = map[string]string{"x": value} })
		o.Reports("Broker b", v1alpha1.ConditionWouldLoseMessages, metav1.ConditionTrue, "b-0-0 is not replaced", "kubectl annotate --overwrite -n "+w.Namespace+" broker b")
		o.Finish()
		w.CheckReplaced(before)
		message := w.Condition("Broker b", v1alpha1.ConditionWouldLoseMessages, metav1.ConditionTrue)
		key, pod, _ := strings.Cut(message[strings.LastIndex(message, " ")+1:], "=")
		world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Annotations = map[string]string{key: pod} })
		o.Until(w.AllReady)
		w.CheckReplaced(before, "b-0-0")
	}
}

// TestHostNetworkChanges: pods of the older spec are known by the network that they have, so that they are replaced.
func TestHostNetworkChanges(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	for _, on := range []bool{true, false} {
		world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.HostNetwork = on })
		o.Until(w.AllReady)
		for _, pod := range w.Pods() {
			if pod.Labels[desired.LabelComponent] == string(desired.Broker) && pod.Spec.HostNetwork != on {
				t.Errorf("hostNetwork of %s is %t", pod.Name, pod.Spec.HostNetwork)
			}
		}
		for _, group := range world.Get[v1alpha1.Broker](w, "b").Status.Groups {
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
	w := world.New(t)
	w.CreateYAML(strings.Replace(world.NameService, "size: 2", "size: 3", 1) + world.Controllers + strings.Replace(world.Brokers, "size: 2", "size: 2, drainSeconds: 12", 1))
	o := w.Start()
	o.Until(w.AllReady)
	for _, group := range []string{"b-0", "b-1"} {
		w.MQ.Change(group, func(t *fakemq.Tables) { t.Topics["t"] = admin.TopicConfig{Name: "t"} })
	}
	bare := w.MQ.Tables("b-0")
	clear(bare.Topics)
	change := func() {
		v := fmt.Sprint(len(o.Events()))
		world.Edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Spec.PodAnnotations = map[string]string{"x": v} })
		world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.PodAnnotations = map[string]string{"x": v} })
	}
	w.MQ.CutOff("ns-2", true)
	w.MQ.CutOff("ctl-2", true)
	w.MQ.Differ("b-0-1", &bare)
	o.Finish() // for all that to be seen
	change()
	all := w.UIDs()
	o.Reports("Broker b", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, "is not registered at every name server")
	o.Reports("Controller ctl", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, "3 pods", "ctl-2 does not follow ctl-0 yet")
	w.CheckReplaced(all)
	w.MQ.CutOff("ns-2", false)
	w.MQ.CutOff("ctl-2", false)
	o.Reports("Broker b", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, "3 pods", "b-0-1 lacks topics or consumer groups of its master, and b-0-0 may stop only when that is over")
	o.Finish()
	for pod, uid := range w.UIDs() {
		if changed := all[pod] != uid; strings.HasPrefix(pod, "b-") && changed != (pod == "b-0-1") {
			t.Errorf("%s is replaced: %t", pod, changed)
		}
	}
	w.MQ.CutOff("b-0-1", true)
	o.Reports("Broker b", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, "3 pods", "b-0-1 is not in the SyncStateSet")
	w.MQ.Differ("b-0-1", nil)
	w.MQ.CutOff("b-0-1", false)
	o.Until(w.AllReady)
	w.CheckReplaced(all, "b-0-0", "b-0-1", "b-1-0", "b-1-1", "ctl-0", "ctl-1", "ctl-2")
	// Drained for 12 s of the 30 that clients need to see that b-0 is back.
	back := pods.ReadySince(world.Get[corev1.Pod](w, "b-0-0"))
	if seen := world.Get[corev1.Pod](w, "b-1-0").CreationTimestamp.Sub(back.Time); seen < 18*time.Second {
		t.Errorf("b-1-0, which leads, is replaced %s after b-0 is back", seen)
	}
	o.CheckSilence()
}

// TestConfigMapContent: what a referenced ConfigMap holds is part of the spec.
func TestConfigMapContent(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + `
{apiVersion: v1, kind: ConfigMap, metadata: {name: env}, data: {BROKER_MEM: "-Xmx1g"}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: base}, data: {broker-common.conf: "a=b"}}
---
apiVersion: rocketmq.apache.org/v1alpha1
kind: Broker
metadata: {name: b}
spec:
  replicaPerGroup: 0
  env: [{name: BROKER_MEM, valueFrom: {configMapKeyRef: {name: env, key: BROKER_MEM}}}]
  volumes: [{name: base, configMap: {name: base}}]
`)
	o := w.Start()
	o.Until(w.AllReady)
	for name, key := range map[string]string{"env": "BROKER_MEM", "base": "broker-common.conf"} {
		before := world.Get[corev1.Pod](w, "b-0-0").UID
		world.Edit(w, name, func(c *corev1.ConfigMap) { c.Data[key] += " " })
		o.Until(func() string {
			if world.Get[appsv1.StatefulSet](w, "b-0").Spec.Template.Annotations[v1alpha1.AnnotationHash] == "" {
				return "no hash"
			}
			var pod corev1.Pod
			err := w.Get(t.Context(), client.ObjectKey{Namespace: w.Namespace, Name: "b-0-0"}, &pod)
			if err != nil || pod.UID == before {
				return "the pod was not replaced after a change of ConfigMap " + name
			}
			return w.AllReady()
		})
	}
}

// TestStuckPod: one that cannot start is told, and replaced when the spec is mended, whatever its group's turn is.
func TestStuckPod(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	w.Starting["b-1-1"] = true
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, "b-1-1 is starting")
	pod := world.Get[corev1.Pod](w, "b-1-1")
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "rocketmq", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}
	w.Must(w.Status().Update(t.Context(), pod))
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, "b-1-1 cannot start (ImagePullBackOff: no such image)")
	first := len(o.Events())
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.BrokerImage = "apache/rocketmq:5.5.0" })
	o.Until(func() string {
		for _, event := range o.Events()[first:] {
			if strings.Contains(event, "ReplacingPod") {
				w.Starting["b-1-1"] = false
				if !strings.Contains(event, "replacing pod b-1-1") {
					t.Errorf("the first to be replaced: %s", event)
				}
				return ""
			}
		}
		return "nothing is replaced"
	})
	o.Until(w.AllReady)
}

// TestKeepsOnlyCopy: a master on an emptyDir is not replaced when its messages are nowhere else, not even if it crashes.
func TestKeepsOnlyCopy(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + strings.Replace(world.Static, "replicaPerGroup: 1", "replicaPerGroup: 1, storageMode: EmptyDir", 1))
	o := w.Start()
	o.Until(w.AllReady)
	master := world.Get[corev1.Pod](w, "b-0-0").UID
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config = map[string]v1alpha1.ConfigValue{"bad": "value"} })
	o.Reports("Broker b", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ConditionWouldLoseMessages, "b-0-0", "STATIC")

	w.Starting["b-0-0"] = true
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, "b-0-0 is starting")
	pod := world.Get[corev1.Pod](w, "b-0-0")
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "rocketmq", RestartCount: 3, State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
	w.Must(w.Status().Update(t.Context(), pod))
	o.Reports("Broker b", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ConditionWouldLoseMessages, "b-0-0")
	o.Finish()
	o.CheckSilence()
	if world.Get[corev1.Pod](w, "b-0-0").UID != master {
		t.Error("the pod with the only copy was replaced")
	}
}

// TestUnsafeDowngrade: an image that cannot read the disks is not taken, and what runs goes on and is seen.
func TestUnsafeDowngrade(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	before := map[string]corev1.Pod{}
	for _, pod := range w.Pods() {
		before[pod.Name] = pod
	}
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.BrokerImage = "apache/rocketmq:5.1.0" })
	o.Reports("Broker b", v1alpha1.ConditionUnsafeDowngrade, metav1.ConditionTrue, "5.1.0 cannot follow 5.4.0", "Put the image back")
	o.Reports("Broker b", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, v1alpha1.ConditionUnsafeDowngrade)
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionTrue)
	o.Finish()
	o.CheckSilence()
	for _, pod := range w.Pods() {
		if pod.UID != before[pod.Name].UID {
			t.Errorf("%s was replaced", pod.Name)
		}
	}
	if image := world.Get[appsv1.StatefulSet](w, "b-0").Spec.Template.Spec.Containers[0].Image; image != v1alpha1.DefaultImage {
		t.Errorf("a new pod would run %s", image)
	}
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.BrokerImage = "apache/rocketmq:5.5.0" })
	o.Until(func() string {
		for _, pod := range w.Pods() {
			if pod.Labels[desired.LabelComponent] == string(desired.Broker) && pod.UID == before[pod.Name].UID {
				return pod.Name + " is not replaced"
			}
		}
		return w.AllReady()
	})
}
