// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/rollout"
)

// quorumOf three controllers with an old spec that have been ready for an hour, and that all follow ctl-0. Their spec has just changed.
func quorumOf(mode v1alpha1.StorageMode) *controllerPass {
	ctl := &v1alpha1.Controller{ObjectMeta: metav1.ObjectMeta{Name: "ctl"}}
	ctl.Spec.Size, ctl.Spec.StorageMode = new(int32(3)), mode
	ctl.Status.Leader = "ctl-0"
	p := &controllerPass{
		Pass: workload.Pass{Base: pass.Base{Owner: ctl}}, controller: ctl, revision: pods.Revision{Hash: "new"},
		seen: &observe.Quorum{}, fresh: true,
	}
	for _, name := range []string{"ctl-0", "ctl-1", "ctl-2"} {
		pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name + "-uid")}}
		pod.Status.PodIP = "10.0.0." + strings.TrimPrefix(name, "ctl-")
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: desired.Container, Started: new(true), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		}}
		p.pods = append(p.pods, pod)
		p.becomes(name, corev1.ConditionTrue)
		p.seen.Agreed = append(p.seen.Agreed, pods.ControllerAddr(&pod))
	}
	p.seen.Leader = p.seen.Agreed[0]
	return p
}

func (p *controllerPass) pod(name string) *corev1.Pod {
	for i := range p.pods {
		if p.pods[i].Name == name {
			return &p.pods[i]
		}
	}
	return nil
}

// becomes ready or unready, an hour ago.
func (p *controllerPass) becomes(name string, ready corev1.ConditionStatus) {
	p.pod(name).Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodReady, Status: ready, LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour))},
	}
}

// alone is a quorum of one.
func (p *controllerPass) alone() {
	p.controller.Spec.Size = new(int32(1))
	p.pods, p.seen.Agreed = p.pods[:1], p.seen.Agreed[:1]
}

// loseNodes of controllers: others were made in their places, which no node takes, so there is no leader.
func (p *controllerPass) loseNodes(names ...string) {
	for _, name := range names {
		p.pod(name).Status = corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "no node"},
		}}
	}
	for i := range p.pods {
		if pods.Started(&p.pods[i]) {
			p.becomes(p.pods[i].Name, corev1.ConditionFalse)
		}
	}
	p.seen = &observe.Quorum{}
	p.controller.Status.Leader = ""
}

// TestReplaced: which controller a change of the spec replaces first. The last one that has the quorum's log stays until others have it.
func TestReplaced(t *testing.T) {
	for _, test := range []struct {
		name   string
		mode   v1alpha1.StorageMode
		change func(*controllerPass)
		want   rollout.Action
		pod    string
		says   string
	}{
		{"all are well", v1alpha1.EmptyDir, func(*controllerPass) {}, rollout.Replace, "ctl-2", "its spec changed"},
		{
			"two nodes are gone, and the change brings their controllers to others", v1alpha1.EmptyDir,
			func(p *controllerPass) { p.loseNodes("ctl-1", "ctl-2") }, rollout.Replace, "ctl-1", "unschedulable",
		},
		{
			"the same with volumes", v1alpha1.StorageClass,
			func(p *controllerPass) { p.loseNodes("ctl-1", "ctl-2") }, rollout.Replace, "ctl-1", "unschedulable",
		},
		{
			"the last one alone has the old spec, and the others find no node", v1alpha1.StorageClass,
			func(p *controllerPass) {
				p.loseNodes("ctl-1", "ctl-2")
				p.pod("ctl-1").Annotations = map[string]string{v1alpha1.AnnotationHash: "new"}
				p.pod("ctl-2").Annotations = map[string]string{v1alpha1.AnnotationHash: "new"}
			}, rollout.Wait, "ctl-1", "cannot start with the new spec",
		},
		{
			"one never answers with its old spec", v1alpha1.StorageClass,
			func(p *controllerPass) {
				p.becomes("ctl-1", corev1.ConditionFalse)
				p.pod("ctl-1").Status.ContainerStatuses[0].Started = new(false)
			}, rollout.Replace, "ctl-1", "it has not been ready for over 3m0s",
		},
		{
			"the only one has its data in its pod", v1alpha1.EmptyDir, (*controllerPass).alone, rollout.Loss, "ctl-0", "storageMode is EmptyDir, and too few other controllers have its data",
		},
		{
			"the only one crashes, and may still have its data", v1alpha1.EmptyDir, func(p *controllerPass) {
				p.alone()
				p.becomes("ctl-0", corev1.ConditionFalse)
				p.pod("ctl-0").Status.ContainerStatuses[0] = corev1.ContainerStatus{
					Name: desired.Container, RestartCount: 3,
					State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				}
			}, rollout.Loss, "ctl-0", "bring the others back first",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := quorumOf(test.mode)
			test.change(p)
			got := rollout.Next(rollout.Snapshot{Groups: []rollout.Group{p.group(time.Now())}})
			if got.Action != test.want || got.Pod != test.pod || !strings.Contains(got.Reason, test.says) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestKeep: a controller whose disk goes with it stays, unless a majority without it has the log.
func TestKeep(t *testing.T) {
	const few = "storageMode is EmptyDir, and too few other controllers have its data: bring the others back first"
	for _, test := range []struct {
		name   string
		mode   v1alpha1.StorageMode
		change func(*controllerPass)
		want   []string
	}{
		{"all follow the leader", v1alpha1.EmptyDir, func(*controllerPass) {}, []string{"", "", ""}},
		{"one does not", v1alpha1.EmptyDir, func(p *controllerPass) { p.seen.Agreed = p.seen.Agreed[:2] }, []string{few, few, ""}},
		{"nobody leads", v1alpha1.EmptyDir, func(p *controllerPass) { p.loseNodes("ctl-2") }, []string{few, few, ""}},
		{"nobody leads, and disks stay", v1alpha1.StorageClass, func(p *controllerPass) { p.loseNodes("ctl-2") }, []string{"", "", ""}},
		{
			"its user gives one up", v1alpha1.EmptyDir, func(p *controllerPass) {
				p.loseNodes("ctl-2")
				p.controller.Annotations = map[string]string{v1alpha1.AnnotationAllowMessageLoss: "ctl-0.ctl-0-ui"}
			}, []string{"", few, ""},
		},
	} {
		p := quorumOf(test.mode)
		test.change(p)
		var got []string
		for _, member := range p.group(time.Now()).Pods {
			got = append(got, member.Keep)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestApart: what a controller lacks to be one of the quorum.
func TestApart(t *testing.T) {
	for _, test := range []struct {
		name   string
		mode   v1alpha1.StorageMode
		change func(*controllerPass)
		want   string
	}{
		{"nothing", v1alpha1.EmptyDir, func(*controllerPass) {}, ""},
		{"nobody has asked since", v1alpha1.EmptyDir, func(p *controllerPass) { p.fresh = false }, "has not been checked since all controllers became ready"},
		{"nobody leads", v1alpha1.EmptyDir, func(p *controllerPass) { p.controller.Status.Leader = "" }, "has no leader"},
		{"it names nobody", v1alpha1.EmptyDir, func(p *controllerPass) { p.seen.Agreed = p.seen.Agreed[:2] }, "does not follow ctl-0 yet"},
		{"it has just come back, empty", v1alpha1.EmptyDir, comesBack, "has been ready for less than 10s, and may lack a part of the others' log"},
		{"it has just come back on its volume", v1alpha1.StorageClass, comesBack, ""},
	} {
		p := quorumOf(test.mode)
		test.change(p)
		if got := p.group(time.Now()).Pods[2].Apart; got != test.want {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func comesBack(p *controllerPass) {
	p.pod("ctl-2").Status.Conditions[0].LastTransitionTime = metav1.NewTime(time.Now().Add(-settled / 2))
}
