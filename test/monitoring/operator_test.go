// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"fmt"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// operator at work in a world of played clusters.
type operator struct {
	*world.Operator
	*testing.T
	world   *world.World
	failing string    // a Broker that cannot be reconciled, "" for none
	retried time.Time // when it was tried last
}

// retryInterval is the pause after which an operator tries again at last what fails for good (30 s), in the time of the story.
const retryInterval = 30 * time.Second / speed

func brokerOf(name, spec string) string {
	return fmt.Sprintf("{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: %s}, spec: {%s}}\n---\n", name, spec)
}

// startOperator with the clusters that are to fail.
func startOperator(t *testing.T, w *world.World) *operator {
	t.Helper()
	w.MetricsAddr = freeAddr(t)
	w.CreateYAML(world.NameService + world.Controllers +
		brokerOf("orphan", "size: 1, clusterMode: CONTROLLER") +
		brokerOf("tight", "size: 1, clusterMode: CONTROLLER, config: {minInSyncReplicas: '2'}") +
		brokerOf("full", "size: 1, replicaPerGroup: 0") +
		brokerOf("mute", "size: 1, replicaPerGroup: 0"))
	return &operator{Operator: w.Manage(), T: t, world: w}
}

func (o *operator) target() target {
	return target{job: operatorJob, namespace: "rocketmq-operator-system", pod: "rocketmq-operator-0", addr: o.world.MetricsAddr}
}

// fail in every way that an operator tells of, and say what must fire then.
func (o *operator) fail() []string {
	o.Helper()
	o.idle()
	o.world.CreateYAML("{apiVersion: rocketmq.apache.org/v1alpha1, kind: Topic, metadata: {name: lost}, spec: {brokerRef: {name: nobody}}}")
	o.world.CreateYAML(brokerOf("bare", "size: 1, replicaPerGroup: 0, tls: {secretName: gone}"))
	o.loseMaster("orphan-0")
	o.fillDisk("full-0")
	o.runOutOfMemory("full-0-0")
	o.world.MQ.Silence("mute-0-0", true)
	world.Edit(o.world, "tight", func(b *v1alpha1.Broker) { b.Spec.Env = []corev1.EnvVar{{Name: "A", Value: "b"}} })
	o.breakWebhook()
	return []string{
		"RocketMQNoMaster group=orphan-0 name=orphan namespace=mq",
		"RocketMQNotReady kind=Broker name=orphan namespace=mq",
		"RocketMQTopicsNotReady kind=Topic namespace=mq",
		"RocketMQCertificate condition=InvalidCertificate kind=Broker name=bare namespace=mq",
		"RocketMQNotReady kind=Broker name=bare namespace=mq",
		"RocketMQDiskFillsUp name=full namespace=mq",
		"RocketMQTrouble condition=OutOfMemory kind=Broker name=full namespace=mq",
		"RocketMQOperatorBlind kind=Broker name=mute namespace=mq",
		"RocketMQRolloutBlocked condition=RolloutBlocked kind=Broker name=tight namespace=mq",
		"RocketMQRolloutStuck kind=Broker name=tight namespace=mq",
		"RocketMQOperatorFailing controller=broker namespace=rocketmq-operator-system",
	}
}

// idle: somebody wants no pods of an Exporter, which is no trouble.
func (o *operator) idle() {
	o.Helper()
	o.world.CreateYAML("{apiVersion: rocketmq.apache.org/v1alpha1, kind: Exporter, metadata: {name: idle}, spec: {replicas: 0}}")
	o.Until(func() string {
		if members := world.Get[v1alpha1.Exporter](o.world, "idle").Status.Members; members != "0/0" {
			return fmt.Sprintf("the idle Exporter has %q members", members)
		}
		return ""
	})
}

// retry what fails. The operator does so by itself, but waits for 30 s of real time in the end, which would be half an hour of the
// story; so the Broker changes in the rhythm that this has in the story.
func (o *operator) retry() {
	o.Helper()
	if o.failing == "" || time.Since(o.retried) < retryInterval {
		return
	}
	o.retried = time.Now()
	world.Edit(o.world, o.failing, func(b *v1alpha1.Broker) {
		b.Spec.Env = []corev1.EnvVar{{Name: "TRIED", Value: o.retried.String()}}
	})
}

// loseMaster of a group, whose slave lacks messages, so that the controllers elect nobody.
func (o *operator) loseMaster(group string) {
	o.Helper()
	address := func(pod string) string {
		return fmt.Sprintf("%s.%s.%s.svc.cluster.local:10911", pod, desired.HeadlessService("orphan", desired.Broker), o.world.Namespace)
	}
	o.world.MQ.Strand(group, admin.SyncState{
		MasterEpoch: 2,
		InSync:      []admin.Replica{{ID: 1, Addr: address(group + "-0")}},
		NotInSync:   []admin.Replica{{ID: 2, Addr: address(group + "-1"), Alive: true}},
	})
	o.world.Starting[group+"-0"] = true
}

func (o *operator) fillDisk(group string) {
	o.world.MQ.Inject(func(at fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
		return fakemq.Answer{Body: `{"table":{"commitLogDiskRatio":"0.86"}}`}, at.Group == group && request.Code == remoting.GetBrokerRuntimeInfo
	})
}

func (o *operator) runOutOfMemory(name string) {
	o.Helper()
	pod := world.Get[corev1.Pod](o.world, name)
	before := pod.DeepCopy()
	killed := &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137, FinishedAt: metav1.NewTime(time.Now())}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: desired.Container, Ready: true, RestartCount: 1,
		State:                corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}},
		LastTerminationState: corev1.ContainerState{Terminated: killed}}}
	o.world.Must(o.world.PatchStatus(pod, before))
}

// breakWebhook: the API server asks somebody who does not answer before it takes a ConfigMap, and a new Broker needs one.
func (o *operator) breakWebhook() {
	o.Helper()
	hook := &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "dead"},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: "dead.example.com", AdmissionReviewVersions: []string{"v1"}, TimeoutSeconds: new(int32(1)),
			SideEffects:       new(admissionv1.SideEffectClassNone),
			ClientConfig:      admissionv1.WebhookClientConfig{URL: new("https://127.0.0.1:1/")},
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: o.world.Namespace}},
			Rules: []admissionv1.RuleWithOperations{{Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule: admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}}}},
		}},
	}
	o.world.Must(o.world.Create(o.Context(), hook))
	o.failing = "late"
	o.world.CreateYAML(strings.TrimSuffix(brokerOf(o.failing, "size: 1, replicaPerGroup: 0"), "---\n"))
}
