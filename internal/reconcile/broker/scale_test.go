// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestScaleOut: a new group is hidden until it has what the source has, whatever keeps it, and keeps what it has
// otherwise.
func TestScaleOut(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Static)
	o := w.Start()
	o.Until(w.AllReady)
	topic := admin.TopicConfig{Name: "t", ReadQueues: 3, WriteQueues: 3, Perm: 4, Order: true}
	group := admin.NewSubscriptionGroup("g")
	group.RetryMaxTimes = 5
	w.MQ.Change("b-0", func(t *fakemq.Tables) {
		t.Topics["t"], t.Topics["kept"], t.Topics["rmq_sys_x"] = topic, admin.TopicConfig{Name: "kept", ReadQueues: 1, WriteQueues: 1, Perm: 6}, admin.TopicConfig{Name: "rmq_sys_x"}
		t.Groups["g"] = group
		t.Offsets["t@g"], t.Offsets["t@gone"] = map[string]int64{"0": 9}, map[string]int64{"0": 9}
	})
	w.MQ.Change("b-1", func(t *fakemq.Tables) {
		t.Topics["kept"], t.Topics["old"] = admin.TopicConfig{Name: "kept", ReadQueues: 2, WriteQueues: 2, Perm: 6}, admin.TopicConfig{Name: "old"}
	})
	var modes sync.Map
	w.MQ.Inject(func(at fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
		switch {
		case request.Code == remoting.GetAllMessageRequestMode && at.Group == "b-0":
			return fakemq.Answer{Body: `{"messageRequestModeMap":{"t":{"g":{"mode":"POP","popShareQueueNum":2},"lost":{"mode":"POP"}}}}`}, true
		case request.Code == remoting.SetMessageRequestMode:
			modes.Store(at.Group, string(request.Body))
			return fakemq.Answer{}, true
		}
		return fakemq.Answer{}, false
	})
	w.MQ.Silence("b-0-0", true)
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size, b.Spec.ScalePodName = new(int32(2)), "c-0-0" })
	o.Reports("Broker b", v1alpha1.ConditionMetadataCopy, metav1.ConditionFalse, v1alpha1.ReasonSourceUnknown, `"c-0-0"`, "b-0-0")
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionMetadataCopy)
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.ScalePodName = "b-0-master-0" })
	o.Reports("Broker b", v1alpha1.ConditionMetadataCopy, metav1.ConditionFalse, v1alpha1.ReasonSourceUnreachable, "b-0-0")
	if got := w.Permission("b-1-0"); got != "0" {
		t.Errorf("a group that lacks metadata starts with permission %s", got)
	}
	w.MQ.Silence("b-0-0", false)
	listens := w.MQ.Inject(fakemq.Busy("b-1-1", -1))
	w.Fenced["b-1-0"] = true
	w.Starting["b-1-0"] = true
	o.Reports("Broker b", v1alpha1.ConditionMetadataCopy, metav1.ConditionFalse, v1alpha1.ReasonTargetUnreachable, "has the topics and consumer groups of b-0-0", "b-1-0 is not ready")
	if got := w.Permission("b-1-0"); got != "0" {
		t.Errorf("a group whose master takes no messages has permission %s", got)
	}
	w.Starting["b-1-0"] = false
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "clients cannot use b-1-1 yet")
	listens()
	o.Until(w.AllReady)
	o.Finish()
	w.MQ.Overtake("b-1")
	o.Until(func() string {
		if w.MQ.Overtaken("b-1") {
			return "the name servers show b-1 hidden"
		}
		return ""
	})
	o.Until(w.AllReady)
	if a, b := w.Permission("b-1-0"), w.Permission("b-1-1"); a != "6" || b != "6" {
		t.Errorf("Ready, with permissions %s and %s", a, b)
	}
	if mode, _ := modes.Load("b-1"); !strings.Contains(fmt.Sprint(mode), `"consumerGroup":"g","mode":"POP","popShareQueueNum":2`) {
		t.Errorf("the request mode of group g is set as %v", mode)
	}
	w.MQ.Change("b-1", func(tb *fakemq.Tables) {
		tb.Topics["t"] = admin.TopicConfig{Name: "t", ReadQueues: tb.Topics["t"].ReadQueues, WriteQueues: tb.Topics["t"].WriteQueues,
			Perm: tb.Topics["t"].Perm, Order: tb.Topics["t"].Order}
		if diff := cmp.Diff(topic, tb.Topics["t"]); diff != "" {
			t.Errorf("topic (-source +copy):\n%s", diff)
		}
		if tb.Topics["kept"].ReadQueues != 2 || len(tb.Topics) != 3 {
			t.Errorf("topics %v", tb.Topics)
		}
		if got := tb.Groups["g"]; !got.Equal(group) {
			t.Errorf("group %+v", got)
		}
		if diff := cmp.Diff(map[string]map[string]int64{"t@g": {"0": 0, "1": 0, "2": 0}}, tb.Offsets); diff != "" {
			t.Errorf("offsets (-want +got):\n%s", diff)
		}
	})
	for _, text := range []string{"b-1 has topics or consumer groups with other settings than at b-0-0, and keeps its own: topic kept", "topics from before, which b-0-0 does not have", "b-1 goes from hidden to open"} {
		if !o.Said(text) {
			t.Errorf("no event %q in %q", text, o.Events())
		}
	}
	o.Finish()
	o.CheckSilence()
}

// copying watches the copies to new groups, and breaks one off.
type copying struct {
	mu     sync.Mutex
	left   int               // requests until one is broken off; it has been if this is 0
	opened map[string]string // by broker, what its group had when it was opened
}

// fault counts the requests about tables that are no mere looks, whether a table is another one.
func (c *copying) fault(at fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch request.Code {
	case remoting.UpdateBrokerConfig:
		if _, known := c.opened[at.Name]; !known && strings.Contains(string(request.Body), "brokerPermission=6") {
			c.opened[at.Name] = fmt.Sprintf("%d topics, %d groups, %d pairs", len(at.Tables.Topics), len(at.Tables.Groups), len(at.Tables.Offsets))
		}
	case remoting.GetAllTopicConfig, remoting.GetAllSubscriptionGroupConfig, remoting.GetAllConsumerOffset,
		remoting.UpdateAndCreateTopicList, remoting.UpdateAndCreateSubscriptionGroupList, remoting.UpdateConsumerOffset:
		if c.left == 0 || request.Fields["maxTopicNum"] == "1" || request.Fields["maxGroupNum"] == "1" {
			break
		}
		c.left--
		return fakemq.Answer{Code: remoting.SystemError}, c.left == 0
	}
	return fakemq.Answer{}, false
}

// breakOff the n-th request from now on.
func (c *copying) breakOff(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = n
}

// seen are the groups that were opened, and whether a request was broken off.
func (c *copying) seen() (opened map[string]string, broken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.opened), c.left == 0
}

// TestCopyBreaksOff lets each request of a copy fail in turn: the copy goes on, and no group is ever opened half-made.
func TestCopyBreaksOff(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + strings.Replace(world.Static, "replicaPerGroup: 1", "replicaPerGroup: 0, metadataGuard: Disabled", 1)) // whose requests would count
	o := w.Start()
	o.Until(w.AllReady)
	w.MQ.Change("b-0", func(t *fakemq.Tables) {
		for i := range 3 {
			topic, group := fmt.Sprintf("t%d", i), fmt.Sprintf("g%d", i)
			t.Topics[topic] = admin.TopicConfig{Name: topic, ReadQueues: 2, WriteQueues: 2, Perm: 6}
			t.Groups[group] = admin.NewSubscriptionGroup(group)
			t.Offsets[topic+"@"+group] = map[string]int64{"0": 1, "1": 1}
		}
	})
	copies := &copying{opened: map[string]string{}}
	w.MQ.Inject(copies.fault)
	const requests = 14 // six that read, one for the topics, one for the groups, one for each of six queues
	for n := 1; n <= requests; n++ {
		copies.breakOff(n)
		world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size = new(int32(1 + n)) })
		o.Until(func() string {
			opened, broken := copies.seen()
			if len(opened) < n {
				return fmt.Sprintf("opened %q", opened)
			}
			if !broken {
				t.Errorf("the copy made less than %d requests", n)
			}
			return ""
		})
		o.Until(w.AllReady)
	}
	opened, _ := copies.seen()
	for broker, had := range opened {
		if had != "3 topics, 3 groups, 3 pairs" {
			t.Errorf("%s was opened half-made: %s", broker, had)
		}
	}
}

// letLag a consumer group, slow, by so many messages of its topic.
func letLag(t *fakemq.Tables, messages int64) {
	const topic = "lagged-by-slow"
	t.Groups["slow"] = admin.NewSubscriptionGroup("slow")
	t.Topics[topic] = admin.TopicConfig{Name: topic, ReadQueues: 1, WriteQueues: 1, Perm: 6}
	t.Offsets[topic+"@slow"], t.Ends[topic] = map[string]int64{"0": 0}, map[int]int64{0: messages}
}

// TestScaleIn: a group leaves when everything is consumed; growing again keeps it; who forces it gives up the rest.
func TestScaleIn(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + strings.Replace(world.Static, "size: 1,", "size: 3, drainSeconds: 0,", 1))
	o := w.Start()
	o.Until(w.AllReady)
	lag := func(group string, n int64) { w.MQ.Change(group, func(t *fakemq.Tables) { letLag(t, n) }) }
	lag("b-1", 4321)
	lag("b-2", 12)
	shrinkTo := func(n int32) { world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size = &n }) }

	shrinkTo(1)
	o.Reports("Broker b", v1alpha1.ConditionDraining, metav1.ConditionTrue, "b-2 takes no new messages", "consumer group slow lags 12", "force-scale-in=b-2")
	o.Reports("Broker b", v1alpha1.ConditionReady, metav1.ConditionTrue)
	if got := w.Permission("b-1-0"); got != "6" {
		t.Errorf("b-1 has permission %s before its turn", got)
	}
	if got := w.Permission("b-2-1"); got != "4" {
		t.Errorf("b-2 drains with permission %s", got)
	}
	o.Finish()
	o.CheckSilence()

	shrinkTo(3)
	o.Until(w.AllReady)
	o.Until(func() string {
		if got := w.Permission("b-2-0"); got != "6" {
			return "permission " + got
		}
		return ""
	})

	shrinkTo(1)
	o.Reports("Broker b", v1alpha1.ConditionDraining, metav1.ConditionTrue, "b-2 takes no new messages")
	w.MQ.Change("b-2", func(t *fakemq.Tables) {
		t.Topics["t"] = admin.TopicConfig{Name: "t"}
		t.Offsets["t@slow"] = map[string]int64{"0": 9, "1": 2}
	})
	slave := w.MQ.Tables("b-2")
	slave.Offsets["t@slow"] = map[string]int64{"0": 3}
	w.MQ.Differ("b-2-1", &slave)
	accept := w.MQ.Inject(fakemq.RefuseChanges("b-2"))
	lag("b-2", 0)
	o.Reports("Broker b", v1alpha1.ConditionDraining, metav1.ConditionTrue, "waits until its slaves have the consumer offsets", "b-2-1 refuses them", "force-scale-in=b-2")
	o.Finish()
	o.CheckSilence()
	accept()
	o.Reports("Broker b", v1alpha1.ConditionDraining, metav1.ConditionTrue, "b-1 takes no new messages", "consumer group slow lags 4300")
	if diff := cmp.Diff(map[string]int64{"0": 9, "1": 2}, w.MQ.OwnTables("b-2-1").Offsets["t@slow"]); diff != "" {
		t.Errorf("offsets of the slave of b-2 (-want +got):\n%s", diff)
	}
	if n := len(w.Pods()); n != 2+4 {
		t.Errorf("%d pods, want those of two name servers and two groups", n)
	}
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Annotations = map[string]string{v1alpha1.AnnotationForceScaleIn: "b-1"} })
	o.Until(w.AllReady)
	for _, text := range []string{"b-2 goes from draining to closed", "b-2 goes from closed to removing", "b-1 goes from draining to removing: the annotation", "group b-1 is removed"} {
		if !o.Said(text) {
			t.Errorf("no event %q in %q", text, o.Events())
		}
	}
	o.CheckSilence()
}

// TestStaleForce: an annotation from before a group leaves does not force it out; removed and set again, it does.
func TestStaleForce(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + strings.Replace(world.Static, "size: 1,", "size: 2, drainSeconds: 0,", 1))
	o := w.Start()
	o.Until(w.AllReady)
	w.MQ.Change("b-1", func(t *fakemq.Tables) { letLag(t, 12) })
	shrinkTo := func(n int32) { world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size = &n }) }
	force := func(group string) {
		world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Annotations = map[string]string{v1alpha1.AnnotationForceScaleIn: group} })
	}
	marked := func() bool {
		return world.Get[appsv1.StatefulSet](w, "b-1").Annotations[v1alpha1.AnnotationForceStale] != ""
	}
	command := "kubectl annotate -n " + w.Namespace + " broker b " + v1alpha1.AnnotationForceScaleIn + "-"
	again := "kubectl annotate --overwrite -n " + w.Namespace + " broker b " + v1alpha1.AnnotationForceScaleIn + "=b-1"

	force("b-1")
	o.Finish()
	o.CheckSilence()
	shrinkTo(1)
	o.Reports("Broker b", v1alpha1.ConditionDraining, metav1.ConditionTrue, "consumer group slow lags 12", "before b-1 began to leave", command+" ", again)
	o.Finish()
	o.CheckSilence()
	o.Shutdown()
	o = w.Start() // the mark outlives the operator
	o.Finish()
	o.Reports("Broker b", v1alpha1.ConditionDraining, metav1.ConditionTrue, "before b-1 began to leave")
	o.CheckSilence()

	shrinkTo(2)
	o.Until(w.AllReady)
	o.Until(func() string {
		if marked() {
			return "b-1 is open and still marked"
		}
		return ""
	})
	o.CheckSilence()
	shrinkTo(1)
	o.Reports("Broker b", v1alpha1.ConditionDraining, metav1.ConditionTrue, "before b-1 began to leave", command+" ")

	force("b-0") // names another group now
	o.Reports("Broker b", v1alpha1.ConditionDraining, metav1.ConditionTrue, "To remove it and lose what is not consumed: "+again)
	if marked() {
		t.Error("b-1 is still marked")
	}
	o.Finish()
	o.CheckSilence()
	force("b-1")
	o.Until(w.AllReady)
	if text := "b-1 goes from draining to removing: the annotation"; !o.Said(text) {
		t.Errorf("no event %q in %q", text, o.Events())
	}
	o.CheckSilence()
}

// TestRemovedWithDisks: what becomes of volumes, and of the controllers' record, when a group leaves and comes back.
func TestRemovedWithDisks(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"Retain", "Delete"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			w.CreateYAML(world.NameService + world.Controllers + strings.Replace(world.Brokers, "size: 2,",
				"size: 2, drainSeconds: 0, persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: "+policy+"},", 1))
			o := w.Start()
			o.Until(w.AllReady)
			w.MQ.Bury("b-1", admin.Replica{ID: 7, Addr: "b-1-9.b-broker-headless." + w.Namespace + ".svc.cluster.local:10911"})
			world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size = new(int32(1)) })
			o.Until(func() string {
				var set appsv1.StatefulSet
				err := w.Get(t.Context(), client.ObjectKey{Namespace: w.Namespace, Name: "b-1"}, &set)
				if err == nil && set.Annotations[v1alpha1.AnnotationState] != "open" {
					got := set.Spec.PersistentVolumeClaimRetentionPolicy
					if string(got.WhenDeleted) != policy && set.Annotations[v1alpha1.AnnotationState] == "removing" && *set.Spec.Replicas == 0 {
						t.Fatalf("volumes of a group that leaves: %+v", got)
					}
				}
				return w.AllReady()
			})
			if kept := len(w.MQ.Buried("b-1")) > 0; kept != (policy == "Retain") {
				t.Errorf("the controllers' record is kept: %t", kept)
			}
		})
	}
}

// TestFewerSlaves: the last member leaves, and gives away its mastership first.
func TestFewerSlaves(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	w.MQ.Promote("b-1-1")
	o.Until(func() string {
		if b := world.Get[v1alpha1.Broker](w, "b"); b.Status.Masters != "b-0-0 b-1-1" {
			return "masters " + b.Status.Masters
		}
		return ""
	})
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.ReplicaPerGroup = new(int32(0)) })
	o.Until(func() string {
		if !o.Said("b-1-1 is to leave b-1 and hands over") {
			return fmt.Sprintf("no handover in %q", o.Events())
		}
		w.Starting["b-1-1"] = true // it takes its time to come back, so the other one becomes master
		return ""
	})
	o.Until(func() string {
		if b := world.Get[v1alpha1.Broker](w, "b"); b.Status.Masters == "b-0-0 b-1-0" {
			w.Starting["b-1-1"] = false
			return ""
		}
		return "b-1-0 is not master"
	})
	o.Until(w.AllReady)
	if n := len(w.Pods()); n != 2+3+2 {
		t.Errorf("%d pods", n)
	}
	if b := world.Get[v1alpha1.Broker](w, "b"); b.Status.Masters != "b-0-0 b-1-0" {
		t.Errorf("masters %s", b.Status.Masters)
	}
	o.CheckSilence()
}

// TestRebornMember: a member that came back on an empty disk has a new id, and the old one is cleaned.
func TestRebornMember(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	addr := fmt.Sprintf("b-0-1.b-broker-headless.%s.svc.cluster.local:10911", w.Namespace)
	w.MQ.Bury("b-0", admin.Replica{ID: 2, Addr: addr}, admin.Replica{ID: 3, Addr: addr, Alive: true})
	w.MQ.Bury("b-1", admin.Replica{ID: 2, Addr: strings.Replace(addr, "b-0-1", "b-1-1", 1)})
	o.Until(func() string {
		if len(w.MQ.Buried("b-0")) > 0 {
			return "the old id of b-0-1 is still listed"
		}
		return ""
	})
	o.Finish()
	if len(w.MQ.Buried("b-1")) != 1 {
		t.Error("the record of a member that is down is gone")
	}
}
