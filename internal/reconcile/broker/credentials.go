// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/version"
)

// checkAuth refuses authentication where RocketMQ has none of the kind.
func (p *brokerPass) checkAuth(context.Context) (*kube.Waiting, error) {
	release, known := desired.Release(p.broker)
	if why := version.WithoutUsers(release); p.broker.Spec.Auth.On() && known && why != "" {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "spec.auth: %s", why), nil
	}
	return nil, nil
}

// planAuth says what the brokers are to do about credentials now: all of them first take requests with and without, if they change.
func (p *brokerPass) planAuth(context.Context) (*kube.Waiting, error) {
	p.deps.Auth, p.broker.Status.Auth = fleet.PlanAuth(p.broker, desired.AuthsOf(p.specs))
	if wanted := desired.BrokerAuthSecret(p.broker); p.broker.Spec.Auth.On() && wanted != p.deps.Auth.Secret {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "spec.auth: the brokers have the accounts of Secret %q, and those of Secret %q only when "+
			"they have forgotten these: set auth.enabled to false until status.auth is gone", p.deps.Auth.Secret, wanted), nil
	}
	return nil, nil
}

// planTLS says what the brokers are to do about TLS now.
func (p *brokerPass) planTLS(ctx context.Context) (waiting *kube.Waiting, err error) {
	p.deps.TLS, p.broker.Status.TLS, waiting, err = p.PlanTLS(ctx, workload.Servers{
		Settings: p.broker.Spec.TLS, Have: p.specs, Names: p.Installation.BrokerNames(p.broker),
	})
	return waiting, err
}

// signIn finds out with which credentials the brokers are asked. The operator makes them before brokers have any, and never again:
// brokers keep them on their disks.
func (p *brokerPass) signIn(ctx context.Context) (*kube.Waiting, error) {
	var err error
	p.client, err = p.Reach.For(ctx, p.broker)
	lacks := new(reach.CredentialsError)
	if !errors.As(err, &lacks) {
		return nil, err
	}
	if lacks.Missing && desired.MakesAuthSecret(p.broker) && !fleet.HasAccounts(desired.AuthsOf(p.specs)) {
		return p.makeAccounts(ctx)
	}
	return p.Credentials(lacks, p.broker), nil
}

// makeAccounts writes the Secret. It goes with the Broker only where the brokers' disks do.
func (p *brokerPass) makeAccounts(ctx context.Context) (*kube.Waiting, error) {
	secret := desired.NewBrokerAuthSecret(p.broker, rand.Text)
	if !desired.KeepsUsers(p.broker) {
		if err := controllerutil.SetControllerReference(p.broker, secret, p.Client.Scheme()); err != nil {
			return nil, fmt.Errorf("own Secret %s: %w", secret.Name, err)
		}
	}
	err := p.Client.Create(ctx, secret, client.FieldOwner(kube.FieldOwner))
	switch {
	case apierrors.IsAlreadyExists(err):
		return kube.Wait(v1alpha1.ConditionMissingCredentials, "Secret %s has only just been made", secret.Name).LookAgain(pass.Soon), nil
	case err != nil:
		if waiting, err := p.Explain(err); waiting != nil || err != nil {
			return waiting, err
		}
	}
	p.Event(secret, v1alpha1.EventCreated, "created Secret %s with the accounts of the operator, the proxies and the brokers", secret.Name)
	p.client, err = p.Reach.For(ctx, p.broker)
	return nil, err
}
