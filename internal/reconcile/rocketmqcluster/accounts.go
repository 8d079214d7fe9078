// SPDX-License-Identifier: Apache-2.0

package rocketmqcluster

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

// createAccounts makes the Secret with the accounts of a cluster with authentication, before there are brokers, and never again: brokers
// keep them on their disks. It has no owner, because it must outlive the cluster as these do.
func (p *clusterPass) createAccounts(ctx context.Context) (*kube.Waiting, error) {
	auth, name := p.cluster.Spec.Auth, desired.AuthSecret(p.cluster.Name)
	if !auth.On() || auth.CredentialsSecretRef != nil {
		return nil, nil
	}
	var live corev1.Secret
	err := p.Reader.Get(ctx, client.ObjectKey{Namespace: p.cluster.Namespace, Name: name}, &live)
	switch {
	case apierrors.IsNotFound(err):
		return nil, p.writeAccounts(ctx)
	case err != nil:
		return nil, fmt.Errorf("read Secret %s: %w", name, err)
	case !desired.IsAuthSecretOfCluster(p.cluster, &live):
		p.refuseUsers(v1alpha1.ConditionNameConflict, "Secret %s exists and was not made for this cluster, which needs that name: rename or remove it, or create this cluster "+
			"under another name", name)
	}
	return nil, nil
}

// writeAccounts unless there are brokers that know others: they tell that the Secret is missing.
func (p *clusterPass) writeAccounts(ctx context.Context) error {
	for _, part := range p.parts {
		if b, is := part.live.(*v1alpha1.Broker); is && (b.Spec.Auth.On() || b.Status.Auth != nil) {
			return nil
		}
	}
	secret := desired.NewClusterAuthSecret(p.cluster, rand.Text)
	err := p.Client.Create(ctx, secret, client.FieldOwner(kube.FieldOwner))
	switch {
	case apierrors.IsAlreadyExists(err): // the next pass sees whose it is
		return err
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
		p.refuseUsers(v1alpha1.ConditionRefused, "the API server refused the Secret %s: %s", secret.Name, err)
		return nil
	case err != nil:
		return fmt.Errorf("create Secret %s: %w", secret.Name, err)
	}
	p.Event(secret, v1alpha1.EventCreated, "created Secret %s with the accounts of the operator, the proxies and the brokers", secret.Name)
	return nil
}

// refuseUsers of the Secret.
func (p *clusterPass) refuseUsers(condition, format string, args ...any) {
	for _, part := range p.parts {
		switch part.Object.(type) {
		case *v1alpha1.Broker, *v1alpha1.Proxy:
			if part.refused == nil {
				part.refuse(condition, format, args...)
			}
		}
	}
}
