// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

// TestAuthModes: from any mix of brokers that can serve together to any wanted mode, in whichever order they are replaced, none is ever
// beside one that it cannot serve with, and all get there.
func TestAuthModes(t *testing.T) {
	const off, open, closed = v1alpha1.AuthDisabled, v1alpha1.AuthPermissive, v1alpha1.AuthEnforcing
	modes := []v1alpha1.AuthMode{off, open, closed}
	apart := func(have []v1alpha1.AuthMode) bool {
		return slices.Contains(have, off) && slices.Contains(have, closed)
	}
	for _, a := range modes {
		for _, b := range modes {
			for _, c := range modes {
				for _, wanted := range modes {
					have := []v1alpha1.AuthMode{a, b, c}
					if apart(have) {
						continue
					}
					for steps := 0; slices.ContainsFunc(have, func(m v1alpha1.AuthMode) bool { return m != wanted }); steps++ {
						now := AuthMode(wanted, have)
						i := slices.IndexFunc(have, func(m v1alpha1.AuthMode) bool { return m != now })
						if i < 0 || steps > 2*len(have) {
							t.Fatalf("from %s, %s, %s to %s: it ends at %v, with %s", a, b, c, wanted, have, now)
						}
						if have[i] = now; apart(have) {
							t.Fatalf("from %s, %s, %s to %s: %v", a, b, c, wanted, have)
						}
					}
				}
			}
		}
	}
	if got := AuthMode(closed, nil); got != closed {
		t.Errorf("the first brokers are %s", got)
	}
}

func TestPlanAuth(t *testing.T) {
	const off, open, closed = v1alpha1.AuthDisabled, v1alpha1.AuthPermissive, v1alpha1.AuthEnforcing
	spec := func(mode v1alpha1.AuthMode, secret string) *v1alpha1.AuthSettings {
		auth := &v1alpha1.AuthSettings{Enabled: mode != off, Mode: mode}
		if secret != "" {
			auth.CredentialsSecretRef = &v1alpha1.SecretReference{Name: secret}
		}
		return auth
	}
	without, with := desired.Auth{Mode: off}, func(mode v1alpha1.AuthMode) desired.Auth { return desired.Auth{Mode: mode, Secret: "mine"} }
	for _, test := range []struct {
		name   string
		spec   *v1alpha1.AuthSettings
		have   []desired.Auth
		want   desired.Auth
		status *v1alpha1.AuthStatus
	}{
		{"none", nil, []desired.Auth{without}, without, nil},
		{"the first brokers", spec(closed, ""), nil, desired.Auth{Mode: closed, Secret: "b-auth"}, &v1alpha1.AuthStatus{Mode: closed, SecretName: "b-auth"}},
		{"switched on", spec(closed, "mine"), []desired.Auth{without, without}, with(open), &v1alpha1.AuthStatus{Mode: open, SecretName: "mine"}},
		{"all have users", spec(closed, "mine"), []desired.Auth{with(open), with(open)}, with(closed), &v1alpha1.AuthStatus{Mode: closed, SecretName: "mine"}},
		{"switched off, with nothing said of the Secret any more", nil, []desired.Auth{with(closed)}, with(open), &v1alpha1.AuthStatus{Mode: open, SecretName: "mine"}},
		{"some have forgotten them", nil, []desired.Auth{with(open), without}, without, &v1alpha1.AuthStatus{Mode: off, SecretName: "mine"}},
		{"another Secret meanwhile", spec(closed, "other"), []desired.Auth{with(open), without}, with(open), &v1alpha1.AuthStatus{Mode: open, SecretName: "mine"}},
	} {
		b := &v1alpha1.Broker{}
		b.Name, b.Spec.Auth = "b", test.spec
		got, status := PlanAuth(b, test.have)
		if diff := cmp.Diff(test.want, got) + cmp.Diff(test.status, status); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
