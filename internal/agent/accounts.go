// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// accounts of a cluster with authentication.
type accounts map[settings.Account]*remoting.Credentials

// accounts that the settings ask for, nil without authentication. The settings are those of all pods; one that was made before
// authentication was switched on has no such directory, and starts as it did.
func (c *config) accounts(s settings.Settings) (accounts, error) {
	_, err := os.Stat(c.authDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case s.Broker != nil && s.Broker.AuthSecret != "":
		return readAccounts(c.authDir, s.Broker.AuthSecret, settings.Accounts()...)
	case s.Proxy != nil && s.Proxy.AuthSecret != "":
		return readAccounts(c.authDir, s.Proxy.AuthSecret, settings.ProxyAccount)
	}
	return nil, nil
}

// signer is the account with which a server signs.
func signer(role settings.Role) settings.Account {
	if role == settings.Proxy {
		return settings.ProxyAccount
	}
	return settings.InnerAccount
}

// readAccounts reads these accounts of a cluster with authentication from the Secret of that name, as Kubernetes mounts it.
func readAccounts(dir, secret string, wanted ...settings.Account) (accounts, error) {
	data := map[string][]byte{}
	out := accounts{}
	for _, account := range wanted {
		for _, key := range []string{account.UsernameKey(), account.PasswordKey()} {
			content, err := os.ReadFile(filepath.Join(dir, key))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("spec.auth: the Secret %q: %w", secret, err)
			}
			data[key] = content
		}
		username, password, err := account.In(data)
		if err != nil {
			return nil, fmt.Errorf("spec.auth: the Secret %q is missing or incomplete: %w", secret, err)
		}
		out[account] = &remoting.Credentials{AccessKey: username, SecretKey: password}
	}
	return out, nil
}

// Users live in each broker by itself, on its disk. A broker that starts on an empty disk makes one: that of its configuration,
// with all rights (AuthenticationMetadataManagerImpl.initUser). Nobody else knows it yet, so its agent makes the others with it.
const (
	accountsInterval = 250 * time.Millisecond
	accountsTimeout  = 5 * time.Second
)

// users is what is asked of a broker; *admin.Client in earnest.
type users interface {
	Users(ctx context.Context, broker, filter string) ([]admin.User, error)
	CreateUser(ctx context.Context, broker string, user admin.User) error
	UpdateUser(ctx context.Context, broker string, user admin.User) error
}

// keeper of the accounts that a broker must have before it is ready.
type keeper struct {
	reason
	// broker is its address, secret the name of the Secret that accounts is from.
	broker, secret string
	accounts       accounts
	// as asks with these credentials.
	as func(*remoting.Credentials) users
}

// newKeeper of a broker. A permissive one takes what is not signed, and refuses what is signed by somebody whom it does not know
// (AdminBrokerProcessor.isNotSuperUserLogin): nothing is signed there.
func newKeeper(known accounts, secret string, permissive bool, client *admin.Client) *keeper {
	return &keeper{
		reason: reason{why: "the broker's accounts are yet to be looked at"}, secret: secret, accounts: known,
		broker: net.JoinHostPort("127.0.0.1", strconv.Itoa(settings.BrokerPort)),
		as: func(c *remoting.Credentials) users {
			if permissive {
				c = &remoting.Credentials{}
			}
			return client.As(c)
		},
	}
}

// run until the broker has its accounts, or ctx ends.
func (k *keeper) run(ctx context.Context) {
	ticker := time.NewTicker(accountsInterval)
	defer ticker.Stop()
	for {
		switch why, err := k.look(ctx); {
		case err != nil: // it starts
		case why == "":
			k.set("")
			logf("INFO", "the broker has the accounts of the Secret %q", k.secret)
			return
		default:
			k.set(why)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look at the broker's accounts, and set right what is wrong. It returns why that cannot be done; an error says that the broker does
// not answer. Any step may be the last one of an agent that is killed.
func (k *keeper) look(ctx context.Context) (why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, accountsTimeout)
	defer cancel()
	operator := k.as(k.accounts[settings.OperatorAccount])
	has, err := operator.Users(ctx, k.broker, "")
	if remoting.IsCode(err, remoting.NoPermission) {
		if err := k.begin(ctx); err != nil {
			return k.refused(err)
		}
		has, err = operator.Users(ctx, k.broker, "")
	}
	if err != nil {
		return k.refused(err)
	}
	for _, account := range settings.Accounts() {
		if err := k.put(ctx, operator, account, has); err != nil {
			return k.refused(err)
		}
	}
	return "", nil
}

// begin with the account that a broker has from an empty disk.
func (k *keeper) begin(ctx context.Context) error {
	inner, operator := k.as(k.accounts[settings.InnerAccount]), k.wanted(settings.OperatorAccount)
	err := inner.CreateUser(ctx, k.broker, operator)
	if errors.Is(err, admin.ErrUserExists) { // with another password, so that it would be of no use
		err = inner.UpdateUser(ctx, k.broker, operator)
	}
	return err
}

// put an account that the broker lacks, or that is otherwise than it should be.
func (k *keeper) put(ctx context.Context, operator users, account settings.Account, has []admin.User) error {
	wanted := k.wanted(account)
	i := slices.IndexFunc(has, func(u admin.User) bool { return u.Name == wanted.Name })
	switch {
	case i < 0:
		return operator.CreateUser(ctx, k.broker, wanted)
	case has[i] != wanted:
		return operator.UpdateUser(ctx, k.broker, wanted)
	}
	return nil
}

func (k *keeper) wanted(account settings.Account) admin.User {
	c := k.accounts[account]
	user := admin.User{Name: c.AccessKey, Password: c.SecretKey, Type: admin.SuperUser, Status: admin.UserEnabled}
	if account == settings.InnerAccount {
		user.Type = admin.NormalUser
	}
	return user
}

// refused tells an error of a broker that answers.
func (k *keeper) refused(err error) (why string, _ error) {
	refusal := new(remoting.ResponseError)
	switch {
	case !errors.As(err, &refusal):
		return "", err
	case refusal.Code != remoting.NoPermission:
		return "the broker does not take the accounts: " + err.Error(), nil
	}
	return fmt.Sprintf("the broker's disk has other accounts than the Secret %q: %s. Put back the passwords that the Secret had; if nobody "+
		"has them, delete config/users and config/acls below %s on the broker's volume and delete the pod: the broker then begins with "+
		"the accounts of the Secret, and without users of yours", k.secret, err, settings.DataDir), nil
}
