// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// TestRecordedAccess: answers about users and ACLs of a broker with ACL 2.0.
func TestRecordedAccess(t *testing.T) {
	app := admin.User{Name: "app", Password: "secret", Type: admin.NormalUser, Status: admin.UserEnabled}
	acl := admin.ACL{User: "app", Policies: []admin.Policy{{Type: admin.CustomPolicy, Entries: []admin.PolicyEntry{{
		Resource: "Topic:orders*", Actions: []admin.Action{admin.ActionPub, admin.ActionSub}, SourceIPs: []string{"127.0.0.0/8"}, Decision: admin.Allow,
	}}}}}
	users := func(c *admin.Client, addr string) (any, error) { return c.Users(t.Context(), addr, "") }
	for _, tc := range []struct {
		file string
		ask  func(c *admin.Client, addr string) (any, error)
		want any
		is   error
	}{
		{"user", func(c *admin.Client, addr string) (any, error) { return c.User(t.Context(), addr, "app") }, &app, nil},
		{"user_unknown", func(c *admin.Client, addr string) (any, error) { return c.User(t.Context(), addr, "eve") }, nil, admin.ErrNoSuchUser},
		{"user_exists", func(c *admin.Client, addr string) (any, error) { return nil, c.CreateUser(t.Context(), addr, app) }, nil, admin.ErrUserExists},
		{"users", users, []admin.User{
			app,
			{Name: "inner", Password: "herring", Type: admin.SuperUser, Status: admin.UserEnabled},
			{Name: "root", Password: "swordfish", Type: admin.SuperUser, Status: admin.UserEnabled},
		}, nil},
		{"users_none", users, []admin.User(nil), nil},
		{"acl", func(c *admin.Client, addr string) (any, error) { return c.ACL(t.Context(), addr, "app") }, &acl, nil},
		{"acl_none", func(c *admin.Client, addr string) (any, error) { return c.ACL(t.Context(), addr, "app") }, &admin.ACL{User: "app"}, nil},
		{"acl_unknown_user", func(c *admin.Client, addr string) (any, error) { return c.ACL(t.Context(), addr, "eve") }, nil, admin.ErrNoSuchUser},
		{"acls", func(c *admin.Client, addr string) (any, error) { return c.ACLs(t.Context(), addr, "", "") }, []admin.ACL{acl}, nil},
		{"not_authenticated", users, nil, remoting.ErrNotAuthenticated},
		{"signature", users, nil, remoting.ErrSignature},
		{"user_not_known", users, nil, remoting.ErrUserUnknown},
		{"not_permitted", users, nil, remoting.ErrNotPermitted},
	} {
		t.Run(tc.file, func(t *testing.T) {
			got, err := tc.ask(replay(t, tc.file))
			if !errors.Is(err, tc.is) || tc.is == nil && err != nil {
				t.Fatalf("error %v, want %v", err, tc.is)
			}
			if diff := cmp.Diff(tc.want, got); tc.is == nil && diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestPasswordsAreNotPrinted(t *testing.T) {
	user := admin.User{Name: "app", Password: "swordfish", Type: admin.NormalUser, Status: admin.UserEnabled}
	credentials := remoting.Credentials{AccessKey: "app", SecretKey: "swordfish", SecurityToken: "swordfish too"}
	for _, v := range []any{user, &user, []admin.User{user}, credentials, &credentials, struct{ C remoting.Credentials }{credentials}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "swordfish") || !strings.Contains(text, "app") && !strings.HasPrefix(text, "&") {
				t.Errorf("%s of %T prints %s", verb, v, text)
			}
		}
	}
}

func TestPolicyEntryCheck(t *testing.T) {
	good := admin.PolicyEntry{Resource: "Topic:orders", Actions: []admin.Action{admin.ActionPub}, Decision: admin.Allow}
	for _, resource := range []string{"*", "Topic:*", "Topic:orders*", "Group:g", "Cluster:c", "Namespace:n", "Topic:%RETRY%a:b"} {
		entry := good
		entry.Resource = resource
		entry.SourceIPs = []string{"10.0.0.1", "10.0.0.0/8", "fd00::1", "fd00::/8"}
		if err := entry.Check(); err != nil {
			t.Errorf("%s: %v", resource, err)
		}
	}
	for want, change := range map[string]func(e *admin.PolicyEntry){
		`resource "": neither`:                      func(e *admin.PolicyEntry) { e.Resource = "" },
		`resource "orders": neither`:                func(e *admin.PolicyEntry) { e.Resource = "orders" },
		`resource "Queue:orders": neither`:          func(e *admin.PolicyEntry) { e.Resource = "Queue:orders" },
		`resource "Topic:": the name is empty`:      func(e *admin.PolicyEntry) { e.Resource = "Topic:" },
		`"Topic:or*ders": the name is empty or has`: func(e *admin.PolicyEntry) { e.Resource = "Topic:or*ders" },
		"no actions": func(e *admin.PolicyEntry) { e.Actions = nil },
		`"Publish" is no action (there are [All Pub`:   func(e *admin.PolicyEntry) { e.Actions = append(e.Actions, "Publish") },
		`"Any" is no action`:                           func(e *admin.PolicyEntry) { e.Actions = []admin.Action{"Any"} },
		`source "10.0.0" is neither an IP address nor`: func(e *admin.PolicyEntry) { e.SourceIPs = []string{"10.0.0"} },
		`decision "" is neither Allow nor Deny`:        func(e *admin.PolicyEntry) { e.Decision = "" },
	} {
		entry := good
		entry.Actions = append([]admin.Action(nil), good.Actions...)
		change(&entry)
		if err := entry.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		if err := admin.New(nil).PutACL(t.Context(), "", admin.ACL{User: "app", Policies: []admin.Policy{{Entries: []admin.PolicyEntry{entry}}}}); err == nil {
			t.Errorf("it was sent, although: %v", entry.Check())
		}
	}
}

func TestPolicyEntryEqual(t *testing.T) {
	a := admin.PolicyEntry{Resource: "*", Actions: []admin.Action{"Pub", "Sub"}, SourceIPs: []string{"1.1.1.1", "2.2.2.2"}, Decision: admin.Allow}
	b := admin.PolicyEntry{Resource: "*", Actions: []admin.Action{"Sub", "Pub"}, SourceIPs: []string{"2.2.2.2", "1.1.1.1"}, Decision: admin.Allow}
	if !a.Equal(b) {
		t.Error("the order of actions or sources matters")
	}
	for _, change := range []func(*admin.PolicyEntry){
		func(e *admin.PolicyEntry) { e.Resource = "Topic:*" },
		func(e *admin.PolicyEntry) { e.Actions = e.Actions[:1] },
		func(e *admin.PolicyEntry) { e.SourceIPs = nil },
		func(e *admin.PolicyEntry) { e.Decision = admin.Deny },
	} {
		other := b
		change(&other)
		if a.Equal(other) {
			t.Errorf("%+v equals %+v", a, other)
		}
	}
}
