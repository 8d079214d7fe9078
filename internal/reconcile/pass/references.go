package pass

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
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

// ConfigMaps wakes those resources of a list's kind that refer to a changed ConfigMap.
func (r References) ConfigMaps(c client.Client, kind client.ObjectList, refers func(resource client.Object, configMap string) bool) source.Source {
	configMap := &metav1.PartialObjectMetadata{}
	configMap.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	return source.Kind(r.cache, configMap, handler.TypedEnqueueRequestsFromMapFunc(
		func(ctx context.Context, changed *metav1.PartialObjectMetadata) []reconcile.Request {
			list := kind.DeepCopyObject().(client.ObjectList)
			var out []reconcile.Request
			err := c.List(ctx, list, client.InNamespace(changed.Namespace))
			if err == nil {
				err = meta.EachListItem(list, func(item runtime.Object) error {
					if resource := item.(client.Object); refers(resource, changed.Name) {
						out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(resource)})
					}
					return nil
				})
			}
			if err != nil {
				log.FromContext(ctx).Error(err, "cannot list the users of a changed ConfigMap: they follow the change at their next reconcile", "configMap", changed.Name)
			}
			return out
		}))
}

// Refers reports whether a ConfigMap is among those that pods use.
func Refers(refs []kube.ConfigMapRef, configMap string) bool {
	return slices.ContainsFunc(refs, func(ref kube.ConfigMapRef) bool { return ref.Name == configMap })
}
