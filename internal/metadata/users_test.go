// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// TestChangesOf: what is found and what is wanted come to these requests, in this order.
func TestChangesOf(t *testing.T) {
	entry := func(resource string, decision admin.Decision, actions ...admin.Action) admin.PolicyEntry {
		return admin.PolicyEntry{Resource: resource, Actions: actions, Decision: decision}
	}
	pub, sub, all := entry("Topic:a", admin.Allow, "Pub"), entry("Topic:b", admin.Allow, "Sub", "Get"), entry("Topic:*", admin.Allow, "All")
	user := func(change ...func(*User)) User {
		u := User{
			User:    admin.User{Name: "app", Password: "secret", Type: admin.NormalUser, Status: admin.UserEnabled},
			Entries: map[string]admin.PolicyEntry{"Topic:a": pub, "Topic:b": sub}, Defaults: map[string]admin.PolicyEntry{},
		}
		for _, change := range change {
			change(&u)
		}
		return u
	}
	custom := func(entries ...admin.PolicyEntry) []admin.Policy {
		return []admin.Policy{{Type: admin.CustomPolicy, Entries: entries}}
	}
	for _, test := range []struct {
		name   string
		change func(*User) // of what is found; nil for nobody
		want   UserChanges
	}{
		{"nobody", nil, UserChanges{Create: true, Put: custom(pub, sub)}},
		{"the same", func(*User) {}, UserChanges{}},
		{"the same in another order", func(u *User) { u.Entries["Topic:b"] = entry("Topic:b", admin.Allow, "Get", "Sub") }, UserChanges{}},
		{"another password", func(u *User) { u.Password = "old" }, UserChanges{Update: &admin.User{Name: "app", Password: "secret"}}},
		{"promoted and locked out", func(u *User) { u.Type, u.Status = admin.SuperUser, admin.UserDisabled },
			UserChanges{Update: &admin.User{Name: "app", Type: admin.NormalUser, Status: admin.UserEnabled}}},
		{"no ACL", func(u *User) { u.Entries = nil }, UserChanges{Put: custom(pub, sub)}},
		{"another effect", func(u *User) { u.Entries["Topic:a"] = entry("Topic:a", admin.Deny, "Pub") }, UserChanges{Put: custom(pub)}},
		{"other addresses", func(u *User) {
			u.Entries["Topic:a"] = admin.PolicyEntry{Resource: "Topic:a", Actions: pub.Actions, Decision: pub.Decision, SourceIPs: []string{"10.0.0.0/8"}}
		}, UserChanges{Put: custom(pub)}},
		{"more permissions", func(u *User) { u.Entries["Topic:z"], u.Defaults["Topic:*"] = entry("Topic:z", admin.Allow, "Pub"), all },
			UserChanges{Delete: []PolicyKey{{admin.CustomPolicy, "Topic:z"}, {admin.DefaultPolicy, "Topic:*"}}}},
	} {
		var has *User
		if test.change != nil {
			has = new(user(test.change))
		}
		if diff := cmp.Diff(test.want, ChangesOf(has, user())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}

	copied := ChangesOf(nil, user(func(u *User) { u.Entries, u.Defaults["Topic:*"] = nil, all }))
	if diff := cmp.Diff(UserChanges{Create: true, Put: []admin.Policy{{Type: admin.DefaultPolicy, Entries: []admin.PolicyEntry{all}}}}, copied); diff != "" {
		t.Errorf("one with a policy of the other type (-want +got):\n%s", diff)
	}
}

// TestMissingUsers: only users that the other broker does not have at all.
func TestMissingUsers(t *testing.T) {
	mine := UserTable([]admin.User{{Name: "b"}, {Name: "a"}, {Name: "both", Password: "mine"}}, []admin.ACL{{User: "gone"}})
	theirs := UserTable([]admin.User{{Name: "both", Password: "theirs"}, {Name: "more"}}, nil)
	var names []string
	for _, user := range MissingUsers(mine, theirs) {
		names = append(names, user.Name)
	}
	if diff := cmp.Diff([]string{"a", "b"}, names); diff != "" {
		t.Error(diff)
	}
}
