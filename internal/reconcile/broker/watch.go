// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// SetupWithManager registers the reconciler and what wakes it.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager, watch *pass.Watch) error {
	ctx := context.Background()
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.Broker{}, indexNames, func(object client.Object) []string {
		return namesAt(object.(*v1alpha1.Broker))
	}); err != nil {
		return fmt.Errorf("index Brokers by name: %w", err)
	}
	if err := pass.Depends(ctx, mgr, &v1alpha1.Broker{}, dependencies); err != nil {
		return err
	}
	configMaps, err := watch.ConfigMaps(ctx, mgr, &v1alpha1.Broker{}, &v1alpha1.BrokerList{}, func(object client.Object) []kube.ConfigMapRef {
		spec := &object.(*v1alpha1.Broker).Spec
		return kube.ConfigMapRefs(&spec.PodSettings, spec.Volumes)
	})
	if err != nil {
		return err
	}
	secrets, err := watch.Secrets(ctx, mgr, &v1alpha1.Broker{}, &v1alpha1.BrokerList{}, func(object client.Object) []string {
		return object.(*v1alpha1.Broker).Spec.TLS.Secrets()
	})
	if err != nil {
		return err
	}
	dependents := pass.Dependents(r.Client, &v1alpha1.BrokerList{})
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.Broker{}).
		WithOptions(pass.Options(0)).
		WatchesRawSource(watch.Owns(desired.Broker, &appsv1.StatefulSet{}, &corev1.Service{}, &corev1.ConfigMap{},
			&policyv1.PodDisruptionBudget{}, &networkingv1.NetworkPolicy{}, &corev1.Pod{}, &corev1.PersistentVolumeClaim{})).
		Watches(&v1alpha1.NameService{}, dependents, builder.WithPredicates(pass.News())).
		Watches(&v1alpha1.Controller{}, dependents, builder.WithPredicates(pass.News())).
		WatchesRawSource(source.Channel(r.Observed.Events(), &handler.EnqueueRequestForObject{})).
		WatchesRawSource(source.Channel(r.Backlogs.Events(), &handler.EnqueueRequestForObject{})).
		WatchesRawSource(source.Channel(r.Jobs.Events(), &handler.EnqueueRequestForObject{})).
		WatchesRawSource(configMaps).
		WatchesRawSource(secrets).
		Complete(r)
}

// dependencies of a Broker. Those of other modes or given by hand wake it for nothing, which is rare.
func dependencies(object client.Object) []pass.Dependency {
	b := object.(*v1alpha1.Broker)
	return []pass.Dependency{
		{Kind: "NameService", Given: b.Spec.NameServiceRef, Resolved: b.Status.NameServiceRef},
		{Kind: "Controller", Given: b.Spec.ControllerRef, Resolved: b.Status.ControllerRef},
	}
}

// indexNames is the index of Brokers by their name and the servers that tell brokers apart by it.
const indexNames = pass.IndexPrefix + "names"

// namesAt are the values of a Broker in that index: see fleet.Namesake, which has the last word.
func namesAt(b *v1alpha1.Broker) (out []string) {
	if external := desired.ExternalNameServers(b); len(external) > 0 {
		out = append(out, nameAt(b, strings.Join(external, ";")))
	}
	for kind, refs := range map[string][]*v1alpha1.ObjectReference{
		"NameService": {b.Status.NameServiceRef, b.Spec.NameServiceRef}, "Controller": {b.Status.ControllerRef, b.Spec.ControllerRef},
	} {
		for _, ref := range refs {
			if ref != nil {
				out = append(out, nameAt(b, pass.RefKey(kind, ref, b.Namespace)))
			}
		}
	}
	return out
}

func nameAt(b *v1alpha1.Broker, servers string) string { return b.Name + "@" + servers }
