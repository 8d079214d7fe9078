// SPDX-License-Identifier: Apache-2.0

package rocketmqcluster

import (
	"context"
	"slices"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

func (p *clusterPass) stageTLS(context.Context) (*kube.Waiting, error) {
	stageTLS(p.cluster.Spec.TLS.Wanted(), p.parts)
	return nil, nil
}

// stageTLS switches TLS of a running cluster in steps, all servers together, so that they always understand each other. Proxies and
// tools, which are only clients of the others, follow each step by themselves; the next one waits for them too.
func stageTLS(wanted v1alpha1.TLSMode, parts []*part) {
	var modes []v1alpha1.TLSMode // that the servers were asked to have
	for _, p := range parts {
		if p.live != nil && isServer(p.live) {
			modes = append(modes, (*tlsOf(p.live)).Wanted())
		}
	}
	now := fleet.TLSMode(wanted, modes)
	if len(modes) > 0 && len(slices.Compact(slices.Clone(modes))) == 1 && !all(parts, func(p *part) bool { return p.speaks(modes[0]) }) {
		now = modes[0]
	}
	if now == wanted {
		return
	}
	for _, p := range parts {
		if settings := tlsOf(p.Object); settings != nil && !p.OwnCertificate {
			p.setTLS(settings, now)
		}
	}
}

// isServer reports whether a resource's servers are spoken to by others of the cluster.
func isServer(r v1alpha1.Resource) bool {
	switch r.(type) {
	case *v1alpha1.NameService, *v1alpha1.Controller, *v1alpha1.Broker:
		return true
	}
	return false
}

// tlsOf is where a resource has its settings, nil for a kind without.
func tlsOf(r v1alpha1.Resource) **v1alpha1.TLSSettings {
	switch r := r.(type) {
	case *v1alpha1.NameService:
		return &r.Spec.TLS
	case *v1alpha1.Controller:
		return &r.Spec.TLS
	case *v1alpha1.Broker:
		return &r.Spec.TLS
	case *v1alpha1.Proxy:
		return &r.Spec.TLS
	}
	return nil
}

// speaks reports whether all pods of a part do what they are to do while servers are in this mode.
func (p *part) speaks(mode v1alpha1.TLSMode) bool {
	switch live := p.live.(type) {
	case *v1alpha1.NameService:
		return live.Status.TLS.Does() == mode && p.upToDate()
	case *v1alpha1.Controller:
		return live.Status.TLS.Does() == mode && p.upToDate()
	case *v1alpha1.Broker:
		return live.Status.TLS.Does() == mode && p.upToDate()
	case *v1alpha1.Proxy:
		return live.Status.ServersTLS == mode.AmongServers() && p.upToDate()
	case *v1alpha1.Console:
		return live.Status.ServersTLS == mode.AmongServers() && p.upToDate()
	case *v1alpha1.Exporter:
		return live.Status.ServersTLS == mode.AmongServers() && p.upToDate()
	case *v1alpha1.SchemaRegistry:
		return live.Status.ServersTLS == mode.AmongServers() && p.upToDate()
	}
	return true
}

// setTLS lets a part be in this mode for now. One that the cluster asks for none of keeps the certificate that it has.
func (p *part) setTLS(settings **v1alpha1.TLSSettings, mode v1alpha1.TLSMode) {
	given := *settings
	if given == nil && p.live != nil {
		given = *tlsOf(p.live)
	}
	if given == nil || mode == v1alpha1.TLSDisabled {
		*settings = nil
		return
	}
	*settings = given.DeepCopy()
	(*settings).Mode = mode
}
