// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

// TestRealUsers: a real broker tells of users what was written to it, so that nothing is written again and again, and changes of
// every kind reach it.
func TestRealUsers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	servers := rocketmq.New(t)
	nameServer, err := servers.NameServer()
	if err != nil {
		t.Fatal(err)
	}
	broker, err := servers.Broker(rocketmq.Broker{Cluster: "c", Name: "users", NameServers: []*rocketmq.Server{nameServer}, Properties: map[string]string{
		"authenticationEnabled": "true", "authorizationEnabled": "true",
		"authenticationMetadataProvider":       "org.apache.rocketmq.auth.authentication.provider.LocalAuthenticationMetadataProvider",
		"authorizationMetadataProvider":        "org.apache.rocketmq.auth.authorization.provider.LocalAuthorizationMetadataProvider",
		"innerClientAuthenticationCredentials": fmt.Sprintf(`{"accessKey":%q,"secretKey":%q}`, "root", "swordfish"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	open, err := servers.Broker(rocketmq.Broker{Cluster: "c", Name: "open", NameServers: []*rocketmq.Server{nameServer}})
	if err == nil {
		err = rocketmq.AllReady(ctx, nameServer, broker, open)
	}
	if err != nil {
		t.Fatal(err)
	}
	// One without users says so, which must not look as if it were away, or had none of those that are wanted.
	refused := new(remoting.ResponseError)
	if users, err := metadata.ReadUsers(ctx, servers.Admin, open.Addr); !errors.As(err, &refused) {
		t.Errorf("a broker without spec.auth has the users %v, %v", users, err)
	}
	t.Logf("a broker without users answers: %v", refused)
	root := servers.Admin.As(&remoting.Credentials{AccessKey: "root", SecretKey: "swordfish"})
	before, err := metadata.ReadUsers(ctx, root, broker.Addr)
	if err != nil || len(before) != 1 || before["root"].Type != admin.SuperUser {
		t.Fatalf("at first %v, %v", before, err)
	}

	spec := v1alpha1.UserSpec{Permissions: []v1alpha1.Permission{
		may(v1alpha1.ResourceTopic, "orders", v1alpha1.PatternLiteral, "Pub", "Sub"), may(v1alpha1.ResourceTopic, "Orders_", v1alpha1.PatternPrefix, "Pub"),
		may(v1alpha1.ResourceTopic, "", v1alpha1.PatternAny, "Get", "List"), may(v1alpha1.ResourceGroup, "orders-", v1alpha1.PatternPrefix, "Sub"),
		may(v1alpha1.ResourceNamespace, "ns", v1alpha1.PatternLiteral, "All"), may(v1alpha1.ResourceNamespace, "", v1alpha1.PatternAny, "Get"),
		{Resource: v1alpha1.ResourceCluster, Pattern: v1alpha1.PatternAny, Actions: []v1alpha1.PermissionAction{"Create", "Update", "Delete"}, Effect: v1alpha1.EffectDeny,
			SourceIPs: []string{"10.0.0.0/8", "127.0.0.1", "fd00::1", "fd00::/8"}},
	}}
	for _, step := range []struct {
		name   string
		change func(*v1alpha1.UserSpec)
	}{
		{"made", func(*v1alpha1.UserSpec) {}},
		{"fewer and other permissions", func(s *v1alpha1.UserSpec) {
			s.Permissions = s.Permissions[:3]
			s.Permissions[0].Actions = []v1alpha1.PermissionAction{"Sub"}
			s.Permissions[1].Effect = v1alpha1.EffectDeny
		}},
		{"none", func(s *v1alpha1.UserSpec) { s.Permissions = nil }},
		{"some again", func(s *v1alpha1.UserSpec) {
			s.Permissions = []v1alpha1.Permission{may(v1alpha1.ResourceTopic, "a.b", v1alpha1.PatternLiteral, "All")}
		}},
		{"locked out, with all rights", func(s *v1alpha1.UserSpec) { s.Permissions, s.Type, s.Disabled = nil, v1alpha1.UserSuper, true }},
		{"back", func(s *v1alpha1.UserSpec) { s.Type, s.Disabled = v1alpha1.UserNormal, false }},
	} {
		step.change(&spec)
		if err := CheckPermissions(&spec); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		for _, password := range []string{"secret", "other: \"ü\" "} {
			claim := userClaim(spec, func(c *Claim) { c.Name, c.Password.Text = "orders.app-1", password })
			has, err := metadata.ReadUsers(ctx, root, broker.Addr)
			if err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			wanted, _ := wantedUser(claim, nil)
			if err := metadata.PutUsers(ctx, root, broker.Addr, has, []metadata.User{wanted}); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			after, err := metadata.ReadUsers(ctx, root, broker.Addr)
			if err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			is := after[claim.Name]
			if diff := cmp.Diff(metadata.UserChanges{}, metadata.ChangesOf(&is, wanted)); diff != "" {
				t.Errorf("%s: what is written is not what the broker tells (-nothing +to change):\n%s", step.name, diff)
			}
			if diff := cmp.Diff(before["root"], after["root"]); diff != "" {
				t.Errorf("%s: another user is changed:\n%s", step.name, diff)
			}
		}
	}
}
