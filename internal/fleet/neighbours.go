// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

// Namesake finds an older Broker with the same broker names that shares the name servers or the controllers of b, which both
// tell brokers apart by name alone (RouteInfoManager, ReplicasInfoManager): the groups of both would become one. It is nil
// if there is none. Shared says what they share.
func Namesake(b *v1alpha1.Broker, nameServers []string, others []v1alpha1.Broker) (namesake *v1alpha1.Broker, shared string) {
	for i := range others {
		other := &others[i]
		if other.UID == b.UID || other.Name != b.Name || !older(other, b) {
			continue
		}
		switch {
		case sharesNameServers(b, nameServers, other):
			return other, "name servers"
		case sharesControllers(b, other):
			return other, "controllers"
		}
	}
	return nil, ""
}

func sharesNameServers(b *v1alpha1.Broker, nameServers []string, other *v1alpha1.Broker) bool {
	if b.Status.NameServiceRef == nil { // given by hand
		return strings.Join(desired.ExternalNameServers(other), ";") == strings.Join(nameServers, ";")
	}
	return refersTo(other, b.Status.NameServiceRef, other.Status.NameServiceRef, other.Spec.NameServiceRef)
}

func sharesControllers(b, other *v1alpha1.Broker) bool {
	return b.Status.ControllerRef != nil && refersTo(other, b.Status.ControllerRef, other.Status.ControllerRef, other.Spec.ControllerRef)
}

// refersTo reports whether a Broker's first reference that is set, what was resolved before what is given, is to a resource.
func refersTo(b *v1alpha1.Broker, to *v1alpha1.ObjectReference, refs ...*v1alpha1.ObjectReference) bool {
	for _, ref := range refs {
		if ref == nil {
			continue
		}
		namespace := ref.Namespace
		if namespace == "" {
			namespace = b.Namespace
		}
		return ref.Name == to.Name && namespace == to.Namespace
	}
	return false
}

func older(a, b *v1alpha1.Broker) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.Namespace < b.Namespace
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}
