// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/internal/version"
)

// resolveAuth finds the Secret with the proxies' account. Pods mount only Secrets of their own namespace.
func (p *proxyPass) resolveAuth(context.Context) (*kube.Waiting, error) {
	auth, enforced := p.proxy.Spec.Auth, p.proxy.Spec.Auth.Enforced()
	release, known := desired.Release(p.proxy)
	why := version.WithoutUsers(release)
	switch {
	case !enforced && p.broker != nil && p.broker.Spec.Auth.Enforced():
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "spec.auth: Broker %s asks for credentials, and a proxy without its own does not start: set "+
			"spec.auth.enabled", p.broker.Name).LookAgain(pass.Later), nil
	case !enforced:
		return nil, nil
	case known && why != "":
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "spec.auth: %s", why), nil
	case p.broker != nil && !p.broker.Spec.Auth.On():
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "spec.auth: Broker %s has no users whose credentials the proxies could check: remove spec.auth, "+
			"or serve a Broker with spec.auth.enabled", p.broker.Name).LookAgain(pass.Later), nil
	case p.broker != nil && !hasUsers(p.broker):
		return kube.Wait(v1alpha1.ReasonWaitingForBrokers, "the brokers of Broker %s are being given the users whose credentials the proxies check", p.broker.Name), nil
	case auth.CredentialsSecretRef != nil:
		p.backend.AuthSecret = auth.CredentialsSecretRef.Name
	case p.broker == nil:
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "spec.auth: a Proxy with spec.clusterName does not know the Broker's Secret: name it in "+
			"spec.auth.credentialsSecretRef, or use spec.brokerRef in place of clusterName"), nil
	case p.broker.Namespace != p.proxy.Namespace:
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "spec.auth: the Secret %s is in namespace %s, and pods here cannot mount it: copy its keys %s and %s "+
			"into a Secret of this namespace, and name that in spec.auth.credentialsSecretRef", desired.BrokerAuthSecret(p.broker), p.broker.Namespace,
			settings.ProxyAccount.UsernameKey(), settings.ProxyAccount.PasswordKey()), nil
	default:
		p.backend.AuthSecret = desired.BrokerAuthSecret(p.broker)
	}
	return nil, nil
}

// hasUsers reports whether all brokers of a Broker with authentication have users. Those of one that begins with it do.
func hasUsers(b *v1alpha1.Broker) bool {
	becoming := b.Status.Auth != nil && b.Status.Auth.Mode == v1alpha1.AuthPermissive
	return !becoming || meta.IsStatusConditionTrue(b.Status.Conditions, v1alpha1.ConditionUpToDate)
}
