// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"cmp"
	"fmt"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
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

// Users are the rules of users.
func Users() Rules[metadata.User] {
	return Rules[metadata.User]{
		Wanted: wantedUser, Differences: userDifferences, Describe: func(Claim, Place[metadata.User], metadata.User, *Answer) {}, Conflict: v1alpha1.ConditionNameConflict,
	}
}

func wantedUser(c Claim, has *metadata.User) (metadata.User, string) {
	spec := c.Spec.(*v1alpha1.UserSpec)
	if has != nil && c.Abroad && !c.Owned() && !c.Made && has.Password != c.Password.Text {
		return *has, fmt.Sprintf("user %s exists, and this resource, which is in another namespace than the cluster, did not make it. "+
			"Create this resource anew with another name in spec.username, or in the cluster's namespace", c.Name)
	}
	user := metadata.User{
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
func userDifferences(has, wanted metadata.User) []string {
	var out differences
	if has.Password != wanted.Password {
		out = append(out, "password")
	}
	out.add("type", has.Type, wanted.Type)
	out.add("status", has.Status, wanted.Status)
	changes := metadata.ChangesOf(&has, wanted)
	for _, policy := range changes.Put {
		for _, entry := range policy.Entries {
			out = append(out, "permission on "+entry.Resource)
		}
	}
	for _, entry := range changes.Delete {
		out = append(out, "no permission on "+entry.Resource)
	}
	return out
}
