// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// TLS of servers: what they do about it, and with which certificate.
type TLS struct {
	Mode v1alpha1.TLSMode
	// Secret with the certificate and its key, and CASecret with the CAs, "" for those in Secret. Pods mount both.
	Secret, CASecret string
	// ClientAuth: clients must show a certificate.
	ClientAuth bool
	// Loaded stands for what servers read when they start and never again.
	Loaded string
}

// Flags of the agent.
const (
	serverPermissive = settings.TLSServerFlag + "=" + settings.TLSPermissive
	serverEnforcing  = settings.TLSServerFlag + "=" + settings.TLSEnforcing
)

// TLSOf is that of a pod, or of the pods that a template makes, as far as others have to know it: without Loaded.
func TLSOf(pod *corev1.PodSpec) TLS {
	tls := TLS{Mode: v1alpha1.TLSDisabled}
	for i := range pod.Volumes {
		if pod.Volumes[i].Name == volumeTLS {
			tls.Secret, tls.CASecret = certificateIn(&pod.Volumes[i])
		}
	}
	switch {
	case tls.Secret == "":
	case isTold(pod, serverEnforcing):
		tls.Mode = v1alpha1.TLSEnforcing
	case isTold(pod, serverPermissive) && isTold(pod, settings.TLSClientFlag):
		tls.Mode = v1alpha1.TLSPermissive
	case isTold(pod, serverPermissive):
		tls.Mode = v1alpha1.TLSOffered
	}
	tls.ClientAuth = isTold(pod, settings.TLSClientAuthFlag)
	return tls
}

func certificateIn(volume *corev1.Volume) (secret, caSecret string) {
	switch {
	case volume.Secret != nil:
		secret = volume.Secret.SecretName
	case volume.Projected != nil:
		for i, source := range volume.Projected.Sources {
			if i == 0 {
				secret = source.Secret.Name
			} else {
				caSecret = source.Secret.Name
			}
		}
	}
	return secret, caSecret
}

// volume with the files. It is optional, so that the pod starts and the agent can say that the Secret is missing.
func (t TLS) volume() corev1.Volume {
	mode, optional := new(int32(0o440)), new(true)
	if t.CASecret == "" {
		return corev1.Volume{Name: volumeTLS, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{
			SecretName: t.Secret, DefaultMode: mode, Optional: optional}}}
	}
	pair, ca := keysOf(t.Secret, settings.TLSCert, settings.TLSKey), keysOf(t.CASecret, settings.TLSCA)
	pair.Secret.Optional, ca.Secret.Optional = optional, optional
	return corev1.Volume{Name: volumeTLS, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		DefaultMode: mode, Sources: []corev1.VolumeProjection{pair, ca},
	}}}
}

// keysOf a Secret, for a volume.
func keysOf(secret string, keys ...string) corev1.VolumeProjection {
	source := &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: secret}}
	for _, key := range keys {
		source.Items = append(source.Items, corev1.KeyToPath{Key: key, Path: key})
	}
	return corev1.VolumeProjection{Secret: source}
}

// flags of the agent.
func (t TLS) flags() (flags []string) {
	switch t.Mode {
	case v1alpha1.TLSOffered:
		flags = []string{serverPermissive}
	case v1alpha1.TLSPermissive:
		flags = []string{serverPermissive, settings.TLSClientFlag}
	case v1alpha1.TLSEnforcing:
		flags = []string{serverEnforcing, settings.TLSClientFlag}
	default:
		return nil
	}
	if t.ClientAuth {
		flags = append(flags, settings.TLSClientAuthFlag)
	}
	return append(flags, settings.TLSSecretFlag+"="+t.Secret)
}

// restarts are what servers take over only when they start.
func (t TLS) restarts() []any {
	if t.Secret == "" {
		return nil
	}
	return []any{t}
}

// OnlySecurity is what AuthOf and TLSOf read of a pod.
func OnlySecurity(pod *corev1.PodSpec) (only corev1.PodSpec) {
	for _, volume := range pod.Volumes {
		if volume.Name == volumeAuth || volume.Name == volumeTLS {
			only.Volumes = append(only.Volumes, volume)
		}
	}
	for _, container := range pod.Containers {
		flags := slices.DeleteFunc(slices.Clone(container.Command), func(arg string) bool {
			return arg != permissiveFlag && !strings.HasPrefix(arg, settings.TLSServerFlag) && arg != settings.TLSClientFlag && arg != settings.TLSClientAuthFlag
		})
		if len(flags) > 0 {
			only.Containers = append(only.Containers, corev1.Container{Name: container.Name, Command: flags})
		}
	}
	return only
}
