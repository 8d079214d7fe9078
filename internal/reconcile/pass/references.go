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

// References watches ConfigMaps and Secrets that users' specs refer to. Its cache holds names and versions, no contents.
type References struct{ cache cache.Cache }

// ConfigMaps wakes those resources of a kind that refer to a changed ConfigMap. The resources are indexed by what they refer
// to, because most ConfigMaps are nobody's reference.
func (r References) ConfigMaps(ctx context.Context, mgr ctrl.Manager, kind client.Object, list client.ObjectList,
	of func(client.Object) []kube.ConfigMapRef) (source.Source, error) {
	return r.watch(ctx, mgr, kind, list, "ConfigMap", func(object client.Object) (out []string) {
		for _, ref := range of(object) {
			out = append(out, ref.Name)
		}
		return out
	})
}

// Secrets wakes those resources of a kind that refer to a changed Secret.
func (r References) Secrets(ctx context.Context, mgr ctrl.Manager, kind client.Object, list client.ObjectList, of func(client.Object) []string) (source.Source, error) {
	return r.watch(ctx, mgr, kind, list, "Secret", of)
}

// watch objects of what kind, by their names.
func (r References) watch(ctx context.Context, mgr ctrl.Manager, kind client.Object, list client.ObjectList, what string,
	names func(client.Object) []string) (source.Source, error) {
	index := IndexPrefix + what
	if err := mgr.GetFieldIndexer().IndexField(ctx, kind, index, names); err != nil {
		return nil, fmt.Errorf("index %T by %s: %w", kind, what, err)
	}
	referenced := &metav1.PartialObjectMetadata{}
	referenced.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(what))
	users := func(ctx context.Context, changed *metav1.PartialObjectMetadata) []reconcile.Request {
		out, err := indexed(ctx, mgr.GetClient(), list, client.InNamespace(changed.Namespace), client.MatchingFields{index: changed.Name})
		if err != nil {
			log.FromContext(ctx).Error(err, "cannot list the users of a changed object: they follow the change at their next reconcile", "kind", what, "name", changed.Name)
		}
		return out
	}
	return source.Kind(r.cache, referenced, handler.TypedEnqueueRequestsFromMapFunc(users)), nil
}
