// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/certificate"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// resolveTLS finds out whether name servers and brokers are spoken to with TLS, and what the proxies' own certificate is.
func (p *proxyPass) resolveTLS(ctx context.Context) (*kube.Waiting, error) {
	settings := p.proxy.Spec.TLS
	var clientAuth bool
	p.backend.TLS, clientAuth = p.serversSpeakTLS()
	p.proxy.Status.TLS = nil
	switch {
	case settings == nil && p.backend.TLS:
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "spec.tls: the cluster's servers speak TLS with each other, and the proxies need a certificate, and "+
			"the CA of theirs, for that: set spec.tls").LookAgain(pass.Later), nil
	case settings == nil:
		return nil, nil
	}

	status := &v1alpha1.TLSStatus{Mode: settings.Wanted()}
	p.proxy.Status.TLS = status
	bundle, err := p.ReadCertificate(ctx, settings.SecretName, settings.CASecretName)
	unusable := new(certificate.UnusableError)
	switch {
	case err == nil:
		status.Expires = &metav1.Time{Time: bundle.Expires()}
		if p.backend.TLS {
			p.backend.Loaded = bundle.Digest(clientAuth)
		}
	case errors.As(err, &unusable) && !p.backend.TLS:
		return nil, nil // the proxies that run go on with what they have, and the agents of new ones say what is wrong
	}
	return p.Unusable(err)
}

// serversSpeakTLS reports whether the name servers, or the brokers, speak TLS with each other now, and whether they ask for a certificate.
func (p *proxyPass) serversSpeakTLS() (speak, clientAuth bool) {
	switch {
	case p.nameService != nil && p.nameService.Status.TLS.Does().AmongServers():
		return true, p.nameService.Spec.TLS.AuthenticatesClients()
	case p.broker != nil && p.broker.Status.TLS.Does().AmongServers():
		return true, p.broker.Spec.TLS.AuthenticatesClients()
	}
	return false, false
}
