// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// The properties of dashboard and exporter (RMQConfigure of both) that say as whom they ask brokers, and Spring Boot's that names more
// places of properties.
const (
	accessKey    = "rocketmq.config.accessKey"
	secretKey    = "rocketmq.config.secretKey"
	configImport = "spring.config.import"
)

// access lets a tool speak TLS to name servers and brokers, and sign what it asks these, as far as its backend wants that.
func (t toolSpec) access(config map[string]v1alpha1.ConfigValue, own map[string]any) (volumes []corev1.Volume, mounts []corev1.VolumeMount) {
	volumes, mounts = t.signIn(config, own)
	moreVolumes, moreMounts := t.backend.TLS.volume()
	return append(volumes, moreVolumes...), append(mounts, moreMounts...)
}

// signIn lets a tool ask brokers with the account in its Secret. Spring Boot, from 2.4 on, makes a property of each file in a directory
// that it is told to import, so that no password stands in the container's environment. Variables of the user's win over these files.
func (t toolSpec) signIn(config map[string]v1alpha1.ConfigValue, own map[string]any) ([]corev1.Volume, []corev1.VolumeMount) {
	if t.backend.AuthSecret == "" {
		return nil, nil
	}
	imports := "configtree:" + settings.AuthDir + "/"
	if others := string(config[configImport]); others != "" {
		imports = others + "," + imports
	}
	own[configImport] = imports

	// Not optional: without its account a tool would not see the brokers, and say so nowhere but in its log.
	account := &corev1.SecretVolumeSource{SecretName: t.backend.AuthSecret, DefaultMode: new(int32(0o444)), Items: []corev1.KeyToPath{
		{Key: settings.ProxyAccount.UsernameKey(), Path: accessKey},
		{Key: settings.ProxyAccount.PasswordKey(), Path: secretKey},
	}}
	return []corev1.Volume{{Name: volumeAuth, VolumeSource: corev1.VolumeSource{Secret: account}}},
		[]corev1.VolumeMount{{Name: volumeAuth, MountPath: settings.AuthDir, ReadOnly: true}}
}

// sum of what a tool reads only when it starts: its backend, and what its kind adds.
func (t toolSpec) sum(config map[string]v1alpha1.ConfigValue, more ...any) (string, error) {
	parts := append([]any{t.image, config, t.backend.NameServers}, more...)
	parts = append(parts, t.backend.References)
	return hash(slices.Concat(parts, Auth{Secret: t.backend.AuthSecret}.restarts(), t.backend.TLS.restarts())...)
}

// SignsAsAnother reports whether a tool's user gives it an account at the brokers, by a property or a variable.
func SignsAsAnother(config map[string]v1alpha1.ConfigValue, env []corev1.EnvVar) bool {
	variable := strings.ReplaceAll(canonical(accessKey), ".", "")
	return springSetting(config, accessKey) != "" ||
		slices.ContainsFunc(env, func(e corev1.EnvVar) bool { return canonical(e.Name) == variable })
}
