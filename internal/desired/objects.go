// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// References are the contents of the ConfigMaps that a spec refers to, by name. A change of them is a change of the
// spec.
type References map[string]map[string]string

// hash covers what the user can change about a running pod, and nothing that the operator decides. An empty list or
// map says the same as none.
func hash(parts ...any) (string, error) {
	for i, part := range parts {
		if v := reflect.ValueOf(part); (v.Kind() == reflect.Map || v.Kind() == reflect.Slice) && v.Len() == 0 {
			parts[i] = nil
		}
	}
	data, err := json.Marshal(parts)
	if err != nil {
		return "", fmt.Errorf("hash: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8]), nil
}

// restartRelevant is the part of the settings that needs new pods.
func restartRelevant(pod *v1alpha1.PodSettings) v1alpha1.PodSettings {
	out := *pod.DeepCopy()
	out.Paused = false
	return out
}

func meta(obj client.Object, name string, labels map[string]string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: obj.GetNamespace(), Labels: labels}
}

// configMap holds the agent's settings.
func configMap(obj client.Object, component Component, s settings.Settings) (*corev1.ConfigMap, error) {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return &corev1.ConfigMap{
		ObjectMeta: meta(obj, ConfigMap(obj.GetName(), component), Labels(obj, component)),
		Data:       map[string]string{settings.File: string(data) + "\n"},
	}, nil
}

func ports(named ...corev1.ServicePort) []corev1.ServicePort {
	for i := range named {
		named[i].Protocol = corev1.ProtocolTCP
		named[i].TargetPort = intstr.FromInt32(named[i].Port)
	}
	return named
}

func headless(obj client.Object, component Component, p []corev1.ServicePort) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: meta(obj, HeadlessService(obj.GetName(), component), Labels(obj, component)),
		Spec: corev1.ServiceSpec{
			ClusterIP:                corev1.ClusterIPNone,
			PublishNotReadyAddresses: true, // servers look for each other before they are ready
			Selector:                 Selector(obj.GetName(), component, ""),
			Ports:                    p,
		},
	}
}

func clientService(obj client.Object, component Component, p []corev1.ServicePort) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: meta(obj, ClientService(obj.GetName(), component), Labels(obj, component)),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: Selector(obj.GetName(), component, ""),
			Ports:    p,
		},
	}
}

// disruptionBudget lets evictions take one pod at a time.
//
// unready says whether one that runs and is not ready may go too. Of those that hold data or votes, IfHealthyBudget lets it only
// while the others are enough: all may be unready only because what they wait for is away, such as the leader of the controllers.
func disruptionBudget(obj client.Object, name string, labels, selector map[string]string,
	unready policyv1.UnhealthyPodEvictionPolicyType) *policyv1.PodDisruptionBudget {
	one := intstr.FromInt32(1)
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: meta(obj, name, labels),
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable:             &one,
			Selector:                   &metav1.LabelSelector{MatchLabels: selector},
			UnhealthyPodEvictionPolicy: &unready,
		},
	}
}

// statefulSet is never rolled by Kubernetes (OnDelete): the operator decides which pod is next.
func statefulSet(obj client.Object, name, service string, replicas int32, p podSpec) (*appsv1.StatefulSet, error) {
	template, err := p.template()
	if err != nil {
		return nil, err
	}
	return &appsv1.StatefulSet{
		ObjectMeta: meta(obj, name, p.labels),
		Spec: appsv1.StatefulSetSpec{
			ServiceName:          service,
			Replicas:             &replicas,
			PodManagementPolicy:  appsv1.ParallelPodManagement,
			UpdateStrategy:       appsv1.StatefulSetUpdateStrategy{Type: appsv1.OnDeleteStatefulSetStrategyType},
			Selector:             &metav1.LabelSelector{MatchLabels: p.selector},
			Template:             template,
			VolumeClaimTemplates: p.data.claims,
		},
	}, nil
}

// Properties of a spec, as RocketMQ takes them.
func Properties(config map[string]v1alpha1.ConfigValue) map[string]string {
	if len(config) == 0 {
		return nil
	}
	out := make(map[string]string, len(config))
	for key, value := range config {
		out[key] = string(value)
	}
	return settings.Trimmed(out)
}
