package kube

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// ReferencedConfigMaps are the names of the ConfigMaps that a pod of these settings and volumes reads.
func ReferencedConfigMaps(pod *v1alpha1.PodSettings, volumes []corev1.Volume) []string {
	names := map[string]struct{}{}
	for _, env := range pod.Env {
		if env.ValueFrom != nil && env.ValueFrom.ConfigMapKeyRef != nil {
			names[env.ValueFrom.ConfigMapKeyRef.Name] = struct{}{}
		}
	}
	for _, volume := range volumes {
		if volume.ConfigMap != nil {
			names[volume.ConfigMap.Name] = struct{}{}
		}
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			if source.ConfigMap != nil {
				names[source.ConfigMap.Name] = struct{}{}
			}
		}
	}
	out := make([]string, 0, len(names))
	for name := range maps.Keys(names) {
		out = append(out, name)
	}
	return out
}

// ReadConfigMaps reads the contents of ConfigMaps from the API server: no cache holds what is not ours. One that does
// not exist is missing in the result; its pods say so.
func ReadConfigMaps(ctx context.Context, reader client.Reader, namespace string, names []string) (map[string]map[string]string, error) {
	out := map[string]map[string]string{}
	for _, name := range names {
		var found corev1.ConfigMap
		err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &found)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read ConfigMap %s: %w", name, err)
		}
		out[name] = found.Data
	}
	return out, nil
}
