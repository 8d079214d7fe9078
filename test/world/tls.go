// SPDX-License-Identifier: Apache-2.0

package world

import (
	"crypto/tls"
	"crypto/x509"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/test/certs"
)

// Certificate writes a Secret of this name with a certificate of a CA, as cert-manager does: for all Services and pods of the namespace
// unless other names are wanted.
func (w *World) Certificate(name string, ca *certs.CA, want certs.Want) {
	w.Helper()
	if want.Names == nil {
		for _, service := range []string{"ns-nameserver", "c-ns-nameserver"} {
			want.Names = append(want.Names, service+"."+w.Namespace+".svc.cluster.local")
		}
		for _, service := range []string{"ns-nameserver", "ctl-controller", "b-broker", "c-ns-nameserver", "c-ctl-controller", "c-broker-broker"} {
			want.Names = append(want.Names, "*."+service+"-headless."+w.Namespace+".svc.cluster.local")
		}
	}
	issued, err := ca.Issue(want)
	w.Must(err)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: name}, Type: corev1.SecretTypeTLS,
		Data: ca.Secret(issued),
	}
	if err := w.Create(w.Context(), secret); client.IgnoreAlreadyExists(err) != nil {
		w.Fatal(err)
	} else if err != nil {
		w.Must(w.Update(w.Context(), secret))
	}
}

// secure the server in a pod as its agent does.
func (w *World) secure(pod *corev1.Pod, dialled string) {
	w.Helper()
	does := desired.TLSOf(&pod.Spec)
	if does.Mode == v1alpha1.TLSDisabled {
		w.MQ.Secure(dialled, nil, false)
		return
	}
	data := Get[corev1.Secret](w, does.Secret).Data
	pair, err := tls.X509KeyPair(data[settings.TLSCert], data[settings.TLSKey])
	w.Must(err)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if does.ClientAuth {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(data[settings.TLSCA])
	}
	w.MQ.Secure(dialled, config, does.Mode == v1alpha1.TLSEnforcing)
}
