// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/internal/certificate"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Certificate reads a certificate from one Secret, and the CAs from the other one if it has a name. An error of Kubernetes is returned as
// it is, all others are a *certificate.UnusableError.
func Certificate(ctx context.Context, secrets client.Reader, namespace, name, caName string) (*certificate.Bundle, error) {
	data, err := readSecret(ctx, secrets, namespace, name)
	if err != nil {
		return nil, err
	}
	ca := data[settings.TLSCA]
	if caName != "" {
		other, err := readSecret(ctx, secrets, namespace, caName)
		if err != nil {
			return nil, err
		}
		if ca = other[settings.TLSCA]; len(ca) == 0 {
			return nil, certificate.Unusable(caName, fmt.Errorf("it has no %s", settings.TLSCA))
		}
	}
	bundle, err := certificate.Read(data[settings.TLSCert], data[settings.TLSKey], ca)
	if err != nil {
		return nil, certificate.Unusable(name, err)
	}
	return bundle, nil
}

func readSecret(ctx context.Context, secrets client.Reader, namespace, name string) (map[string][]byte, error) {
	var secret corev1.Secret
	err := secrets.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, certificate.Unusable(name, fmt.Errorf("it does not exist: create it, as type kubernetes.io/tls, or correct the name"))
	case err != nil:
		return nil, fmt.Errorf("read Secret %s: %w", name, err)
	}
	return secret.Data, nil
}
