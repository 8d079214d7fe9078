// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"context"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

// usersAtOnce are written to a broker at once: most of its threads are its clients'.
const usersAtOnce = 8

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

// ReadUsers of a broker, by name.
func ReadUsers(ctx context.Context, c *admin.Client, addr string) (map[string]User, error) {
	users, err := c.Users(ctx, addr, "")
	if err != nil {
		return nil, err
	}
	acls, err := c.ACLs(ctx, addr, "", "")
	return UserTable(users, acls), err
}

// MissingUsers are those of one broker that another one does not have, by name.
func MissingUsers(wanted, has map[string]User) (missing []User) {
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if _, exists := has[name]; !exists {
			missing = append(missing, wanted[name])
		}
	}
	return missing
}

// ShareUsers gives a broker those users of another one that it does not have, and returns how many these were. Users that both have
// stay as they are.
func ShareUsers(ctx context.Context, c *admin.Client, from, to string) (int, error) {
	wanted, err := ReadUsers(ctx, c, from)
	if err != nil {
		return 0, err
	}
	has, err := ReadUsers(ctx, c, to)
	if err != nil {
		return 0, err
	}
	missing := MissingUsers(wanted, has)
	return len(missing), PutUsers(ctx, c, to, has, missing)
}

// PutUsers makes users of a broker, which has these, what is wanted. The first error counts.
func PutUsers(ctx context.Context, c *admin.Client, addr string, has map[string]User, wanted []User) error {
	var all errgroup.Group
	all.SetLimit(usersAtOnce)
	for _, user := range wanted {
		all.Go(func() error {
			var before *User
			if is, exists := has[user.Name]; exists {
				before = &is
			}
			return putUser(ctx, c, addr, user, ChangesOf(before, user))
		})
	}
	return all.Wait()
}

func putUser(ctx context.Context, c *admin.Client, addr string, user User, changes UserChanges) error {
	if changes.Create {
		if err := c.CreateUser(ctx, addr, user.User); err != nil {
			return err
		}
	}
	if len(changes.Put) > 0 {
		if err := c.PutACL(ctx, addr, admin.ACL{User: user.Name, Policies: changes.Put}); err != nil {
			return err
		}
	}
	if changes.Update != nil {
		if err := c.UpdateUser(ctx, addr, *changes.Update); err != nil {
			return err
		}
	}
	for _, entry := range changes.Delete {
		if err := c.DeleteACLEntry(ctx, addr, user.Name, entry.Type, entry.Resource); err != nil {
			return err
		}
	}
	return nil
}

// UserChanges bring a broker from what it has to what is wanted, in this order: what a user gets comes before what it loses, so
// that it can go on with what it keeps.
type UserChanges struct {
	// Create says that there is no such user yet. Update are the fields that change, nil if none does.
	Create bool
	Put    []admin.Policy
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

	changes.policy(admin.CustomPolicy, has.Entries, wanted.Entries)
	changes.policy(admin.DefaultPolicy, has.Defaults, wanted.Defaults)
	return changes
}

// policy of a type: its entries by resource.
func (c *UserChanges) policy(kind admin.PolicyType, has, wanted map[string]admin.PolicyEntry) {
	put := admin.Policy{Type: kind}
	for _, resource := range slices.Sorted(maps.Keys(wanted)) {
		if is, exists := has[resource]; !exists || !is.Equal(wanted[resource]) {
			put.Entries = append(put.Entries, wanted[resource])
		}
	}
	if len(put.Entries) > 0 {
		c.Put = append(c.Put, put)
	}
	for _, resource := range slices.Sorted(maps.Keys(has)) {
		if _, stays := wanted[resource]; !stays {
			c.Delete = append(c.Delete, PolicyKey{kind, resource})
		}
	}
}
