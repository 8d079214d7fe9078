// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

// Users that a secured broker has from its start.
const (
	rootName, rootPassword   = "root", "swordfish"
	innerName, innerPassword = "inner", "herring"
)

// secured are the properties of a broker with ACL 2.0.
func secured() map[string]string {
	return map[string]string{
		"authenticationEnabled":                "true",
		"authorizationEnabled":                 "true",
		"authenticationMetadataProvider":       "org.apache.rocketmq.auth.authentication.provider.LocalAuthenticationMetadataProvider",
		"authorizationMetadataProvider":        "org.apache.rocketmq.auth.authorization.provider.LocalAuthorizationMetadataProvider",
		"initAuthenticationUser":               fmt.Sprintf(`{"username":%q,"password":%q}`, rootName, rootPassword),
		"innerClientAuthenticationCredentials": fmt.Sprintf(`{"accessKey":%q,"secretKey":%q}`, innerName, innerPassword),
	}
}

// as returns a client that signs with a user's name and password.
func as(t *testing.T, name, password string) *admin.Client {
	t.Helper()
	return admin.New(client(t)).As(&remoting.Credentials{AccessKey: name, SecretKey: password})
}

// securedBroker starts a name server and a broker with ACL 2.0.
func securedBroker(t *testing.T) (ctx context.Context, broker string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	t.Cleanup(cancel)
	s := rocketmq.New(t)
	nameServer, err := s.NameServer()
	must(t, err)
	server, err := s.Broker(rocketmq.Broker{Cluster: "c", Name: "secured", NameServers: []*rocketmq.Server{nameServer}, Properties: secured()})
	must(t, err)
	must(t, rocketmq.AllReady(ctx, nameServer, server))
	return ctx, server.Addr
}

// TestUsers follows users of a real broker from their creation to their end.
func TestUsers(t *testing.T) {
	ctx, addr := securedBroker(t)
	root := as(t, rootName, rootPassword)

	users, err := root.Users(ctx, addr, "")
	must(t, err)
	names := map[string]admin.UserType{}
	for _, user := range users {
		names[user.Name] = user.Type
	}
	if diff := cmp.Diff(map[string]admin.UserType{rootName: admin.SuperUser, innerName: admin.SuperUser}, names); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}

	must(t, root.CreateUser(ctx, addr, admin.User{Name: "app", Password: "secret"}))
	if err := root.CreateUser(ctx, addr, admin.User{Name: "app", Password: "other"}); !errors.Is(err, admin.ErrUserExists) {
		t.Errorf("a user that exists: %v", err)
	}
	want := &admin.User{Name: "app", Password: "secret", Type: admin.NormalUser, Status: admin.UserEnabled}
	check := func(what string) {
		t.Helper()
		got, err := root.User(ctx, addr, "app")
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("created")
	if found, err := root.Users(ctx, addr, "ap"); err != nil || !cmp.Equal(found, []admin.User{*want}) {
		t.Errorf("found %v, %v", found, err)
	}
	if found, err := root.Users(ctx, addr, "nobody"); err != nil || len(found) != 0 {
		t.Errorf("found %v, %v", found, err)
	}

	app := as(t, "app", "secret")
	topic := func(c *admin.Client) error {
		return second(c.Topic(ctx, addr, "secured"))
	}
	refused := func(what string, err, reason error) {
		t.Helper()
		if !errors.Is(err, reason) || !remoting.IsCode(err, remoting.NoPermission) {
			t.Errorf("%s: %v, want %v", what, err, reason)
		}
	}
	refused("a user without ACL", topic(app), remoting.ErrNotPermitted)
	refused("no user", topic(admin.New(client(t))), remoting.ErrNotAuthenticated)
	refused("an unknown user", topic(as(t, "eve", "secret")), remoting.ErrUserUnknown)
	refused("a wrong password", topic(as(t, "app", "guessed")), remoting.ErrSignature)

	must(t, root.PutACL(ctx, addr, admin.ACL{User: "app", Policies: []admin.Policy{{Type: admin.CustomPolicy, Entries: []admin.PolicyEntry{
		{Resource: "Topic:secured", Actions: []admin.Action{admin.ActionGet}, Decision: admin.Allow},
	}}}}))
	must(t, topic(app))
	must(t, second(root.Messages(ctx, addr, "TBW102", 0, 0)))
	refused("messages for no user", second(admin.New(client(t)).Messages(ctx, addr, "TBW102", 0, 0)), remoting.ErrNotAuthenticated)

	must(t, root.UpdateUser(ctx, addr, admin.User{Name: "app", Password: "renewed"}))
	want.Password = "renewed"
	check("with another password")
	refused("the old password, on an open connection", topic(app), remoting.ErrSignature)
	app = as(t, "app", "renewed")
	must(t, topic(app))
	must(t, root.UpdateUser(ctx, addr, admin.User{Name: "app", Status: admin.UserDisabled}))
	want.Status = admin.UserDisabled
	check("disabled")
	refused("a disabled user", topic(app), remoting.ErrUserDisabled)
	must(t, root.UpdateUser(ctx, addr, admin.User{Name: "app", Type: admin.SuperUser, Status: admin.UserEnabled}))
	want.Type, want.Status = admin.SuperUser, admin.UserEnabled
	check("promoted")
	must(t, second(app.Users(ctx, addr, "")))

	for _, name := range []string{"app", "app", "nobody"} {
		must(t, root.DeleteUser(ctx, addr, name))
	}
	for what, err := range map[string]error{
		"read":   second(root.User(ctx, addr, "app")),
		"update": root.UpdateUser(ctx, addr, *want),
		"ACL":    second(root.ACL(ctx, addr, "app")),
	} {
		if !errors.Is(err, admin.ErrNoSuchUser) {
			t.Errorf("%s after deletion: %v", what, err)
		}
	}
	for what, user := range map[string]admin.User{
		"no name": {Password: "p"}, "unknown type": {Name: "x", Password: "p", Type: "Root"}, "unknown status": {Name: "x", Password: "p", Status: "on"},
	} {
		if err := root.CreateUser(ctx, addr, user); err == nil || remoting.IsCode(err, remoting.NoPermission) {
			t.Errorf("%s: %v, want an error before it is sent", what, err)
		}
	}
	if err := root.CreateUser(ctx, addr, admin.User{Name: "x"}); err == nil {
		t.Error("a user without password was made")
	}
}

// TestACLs follows the ACL of a user of a real broker.
func TestACLs(t *testing.T) {
	ctx, addr := securedBroker(t)
	root := as(t, rootName, rootPassword)
	must(t, root.CreateUser(ctx, addr, admin.User{Name: "app", Password: "secret"}))
	if got, err := root.ACL(ctx, addr, "app"); err != nil || len(got.Policies) != 0 || got.User != "app" {
		t.Errorf("at first: %+v, %v", got, err)
	}
	if got, err := root.ACLs(ctx, addr, "", ""); err != nil || len(got) != 0 {
		t.Errorf("all at first: %+v, %v", got, err)
	}

	entries := map[string]admin.PolicyEntry{}
	put := func(changed ...admin.PolicyEntry) {
		t.Helper()
		must(t, root.PutACL(ctx, addr, admin.ACL{User: "app", Policies: []admin.Policy{{Type: admin.CustomPolicy, Entries: changed}}}))
		for _, entry := range changed {
			entries[entry.Resource] = entry
		}
	}
	check := func(what string) {
		t.Helper()
		got, err := root.ACL(ctx, addr, "app")
		must(t, err)
		want := &admin.ACL{User: "app", Policies: []admin.Policy{{Type: admin.CustomPolicy, Entries: slices.Collect(maps.Values(entries))}}}
		byResource := cmpopts.SortSlices(func(a, b admin.PolicyEntry) bool { return a.Resource < b.Resource })
		equal := cmp.Comparer(func(a, b admin.PolicyEntry) bool { return a.Equal(b) })
		if diff := cmp.Diff(want, got, byResource, equal); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	put(
		admin.PolicyEntry{Resource: "Topic:orders*", Actions: []admin.Action{admin.ActionPub, admin.ActionSub}, SourceIPs: []string{"127.0.0.0/8", "::1"}, Decision: admin.Allow},
		admin.PolicyEntry{Resource: "Group:*", Actions: []admin.Action{admin.ActionSub}, Decision: admin.Allow},
		admin.PolicyEntry{Resource: "Cluster:c", Actions: []admin.Action{admin.ActionGet, admin.ActionList}, Decision: admin.Deny},
		admin.PolicyEntry{Resource: "*", Actions: []admin.Action{admin.ActionAll}, Decision: admin.Deny},
	)
	check("created")
	put(admin.PolicyEntry{Resource: "Topic:orders*", Actions: []admin.Action{admin.ActionGet, admin.ActionCreate, admin.ActionUpdate, admin.ActionDelete}, Decision: admin.Allow})
	check("one entry changed")
	for range 2 { // again, it is no error
		must(t, root.DeleteACLEntry(ctx, addr, "app", admin.CustomPolicy, "*"))
	}
	delete(entries, "*")
	check("one entry deleted")

	all, err := root.ACLs(ctx, addr, "", "")
	must(t, err)
	if len(all) != 1 || all[0].User != "app" || len(all[0].Policies) != 1 || len(all[0].Policies[0].Entries) != 3 {
		t.Errorf("all: %+v", all)
	}
	some, err := root.ACLs(ctx, addr, "app", "orders")
	must(t, err)
	if len(some) != 1 || len(some[0].Policies) != 1 || len(some[0].Policies[0].Entries) != 1 {
		t.Errorf("those about orders: %+v", some)
	}

	must(t, root.DeleteACL(ctx, addr, "app"))
	entry := admin.Policy{Entries: []admin.PolicyEntry{{Resource: "Topic:t", Actions: []admin.Action{admin.ActionPub}, Decision: admin.Allow}}}
	for what, tc := range map[string]struct{ err, want error }{
		"deleted again":               {root.DeleteACL(ctx, addr, "app"), admin.ErrNoACL},
		"an entry of none":            {root.DeleteACLEntry(ctx, addr, "app", "", "Topic:t"), admin.ErrNoACL},
		"read of an unknown user":     {second(root.ACL(ctx, addr, "eve")), admin.ErrNoSuchUser},
		"written for an unknown user": {root.PutACL(ctx, addr, admin.ACL{User: "eve", Policies: []admin.Policy{entry}}), admin.ErrNoSuchUser},
		"deleted of an unknown user":  {root.DeleteACL(ctx, addr, "eve"), admin.ErrNoSuchUser},
	} {
		if !errors.Is(tc.err, tc.want) {
			t.Errorf("%s: %v, want %v", what, tc.err, tc.want)
		}
	}
	if err := root.PutACL(ctx, addr, admin.ACL{User: "app"}); err == nil {
		t.Error("an ACL without policies was taken")
	}
}

// TestRolesWithACL: brokers with ACL 2.0 do not listen to the controllers' pushes. One that is told by a signed request
// takes its role at once.
func TestRolesWithACL(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	s := rocketmq.New(t)
	nameServer, err := s.NameServer()
	must(t, err)
	controllers, err := s.Controllers(1)
	must(t, err)
	must(t, rocketmq.AllReady(ctx, nameServer, controllers[0]))
	properties := secured()
	maps.Copy(properties, map[string]string{
		"haSendHeartbeatInterval": "500", "checkSyncStateSetPeriod": "1000",
		"syncBrokerMetadataPeriod": "600000", // they would ask by themselves
	})
	var members []*rocketmq.Server
	for range 2 {
		member, err := s.Broker(rocketmq.Broker{
			Cluster: cluster, Name: group, NameServers: []*rocketmq.Server{nameServer}, Controllers: controllers, Properties: properties,
		})
		must(t, err)
		must(t, member.Ready(ctx))
		members = append(members, member)
	}
	controller := controllers[0].Addr
	root := as(t, rootName, rootPassword)
	var state admin.SyncState
	eventually(ctx, t, "both members in sync", func() (bool, error) {
		states, err := root.SyncStateData(ctx, controller, group)
		state = states[group]
		return len(state.InSync) == 2, err
	})
	next := state.InSync[0]
	if next.ID == state.MasterID {
		next = state.InSync[1]
	}
	election, err := root.ElectMaster(ctx, controller, admin.ElectMasterRequest{ClusterName: cluster, BrokerName: group, BrokerID: next.ID})
	must(t, err)
	start := time.Now()
	for _, member := range members {
		must(t, root.NotifyRoleChanged(ctx, member.Addr, election))
	}
	for _, member := range members {
		eventually(ctx, t, "the role of "+member.Addr, func() (bool, error) {
			status, err := root.HAStatus(ctx, member.Addr)
			return err == nil && status.Master == (member.Addr == election.MasterAddr), err
		})
	}
	t.Logf("roles taken after %v", time.Since(start))
	if err := admin.New(client(t)).NotifyRoleChanged(ctx, members[0].Addr, election); !errors.Is(err, remoting.ErrNotAuthenticated) {
		t.Errorf("not signed: %v", err)
	}
	if election.MasterAddr != next.Addr || election.MasterID != next.ID {
		t.Errorf("elected %+v, want %+v", election, next)
	}
}
