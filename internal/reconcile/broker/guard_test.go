// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// topicNames of a group, "a b c".
func topicNames(w *world.World, group string) string {
	return strings.Join(slices.Sorted(maps.Keys(w.MQ.Tables(group).Topics)), " ")
}

// TestMetadataGuard: what a master knew outlives it. A slave that became master while it was taking its tables apart gets
// back what it lacks, although the operator died meanwhile; what was deleted before stays deleted.
func TestMetadataGuard(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + strings.Replace(world.Brokers, "size: 2", "size: 1", 1))
	o := w.Start()
	o.Until(w.AllReady)
	group := admin.NewSubscriptionGroup("g")
	group.RetryMaxTimes = 3
	before := map[string]admin.TopicConfig{}
	for i := range 7 {
		name := fmt.Sprintf("t%d", i)
		before[name] = admin.TopicConfig{Name: name, ReadQueues: i + 1, WriteQueues: i + 1, Perm: 4, FilterType: "SINGLE_TAG", Attributes: map[string]string{}}
	}
	w.MQ.Change("b-0", func(t *fakemq.Tables) {
		for name, topic := range before {
			t.Topics[name] = topic
		}
		t.Topics["old"], t.Topics["rmq_sys_x"] = admin.TopicConfig{Name: "old"}, admin.TopicConfig{Name: "rmq_sys_x"}
		t.Groups["g"] = group
	})
	saved := func(want string) func() string {
		return func() string {
			if got := w.Saved("b-0"); got != nil && got.Data["topics"]+" topics, "+got.Data["consumerGroups"]+" groups" == want {
				return ""
			}
			return fmt.Sprintf("saved %v", w.Saved("b-0").Data)
		}
	}
	o.Until(saved("8 topics, 1 groups"))
	w.MQ.Change("b-0", func(t *fakemq.Tables) { delete(t.Topics, "old") })
	o.Until(saved("7 topics, 1 groups"))
	o.Finish()
	o.CheckSilence()

	term := w.Saved("b-0").Data["term"]
	w.Starting["b-0-0"] = true
	w.MQ.Silence("b-0-0", true)
	w.Must(w.Delete(w.Context(), world.Get[corev1.Pod](w, "b-0-0")))
	// The new master lacks most of what was saved, and with each look it has fewer topics.
	melting := 2000
	w.MQ.Change("b-0", func(t *fakemq.Tables) {
		clear(t.Groups)
		maps.DeleteFunc(t.Topics, func(name string, _ admin.TopicConfig) bool { return name < "t5" && name != "rmq_sys_x" })
		for i := range melting {
			name := fmt.Sprintf("melting%d", i)
			t.Topics[name] = admin.TopicConfig{Name: name}
		}
	})
	whole := w.MQ.Inject(func(at fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
		if at.Group == "b-0" && request.Code == remoting.GetAllTopicConfig && melting > 0 {
			melting--
			delete(at.Tables.Topics, fmt.Sprintf("melting%d", melting))
		}
		return fakemq.Answer{}, false
	})
	told := func() string {
		if got := w.Saved("b-0"); got.Data["topics"] != "7" || got.Data["term"] != term {
			t.Fatalf("while the new master loses topics, saved is %v", got.Data)
		}
		if text := w.Condition("Broker b", v1alpha1.ConditionMetadataAtRisk, metav1.ConditionTrue); !strings.HasPrefix(text, v1alpha1.ReasonRestoring+": b-0-1 ") || !strings.Contains(text, "still deleting topics") {
			return "told is: " + text
		}
		return ""
	}
	o.Until(told)
	o.Shutdown()
	o = w.Start()
	o.Until(told)
	whole()
	w.MQ.Change("b-0", func(t *fakemq.Tables) {
		maps.DeleteFunc(t.Topics, func(name string, _ admin.TopicConfig) bool { return strings.HasPrefix(name, "melting") })
	})
	o.Until(func() string {
		if got := topicNames(w, "b-0"); got != "rmq_sys_x t0 t1 t2 t3 t4 t5 t6" {
			return "topics " + got
		}
		return ""
	})
	w.Starting["b-0-0"] = false
	o.Until(w.AllReady)
	w.MQ.Change("b-0", func(t *fakemq.Tables) { delete(t.Topics, "rmq_sys_x") })
	w.MQ.Change("b-0", func(tb *fakemq.Tables) {
		if diff := cmp.Diff(before, tb.Topics); diff != "" {
			t.Errorf("topics (-before +after):\n%s", diff)
		}
		if got := tb.Groups["g"]; !got.Equal(group) {
			t.Errorf("group %+v", got)
		}
	})
	o.Until(says(o, "b-0-1, the new master of b-0, lacked 5 of 7 topics and 1 of 1 consumer groups"))
	o.Until(func() string {
		if text := w.Condition("Broker b", v1alpha1.ConditionMetadataAtRisk, metav1.ConditionTrue); text != "" {
			return text
		}
		return ""
	})
	o.Finish()
	o.CheckSilence()

	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.MetadataGuard = v1alpha1.MetadataGuardDisabled })
	o.Until(w.AllReady) // and nothing is saved any more
}

// TestTablesLostInPlace: a master that was killed came back without its topics, in the same pod. What is saved is not replaced by
// what is left: the topics are given back.
func TestTablesLostInPlace(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + strings.Replace(world.Static, "replicaPerGroup: 1", "replicaPerGroup: 0", 1))
	o := w.Start()
	o.Until(w.AllReady)
	w.MQ.Change("b-0", func(t *fakemq.Tables) {
		for _, name := range []string{"t0", "t1", "t2"} {
			t.Topics[name] = admin.TopicConfig{Name: name, ReadQueues: 8, WriteQueues: 8, Perm: 6, FilterType: "SINGLE_TAG", Attributes: map[string]string{}}
		}
	})
	o.Until(w.AllReady)

	w.MQ.Change("b-0", func(t *fakemq.Tables) {
		delete(t.Topics, "t1")
		delete(t.Topics, "t2")
	})
	pod := world.Get[corev1.Pod](w, "b-0-0")
	before := pod.DeepCopy()
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: desired.Container, RestartCount: 1, Ready: true,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}}}
	w.Must(w.PatchStatus(pod, before))
	o.Until(func() string {
		if got := topicNames(w, "b-0"); got != "t0 t1 t2" {
			return "topics " + got
		}
		return w.AllReady()
	})
	o.Until(says(o, "b-0-0, the new master of b-0, lacked 2 of 3 topics"))
}

// says reports that no event has this text yet.
func says(o *world.Operator, text string) func() string {
	return func() string {
		if !o.Said(text) {
			return fmt.Sprintf("no event has %q: %q", text, o.Events())
		}
		return ""
	}
}

// TestTablesShrink: a master that loses most of its topics without a change of master is followed, because somebody may have deleted
// them. But the tables of before are kept, and it is told.
func TestTablesShrink(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + strings.Replace(world.Static, "replicaPerGroup: 1", "replicaPerGroup: 0", 1))
	o := w.Start()
	o.Until(w.AllReady)
	w.MQ.Change("b-0", func(t *fakemq.Tables) {
		for i := range 10 {
			name := fmt.Sprintf("t%d", i)
			t.Topics[name] = admin.TopicConfig{Name: name, ReadQueues: 8, WriteQueues: 8, Perm: 6, FilterType: "SINGLE_TAG", Attributes: map[string]string{}}
		}
	})
	o.Until(w.AllReady)
	whole := w.Saved("b-0").BinaryData[metadata.KeyTables]
	for _, left := range []string{"t3", "t1"} { // in two steps, as a broker loses them
		w.MQ.Change("b-0", func(t *fakemq.Tables) {
			maps.DeleteFunc(t.Topics, func(name string, _ admin.TopicConfig) bool { return name > left && strings.HasPrefix(name, "t") })
		})
		o.Until(w.AllReady)
	}
	if got := w.Saved("b-0").BinaryData[metadata.KeyPrevious]; !bytes.Equal(got, whole) {
		t.Errorf("%d bytes are kept of the tables of before, which had %d", len(got), len(whole))
	}
	o.CheckEvent("MetadataShrank", "those of before are kept as previous.json.gz in ConfigMap b-0-metadata")
}
