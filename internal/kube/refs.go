// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// ConfigMapRef is a ConfigMap that a pod reads.
type ConfigMapRef struct {
	// Field of the spec that names it.
	Field string
	Name  string
	// Optional: the pod starts without it too.
	Optional bool
}

// ConfigMapRefs of a pod with these settings and volumes.
func ConfigMapRefs(pod *v1alpha1.PodSettings, volumes []corev1.Volume) []ConfigMapRef {
	var out []ConfigMapRef
	add := func(name string, optional *bool, field string, at ...any) {
		out = append(out, ConfigMapRef{fmt.Sprintf(field, at...), name, optional != nil && *optional})
	}
	for i, env := range pod.Env {
		if env.ValueFrom != nil && env.ValueFrom.ConfigMapKeyRef != nil {
			ref := env.ValueFrom.ConfigMapKeyRef
			add(ref.Name, ref.Optional, "spec.env[%d].valueFrom.configMapKeyRef.name", i)
		}
	}
	for i, volume := range volumes {
		if volume.ConfigMap != nil {
			add(volume.ConfigMap.Name, volume.ConfigMap.Optional, "spec.volumes[%d].configMap.name", i)
		}
		if volume.Projected == nil {
			continue
		}
		for j, source := range volume.Projected.Sources {
			if source.ConfigMap != nil {
				add(source.ConfigMap.Name, source.ConfigMap.Optional, "spec.volumes[%d].projected.sources[%d].configMap.name", i, j)
			}
		}
	}
	return out
}

// BadName says why a reference names nothing that could exist, "" if it may.
func (r ConfigMapRef) BadName() string {
	if problems := validation.IsDNS1123Subdomain(r.Name); len(problems) > 0 {
		return fmt.Sprintf("%s: %q is no name of a ConfigMap: %s", r.Field, r.Name, strings.Join(problems, "; "))
	}
	return ""
}

// ReadConfigMaps reads the contents of ConfigMaps from the API server: no cache holds what is not ours. Those that do not exist
// are returned as missing, optional ones aside.
func ReadConfigMaps(ctx context.Context, reader client.Reader, namespace string, refs []ConfigMapRef) (contents map[string]map[string]string, missing []ConfigMapRef, err error) {
	contents = map[string]map[string]string{}
	for _, ref := range refs {
		if _, read := contents[ref.Name]; read {
			continue
		}
		var found corev1.ConfigMap
		err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name}, &found)
		switch {
		case apierrors.IsNotFound(err) && ref.Optional:
		case apierrors.IsNotFound(err):
			missing = append(missing, ref)
		case err != nil:
			return nil, nil, fmt.Errorf("read ConfigMap %s: %w", ref.Name, err)
		default:
			contents[ref.Name] = found.Data
		}
	}
	return contents, missing, nil
}
