// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// CredentialsError says why the operator has no credentials for the brokers of a Broker.
type CredentialsError struct {
	// Secret is its name.
	Secret string
	// Missing: there is none. Foreign: it is not the one that the operator made, and would be.
	Missing, Foreign bool
	// Lacks says what a Secret that is there does not have.
	Lacks string
}

func (e *CredentialsError) Error() string {
	switch {
	case e.Missing:
		return fmt.Sprintf("Secret %q with the operator's credentials does not exist", e.Secret)
	case e.Foreign:
		return fmt.Sprintf("Secret %q exists and was not made by the operator for this resource", e.Secret)
	}
	return fmt.Sprintf("Secret %q is of no use: %s", e.Secret, e.Lacks)
}

// For returns the client for the brokers of a Broker. Where these ask for credentials, it signs as the operator; a *CredentialsError
// says why it cannot.
func (r *Reach) For(ctx context.Context, b *v1alpha1.Broker) (*admin.Client, error) {
	credentials, err := Credentials(ctx, r.secrets, b)
	if credentials == nil || err != nil {
		return r.Client, err
	}
	return r.Client.As(credentials), nil
}

// Accounts are the names of the users that are the operator's, the proxies' and the brokers' own at a Broker. Where brokers ask for no
// credentials there are none.
func (r *Reach) Accounts(ctx context.Context, b *v1alpha1.Broker) (names []string, err error) {
	secret, err := readAccounts(ctx, r.secrets, b)
	if secret == nil || err != nil {
		return nil, err
	}
	for _, account := range settings.Accounts() {
		names = append(names, string(secret.Data[account.UsernameKey()]))
	}
	return names, nil
}

// Credentials of the operator at the brokers of a Broker, nil if these ask for none.
func Credentials(ctx context.Context, secrets client.Reader, b *v1alpha1.Broker) (*remoting.Credentials, error) {
	secret, err := readAccounts(ctx, secrets, b)
	if secret == nil || err != nil {
		return nil, err
	}
	username, password, err := settings.OperatorAccount.In(secret.Data)
	if err != nil {
		return nil, &CredentialsError{Secret: secret.Name, Lacks: err.Error()}
	}
	return &remoting.Credentials{AccessKey: username, SecretKey: password}, nil
}

// readAccounts is the Secret with a Broker's accounts, nil if its brokers ask for no credentials.
func readAccounts(ctx context.Context, secrets client.Reader, b *v1alpha1.Broker) (*corev1.Secret, error) {
	name := desired.BrokerAuthSecret(b)
	if name == "" {
		return nil, nil
	}
	var secret corev1.Secret
	err := secrets.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: name}, &secret)
	switch {
	case apierrors.IsNotFound(err) && !b.Spec.Auth.On():
		return nil, nil // the brokers are forgetting their accounts, and most ask for none any more
	case apierrors.IsNotFound(err):
		return nil, &CredentialsError{Secret: name, Missing: true}
	case err != nil:
		return nil, fmt.Errorf("read Secret %s: %w", name, err)
	case desired.MakesAuthSecret(b) && !desired.IsAuthSecretOf(b, &secret):
		return nil, &CredentialsError{Secret: name, Foreign: true}
	}
	return &secret, nil
}
