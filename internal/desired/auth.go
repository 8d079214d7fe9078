// SPDX-License-Identifier: Apache-2.0

package desired

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// BrokerAuthSecret is the name of the Secret with the accounts of a Broker, "" without authentication.
func BrokerAuthSecret(b *v1alpha1.Broker) string {
	switch {
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
	if given.NetworkPolicy == "" && authOf(obj).On() {
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
