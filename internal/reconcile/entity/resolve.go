// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// resolve finds the RocketMQCluster or Broker that the resource means, and its Brokers.
func (p *entityPass[E]) resolve(ctx context.Context) (*kube.Waiting, error) {
	spec, status := p.entity.EntitySpec(), p.entity.EntityStatus()
	before := target{status.ClusterRef, status.BrokerRef}
	single, err := p.meansBroker(ctx)
	if err != nil {
		return nil, err
	}
	ref := pass.Reference{
		Kind: "RocketMQCluster", Field: "clusterRef", Given: spec.ClusterRef, Resolved: &status.ClusterRef,
		Object: &v1alpha1.RocketMQCluster{}, List: &v1alpha1.RocketMQClusterList{},
	}
	if single {
		ref = pass.Reference{
			Kind: "Broker", Field: "brokerRef", Given: spec.BrokerRef, Resolved: &status.BrokerRef,
			Object: &v1alpha1.Broker{}, List: &v1alpha1.BrokerList{},
		}
	}
	status.Cluster, *p.entity.EntityCount() = "", ""
	waiting, err := p.Resolve(ctx, ref, true)
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(before, target{status.ClusterRef, status.BrokerRef}) {
		p.startAnew()
	}
	if waiting != nil {
		return waiting, nil
	}

	p.target = ref.Object
	status.Cluster = p.target.GetName()
	if p.target.GetNamespace() != p.entity.GetNamespace() {
		status.Cluster = p.target.GetNamespace() + "/" + p.target.GetName()
	}
	if p.target.GetDeletionTimestamp() != nil {
		return p.Trouble(v1alpha1.ConditionMissingReference, "%s %s is being deleted", ref.Kind, p.target.GetName()), nil
	}
	if p.brokers, err = p.brokersOf(ctx, p.target); err != nil {
		return nil, err
	}
	if len(p.brokers) == 0 {
		return kube.Wait(v1alpha1.ReasonWaitingForBrokers, "%s %s has no Broker", ref.Kind, p.target.GetName()), nil
	}
	return nil, nil
}

// target is what a status remembers to have resolved.
type target struct{ cluster, broker *v1alpha1.ObjectReference }

// startAnew with a cluster that is another one than that of the status: what was done there says nothing of what is here.
func (p *entityPass[E]) startAnew() {
	status := p.entity.EntityStatus()
	status.AppliedGeneration, *p.transferredBy() = 0, ""
	switch e := p.entity.(type) {
	case *v1alpha1.Topic:
		e.Status.ReadQueues, e.Status.WriteQueues = 0, 0
	case *v1alpha1.User:
		e.Status.AppliedPassword = ""
	}
}

// meansBroker: a Broker by itself, because the spec says so, or because there is no RocketMQCluster.
func (p *entityPass[E]) meansBroker(ctx context.Context) (bool, error) {
	spec, status := p.entity.EntitySpec(), p.entity.EntityStatus()
	switch {
	case spec.BrokerRef != nil:
		status.ClusterRef = nil
		return true, nil
	case spec.ClusterRef != nil:
		status.BrokerRef = nil
		return false, nil
	case status.ClusterRef != nil, status.BrokerRef != nil:
		return status.BrokerRef != nil, nil
	}
	var clusters v1alpha1.RocketMQClusterList
	if err := p.Client.List(ctx, &clusters, client.InNamespace(p.entity.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("list RocketMQClusters: %w", err)
	}
	return len(clusters.Items) == 0, nil
}

// brokersOf a RocketMQCluster, or the Broker itself. They are not to be changed.
func (p *entityPass[E]) brokersOf(ctx context.Context, target client.Object) ([]v1alpha1.Broker, error) {
	if b, ok := target.(*v1alpha1.Broker); ok {
		return []v1alpha1.Broker{*b}, nil
	}
	var all v1alpha1.BrokerList
	if err := p.Client.List(ctx, &all, client.InNamespace(target.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list Brokers: %w", err)
	}
	var brokers []v1alpha1.Broker
	for _, b := range all.Items {
		if owner := metav1.GetControllerOf(&b); owner != nil && owner.UID == target.GetUID() && b.DeletionTimestamp == nil {
			brokers = append(brokers, b)
		}
	}
	return brokers, nil
}

// checkName refuses names that RocketMQ uses itself in this cluster.
func (p *entityPass[E]) checkName(context.Context) (*kube.Waiting, error) { //nolint:unparam // a pass.Step
	for i := range p.brokers {
		b := &p.brokers[i]
		for number := range desired.GroupCount(b) {
			if p.kind.System(p.entity.EntityName(), desired.ClusterName(b), desired.GroupName(b.Name, number)) {
				return p.Trouble(v1alpha1.ConditionInvalidSpec, "%s is a name that RocketMQ itself uses in this cluster: create this resource anew with another name in %s",
					p.entity.EntityName(), p.kind.Field), nil
			}
		}
	}
	return nil, nil
}

// checkRivals lets the older one of two resources of one name have it.
func (p *entityPass[E]) checkRivals(ctx context.Context) (*kube.Waiting, error) {
	rivals, err := namesakes(ctx, p.Client, p.kind, p.entity.EntityName())
	if err != nil {
		return nil, err
	}
	for _, rival := range rivals {
		if !older(rival, p.entity) {
			continue
		}
		meets, err := p.meets(ctx, rival)
		if err != nil {
			return nil, err
		}
		if meets {
			return p.Trouble(v1alpha1.ConditionNameConflict, "%s %s/%s, which is older, has the name %s in this cluster. Delete one of the two",
				p.kind.Name, rival.GetNamespace(), rival.GetName(), p.entity.EntityName()).LookAgain(pass.Later), nil
		}
	}
	return nil, nil
}

// namesakes are all resources of a kind with that name in RocketMQ. They are not to be changed.
func namesakes[E any](ctx context.Context, c client.Reader, kind Kind[E], name string) ([]v1alpha1.Entity, error) {
	var found []v1alpha1.Entity
	for _, field := range []string{kind.Field, fieldName} {
		list := kind.NewList()
		if err := c.List(ctx, list, client.MatchingFields{field: name}, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("list %ss of that name: %w", kind.Name, err)
		}
		err := meta.EachListItem(list, func(item runtime.Object) error {
			// One that has the name in both places is found twice.
			if e := item.(v1alpha1.Entity); e.EntityName() == name && (field == fieldName) == (e.GetName() == name) {
				found = append(found, e)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list %ss of that name: %w", kind.Name, err)
		}
	}
	return found, nil
}

// older reports whether a was made before b. Times are whole seconds, so that the name may have to decide.
func older(a, b v1alpha1.Entity) bool {
	made, other := a.GetCreationTimestamp(), b.GetCreationTimestamp()
	if !made.Equal(&other) {
		return made.Before(&other)
	}
	return a.GetNamespace()+"/"+a.GetName() < b.GetNamespace()+"/"+b.GetName()
}

// meets reports whether another resource may have, and means, one of the Brokers.
func (p *entityPass[E]) meets(ctx context.Context, rival v1alpha1.Entity) (bool, error) {
	target, ref := client.Object(&v1alpha1.Broker{}), firstRef(rival.EntitySpec().BrokerRef, rival.EntityStatus().BrokerRef)
	if ref == nil {
		target, ref = &v1alpha1.RocketMQCluster{}, firstRef(rival.EntitySpec().ClusterRef, rival.EntityStatus().ClusterRef)
	}
	if ref == nil {
		return false, nil // it has not found any yet
	}
	err := p.Client.Get(ctx, keyOf(ref, rival.GetNamespace()), target)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what %s %s refers to: %w", p.kind.Name, rival.GetName(), err)
	}
	if !pass.Allowed(target, rival.GetNamespace()) {
		return false, nil
	}
	theirs, err := p.brokersOf(ctx, target)
	if err != nil {
		return false, err
	}
	for i := range theirs {
		for j := range p.brokers {
			if theirs[i].UID == p.brokers[j].UID {
				return true, nil
			}
		}
	}
	return false, nil
}

func firstRef(refs ...*v1alpha1.ObjectReference) *v1alpha1.ObjectReference {
	for _, ref := range refs {
		if ref != nil {
			return ref
		}
	}
	return nil
}

func keyOf(ref *v1alpha1.ObjectReference, namespace string) types.NamespacedName {
	if ref.Namespace != "" {
		namespace = ref.Namespace
	}
	return types.NamespacedName{Namespace: namespace, Name: ref.Name}
}
