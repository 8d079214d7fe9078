// SPDX-License-Identifier: Apache-2.0

package rocketmqcluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

// sumUp fills the status from those of the parts.
func (p *clusterPass) sumUp(context.Context) (*kube.Waiting, error) {
	status := &p.cluster.Status
	ready := sum(p.parts, v1alpha1.ConditionReady, "every part is Ready")
	upToDate := sum(p.parts, v1alpha1.ConditionUpToDate, "every part runs the current spec")
	for _, c := range append(troubles(p.parts), ready, upToDate) {
		p.Conditions.Set(c.Type, c.Status, c.Reason, c.Message)
	}
	refused := slices.ContainsFunc(p.parts, func(part *part) bool { return part.refused != nil })
	status.Phase = phase(ready, upToDate, refused, status.Version != "")
	if status.Phase == v1alpha1.PhaseRunning {
		status.Version = tag(desired.Image(p.cluster))
	}
	status.Components, status.Endpoints = nil, v1alpha1.ClusterEndpoints{}
	var masters []string
	registered, wanted := 0, int32(0)
	for _, part := range p.parts {
		c := part.condition(v1alpha1.ConditionReady)
		status.Components = append(status.Components, v1alpha1.ClusterComponent{
			Kind: part.Kind, Name: part.Object.GetName(), Image: part.seen.image, Members: part.seen.members, Ready: c.Status, Reason: c.Reason,
		})
		if b, ok := part.live.(*v1alpha1.Broker); ok {
			wanted += desired.GroupCount(b) * desired.MemberCount(b)
			registered += members(b)
			if b.Status.Masters != "" {
				masters = append(masters, b.Status.Masters)
			}
		}
		p.addEndpoints(part)
	}
	status.Masters, status.Brokers = strings.Join(masters, " "), fmt.Sprintf("%d/%d", registered, wanted)
	return nil, nil
}

// members of a Broker that are registered.
func members(b *v1alpha1.Broker) int {
	n := 0
	for _, group := range b.Status.Groups {
		for _, member := range group.Members {
			if member.BrokerID != nil {
				n++
			}
		}
	}
	return n
}

// addEndpoints of a part that exists.
func (p *clusterPass) addEndpoints(part *part) {
	e := &p.cluster.Status.Endpoints
	switch live := part.live.(type) {
	case *v1alpha1.NameService:
		e.NameServers, e.ExternalNameServers = p.Installation.NameServerService(live.Name, live.Namespace), desired.ExternalAddresses(live)
	case *v1alpha1.Proxy:
		e.GRPC, e.ExternalGRPC = live.Status.GRPCAddress, live.Status.ExternalAddress
	case *v1alpha1.Console:
		e.Console = consoleURL(live)
		if live.Spec.Login != nil {
			e.ConsoleLogin = live.Spec.Login.SecretRef.Name
		}
	case *v1alpha1.Exporter:
		e.Exporter = live.Status.Address
	case *v1alpha1.SchemaRegistry:
		e.SchemaRegistry = live.Status.Address
	}
}

func consoleURL(console *v1alpha1.Console) string {
	switch ingress := console.Spec.Ingress; {
	case ingress != nil && ingress.TLSSecretName != "":
		return "https://" + ingress.Host
	case ingress != nil:
		return "http://" + ingress.Host
	case console.Status.Address != "":
		return "http://" + console.Status.Address
	}
	return ""
}

// tag of an image, the whole image if it has none.
func tag(image string) string {
	name, _, _ := strings.Cut(image, "@")
	if _, tag, ok := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":"); ok {
		return tag
	}
	return image
}
