// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
)

// Credentials tells why a Broker's servers cannot be asked, and what to do. Nothing is done meanwhile.
func (p *Base) Credentials(lacks *reach.CredentialsError, b *v1alpha1.Broker) *kube.Waiting {
	condition, remedy := v1alpha1.ConditionMissingCredentials, "Put them there as they were: the brokers' disks know no others"
	switch {
	case lacks.Foreign:
		condition = v1alpha1.ConditionNameConflict
		remedy = "Rename or remove it, create this resource under another name, or name a Secret of yours in spec.auth.credentialsSecretRef of a new one"
	case lacks.Missing && b.Spec.Auth.CredentialsSecretRef != nil:
		remedy = "Create it, with the keys that the field spec.auth.credentialsSecretRef describes; for brokers that have run before, with the " +
			"passwords that it had, because their disks know no others"
	case lacks.Missing:
		remedy = "Restore it from a backup: the brokers' disks know no other passwords than those that were in it"
	}
	return p.Trouble(condition, "spec.auth: %s. %s", lacks, remedy).LookAgain(Later)
}
