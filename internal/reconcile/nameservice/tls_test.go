// SPDX-License-Identifier: Apache-2.0

package nameservice_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/certs"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// secured name servers refuse plain text.
var secured = strings.Replace(world.NameService, "size: 2", "size: 2, tls: {secretName: tls}", 1)

func authority(t *testing.T) *certs.CA {
	t.Helper()
	ca, err := certs.NewCA("ca")
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// TestCertificate: one that cannot be used is told, with what to do, and no server is started with it. When it is mended, all goes on.
func TestCertificate(t *testing.T) {
	t.Parallel()
	w, ca, other := world.New(t), authority(t), authority(t)
	w.CreateYAML(secured)
	o := w.Start()
	o.Reports("NameService ns", v1alpha1.ConditionInvalidCertificate, metav1.ConditionTrue, "spec.tls: Secret tls: it does not exist: create it")
	w.Certificate("tls", ca, certs.Want{Names: []string{"ns.example"}})
	o.Reports("NameService ns", v1alpha1.ConditionInvalidCertificate, metav1.ConditionTrue,
		"add to its DNS names: ns-nameserver."+w.Namespace+".svc.cluster.local, *.ns-nameserver-headless."+w.Namespace+".svc.cluster.local")
	if !world.Gone[appsv1.StatefulSet](w, "ns") {
		t.Error("there are name servers all the same")
	}
	w.Certificate("tls", ca, certs.Want{From: time.Now().Add(-3 * time.Hour), Life: 4 * time.Hour})
	o.Reports("NameService ns", v1alpha1.ConditionCertificateExpiring, metav1.ConditionTrue, "Secret tls: the certificate expires at ")
	o.Until(w.AllReady)

	w.Certificate("tls", ca, certs.Want{})
	o.Until(func() string {
		return w.Condition("NameService ns", v1alpha1.ConditionCertificateExpiring, metav1.ConditionTrue)
	})

	// A CA that signed nothing here: servers go on with what they have.
	secret := world.Get[corev1.Secret](w, "tls")
	good := secret.DeepCopy()
	secret.Data["ca.crt"] = other.PEM
	w.Must(w.Update(w.Context(), secret))
	before := world.Get[appsv1.StatefulSet](w, "ns").Spec.Template
	o.Reports("NameService ns", v1alpha1.ConditionInvalidCertificate, metav1.ConditionTrue, "is not signed by the CA in ca.crt")
	if after := world.Get[appsv1.StatefulSet](w, "ns").Spec.Template; after.Annotations[v1alpha1.AnnotationHash] != before.Annotations[v1alpha1.AnnotationHash] {
		t.Error("name servers are to be restarted with it")
	}
	secret.Data = good.Data
	w.Must(w.Update(w.Context(), secret))
	o.Until(w.AllReady)

	// One that trusts both CAs is taken, which needs a restart.
	secret = world.Get[corev1.Secret](w, "tls")
	secret.Data["ca.crt"] = append(append([]byte{}, ca.PEM...), other.PEM...)
	w.Must(w.Update(w.Context(), secret))
	o.Until(func() string {
		if after := world.Get[appsv1.StatefulSet](w, "ns").Spec.Template; after.Annotations[v1alpha1.AnnotationHash] == before.Annotations[v1alpha1.AnnotationHash] {
			return "name servers trust the old CA only"
		}
		return w.AllReady()
	})
	o.CheckSilence()
}

// TestSwitched: name servers that stand alone come to TLS and back step by step too.
func TestSwitched(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Certificate("tls", authority(t), certs.Want{})
	w.CreateYAML(world.NameService)
	o := w.Start()
	o.Until(w.AllReady)
	var seen []v1alpha1.TLSMode
	become := func(mode v1alpha1.TLSMode) func() string {
		return func() string {
			now := world.Get[v1alpha1.NameService](w, "ns").Status.TLS.Does()
			if len(seen) == 0 || seen[len(seen)-1] != now {
				seen = append(seen, now)
			}
			if now != mode {
				return "name servers are " + string(now)
			}
			return w.AllReady()
		}
	}
	world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.TLS = &v1alpha1.TLSSettings{SecretName: "tls"} })
	o.Until(become(v1alpha1.TLSEnforcing))
	world.Edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.TLS = nil })
	o.Until(become(v1alpha1.TLSDisabled))
	o.CheckSilence()
	const offered, permissive, enforcing = v1alpha1.TLSOffered, v1alpha1.TLSPermissive, v1alpha1.TLSEnforcing
	if want := []v1alpha1.TLSMode{offered, permissive, enforcing, permissive, offered, v1alpha1.TLSDisabled}; !slices.Equal(seen, want) {
		t.Errorf("name servers became %v, want %v", seen, want)
	}
}
