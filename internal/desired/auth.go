// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Auth of servers: what they do about credentials, and the Secret with their accounts, "" where they are to have none.
type Auth struct {
	Mode   v1alpha1.AuthMode
	Secret string
}

// permissiveFlag tells an agent that its server has accounts and asks for no credentials.
const permissiveFlag = "--permissive-auth"

// AuthOf is that of a pod, or of the pods that a template makes.
func AuthOf(pod *corev1.PodSpec) Auth {
	auth := Auth{Mode: v1alpha1.AuthDisabled}
	for i := range pod.Volumes {
		if volume := &pod.Volumes[i]; volume.Name == volumeAuth && volume.Secret != nil {
			auth = Auth{Mode: v1alpha1.AuthEnforcing, Secret: volume.Secret.SecretName}
		}
	}
	if auth.Secret != "" && isTold(pod, permissiveFlag) {
		auth.Mode = v1alpha1.AuthPermissive
	}
	return auth
}

// isTold reports whether the agent in a pod is given a flag.
func isTold(pod *corev1.PodSpec, flag string) bool {
	return slices.ContainsFunc(pod.Containers, func(c corev1.Container) bool { return slices.Contains(c.Command, flag) })
}

// AuthsOf are those of several.
func AuthsOf(pods []*corev1.PodSpec) (auths []Auth) {
	for _, pod := range pods {
		auths = append(auths, AuthOf(pod))
	}
	return auths
}

// permissive reports whether servers have accounts and ask for no credentials.
func (a Auth) permissive() bool { return a.Mode == v1alpha1.AuthPermissive }

// restarts are what servers take over only when they start.
func (a Auth) restarts() []any {
	switch {
	case a.Secret == "":
		return nil
	case a.permissive():
		return []any{a.Secret, a.Mode}
	}
	return []any{a.Secret}
}

// BrokerAuthSecret is the name of the Secret with the accounts of a Broker, "" if its brokers have none, and are to have none.
func BrokerAuthSecret(b *v1alpha1.Broker) string {
	switch {
	case !b.Spec.Auth.On() && b.Status.Auth != nil:
		return b.Status.Auth.SecretName // until the last broker has forgotten them
	case !b.Spec.Auth.On():
		return ""
	case b.Spec.Auth.CredentialsSecretRef != nil:
		return b.Spec.Auth.CredentialsSecretRef.Name
	}
	return AuthSecret(b.Name)
}

// MakesAuthSecret reports whether the operator makes the Secret with a Broker's accounts.
func MakesAuthSecret(b *v1alpha1.Broker) bool {
	return b.Spec.Auth.On() && b.Spec.Auth.CredentialsSecretRef == nil
}

// IsAuthSecretOf reports whether the operator made a Secret for this Broker, or for one of that name before it.
func IsAuthSecretOf(b *v1alpha1.Broker, secret *corev1.Secret) bool {
	for _, key := range []string{LabelManagedBy, LabelInstance, LabelComponent} {
		if secret.Labels[key] != Labels(b, Broker)[key] {
			return false
		}
	}
	return true
}

// IsAuthSecretOfCluster reports whether the operator made a Secret for this RocketMQCluster, or for one of that name before it. Those of
// Brokers name their Broker as well.
func IsAuthSecretOfCluster(c *v1alpha1.RocketMQCluster, secret *corev1.Secret) bool {
	return secret.Labels[LabelManagedBy] == ManagedBy && secret.Labels[LabelCluster] == c.Name && secret.Labels[LabelInstance] == ""
}

// NewBrokerAuthSecret is the Secret that the operator makes for a Broker, and NewClusterAuthSecret the one for a RocketMQCluster.
func NewBrokerAuthSecret(b *v1alpha1.Broker, password func() string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metaOf(b, AuthSecret(b.Name), Broker), Type: corev1.SecretTypeOpaque, Data: settings.NewAccounts(password)}
}

// NewClusterAuthSecret is described at NewBrokerAuthSecret.
func NewClusterAuthSecret(c *v1alpha1.RocketMQCluster, password func() string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: meta(c, AuthSecret(c.Name), partLabels(c)), Type: corev1.SecretTypeOpaque, Data: settings.NewAccounts(password)}
}

// KeepsUsers reports whether brokers have their users again when their resource was deleted and is made anew: they need the Secret
// that they had, so that it must outlive the resource as their disks do.
func KeepsUsers(b *v1alpha1.Broker) bool { return b.Spec.StorageMode != v1alpha1.EmptyDir }

// policyMode is what a resource wants of NetworkPolicies.
func policyMode(obj v1alpha1.Resource, given *v1alpha1.NetworkPolicySettings) v1alpha1.NetworkPolicyMode {
	if given.NetworkPolicy == "" && authOf(obj).Enforced() {
		return v1alpha1.NetworkPolicyEnabled
	}
	return given.NetworkPolicy
}

func authOf(obj v1alpha1.Resource) *v1alpha1.AuthSettings {
	switch r := obj.(type) {
	case *v1alpha1.Broker:
		return r.Spec.Auth
	case *v1alpha1.Proxy:
		return r.Spec.Auth
	}
	return nil
}

// UserSecret is the name of the Secret that the operator makes for a User whose spec names none.
func UserSecret(user string) string { return user + "-rocketmq" }

// Keys of that Secret.
const (
	UsernameKey = "username"
	PasswordKey = "password"
)

// NewUserSecret is the Secret that the operator makes for a User of a cluster.
func NewUserSecret(u *v1alpha1.User, cluster, password string) *corev1.Secret {
	labels := map[string]string{LabelName: "rocketmq", LabelPartOf: cluster, LabelManagedBy: ManagedBy, LabelCluster: cluster}
	return &corev1.Secret{ObjectMeta: meta(u, UserSecret(u.Name), labels), Type: corev1.SecretTypeOpaque, Data: map[string][]byte{
		UsernameKey: []byte(u.EntityName()), PasswordKey: []byte(password),
	}}
}
