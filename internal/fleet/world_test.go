// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// now is when all tests look.
func now() time.Time { return time.Unix(100_000, 0) }

func ago(d time.Duration) metav1.Time { return metav1.NewTime(now().Add(-d)) }

const (
	wantedHash = "wanted"
	allowed    = v1alpha1.AnnotationUncleanElection
)

// world is a Broker b in namespace mq with two groups of master and slave, elected by controllers, all of them well.
type world struct {
	Seen
	records map[int32]desired.GroupState
	saved   map[string]*metadata.Mark
}

func newWorld() *world {
	b := &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "b", UID: "b", Annotations: map[string]string{}}}
	b.Spec.Size, b.Spec.ReplicaPerGroup = new(int32(2)), new(int32(1))
	b.Spec.ClusterMode = v1alpha1.ControllerMode
	b.Status.ControllerRef = &v1alpha1.ObjectReference{Namespace: "mq", Name: "ctl"}
	w := &world{
		Seen: Seen{
			Broker: b, Installation: desired.Installation{Domain: "cluster.local"}, Known: true, At: now(), Now: now(),
			Dependencies: desired.Dependencies{
				NameServers: []string{"ns-0:9876"}, Controllers: []string{"ctl-0:9878"}, Groups: map[string]settings.GroupSettings{},
			},
			Answer: &Answer{
				Registered: map[string]map[string]map[int64]string{"ns": {}}, Shown: map[string]map[string]int{"ns": {}},
				Leader: "c", SyncStates: map[string]admin.SyncState{}, Properties: map[string]map[string]string{}, Disks: map[string]int{},
				InSyncHosts: map[string][]string{}, Unreachable: map[string]string{}, Tables: map[string]Tables{},
				CaughtUp: map[string]bool{},
			},
		},
		records: map[int32]desired.GroupState{}, saved: map[string]*metadata.Mark{},
	}
	for number := range int32(2) {
		w.addGroup(number)
	}
	return w
}

// addGroup with a master and a slave that are well.
func (w *world) addGroup(number int32) {
	group := desired.GroupName("b", number)
	w.records[number] = desired.GroupState{Members: 2, State: scale.Open, Since: ago(time.Hour)}
	w.Registered["ns"][group] = map[int64]string{}
	for ordinal := range int32(2) {
		w.addMember(group, ordinal)
	}
	w.SyncStates[group] = admin.SyncState{
		MasterAddr: w.registered(group, 0), MasterEpoch: 3,
		InSync: []admin.Replica{{ID: 1, Addr: w.registered(group, 0), Alive: true}, {ID: 2, Addr: w.registered(group, 1), Alive: true}},
	}
	w.saved[group] = &metadata.Mark{Term: "uid-" + group + "-0/3"}
	w.Tables[group] = Tables{Term: "uid-" + group + "-0/3", Whole: []string{w.dialable(group, 1)}}
	w.setState(number, scale.Open)
}

// setState of a group since an hour, and of what its brokers run with.
func (w *world) setState(number int32, state scale.State) {
	group, record := desired.GroupName("b", number), w.records[number]
	record.State = state
	w.records[number], w.Dependencies.Groups[group] = record, state.Settings()
	w.Shown["ns"][group] = state.Settings().Permission
	for _, pod := range w.Pods {
		if pod.Labels[desired.LabelGroup] == group {
			maps.Copy(w.Properties[pods.BrokerAddr(&pod)], state.Settings().Properties())
		}
	}
}

func (w *world) addMember(group string, ordinal int32) *corev1.Pod {
	name := desired.PodName(group, ordinal)
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "mq", Name: name, UID: types.UID("uid-" + name), CreationTimestamp: ago(time.Hour),
			Labels: map[string]string{desired.LabelGroup: group}, Annotations: map[string]string{v1alpha1.AnnotationHash: wantedHash},
		},
		Status: corev1.PodStatus{
			PodIP:      ip(group, ordinal),
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: ago(time.Hour)}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: desired.Container, State: corev1.ContainerState{
				Running: &corev1.ContainerStateRunning{StartedAt: ago(time.Hour)}}}},
		},
	}
	w.Pods = append(w.Pods, pod)
	w.Registered["ns"][group][int64(ordinal)] = w.registered(group, ordinal)
	properties := scale.Open.Settings().Properties()
	properties["namesrvAddr"], properties["controllerAddr"] = "ns-0:9876", "ctl-0:9878"
	if live, err := desired.LiveConfig(w.Broker); err == nil {
		maps.Copy(properties, live)
	}
	w.Properties[w.dialable(group, ordinal)] = properties
	w.CaughtUp[w.dialable(group, ordinal)] = true
	return &w.Pods[len(w.Pods)-1]
}

func ip(group string, ordinal int32) string {
	return fmt.Sprintf("10.0.%d.%d", desired.Ordinal(group), ordinal+1)
}

func (w *world) registered(group string, ordinal int32) string {
	return w.Installation.BrokerAddress(w.Broker, desired.PodName(group, ordinal))
}

func (w *world) dialable(group string, ordinal int32) string { return ip(group, ordinal) + ":10911" }

// pod of that name.
func (w *world) pod(name string) *corev1.Pod {
	for i := range w.Pods {
		if w.Pods[i].Name == name {
			return &w.Pods[i]
		}
	}
	panic("no pod " + name)
}

// remove a pod, which its servers have noticed.
func (w *world) remove(name string) {
	for i := range w.Pods {
		if w.Pods[i].Name == name {
			w.Pods = append(w.Pods[:i], w.Pods[i+1:]...)
			break
		}
	}
	for _, members := range w.Registered["ns"] {
		for id, addr := range members {
			if addr == w.Installation.BrokerAddress(w.Broker, name) {
				delete(members, id)
			}
		}
	}
}

// static makes the brokers STATIC.
func (w *world) static() {
	w.Broker.Spec.ClusterMode, w.Broker.Status.ControllerRef = v1alpha1.Static, nil
	w.Leader, w.SyncStates = "", nil
	w.InSyncHosts = map[string][]string{"b-0": {ip("b-0", 1)}, "b-1": {ip("b-1", 1)}}
	for group, mark := range w.saved {
		mark.Term = "uid-" + group + "-0"
	}
}

// see the fleet, with the status that it leaves.
func (w *world) see() *Fleet {
	groups := Plan(w.Broker, w.records, now())
	for _, g := range groups {
		g.Saved = w.saved[g.Name]
		g.Revision = pods.Revision{Hash: wantedHash}
		if _, known := w.Dependencies.Groups[g.Name]; !known {
			w.Dependencies.Groups[g.Name] = g.State().Settings()
		}
	}
	f := See(w.Seen, groups)
	w.Broker.Status.Groups, _ = f.Status(w.Broker.Status.Groups)
	return f
}
