// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"path"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// ToolTLS lets a tool speak TLS to name servers and brokers.
type ToolTLS struct {
	// CASecret is the Secret with the CAs by which they are verified, "" for not at all.
	CASecret string
	// PairSecret is the Secret with the certificate that the tool shows them, "" for none.
	PairSecret string
	// Loaded stands for what is in them, which tools read only when they start.
	Loaded string
}

// options of java (TlsSystemConfig), which RocketMQ's client reads in whatever program.
func (t *ToolTLS) options() []string {
	if t == nil {
		return nil
	}
	options := []string{"-Dtls.enable=true", "-Dtls.test.mode.enable=false"} // the test mode verifies nobody
	if t.CASecret != "" {
		options = append(options, "-Dtls.client.authServer=true", "-Dtls.client.trustCertPath="+path.Join(settings.TLSDir, settings.TLSCA))
	}
	if t.PairSecret != "" {
		options = append(options, "-Dtls.client.certPath="+path.Join(settings.TLSDir, settings.TLSCert),
			"-Dtls.client.keyPath="+path.Join(settings.TLSDir, settings.TLSKey))
	}
	return options
}

// volume with the files, nil if none is needed.
func (t *ToolTLS) volume() (volumes []corev1.Volume, mounts []corev1.VolumeMount) {
	if t == nil {
		return nil, nil
	}
	var sources []corev1.VolumeProjection
	if t.CASecret != "" {
		sources = append(sources, keysOf(t.CASecret, settings.TLSCA))
	}
	if t.PairSecret != "" {
		sources = append(sources, keysOf(t.PairSecret, settings.TLSCert, settings.TLSKey))
	}
	if len(sources) == 0 {
		return nil, nil
	}
	return []corev1.Volume{{Name: volumeTLS, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			DefaultMode: new(int32(0o444)), Sources: sources,
		}}}},
		[]corev1.VolumeMount{{Name: volumeTLS, MountPath: settings.TLSDir, ReadOnly: true}}
}

// restarts are what a tool takes over only when it starts.
func (t *ToolTLS) restarts() []any {
	if t == nil {
		return nil
	}
	return []any{t}
}
