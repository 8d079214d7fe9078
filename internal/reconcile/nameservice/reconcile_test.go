// SPDX-License-Identifier: Apache-2.0

package nameservice_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestHandEdits are put back.
func TestHandEdits(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService)
	o := w.Start()
	o.Until(w.AllReady)
	world.Edit(w, "ns-nameserver", func(s *corev1.Service) {
		s.Spec.Ports[0].Port, s.Spec.Selector[desired.LabelInstance] = 1234, "other"
	})
	world.Edit(w, "ns-nameserver-config", func(c *corev1.ConfigMap) { c.Data[settings.File] = "{}" })
	world.Edit(w, "ns", func(s *appsv1.StatefulSet) {
		s.Spec.Replicas, s.Spec.UpdateStrategy.Type = new(int32(5)), appsv1.RollingUpdateStatefulSetStrategyType
	})
	w.Must(w.Delete(t.Context(), world.Get[policyv1.PodDisruptionBudget](w, "ns-nameserver")))
	o.Pass()
	service, set := world.Get[corev1.Service](w, "ns-nameserver"), world.Get[appsv1.StatefulSet](w, "ns")
	if service.Spec.Ports[0].Port != 9876 || len(service.Spec.Ports) != 1 || service.Spec.Selector[desired.LabelInstance] != "ns" {
		t.Errorf("Service %+v", service.Spec)
	}
	if *set.Spec.Replicas != 2 || set.Spec.UpdateStrategy.Type != appsv1.OnDeleteStatefulSetStrategyType {
		t.Errorf("StatefulSet %d %s", *set.Spec.Replicas, set.Spec.UpdateStrategy.Type)
	}
	if text := world.Get[corev1.ConfigMap](w, "ns-nameserver-config").Data[settings.File]; text == "{}" {
		t.Error("ConfigMap as edited")
	}
	world.Get[policyv1.PodDisruptionBudget](w, "ns-nameserver")
	o.Until(w.AllReady)
	o.CheckSilence()
}

// TestNotAdmitted: a namespace that refuses the pods.
func TestNotAdmitted(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService)
	o := w.Start()
	o.Pass()
	refusal := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "refusal", Namespace: w.Namespace}, EventTime: metav1.NowMicro(),
		Reason: "FailedCreate", Action: "Create", Type: corev1.EventTypeWarning, ReportingController: "statefulset-controller", ReportingInstance: "x",
		Regarding: corev1.ObjectReference{Kind: "StatefulSet", Name: "ns", Namespace: w.Namespace},
		Note:      `create Pod ns-0 failed: pods "ns-0" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)`,
	}
	w.Must(w.Create(t.Context(), refusal))
	set := world.Get[appsv1.StatefulSet](w, "ns")
	set.Status.ObservedGeneration = set.Generation
	w.Must(w.Status().Update(t.Context(), set))
	o.Pass()
	for _, part := range []string{"2 pods are not admitted", "hostNetwork=true", "kubectl label namespace " + w.Namespace} {
		if text := w.Condition("NameService ns", v1alpha1.ConditionRefused, metav1.ConditionTrue); !strings.Contains(text, part) {
			t.Errorf("Refused %q lacks %q", text, part)
		}
	}
	o.Until(w.AllReady)
}

// TestTroubleIsOver: the resource goes on when the user has done what the condition says.
func TestTroubleIsOver(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.ForeignService("ns-nameserver") + world.NameService)
	o := w.Start()
	o.Reports("NameService ns", v1alpha1.ConditionNameConflict, metav1.ConditionTrue)
	w.Must(w.Delete(t.Context(), world.Get[corev1.Service](w, "ns-nameserver")))
	o.Until(w.AllReady)
	if text := w.Condition("NameService ns", v1alpha1.ConditionNameConflict, metav1.ConditionTrue); text != "" {
		t.Errorf("the condition stays: %s", text)
	}
}

// TestTroubles: what stops a resource is a condition that says what to do, and what was found is not touched.
func TestTroubles(t *testing.T) {
	t.Parallel()
	for _, trouble := range []world.Trouble{
		{
			Name: "a Service of the name", Resource: "NameService ns", Condition: v1alpha1.ConditionNameConflict,
			Objects: world.ForeignService("ns-nameserver") + world.NameService,
			Says:    []string{`Service "ns-nameserver"`, "another name"}, Untouched: "Service ns-nameserver",
		},
		{
			Name: "the predecessor's name servers", Resource: "NameService ns", Condition: v1alpha1.ConditionLegacyResources,
			Objects: world.ForeignStatefulSet("ns", "app: name_service, name_service_cr: ns") + world.NameService,
			Says:    []string{`StatefulSet "ns"`, "apache/rocketmq-operator", "kubectl delete -n reconcile-", " StatefulSet ns"}, Untouched: "StatefulSet ns",
		},
		{
			Name: "the predecessor's name server image", Resource: "NameService ns", Condition: v1alpha1.ConditionUnsupportedImage,
			Objects: strings.Replace(world.NameService, "size: 2", "nameServiceImage: 'apacherocketmq/rocketmq-nameserver:4.5.0-alpine-operator-0.3.0'", 1),
			Says:    []string{"spec.nameServiceImage"},
		},
		{
			Name: "a pod template that the API server refuses", Resource: "NameService ns", Condition: v1alpha1.ConditionRefused,
			Objects: strings.Replace(world.NameService, "size: 2", "podTemplate: {spec: {containers: [{name: 'Not A Name', image: x}]}}", 1),
			Says:    []string{"Not A Name", "Invalid value"},
		},
		{
			Name: "a pod template that is none", Resource: "NameService ns", Condition: v1alpha1.ConditionInvalidSpec,
			Objects: strings.Replace(world.NameService, "size: 2", "podTemplate: {spec: {containers: none}}", 1),
			Says:    []string{"spec.podTemplate"},
		},
	} {
		trouble.Run(t)
	}
}
