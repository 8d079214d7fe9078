// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// signer is a tool that asks brokers, and may have to sign what it asks.
type signer struct {
	// given is what its spec says.
	given *v1alpha1.ToolAuth
	// asAnother: its user brings it an account.
	asAnother bool
	// open to whoever reaches it, who would then have the rights of its account.
	open bool
}

// resolveAuth finds the account as which the tool asks brokers. Those that have users take what it signs, in whatever mode they are.
func (p *toolPass) resolveAuth(ctx context.Context) (*kube.Waiting, error) {
	if p.signer == nil || p.signer.asAnother {
		return nil, nil
	}
	if p.signer.given != nil {
		p.signIn(p.signer.given.CredentialsSecretRef.Name)
		return nil, nil
	}
	secured, err := p.securedBrokers(ctx)
	if err != nil {
		return nil, err
	}
	secret, why := account(secured, p.Owner.GetNamespace(), p.signer.open)
	if why != "" {
		p.Conditions.Raise(v1alpha1.ConditionMissingCredentials, "%s", why)
	}
	if secret != "" {
		p.signIn(secret)
	}
	return nil, nil
}

func (p *toolPass) signIn(secret string) {
	p.backend.AuthSecret = secret
	p.needs = append(p.needs, fmt.Sprintf("the Secret %q with its keys %s and %s (its account at the brokers)",
		secret, settings.ProxyAccount.UsernameKey(), settings.ProxyAccount.PasswordKey()))
}

// securedBrokers are the Brokers that register at the tool's NameService and have users.
func (p *toolPass) securedBrokers(ctx context.Context) (secured []*v1alpha1.Broker, err error) {
	if p.nameService == nil {
		return nil, nil // nobody knows whose name servers these are
	}
	ref := p.status.NameServiceRef
	var list v1alpha1.BrokerList
	if err := p.Client.List(ctx, &list, pass.DependentOn("NameService", ref), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list Brokers of NameService %s: %w", p.nameService.Name, err)
	}
	for i := range list.Items {
		b := &list.Items[i]
		uses, auth := b.Status.NameServiceRef, b.Status.Auth
		if uses != nil && *uses == *ref && auth != nil && auth.Mode != v1alpha1.AuthDisabled {
			secured = append(secured, b)
		}
	}
	return secured, nil
}

// account of a tool in a namespace: the Secret that has it, "" for none, and what is wrong with that. The oldest Broker counts, so that
// a new one takes nothing away.
func account(secured []*v1alpha1.Broker, namespace string, open bool) (secret, why string) {
	slices.SortFunc(secured, func(a, b *v1alpha1.Broker) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	here := slices.IndexFunc(secured, func(b *v1alpha1.Broker) bool { return b.Namespace == namespace })
	switch {
	case len(secured) == 0:
		return "", ""
	case here < 0:
		b := secured[0]
		return "", fmt.Sprintf("spec.auth: Broker %s/%s has users, and its Secret %s is in namespace %[1]s, where pods of this one cannot mount it: copy "+
			"its keys %[4]s and %[5]s into a Secret of this namespace, and name that in spec.auth.credentialsSecretRef",
			b.Namespace, b.Name, b.Status.Auth.SecretName, settings.ProxyAccount.UsernameKey(), settings.ProxyAccount.PasswordKey())
	case open:
		return "", fmt.Sprintf("spec.auth: Broker %s has users, and this dashboard gets none, because whoever reaches it would then have all rights "+
			"without a password: set spec.login; or if its login is up to you, name the Secret %s in spec.auth.credentialsSecretRef",
			secured[here].Name, secured[here].Status.Auth.SecretName)
	}

	secret = secured[here].Status.Auth.SecretName
	for _, b := range secured {
		if b.Namespace != namespace || b.Status.Auth.SecretName != secret {
			return secret, fmt.Sprintf("spec.auth: it signs in with the account of Secret %s, which Broker %s/%s does not have (its own are in Secret %s), so that it sees "+
				"nothing of that one: create Brokers that share name servers with one Secret, in auth.credentialsSecretRef",
				secret, b.Namespace, b.Name, b.Status.Auth.SecretName)
		}
	}
	return secret, ""
}

// signerOfConsole is that of a dashboard. The login of a whole Deployment is its user's affair.
func signerOfConsole(c *v1alpha1.Console) *signer {
	env := c.Spec.Env
	if given, err := desired.ParseConsole(&c.Spec); err == nil && len(given.Spec.Template.Spec.Containers) > 0 {
		env = given.Spec.Template.Spec.Containers[0].Env
	}
	return &signer{
		given: c.Spec.Auth, asAnother: desired.SignsAsAnother(c.Spec.Config, env), open: c.Spec.Login == nil,
	}
}
