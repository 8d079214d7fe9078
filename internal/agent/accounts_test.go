// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// mountAccounts writes a Secret with a cluster's accounts as Kubernetes mounts one, and returns what is in it.
func mountAccounts(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	n := 0
	data := settings.NewAccounts(func() string { n++; return fmt.Sprintf("password %d", n) })
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for key, content := range data {
		if err := os.WriteFile(filepath.Join(dir, key), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// userTable is a broker's users.
type userTable struct {
	users map[string]admin.User
	// writes that it takes before it dies, -1 for all.
	writes int
}

// session of somebody at a broker; it refuses as a real one does.
type session struct {
	*userTable
	by *remoting.Credentials
}

var errDied = errors.New("connection refused")

func (s session) check() error {
	refuse := func(remark string) error { return &remoting.ResponseError{Code: remoting.NoPermission, Remark: remark} }
	switch user, known := s.users[s.by.AccessKey]; {
	case s.writes == 0:
		return errDied
	case !known:
		return refuse("User:" + s.by.AccessKey + " is not found.")
	case user.Password != s.by.SecretKey:
		return refuse("check signature failed.")
	case user.Type != admin.SuperUser:
		return refuse("User:" + s.by.AccessKey + " has no permission to access Cluster:c")
	}
	return nil
}

func (s session) Users(context.Context, string, string) (all []admin.User, err error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	for _, user := range s.users {
		all = append(all, user)
	}
	return all, nil
}

func (s session) CreateUser(_ context.Context, _ string, user admin.User) error {
	if err := s.check(); err != nil {
		return err
	}
	if _, exists := s.users[user.Name]; exists {
		return admin.ErrUserExists
	}
	return s.UpdateUser(context.Background(), "", user)
}

func (s session) UpdateUser(_ context.Context, _ string, user admin.User) error {
	if err := s.check(); err != nil {
		return err
	}
	s.users[user.Name] = user
	s.writes--
	return nil
}

func testKeeper(t *testing.T, table *userTable) *keeper {
	t.Helper()
	dir := t.TempDir()
	mountAccounts(t, dir)
	accounts, err := readAccounts(dir, "shop-auth", settings.Accounts()...)
	if err != nil {
		t.Fatal(err)
	}
	return &keeper{secret: "shop-auth", accounts: accounts, as: func(c *remoting.Credentials) users { return session{table, c} }}
}

// wholeTable is what a broker has in the end.
func wholeTable() map[string]admin.User {
	out := map[string]admin.User{}
	for i, user := range []admin.User{
		{Name: "rocketmq-operator", Type: admin.SuperUser}, {Name: "rocketmq-proxy", Type: admin.SuperUser}, {Name: "rocketmq-inner", Type: admin.NormalUser},
	} {
		user.Password, user.Status = fmt.Sprintf("password %d", i+1), admin.UserEnabled
		out[user.Name] = user
	}
	return out
}

// freshTable is what a broker has that has started on an empty disk.
func freshTable() map[string]admin.User {
	inner := wholeTable()["rocketmq-inner"]
	inner.Type = admin.SuperUser
	return map[string]admin.User{inner.Name: inner}
}

// TestAccountsAreMade: whenever the agent is killed, the next one ends what it began.
func TestAccountsAreMade(t *testing.T) {
	for died := range 5 {
		table := &userTable{users: freshTable(), writes: died}
		k := testKeeper(t, table)
		if died > 0 {
			_, _ = k.look(t.Context())
		}
		table.writes = -1
		if why, err := k.look(t.Context()); why != "" || err != nil {
			t.Errorf("after %d writes: %q, %v", died, why, err)
		}
		if diff := cmp.Diff(wholeTable(), table.users); diff != "" {
			t.Errorf("after %d writes (-want +got):\n%s", died, diff)
		}
		before := table.writes
		if why, err := k.look(t.Context()); why != "" || err != nil || table.writes != before {
			t.Errorf("another look writes: %q, %v", why, err)
		}
	}
}

// TestAccountsAreMended: what others have changed is put right, and users of others stay.
func TestAccountsAreMended(t *testing.T) {
	table := &userTable{users: wholeTable(), writes: -1}
	inner, app := table.users["rocketmq-inner"], admin.User{Name: "app", Password: "x", Type: admin.NormalUser, Status: admin.UserEnabled}
	inner.Type, inner.Password = admin.SuperUser, "of before"
	table.users[inner.Name], table.users[app.Name] = inner, app
	delete(table.users, "rocketmq-proxy")
	if why, err := testKeeper(t, table).look(t.Context()); why != "" || err != nil {
		t.Errorf("%q, %v", why, err)
	}
	want := wholeTable()
	want[app.Name] = app
	if diff := cmp.Diff(want, table.users); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAccountsOfAnotherSecret: a disk that knows other passwords is the user's to mend, and nothing is written.
func TestAccountsOfAnotherSecret(t *testing.T) {
	users := wholeTable()
	for name, user := range users {
		user.Password = "of another Secret"
		users[name] = user
	}
	table := &userTable{users: users, writes: -1}
	why, err := testKeeper(t, table).look(t.Context())
	if err != nil || table.writes != -1 {
		t.Errorf("%v, %d", err, table.writes)
	}
	for _, part := range []string{`other accounts than the Secret "shop-auth"`, "check signature failed", "config/users"} {
		if !strings.Contains(why, part) {
			t.Errorf("%q does not say %q", why, part)
		}
	}
}

func TestAccountsOfABrokerThatStarts(t *testing.T) {
	if why, err := testKeeper(t, &userTable{}).look(t.Context()); why != "" || !errors.Is(err, errDied) {
		t.Errorf("%q, %v", why, err)
	}
}

func TestIncompleteSecret(t *testing.T) {
	dir := t.TempDir()
	const want = `the Secret "shop-auth" is missing or incomplete: it has no proxy-username`
	if _, err := readAccounts(dir, "shop-auth", settings.ProxyAccount); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}
