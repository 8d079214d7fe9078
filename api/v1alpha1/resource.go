// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Resource is the face that all kinds share.
//
// +kubebuilder:object:generate=false
type Resource interface {
	metav1.Object
	runtime.Object
	// Common is the part of the status that all kinds have, to read and to change.
	Common() *CommonStatus
	// GetImage is the image that the spec asks for, "" for the default one or a kind without any.
	GetImage() string
	// GetMembers is "ready/wanted", "" for a kind without pods of its own.
	GetMembers() string
}

// ResourceList is a list of one kind.
//
// +kubebuilder:object:generate=false
type ResourceList interface {
	metav1.ListInterface
	runtime.Object
}

// CommonStatus is the part of the status that all kinds have.
type CommonStatus struct {
	// Conditions: Ready, UpToDate, and the troubles by name.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Image that the newest spec comes to. It stays where the spec names none, whatever is the default of a newer operator.
	// +optional
	Image string `json:"image,omitempty"`
}

// Kind is one kind of resource.
//
// +kubebuilder:object:generate=false
type Kind struct {
	// Name is that of the Go type, "NameService".
	Name string
	// Part: a RocketMQCluster can have it as one of its parts.
	Part bool
	// New and NewList make an empty resource and an empty list.
	New     func() Resource
	NewList func() ResourceList
}

// Kinds are all kinds, each after those that it depends on. A new kind needs an entry here; its type needs the methods of
// Resource.
func Kinds() []Kind {
	return []Kind{
		{"NameService", true, func() Resource { return &NameService{} }, func() ResourceList { return &NameServiceList{} }},
		{"Controller", true, func() Resource { return &Controller{} }, func() ResourceList { return &ControllerList{} }},
		{"Broker", true, func() Resource { return &Broker{} }, func() ResourceList { return &BrokerList{} }},
		{"Proxy", true, func() Resource { return &Proxy{} }, func() ResourceList { return &ProxyList{} }},
		{"Console", true, func() Resource { return &Console{} }, func() ResourceList { return &ConsoleList{} }},
		{"Exporter", true, func() Resource { return &Exporter{} }, func() ResourceList { return &ExporterList{} }},
		{"SchemaRegistry", true, func() Resource { return &SchemaRegistry{} }, func() ResourceList { return &SchemaRegistryList{} }},
		{"RocketMQCluster", false, func() Resource { return &RocketMQCluster{} }, func() ResourceList { return &RocketMQClusterList{} }},
		{"TopicTransfer", false, func() Resource { return &TopicTransfer{} }, func() ResourceList { return &TopicTransferList{} }},
		{"Topic", false, func() Resource { return &Topic{} }, func() ResourceList { return &TopicList{} }},
		{"ConsumerGroup", false, func() Resource { return &ConsumerGroup{} }, func() ResourceList { return &ConsumerGroupList{} }},
		{"User", false, func() Resource { return &User{} }, func() ResourceList { return &UserList{} }},
	}
}

// KindOf a resource: a list's items carry no kind themselves.
func KindOf(r Resource) string { return reflect.TypeOf(r).Elem().Name() }

// Common is part of Resource.
func (ns *NameService) Common() *CommonStatus { return &ns.Status.CommonStatus }

// GetImage is part of Resource.
func (ns *NameService) GetImage() string { return ns.Spec.NameServiceImage }

// GetMembers is part of Resource.
func (ns *NameService) GetMembers() string { return ns.Status.Members }

// Common is part of Resource.
func (c *Controller) Common() *CommonStatus { return &c.Status.CommonStatus }

// GetImage is part of Resource.
func (c *Controller) GetImage() string { return c.Spec.ControllerImage }

// GetMembers is part of Resource.
func (c *Controller) GetMembers() string { return c.Status.Members }

// Common is part of Resource.
func (b *Broker) Common() *CommonStatus { return &b.Status.CommonStatus }

// GetImage is part of Resource.
func (b *Broker) GetImage() string { return b.Spec.BrokerImage }

// GetMembers is part of Resource.
func (b *Broker) GetMembers() string { return b.Status.Members }

// Common is part of Resource.
func (p *Proxy) Common() *CommonStatus { return &p.Status.CommonStatus }

// GetImage is part of Resource.
func (p *Proxy) GetImage() string { return p.Spec.Image }

// GetMembers is part of Resource.
func (p *Proxy) GetMembers() string { return p.Status.Members }

// Common is part of Resource.
func (c *Console) Common() *CommonStatus { return &c.Status.CommonStatus }

// GetImage is part of Resource.
func (c *Console) GetImage() string { return c.Spec.Image }

// GetMembers is part of Resource.
func (c *Console) GetMembers() string { return c.Status.Members }

// Common is part of Resource.
func (e *Exporter) Common() *CommonStatus { return &e.Status.CommonStatus }

// GetImage is part of Resource.
func (e *Exporter) GetImage() string { return e.Spec.Image }

// GetMembers is part of Resource.
func (e *Exporter) GetMembers() string { return e.Status.Members }

// Common is part of Resource.
func (r *SchemaRegistry) Common() *CommonStatus { return &r.Status.CommonStatus }

// GetImage is part of Resource.
func (r *SchemaRegistry) GetImage() string { return r.Spec.Image }

// GetMembers is part of Resource.
func (r *SchemaRegistry) GetMembers() string { return r.Status.Members }

// Common is part of Resource.
func (c *RocketMQCluster) Common() *CommonStatus { return &c.Status.CommonStatus }

// GetImage is part of Resource: what the RocketMQ servers are to run.
func (c *RocketMQCluster) GetImage() string {
	if c.Spec.Image == "" && c.Spec.Version != "" {
		return officialImage + ":" + c.Spec.Version
	}
	return c.Spec.Image
}

// GetMembers is part of Resource: its parts have them.
func (c *RocketMQCluster) GetMembers() string { return "" }

// Common is part of Resource.
func (t *TopicTransfer) Common() *CommonStatus { return &t.Status.CommonStatus }

// GetImage is part of Resource: nothing runs for it.
func (t *TopicTransfer) GetImage() string { return "" }

// GetMembers is part of Resource: nothing runs for it.
func (t *TopicTransfer) GetMembers() string { return "" }

// Common is part of Resource.
func (t *Topic) Common() *CommonStatus { return &t.Status.CommonStatus }

// GetImage is part of Resource: nothing runs for it.
func (t *Topic) GetImage() string { return "" }

// GetMembers is part of Resource: nothing runs for it.
func (t *Topic) GetMembers() string { return "" }

// Common is part of Resource.
func (g *ConsumerGroup) Common() *CommonStatus { return &g.Status.CommonStatus }

// GetImage is part of Resource: nothing runs for it.
func (g *ConsumerGroup) GetImage() string { return "" }

// GetMembers is part of Resource: nothing runs for it.
func (g *ConsumerGroup) GetMembers() string { return "" }

// Common is part of Resource.
func (u *User) Common() *CommonStatus { return &u.Status.CommonStatus }

// GetImage is part of Resource: nothing runs for it.
func (u *User) GetImage() string { return "" }

// GetMembers is part of Resource: nothing runs for it.
func (u *User) GetMembers() string { return "" }
