// SPDX-License-Identifier: Apache-2.0

package world

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
)

// Names of the operator's objects in the namespace, as "Kind name", in order.
func (w *World) Names() []string {
	w.Helper()
	var out []string
	for key := range w.Snapshot() {
		kind, name, _ := strings.Cut(key[strings.LastIndex(key, ".")+1:], " ")
		if kind != "Pod" {
			out = append(out, kind+" "+name)
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(out, func(s string) bool { return s == "ConfigMap kube-root-ca.crt" })
}

// UIDs of the servers' pods, by name.
func (w *World) UIDs() map[string]string {
	w.Helper()
	out := map[string]string{}
	for _, pod := range w.Pods() {
		out[pod.Name] = string(pod.UID)
	}
	return out
}

// CheckReplaced expects that these pods are others than before, and that no others are.
func (w *World) CheckReplaced(before map[string]string, want ...string) {
	w.Helper()
	var got []string
	for name, uid := range w.UIDs() {
		if before[name] != uid {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.Errorf("replaced %q, want %q", got, want)
	}
}

// Snapshot is everything that the operator made, by "type name", without what differs from run to run.
func (w *World) Snapshot() map[string]any {
	w.Helper()
	out := map[string]any{}
	// The name servers' addresses, which hold the namespace, are part of a tool's hash.
	var deployments appsv1.DeploymentList
	w.Must(w.List(w.Context(), &deployments, client.InNamespace(w.Namespace)))
	varying := []string{w.Namespace, "NAMESPACE"}
	for i := range deployments.Items {
		varying = append(varying, workload.DeploymentHash(&deployments.Items[i]), "HASH")
	}
	same := strings.NewReplacer(varying...)
	for _, list := range []client.ObjectList{
		&v1alpha1.NameServiceList{}, &v1alpha1.ControllerList{}, &v1alpha1.BrokerList{}, &appsv1.StatefulSetList{},
		&v1alpha1.ProxyList{}, &v1alpha1.ConsoleList{}, &v1alpha1.ExporterList{}, &v1alpha1.SchemaRegistryList{}, &appsv1.DeploymentList{},
		&v1alpha1.RocketMQClusterList{}, &corev1.SecretList{}, &corev1.PersistentVolumeClaimList{}, &networkingv1.IngressList{}, &networkingv1.NetworkPolicyList{},
		&corev1.ServiceList{}, &corev1.ConfigMapList{}, &policyv1.PodDisruptionBudgetList{}, &corev1.PodList{},
	} {
		w.Must(w.List(w.Context(), list, client.InNamespace(w.Namespace)))
		w.Must(meta.EachListItem(list, func(item runtime.Object) error {
			content, err := lasting(item)
			if err != nil {
				return err
			}
			data, err := json.Marshal(content)
			if err != nil {
				return err
			}
			var normal any
			out[same.Replace(fmt.Sprintf("%T %s", item, item.(client.Object).GetName()))] = &normal
			return json.Unmarshal([]byte(same.Replace(string(data))), &normal)
		}))
	}
	return out
}

// lasting is what an object holds that is the same in every run.
func lasting(object runtime.Object) (map[string]any, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	for _, varying := range [][]string{
		{"metadata", "uid"}, {"metadata", "resourceVersion"}, {"metadata", "creationTimestamp"}, {"metadata", "managedFields"},
		{"metadata", "namespace"}, {"metadata", "generation"}, {"status", "observedGeneration"},
		{"metadata", "annotations", v1alpha1.AnnotationApplied}, // of the owner's uid, too
		{"metadata", "annotations", v1alpha1.AnnotationStateSince},
		{"spec", "clusterIP"}, {"spec", "clusterIPs"},
		{"data", "term"}, // of a pod's uid
		{"data", "savedAt"}, {"data", "previousSince"},
		{"data", "password"}, {"data", "users.properties"},
		{"data", "operator-password"}, {"data", "proxy-password"}, {"data", "inner-password"},
	} {
		unstructured.RemoveNestedField(content, varying...)
	}
	drop(content, "lastTransitionTime", "uid", "masterSince", "formerMaster")
	return content, nil
}

// drop keys everywhere.
func drop(value any, keys ...string) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range keys {
			delete(v, key)
		}
		for _, child := range v {
			drop(child, keys...)
		}
	case []any:
		for _, child := range v {
			drop(child, keys...)
		}
	}
}
