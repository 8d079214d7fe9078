// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// Users are the kind User.
func Users() Kind[metadata.User] {
	return Kind[metadata.User]{
		Name: "User", Field: "spec.username", Members: true, Everywhere: "every broker",
		New:         func() v1alpha1.Entity { return &v1alpha1.User{} },
		NewList:     func() client.ObjectList { return &v1alpha1.UserList{} },
		Spec:        func(e v1alpha1.Entity) any { return new(e.(*v1alpha1.User).Spec) },
		Show:        func(v1alpha1.Entity, entity.Answer) {},
		System:      func(string, string, string) bool { return false }, // see turn.accounts
		Prepare:     prepareUser,
		Secrets:     func(e v1alpha1.Entity) []string { return []string{passwordSecret(e.(*v1alpha1.User)).Name} },
		Rules:       entity.Users(),
		NameOf:      func(u metadata.User) string { return u.Name },
		Read:        readUsers,
		Put:         metadata.PutUsers,
		Unversioned: func(entity.Claim) bool { return true },
		Delete: func(ctx context.Context, c *admin.Client, addr, name string) error {
			return c.DeleteUser(ctx, addr, name)
		},
	}
}

// readUsers of one member.
func readUsers(ctx context.Context, c *admin.Client, addr string, _ []entity.Claim) (map[string]metadata.User, string, error) {
	table, err := metadata.ReadUsers(ctx, c, addr)
	return table, "", err
}

// passwordSecret is where the password of a user is, or is to be.
func passwordSecret(u *v1alpha1.User) v1alpha1.PasswordSecret {
	if u.Spec.PasswordSecret != nil {
		return *u.Spec.PasswordSecret
	}
	return v1alpha1.PasswordSecret{Name: desired.UserSecret(u.Name), Key: desired.PasswordKey}
}

// prepareUser finds the password, if the user may be made at all.
func prepareUser(ctx context.Context, p *pass.Base, e v1alpha1.Entity, of Target) (entity.Password, *kube.Waiting, error) {
	u := e.(*v1alpha1.User)
	u.Status.Username, u.Status.Secret = u.EntityName(), ""
	kind := v1alpha1.KindOf(of.Object.(v1alpha1.Resource))
	for i := range of.Brokers {
		if !of.Brokers[i].Spec.Auth.On() {
			return entity.Password{}, p.Trouble(v1alpha1.ConditionInvalidSpec, "%s %s lets everybody in who reaches it, and has no users: enable spec.auth there, "+
				"or name another one in spec.%s", kind, of.GetName(), referenceTo(kind)), nil
		}
	}
	if err := entity.CheckPermissions(&u.Spec); err != nil {
		return entity.Password{}, p.Trouble(v1alpha1.ConditionInvalidSpec, "%s", err), nil
	}
	if what := administers(u); what != "" && of.GetNamespace() != u.Namespace {
		return entity.Password{}, p.Trouble(v1alpha1.ConditionNotAllowed, "%s may administer %s %s/%s: that is for resources of its own namespace. "+
			"Create this one there, or without that", what, kind, of.GetNamespace(), of.GetName()), nil
	}
	u.Status.Secret = passwordSecret(u).Name
	if u.Spec.PasswordSecret == nil {
		return ownPassword(ctx, p, u, of)
	}
	return givenPassword(ctx, p, u)
}

func referenceTo(kind string) string {
	if kind == "Broker" {
		return "brokerRef"
	}
	return "clusterRef"
}

// administers says by what a user is an administrator of its cluster, "" if it is none.
func administers(u *v1alpha1.User) string {
	if u.Spec.Type == v1alpha1.UserSuper {
		return "a Super user"
	}
	for _, permission := range u.Spec.Permissions {
		if permission.Resource == v1alpha1.ResourceCluster && permission.Effect != v1alpha1.EffectDeny {
			return "a user with permissions on a Cluster"
		}
	}
	return ""
}

// givenPassword reads the Secret that the spec names. Its changes wake the next pass.
func givenPassword(ctx context.Context, p *pass.Base, u *v1alpha1.User) (entity.Password, *kube.Waiting, error) {
	ref := passwordSecret(u)
	var secret corev1.Secret
	err := p.Reader.Get(ctx, client.ObjectKey{Namespace: u.Namespace, Name: ref.Name}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return entity.Password{}, p.Trouble(v1alpha1.ConditionMissingCredentials, "spec.passwordSecret: Secret %s does not exist: create it with the password in the key %s, "+
			"or leave passwordSecret out, so that the operator makes one", ref.Name, ref.Key), nil
	case err != nil:
		return entity.Password{}, nil, fmt.Errorf("read Secret %s: %w", ref.Name, err)
	}
	return passwordIn(p, ref, &secret)
}

// passwordIn a Secret. RocketMQ takes no blank one, and clients rarely have the line break that ends a file.
func passwordIn(p *pass.Base, ref v1alpha1.PasswordSecret, secret *corev1.Secret) (entity.Password, *kube.Waiting, error) {
	why, text := "", string(secret.Data[ref.Key])
	switch trimmed := strings.TrimSpace(text); {
	case trimmed == "":
		why = "has no password in the key " + ref.Key + ": put one there"
	case trimmed != text:
		why = "has a password with a line break or space at its beginning or end in the key " + ref.Key + ": write it without, for example with printf"
	}
	if why != "" {
		return entity.Password{}, p.Trouble(v1alpha1.ConditionMissingCredentials, "Secret %s %s", ref.Name, why), nil
	}
	return entity.Password{Text: text, Version: string(secret.UID) + "/" + secret.ResourceVersion}, nil, nil
}

// ownPassword reads the Secret that the operator makes, or makes it.
func ownPassword(ctx context.Context, p *pass.Base, u *v1alpha1.User, of Target) (entity.Password, *kube.Waiting, error) {
	ref := passwordSecret(u)
	var secret corev1.Secret
	err := p.Reader.Get(ctx, client.ObjectKey{Namespace: u.Namespace, Name: ref.Name}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return makePassword(ctx, p, u, of)
	case err != nil:
		return entity.Password{}, nil, fmt.Errorf("read Secret %s: %w", ref.Name, err)
	case !metav1.IsControlledBy(&secret, u):
		return entity.Password{}, p.Trouble(v1alpha1.ConditionNameConflict, "Secret %s exists and was not made for this resource, which needs that name for its password. "+
			"If it has the password, name it in spec.passwordSecret; else rename or remove it", ref.Name), nil
	}
	return passwordIn(p, ref, &secret)
}

func makePassword(ctx context.Context, p *pass.Base, u *v1alpha1.User, of Target) (entity.Password, *kube.Waiting, error) {
	secret := desired.NewUserSecret(u, of.GetName(), rand.Text())
	if err := controllerutil.SetControllerReference(u, secret, p.Client.Scheme()); err != nil {
		return entity.Password{}, nil, fmt.Errorf("own Secret %s: %w", secret.Name, err)
	}
	err := p.Client.Create(ctx, secret, client.FieldOwner(kube.FieldOwner))
	switch {
	case apierrors.IsAlreadyExists(err):
		return entity.Password{}, kube.Wait(v1alpha1.ConditionMissingCredentials, "Secret %s has only just been made", secret.Name).LookAgain(pass.Soon), nil
	case err != nil:
		waiting, err := p.Explain(err)
		return entity.Password{}, waiting, err
	}
	p.Event(secret, v1alpha1.EventCreated, "created Secret %s with the password of %s", secret.Name, u.EntityName())
	return passwordIn(p, passwordSecret(u), secret)
}

// passwordApplied remembers which version of the password is on every member now, and tells of a new one.
func (p *entityPass[E]) passwordApplied() {
	u, is := p.entity.(*v1alpha1.User)
	if !is {
		return
	}
	if before := u.Status.AppliedPassword; before != "" && before != p.password.Version {
		p.Event(nil, v1alpha1.EventPasswordChanged, "Secret %s has changed: its password counts on every broker. Clients with another one are refused from now on",
			u.Status.Secret)
	}
	u.Status.AppliedPassword = p.password.Version
}
