// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"slices"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

// PlanAuth says what a Broker's brokers are to do about credentials now, and what its status tells of it; nil if nothing. have is what
// its pods do, and what its StatefulSets would make. Another Secret than that of the brokers is taken only when none has accounts.
func PlanAuth(b *v1alpha1.Broker, have []desired.Auth) (desired.Auth, *v1alpha1.AuthStatus) {
	modes, secret := []v1alpha1.AuthMode{}, ""
	for _, auth := range have {
		modes = append(modes, auth.Mode)
		if auth.Secret != "" {
			secret = auth.Secret
		}
	}
	if secret == "" && b.Spec.Auth.On() {
		secret = desired.BrokerAuthSecret(b)
	}

	mode := AuthMode(b.Spec.Auth.Wanted(), modes)
	if secret == "" {
		return desired.Auth{Mode: mode}, nil
	}
	status := &v1alpha1.AuthStatus{Mode: mode, SecretName: secret}
	if mode == v1alpha1.AuthDisabled {
		secret = ""
	}
	return desired.Auth{Mode: mode, Secret: secret}, status
}

// HasAccounts reports whether any of the brokers has accounts.
func HasAccounts(have []desired.Auth) bool {
	return slices.ContainsFunc(have, func(auth desired.Auth) bool { return auth.Secret != "" })
}

// AuthMode is what brokers are brought to now, on their way to what is wanted. have are the modes of those that run, and of those that
// their StatefulSets would make.
//
// Brokers that have no users and brokers that ask for credentials cannot serve together: slaves would be refused by their master,
// and clients by those that do not know them. So all become Permissive in between, which goes with both.
func AuthMode(wanted v1alpha1.AuthMode, have []v1alpha1.AuthMode) v1alpha1.AuthMode {
	opposite := map[v1alpha1.AuthMode]v1alpha1.AuthMode{
		v1alpha1.AuthDisabled:  v1alpha1.AuthEnforcing,
		v1alpha1.AuthEnforcing: v1alpha1.AuthDisabled,
	}
	if slices.Contains(have, opposite[wanted]) {
		return v1alpha1.AuthPermissive
	}
	return wanted
}
