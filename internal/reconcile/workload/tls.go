// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/certificate"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
)

// Servers whose TLS is planned.
type Servers struct {
	// Settings of the spec, nil for plain text.
	Settings *v1alpha1.TLSSettings
	// Have are the pods, and what their StatefulSets would make.
	Have []*corev1.PodSpec
	// Names that the certificate must be for.
	Names certificate.Names
	// Fixed: the servers do not take a renewed certificate as they run.
	Fixed bool
}

// PlanTLS says what servers are to do about TLS now, and what their status tells of it; nil if nothing. They go from one mode to the
// next together. A certificate that cannot be used ends the pass: no server must start with it, and none can be asked.
func (p *Pass) PlanTLS(ctx context.Context, s Servers) (tls desired.TLS, status *v1alpha1.TLSStatus, waiting *kube.Waiting, err error) {
	tls.Mode = v1alpha1.TLSDisabled
	var modes []v1alpha1.TLSMode
	for _, pod := range s.Have {
		have := desired.TLSOf(pod)
		modes = append(modes, have.Mode)
		if have.Secret != "" && s.Settings == nil {
			tls.Secret, tls.CASecret, tls.ClientAuth = have.Secret, have.CASecret, have.ClientAuth
		}
	}
	if s.Settings != nil {
		tls.Secret, tls.CASecret, tls.ClientAuth = s.Settings.SecretName, s.Settings.CASecretName, s.Settings.AuthenticatesClients()
	}
	if tls.Secret == "" {
		return tls, nil, nil, nil
	}

	tls.Mode = fleet.TLSMode(s.Settings.Wanted(), modes)
	status = &v1alpha1.TLSStatus{Mode: tls.Mode}
	bundle, waiting, err := p.certificate(ctx, tls, s.Names)
	switch {
	case waiting != nil && s.Settings == nil: // the certificate is not needed for what comes
		waiting = nil
	case waiting != nil || err != nil:
		return tls, status, waiting, err
	default:
		status.Expires = &metav1.Time{Time: bundle.Expires()}
		tls.Loaded = bundle.Digest(s.Fixed || tls.ClientAuth) // servers with ClientAuth show it to each other, and read it for that once
	}
	if tls.Mode == v1alpha1.TLSDisabled {
		tls = desired.TLS{Mode: tls.Mode}
	}
	return tls, status, waiting, nil
}

// PlanSetTLS is PlanTLS of the servers in the StatefulSet of that name.
func (p *Pass) PlanSetTLS(ctx context.Context, name string, component desired.Component, s Servers) (desired.TLS, *v1alpha1.TLSStatus, *kube.Waiting, error) {
	var set appsv1.StatefulSet
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: p.Owner.GetNamespace(), Name: name}, &set)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return desired.TLS{}, nil, nil, fmt.Errorf("read StatefulSet %s: %w", name, err)
	case err == nil:
		s.Have = append(s.Have, &set.Spec.Template.Spec)
	}
	list, err := p.Pods(ctx, desired.Selector(name, component, ""))
	if err != nil {
		return desired.TLS{}, nil, nil, err
	}
	for i := range list {
		s.Have = append(s.Have, &list[i].Spec)
	}
	return p.PlanTLS(ctx, s)
}

// certificate reads a certificate and checks it.
func (p *Pass) certificate(ctx context.Context, tls desired.TLS, names certificate.Names) (*certificate.Bundle, *kube.Waiting, error) {
	bundle, err := p.ReadCertificate(ctx, tls.Secret, tls.CASecret)
	if err == nil {
		if why := bundle.Check(time.Now(), names, tls.ClientAuth); why != nil {
			err = certificate.Unusable(tls.Secret, why)
		}
	}
	waiting, err := p.Unusable(err)
	return bundle, waiting, err
}

// ReadCertificate reads a certificate from Secrets of the owner's namespace. One that was not renewed in time is told by the condition
// CertificateExpiring.
func (p *Pass) ReadCertificate(ctx context.Context, secret, caSecret string) (*certificate.Bundle, error) {
	bundle, err := reach.Certificate(ctx, p.Reader, p.Owner.GetNamespace(), secret, caSecret)
	if err != nil {
		return nil, err
	}
	next := time.Until(bundle.ExpiresSoon()) // nothing else wakes a pass for it
	if next <= 0 {
		next = max(time.Until(bundle.Expires()), pass.Later)
		p.Conditions.Raise(v1alpha1.ConditionCertificateExpiring, "spec.tls: Secret %s: the certificate expires at %s, and was not renewed though "+
			"less than a third of its life is left: renew it", secret, bundle.Expires().UTC().Format(time.RFC3339))
	}
	p.LookAgain(next + time.Second)
	return bundle, nil
}

// Unusable raises the condition InvalidCertificate if that is what an error says.
func (p *Pass) Unusable(err error) (*kube.Waiting, error) {
	if unusable := new(certificate.UnusableError); errors.As(err, &unusable) {
		return p.Trouble(v1alpha1.ConditionInvalidCertificate, "spec.tls: %s", unusable).LookAgain(pass.Later), nil
	}
	return nil, err
}
