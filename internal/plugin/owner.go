// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// owner is the object of a topic or consumer group.
type owner struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// State is Ready, or why it is not.
	State string `json:"state"`
}

func (o owner) String() string { return o.Kind + " " + o.Namespace + "/" + o.Name }

// ownerText is the line of a report.
func ownerText(o *owner) string {
	if o == nil {
		return "-"
	}
	return fmt.Sprintf("%s (%s)", o, o.State)
}

// ownerOf is the object of one topic or consumer group, nil if it has none.
func (c *cluster) ownerOf(ctx context.Context, a *Access, list client.ObjectList, name string) (*owner, error) {
	owners, err := c.owners(ctx, a, list)
	if o, owned := owners[name]; owned {
		return &o, err
	}
	return nil, err
}

// owners are the objects of a kind that are about this cluster, by the names in RocketMQ. Who may not list all namespaces finds
// those of the Broker's. An operator that is older than the kind has none.
func (c *cluster) owners(ctx context.Context, a *Access, list client.ObjectList) (map[string]owner, error) {
	err := a.Client.List(ctx, list)
	if apierrors.IsForbidden(err) {
		err = a.Client.List(ctx, list, client.InNamespace(c.broker.Namespace))
	}
	if err != nil {
		if apierrors.IsNotFound(err) {
			err = nil
		}
		return nil, err
	}
	owners := map[string]owner{}
	err = meta.EachListItem(list, func(item runtime.Object) error {
		e := item.(v1alpha1.Entity)
		if c.means(e) && !meta.IsStatusConditionTrue(e.Common().Conditions, v1alpha1.ConditionNameConflict) {
			owners[e.EntityName()] = owner{v1alpha1.KindOf(e), e.GetNamespace(), e.GetName(), newStatus(e).State}
		}
		return nil
	})
	return owners, err
}

// means reports whether an object has found this Broker, or the RocketMQCluster that it is part of.
func (c *cluster) means(e v1alpha1.Entity) bool {
	is := func(ref *v1alpha1.ObjectReference, name string) bool {
		if ref == nil || ref.Name != name {
			return false
		}
		return ref.Namespace == c.broker.Namespace || (ref.Namespace == "" && e.GetNamespace() == c.broker.Namespace)
	}
	status := e.EntityStatus()
	if is(status.BrokerRef, c.broker.Name) {
		return true
	}
	cluster := metav1.GetControllerOf(c.broker)
	return cluster != nil && cluster.Kind == "RocketMQCluster" && is(status.ClusterRef, cluster.Name)
}
