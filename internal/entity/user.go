// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// Password of a user, as a Secret has it. Printing it does not show it.
type Password struct {
	Text string
	// Version is that of the Secret.
	Version string
}

// String is the version.
func (p Password) String() string { return "password " + p.Version }

// GoString is String.
func (p Password) GoString() string { return p.String() }

// User is a user as a broker has it, with what it may do.
type User struct {
	admin.User
	// Entries are those of the policy that counts first, Defaults those that count where none of these fits. Both are by resource.
	Entries, Defaults map[string]admin.PolicyEntry
}

// UserTable are the users of a broker with their ACLs.
func UserTable(users []admin.User, acls []admin.ACL) map[string]User {
	table := make(map[string]User, len(users))
	for _, user := range users {
		table[user.Name] = User{User: user, Entries: map[string]admin.PolicyEntry{}, Defaults: map[string]admin.PolicyEntry{}}
	}
	for _, acl := range acls {
		user, exists := table[acl.User]
		if !exists {
			continue
		}
		for _, policy := range acl.Policies {
			into := user.Entries
			if policy.Type == admin.DefaultPolicy {
				into = user.Defaults
			}
			for _, entry := range policy.Entries {
				into[entry.Resource] = entry
			}
		}
	}
	return table
}

// Users are the rules of users.
func Users() Rules[User] {
	return Rules[User]{
		Wanted: wantedUser, Differences: userDifferences, Describe: func(Claim, Place[User], User, *Answer) {}, Conflict: v1alpha1.ConditionNameConflict,
	}
}

func wantedUser(c Claim, has *User) (User, string) {
	spec := c.Spec.(*v1alpha1.UserSpec)
	if has != nil && c.Abroad && !c.Owned() && !c.Made && has.Password != c.Password.Text {
		return *has, fmt.Sprintf("user %s exists, and this resource, which is in another namespace than the cluster, did not make it. "+
			"Create this resource anew with another name in spec.username, or in the cluster's namespace", c.Name)
	}
	user := User{
		User:    admin.User{Name: c.Name, Password: c.Password.Text, Type: admin.UserType(cmp.Or(spec.Type, v1alpha1.UserNormal)), Status: admin.UserEnabled},
		Entries: map[string]admin.PolicyEntry{},
	}
	if spec.Disabled {
		user.Status = admin.UserDisabled
	}
	for _, permission := range spec.Permissions {
		entry := policyEntry(permission)
		user.Entries[entry.Resource] = entry
	}
	return user, ""
}

// CheckPermissions finds what a broker would misunderstand without a word.
func CheckPermissions(spec *v1alpha1.UserSpec) error {
	for i, permission := range spec.Permissions {
		if err := policyEntry(permission).Check(); err != nil {
			return fmt.Errorf("spec.permissions[%d]: %w", i, err)
		}
	}
	return nil
}

// policyEntry says the same in RocketMQ's words (Resource.of: a star at the end is a prefix, a star alone all of a kind).
func policyEntry(p v1alpha1.Permission) admin.PolicyEntry {
	name := p.Name
	if p.Pattern == v1alpha1.PatternPrefix || p.Pattern == v1alpha1.PatternAny {
		name += "*"
	}
	entry := admin.PolicyEntry{
		Resource: string(p.Resource) + ":" + name, SourceIPs: p.SourceIPs, Decision: admin.Decision(cmp.Or(p.Effect, v1alpha1.EffectAllow)),
	}
	for _, action := range p.Actions {
		entry.Actions = append(entry.Actions, admin.Action(action))
	}
	return entry
}

// userDifferences never show a password.
func userDifferences(has, wanted User) []string {
	var out differences
	if has.Password != wanted.Password {
		out = append(out, "password")
	}
	out.add("type", has.Type, wanted.Type)
	out.add("status", has.Status, wanted.Status)
	changes := ChangesOf(&has, wanted)
	for _, entry := range changes.Put {
		out = append(out, "permission on "+entry.Resource)
	}
	for _, entry := range changes.Delete {
		out = append(out, "no permission on "+entry.Resource)
	}
	return out
}

// UserChanges bring a broker from what it has to what is wanted, in this order: what a user gets comes before what it loses, so
// that it can go on with what it keeps.
type UserChanges struct {
	// Create says that there is no such user yet. Update are the fields that change, nil if none does.
	Create bool
	Put    []admin.PolicyEntry
	Update *admin.User
	Delete []PolicyKey
}

// PolicyKey names an entry of an ACL.
type PolicyKey struct {
	Type     admin.PolicyType
	Resource string
}

// ChangesOf a user that a broker has, nil for none, into the wanted one.
func ChangesOf(has *User, wanted User) UserChanges {
	changes := UserChanges{Create: has == nil}
	if has == nil {
		has = &User{User: wanted.User}
	}
	update := admin.User{Name: wanted.Name}
	if has.Password != wanted.Password {
		update.Password = wanted.Password
	}
	if has.Type != wanted.Type {
		update.Type = wanted.Type
	}
	if has.Status != wanted.Status {
		update.Status = wanted.Status
	}
	if update != (admin.User{Name: wanted.Name}) {
		changes.Update = &update
	}

	for _, resource := range slices.Sorted(maps.Keys(wanted.Entries)) {
		if is, exists := has.Entries[resource]; !exists || !is.Equal(wanted.Entries[resource]) {
			changes.Put = append(changes.Put, wanted.Entries[resource])
		}
	}
	for _, resource := range slices.Sorted(maps.Keys(has.Entries)) {
		if _, stays := wanted.Entries[resource]; !stays {
			changes.Delete = append(changes.Delete, PolicyKey{admin.CustomPolicy, resource})
		}
	}
	for _, resource := range slices.Sorted(maps.Keys(has.Defaults)) {
		changes.Delete = append(changes.Delete, PolicyKey{admin.DefaultPolicy, resource})
	}
	return changes
}
