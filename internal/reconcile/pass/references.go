// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

// References watches ConfigMaps that users' specs refer to. Its cache holds names and versions, no contents.
type References struct{ cache cache.Cache }

// ConfigMaps wakes those resources of a kind that refer to a changed ConfigMap. The resources are indexed by what they refer
// to, because most ConfigMaps are nobody's reference.
func (r References) ConfigMaps(ctx context.Context, mgr ctrl.Manager, kind client.Object, list client.ObjectList,
	of func(client.Object) []kube.ConfigMapRef) (source.Source, error) {
	err := mgr.GetFieldIndexer().IndexField(ctx, kind, indexConfigMap, func(object client.Object) (out []string) {
		for _, ref := range of(object) {
			out = append(out, ref.Name)
		}
		return out
	})
	if err != nil {
		return nil, fmt.Errorf("index %T by ConfigMap: %w", kind, err)
	}
	configMap := &metav1.PartialObjectMetadata{}
	configMap.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	users := func(ctx context.Context, changed *metav1.PartialObjectMetadata) []reconcile.Request {
		out, err := indexed(ctx, mgr.GetClient(), list, client.InNamespace(changed.Namespace), client.MatchingFields{indexConfigMap: changed.Name})
		if err != nil {
			log.FromContext(ctx).Error(err, "cannot list the users of a changed ConfigMap: they follow the change at their next reconcile", "configMap", changed.Name)
		}
		return out
	}
	return source.Kind(r.cache, configMap, handler.TypedEnqueueRequestsFromMapFunc(users)), nil
}
