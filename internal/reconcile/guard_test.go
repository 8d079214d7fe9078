package reconcile

import (
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
)

const atRisk = v1alpha1.ConditionMetadataAtRisk

// topicNames of a group, "a b c".
func (w *world) topicNames(group string) string {
	var names []string
	w.mq.inGroup(group, func(t *tables) {
		for name := range t.topics {
			names = append(names, name)
		}
	})
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestMetadataGuard: what a master knew outlives it. A slave that became master while it was taking its tables apart gets
// back what it lacks, although the operator died meanwhile; what was deleted before stays deleted.
func TestMetadataGuard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + strings.Replace(brokers, "size: 2", "size: 1", 1))
	o := w.start(-1)
	o.until(w.allReady)
	group := admin.NewSubscriptionGroup("g")
	group.RetryMaxTimes = 3
	before := map[string]admin.TopicConfig{}
	for i := range 7 {
		name := fmt.Sprintf("t%d", i)
		before[name] = admin.TopicConfig{Name: name, ReadQueues: i + 1, WriteQueues: i + 1, Perm: 4, FilterType: "SINGLE_TAG", Attributes: map[string]string{}}
	}
	w.mq.inGroup("b-0", func(t *tables) {
		for name, topic := range before {
			t.topics[name] = topic
		}
		t.topics["old"], t.topics["rmq_sys_x"] = admin.TopicConfig{Name: "old"}, admin.TopicConfig{Name: "rmq_sys_x"}
		t.groups["g"] = group
	})
	saved := func(want string) func() string {
		return func() string {
			if got := w.saved("b-0"); got != nil && got.Data["topics"]+" topics, "+got.Data["consumerGroups"]+" groups" == want {
				return ""
			}
			return fmt.Sprintf("saved %v", w.saved("b-0").Data)
		}
	}
	o.until(saved("8 topics, 1 groups"))
	w.mq.inGroup("b-0", func(t *tables) { delete(t.topics, "old") })
	o.until(saved("7 topics, 1 groups"))
	o.settle()
	o.checkSilence()

	term := w.saved("b-0").Data["term"]
	w.starting["b-0-0"] = true
	w.must(w.Delete(w.Context(), get[corev1.Pod](w, "b-0-0")))
	// The new master lacks most of what was saved, and with each look it has fewer topics.
	w.mq.inGroup("b-0", func(t *tables) {
		clear(t.groups)
		maps.DeleteFunc(t.topics, func(name string, _ admin.TopicConfig) bool { return name < "t5" && name != "rmq_sys_x" })
		for i := range 2000 {
			name := fmt.Sprintf("melting%d", i)
			t.topics[name] = admin.TopicConfig{Name: name}
			t.melting = append(t.melting, name)
		}
	})
	told := func() string {
		if got := w.saved("b-0"); got.Data["topics"] != "7" || got.Data["term"] != term {
			t.Fatalf("while the new master loses topics, saved is %v", got.Data)
		}
		if text := w.condition("Broker b", atRisk, metav1.ConditionTrue); !strings.HasPrefix(text, v1alpha1.ReasonRestoring+": b-0-1 ") || !strings.Contains(text, "still deleting topics") {
			return "told is: " + text
		}
		return ""
	}
	o.until(told)
	o.shutdown()
	o = w.start(-1)
	o.until(told)
	w.mq.inGroup("b-0", func(t *tables) {
		for _, name := range t.melting {
			delete(t.topics, name)
		}
		t.melting = nil
	})
	o.until(func() string {
		if got := w.topicNames("b-0"); got != "rmq_sys_x t0 t1 t2 t3 t4 t5 t6" {
			return "topics " + got
		}
		return ""
	})
	w.starting["b-0-0"] = false
	o.until(w.allReady)
	w.mq.inGroup("b-0", func(t *tables) { delete(t.topics, "rmq_sys_x") })
	w.mq.inGroup("b-0", func(tb *tables) {
		if diff := cmp.Diff(before, tb.topics); diff != "" {
			t.Errorf("topics (-before +after):\n%s", diff)
		}
		if got := tb.groups["g"]; !got.Equal(group) {
			t.Errorf("group %+v", got)
		}
	})
	if !o.said("b-0-1, the new master of b-0, lacked 5 of 7 topics and 1 of 1 consumer groups") {
		t.Errorf("events %q", o.events.all())
	}
	o.until(func() string {
		if text := w.condition("Broker b", atRisk, metav1.ConditionTrue); text != "" {
			return text
		}
		return ""
	})
	o.settle()
	o.checkSilence()

	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.MetadataGuard = v1alpha1.MetadataGuardDisabled })
	o.until(w.allReady) // and nothing is saved any more
}
