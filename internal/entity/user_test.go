// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
)

func may(resource v1alpha1.PermissionResource, name string, pattern v1alpha1.PermissionPattern, actions ...v1alpha1.PermissionAction) v1alpha1.Permission {
	return v1alpha1.Permission{Resource: resource, Name: name, Pattern: pattern, Actions: actions, Effect: v1alpha1.EffectAllow}
}

func entryOf(resource string, decision admin.Decision, actions ...admin.Action) admin.PolicyEntry {
	return admin.PolicyEntry{Resource: resource, Actions: actions, Decision: decision}
}

// hasUser of a broker, with entries.
func hasUser(password string, entries ...admin.PolicyEntry) metadata.User {
	u := metadata.User{User: admin.User{Name: "app", Password: password, Type: admin.NormalUser, Status: admin.UserEnabled}, Entries: map[string]admin.PolicyEntry{}}
	for _, entry := range entries {
		u.Entries[entry.Resource] = entry
	}
	return u
}

func userClaim(spec v1alpha1.UserSpec, change ...func(*Claim)) Claim {
	c := Claim{
		Object: types.NamespacedName{Namespace: "ns", Name: "app"}, UID: "uid", Name: "app", Generation: 2, Spec: &spec,
		Password: Password{Text: "secret", Version: "v1"},
	}
	for _, change := range change {
		change(&c)
	}
	return c
}

// TestWantedUser: permissions in RocketMQ's words.
func TestWantedUser(t *testing.T) {
	for _, test := range []struct {
		name string
		spec v1alpha1.UserSpec
		want metadata.User
	}{
		{"nothing but a password", v1alpha1.UserSpec{}, hasUser("secret")},
		{"the patterns", v1alpha1.UserSpec{Permissions: []v1alpha1.Permission{
			may(v1alpha1.ResourceTopic, "orders", v1alpha1.PatternLiteral, "Pub", "Sub"), may(v1alpha1.ResourceGroup, "orders-", v1alpha1.PatternPrefix, "Sub"),
			may(v1alpha1.ResourceNamespace, "", v1alpha1.PatternAny, "All"),
		}}, hasUser("secret", entryOf("Topic:orders", admin.Allow, "Pub", "Sub"), entryOf("Group:orders-*", admin.Allow, "Sub"), entryOf("Namespace:*", admin.Allow, "All"))},
		{"a denial from some addresses", v1alpha1.UserSpec{Permissions: []v1alpha1.Permission{
			{Resource: v1alpha1.ResourceTopic, Name: "a", Actions: []v1alpha1.PermissionAction{"Pub"}, Effect: v1alpha1.EffectDeny, SourceIPs: []string{"10.0.0.0/8"}},
		}}, hasUser("secret", admin.PolicyEntry{Resource: "Topic:a", Actions: []admin.Action{"Pub"}, Decision: admin.Deny, SourceIPs: []string{"10.0.0.0/8"}})},
		{"a Super user who is locked out", v1alpha1.UserSpec{Type: v1alpha1.UserSuper, Disabled: true}, func() metadata.User {
			u := hasUser("secret")
			u.Type, u.Status = admin.SuperUser, admin.UserDisabled
			return u
		}()},
	} {
		got, conflict := wantedUser(userClaim(test.spec), nil)
		if diff := cmp.Diff(test.want, got); diff != "" || conflict != "" {
			t.Errorf("%s (-want +got): %s\n%s", test.name, conflict, diff)
		}
	}
}

// TestDecideUsers: what is different about users. Each member is a place, the newest password counts, and some names are not for
// resources.
func TestDecideUsers(t *testing.T) {
	member := func(name string, users ...metadata.User) Place[metadata.User] {
		p := Place[metadata.User]{Name: name, Has: map[string]metadata.User{}}
		for _, u := range users {
			p.Has[u.Name] = u
		}
		return p
	}
	applied := func(c *Claim) { c.Applied, c.AppliedPassword = 2, "v1" }
	abroad := func(c *Claim) { c.Abroad = true }
	for _, test := range []struct {
		name     string
		claim    Claim
		places   []Place[metadata.User]
		reserved map[string]string
		want     outcome
	}{
		{"a slave that lacks the user gets it", userClaim(v1alpha1.UserSpec{}, applied), []Place[metadata.User]{member("b-0-0", hasUser("secret")), member("b-0-1")}, nil,
			outcome{1, 2, "Updating", false, []string{"b-0-1"}, nil, []string{"PutBack"}}},
		{"a password that somebody changed is put back", userClaim(v1alpha1.UserSpec{}, applied), []Place[metadata.User]{member("b-0-0", hasUser("stolen"))}, nil,
			outcome{0, 1, "Updating", false, []string{"b-0-0"}, nil, []string{"PutBack"}}},
		{"a changed Secret is no drift", userClaim(v1alpha1.UserSpec{}, applied, func(c *Claim) { c.Password.Version = "v2" }),
			[]Place[metadata.User]{member("b-0-0", hasUser("before"))}, nil, outcome{0, 1, "Updating", false, []string{"b-0-0"}, nil, nil}},
		{"a user of before is taken over", userClaim(v1alpha1.UserSpec{}), []Place[metadata.User]{member("b-0-0", hasUser("theirs"))}, nil,
			outcome{0, 1, "Updating", false, []string{"b-0-0"}, nil, []string{"Adopted"}}},
		{"but not from another namespace", userClaim(v1alpha1.UserSpec{}, abroad), []Place[metadata.User]{member("b-0-0", hasUser("theirs")), member("b-0-1")}, nil,
			outcome{0, 2, "NameConflict", false, nil, nil, nil}},
		{"which makes users nobody has", userClaim(v1alpha1.UserSpec{}, abroad), []Place[metadata.User]{member("b-0-0", hasUser("secret")), member("b-0-1")}, nil,
			outcome{1, 2, "Updating", false, []string{"b-0-1"}, nil, nil}},
		{"an account of the operator", userClaim(v1alpha1.UserSpec{}), []Place[metadata.User]{member("b-0-0", hasUser("its own"))}, map[string]string{"app": "no"},
			outcome{0, 1, "InvalidSpec", false, nil, nil, nil}},
		{"which is not deleted either", userClaim(v1alpha1.UserSpec{}, deleting), []Place[metadata.User]{member("b-0-0", hasUser("its own"))}, map[string]string{"app": "no"},
			outcome{0, 1, "", true, nil, nil, nil}},
		{"a user is deleted wherever it is", userClaim(v1alpha1.UserSpec{}, applied, deleting), []Place[metadata.User]{member("b-0-0", hasUser("secret")), member("b-0-1")}, nil,
			outcome{0, 2, "Deleting", false, nil, []string{"b-0-0"}, nil}},
		{"what another namespace did not make stays", userClaim(v1alpha1.UserSpec{}, abroad, deleting), []Place[metadata.User]{member("b-0-0", hasUser("theirs"))}, nil,
			outcome{0, 1, "", true, nil, nil, nil}},
	} {
		d := Decide(Users(), []Claim{test.claim}, Situation[metadata.User]{Places: test.places, Reserved: test.reserved})
		a := d.Answers[test.claim.Object]
		got := outcome{Done: a.Done, Of: a.Of, Reason: a.Reason, Gone: a.Gone}
		for _, place := range test.places {
			if len(d.Puts[place.Name]) > 0 {
				got.Puts = append(got.Puts, place.Name)
			}
		}
		for _, deletion := range d.Deletions {
			got.Deletes = append(got.Deletes, deletion.Places...)
		}
		for _, change := range d.Changes {
			got.Events = append(got.Events, change.Reason)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestUserDifferences: they are told without passwords.
func TestUserDifferences(t *testing.T) {
	has, wanted := hasUser("old", entryOf("Topic:a", admin.Deny, "Pub"), entryOf("Topic:z", admin.Allow, "Pub")), hasUser("secret", entryOf("Topic:a", admin.Allow, "Pub"))
	has.Type, has.Status = admin.SuperUser, admin.UserDisabled
	want := []string{"password", "type Super to Normal", "status disable to enable", "permission on Topic:a", "no permission on Topic:z"}
	if diff := cmp.Diff(want, userDifferences(has, wanted)); diff != "" {
		t.Error(diff)
	}
	if says := userDifferences(wanted, wanted); len(says) > 0 {
		t.Errorf("the same differs in %v", says)
	}
}

// TestPasswordsAreNotPrinted: neither a claim nor a user shows one.
func TestPasswordsAreNotPrinted(t *testing.T) {
	const secret = "swordfish"
	c := userClaim(v1alpha1.UserSpec{}, func(c *Claim) { c.Password.Text = secret })
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{c, hasUser(secret)} {
			if text := fmt.Sprintf(format, value); strings.Contains(text, secret) {
				t.Errorf("%s of %T: %s", format, value, text)
			}
		}
	}
}
