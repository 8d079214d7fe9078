// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// podSecurity is what the user gives, and the restricted defaults for what is not said.
func podSecurity(given *corev1.PodSecurityContext) (*corev1.PodSecurityContext, error) {
	defaults := &corev1.PodSecurityContext{
		RunAsUser:           new(int64(rocketmqID)),
		RunAsGroup:          new(int64(rocketmqID)),
		FSGroup:             new(int64(rocketmqID)),
		FSGroupChangePolicy: new(corev1.FSGroupChangeOnRootMismatch),
		RunAsNonRoot:        new(true),
		SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if given != nil && isRoot(given.RunAsUser) {
		defaults.RunAsNonRoot = nil
	}
	return withDefaults("securityContext", given, defaults)
}

// containerSecurity is what the user gives, and no privileges where nothing is said.
func containerSecurity(given *corev1.SecurityContext) (*corev1.SecurityContext, error) {
	defaults := noPrivileges()
	// The API server refuses these together.
	switch {
	case given == nil:
	case given.Privileged != nil && *given.Privileged:
		defaults = &corev1.SecurityContext{}
	case given.Capabilities != nil && slices.ContainsFunc(given.Capabilities.Add, includesAdmin):
		defaults.AllowPrivilegeEscalation = nil
	}
	if given != nil && isRoot(given.RunAsUser) && given.RunAsNonRoot == nil {
		defaults.RunAsNonRoot = new(false) // the pod's default says otherwise
	}
	return withDefaults("containerSecurityContext", given, defaults)
}

func noPrivileges() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

func isRoot(user *int64) bool { return user != nil && *user == 0 }

func includesAdmin(c corev1.Capability) bool {
	return slices.Contains([]corev1.Capability{"ALL", "SYS_ADMIN", "CAP_SYS_ADMIN"}, c)
}

// withDefaults is what is given in a field of the spec, and the defaults for what that does not say.
func withDefaults[T any](field string, given, defaults *T) (*T, error) {
	if given == nil {
		return defaults, nil
	}
	base, err := json.Marshal(defaults)
	if err != nil {
		return nil, fmt.Errorf("spec.%s: %w", field, err)
	}
	patch, err := json.Marshal(given)
	if err != nil {
		return nil, fmt.Errorf("spec.%s: %w", field, err)
	}
	out := new(T)
	merged, err := strategicpatch.StrategicMergePatch(base, patch, *out)
	if err != nil {
		return nil, fmt.Errorf("spec.%s: %w", field, err)
	}
	return out, json.Unmarshal(merged, out)
}
