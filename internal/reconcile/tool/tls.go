// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"cmp"
	"context"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
)

// resolveTLS lets a tool speak TLS from the moment on in which the name servers do with each other. It trusts the CA that they trust.
func (p *toolPass) resolveTLS(ctx context.Context) (*kube.Waiting, error) {
	if p.nameService == nil || !p.nameService.Status.TLS.Does().AmongServers() {
		return nil, nil
	}
	p.backend.TLS = &desired.ToolTLS{}
	given := p.nameService.Spec.TLS
	switch {
	case given == nil: // they are being led back to plain text
		return nil, nil
	case p.nameService.Namespace != p.Owner.GetNamespace():
		p.Conditions.Raise(v1alpha1.ConditionMissingReference, "the CA of NameService %s/%s is in a Secret of that namespace, which pods of this one cannot "+
			"mount, so that this resource speaks TLS without knowing whom to. Create it in namespace %[1]s", p.nameService.Namespace, p.nameService.Name)
		return nil, nil
	}
	bundle, err := reach.Certificate(ctx, p.Reader, p.nameService.Namespace, given.SecretName, given.CASecretName)
	if err != nil {
		return p.Unusable(err)
	}
	tls := p.backend.TLS
	tls.Loaded = bundle.Digest(given.AuthenticatesClients())
	if bundle.HasCA() {
		tls.CASecret = cmp.Or(given.CASecretName, given.SecretName)
	}
	if given.AuthenticatesClients() {
		tls.PairSecret = given.SecretName
	}
	return nil, nil
}
