// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

type looks map[types.NamespacedName]time.Time

func (l looks) Counts() (complete, incomplete uint64)            { return 7, 3 }
func (l looks) LastComplete() map[types.NamespacedName]time.Time { return l }

func broker(name string, conditions ...metav1.Condition) *v1alpha1.Broker {
	b := &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: name, UID: types.UID(name)}}
	b.Status.Conditions = conditions
	return b
}

func metricsOf(t *testing.T, resources ...client.Object) *Metrics {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return New(fake.NewClientBuilder().WithScheme(scheme).WithObjects(resources...).Build())
}

func TestMetrics(t *testing.T) {
	m := metricsOf(t,
		broker("new"),
		broker("fine", metav1.Condition{Type: "Ready", Status: "True", Reason: "Ready"}, metav1.Condition{Type: "UpToDate", Status: "True", Reason: "UpToDate"}),
		broker("ill", metav1.Condition{Type: "Ready", Status: "False", Reason: "NoMaster"}, metav1.Condition{Type: "NoMaster", Status: "True", Reason: "NoMaster"}),
	)
	m.Observe("Broker", looks{{Namespace: "mq", Name: "fine"}: time.UnixMilli(1500), {Namespace: "mq", Name: "new"}: time.Time{}})
	if problems, err := testutil.CollectAndLint(m); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	err := testutil.CollectAndCompare(m, strings.NewReader(`
# HELP rocketmq_operator_build_info 1, with the version of the operator.
# TYPE rocketmq_operator_build_info gauge
rocketmq_operator_build_info{version="dev"} 1
# HELP rocketmq_operator_last_complete_look_timestamp_seconds When the servers of a resource last told all that the operator needs to know; 0 for never.
# TYPE rocketmq_operator_last_complete_look_timestamp_seconds gauge
rocketmq_operator_last_complete_look_timestamp_seconds{kind="Broker",name="fine",namespace="mq"} 1.5
rocketmq_operator_last_complete_look_timestamp_seconds{kind="Broker",name="new",namespace="mq"} 0
# HELP rocketmq_operator_looks_total Looks at the servers of resources; an incomplete one got no answer that it needs.
# TYPE rocketmq_operator_looks_total counter
rocketmq_operator_looks_total{kind="Broker",result="complete"} 7
rocketmq_operator_looks_total{kind="Broker",result="incomplete"} 3
# HELP rocketmq_operator_resource_condition 1 for each condition of a resource that is not as it should be, with its reason.
# TYPE rocketmq_operator_resource_condition gauge
rocketmq_operator_resource_condition{condition="NoMaster",kind="Broker",name="ill",namespace="mq",reason="NoMaster"} 1
rocketmq_operator_resource_condition{condition="Ready",kind="Broker",name="ill",namespace="mq",reason="NoMaster"} 1
`), "rocketmq_operator_build_info", "rocketmq_operator_last_complete_look_timestamp_seconds", "rocketmq_operator_looks_total", "rocketmq_operator_resource_condition")
	if err != nil {
		t.Error(err)
	}

	kinds := testutil.CollectAndCount(m, "rocketmq_operator_resources")
	if want := 3 * len(v1alpha1.Kinds()); kinds != want {
		t.Errorf("%d series of resources, want %d: every kind with every readiness", kinds, want)
	}
}

// TestMasters: a group has its master's pod, or 0 if it is known that the one it had is gone.
func TestMasters(t *testing.T) {
	since := new(metav1.NewMicroTime(time.UnixMilli(1500)))
	b := broker("b")
	b.Status.Groups = []v1alpha1.BrokerGroupStatus{
		{Name: "b-0", Master: "b-0-1", FormerMaster: "b-0-0", MasterSince: since},
		{Name: "b-1", FormerMaster: "b-1-0", MasterSince: since},
		{Name: "b-2", MasterSince: since},    // is about to get its first
		{Name: "b-3", FormerMaster: "b-3-0"}, // nobody answers
	}
	err := testutil.CollectAndCompare(metricsOf(t, b), strings.NewReader(`
# HELP rocketmq_operator_broker_group_master 1 with the pod that is master of a broker group; 0 without a pod for a group that has lost its master.
# TYPE rocketmq_operator_broker_group_master gauge
rocketmq_operator_broker_group_master{group="b-0",name="b",namespace="mq",pod="b-0-1"} 1
rocketmq_operator_broker_group_master{group="b-1",name="b",namespace="mq",pod=""} 0
`), "rocketmq_operator_broker_group_master")
	if err != nil {
		t.Error(err)
	}
}

// A pod counts for its resource, and for the RocketMQCluster that this is a part of; before the first one the number is 0.
func TestReplacedPods(t *testing.T) {
	cluster := &v1alpha1.RocketMQCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "c", UID: "c"}}
	part, alone := broker("c-part"), broker("alone")
	part.OwnerReferences = []metav1.OwnerReference{{Kind: "RocketMQCluster", Name: "c", UID: "c", Controller: new(true)}}
	part.Status.Members, alone.Status.Members = "2/2", "2/2"
	topic := &v1alpha1.Topic{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "orders"}}

	m := metricsOf(t, cluster, part, alone, topic)
	recorder := m.Recorder(events.NewFakeRecorder(3), logr.Discard())
	for range 2 {
		recorder.Eventf(part, broker("c-part-0-0"), "Normal", v1alpha1.EventReplacingPod, "ReplacingPod", "its image changes")
	}
	recorder.Eventf(alone, nil, "Normal", v1alpha1.EventRolloutWaiting, "RolloutWaiting", "it starts")

	err := testutil.CollectAndCompare(m, strings.NewReader(`
# HELP rocketmq_operator_replaced_pods_total Pods that the operator replaced so that they run the current spec; of a RocketMQCluster those of its parts.
# TYPE rocketmq_operator_replaced_pods_total counter
rocketmq_operator_replaced_pods_total{kind="Broker",name="alone",namespace="mq"} 0
rocketmq_operator_replaced_pods_total{kind="Broker",name="c-part",namespace="mq"} 2
rocketmq_operator_replaced_pods_total{kind="RocketMQCluster",name="c",namespace="mq"} 2
`), "rocketmq_operator_replaced_pods_total")
	if err != nil {
		t.Error(err)
	}
}

// Somebody wants no pods of a Console, and a cluster that lacks nothing else is not ill either.
func TestScaledToZero(t *testing.T) {
	console := func(name, members string) *v1alpha1.Console {
		c := &v1alpha1.Console{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: name}}
		c.Status.Members = members
		return c
	}
	cluster := func(name string, parts ...v1alpha1.ClusterComponent) *v1alpha1.RocketMQCluster {
		c := &v1alpha1.RocketMQCluster{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: name}}
		c.Status.Components = parts
		return c
	}
	ready := v1alpha1.ClusterComponent{Kind: "Broker", Name: "b", Members: "2/2", Ready: metav1.ConditionTrue}
	ill := v1alpha1.ClusterComponent{Kind: "Broker", Name: "b", Members: "1/2", Ready: metav1.ConditionFalse}
	idle := v1alpha1.ClusterComponent{Kind: "Console", Name: "c", Members: "0/0", Ready: metav1.ConditionFalse}

	refused := broker("refused")
	refused.Status.Members = "0/0"
	m := metricsOf(t,
		refused, console("off", "0/0"), console("starting", "0/1"), console("new", ""),
		cluster("well", ready), cluster("without-console", ready, idle), cluster("ill", ill, idle), cluster("new"),
	)
	err := testutil.CollectAndCompare(m, strings.NewReader(`
# HELP rocketmq_operator_resource_scaled_to_zero 1 for a resource whose replicas are 0, and for a RocketMQCluster of which nothing but such parts is not Ready.
# TYPE rocketmq_operator_resource_scaled_to_zero gauge
rocketmq_operator_resource_scaled_to_zero{kind="Console",name="off",namespace="mq"} 1
rocketmq_operator_resource_scaled_to_zero{kind="RocketMQCluster",name="without-console",namespace="mq"} 1
`), "rocketmq_operator_resource_scaled_to_zero")
	if err != nil {
		t.Error(err)
	}
}

// TestRecorder: every event is sent, counted and logged once.
func TestRecorder(t *testing.T) {
	m := metricsOf(t)
	var lines []string
	log := funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{})
	sent := events.NewFakeRecorder(2)
	recorder := m.Recorder(sent, log)

	owner, object := broker("b"), broker("b-0-0")
	recorder.Eventf(owner, object, "Normal", "ReplacingPod", "ReplacingPod", "%s runs an older spec", "b-0-0")
	recorder.Eventf(owner, nil, "Normal", "ReplacingPod", "ReplacingPod", "%s", "100% done")

	if got := len(sent.Events); got != 2 {
		t.Errorf("%d events were sent", got)
	}
	err := testutil.CollectAndCompare(m, strings.NewReader(`
# HELP rocketmq_operator_events_total What the operator did or saw, by the reason of its events.
# TYPE rocketmq_operator_events_total counter
rocketmq_operator_events_total{kind="Broker",reason="ReplacingPod"} 2
`), "rocketmq_operator_events_total")
	if err != nil {
		t.Error(err)
	}
	want := `"level"=0 "msg"="ReplacingPod" "controllerKind"="Broker" "namespace"="mq" "name"="b" "object"="b-0-0" "note"="b-0-0 runs an older spec"`
	if len(lines) != 2 || lines[0] != want || !strings.Contains(lines[1], `"note"="100% done"`) {
		t.Errorf("logged %q, want %s first", lines, want)
	}
}
