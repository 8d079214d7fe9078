// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Action is something that a user may do with a resource (RocketMQ's Action).
type Action string

// The actions. Producers need ActionPub on their topics; consumers ActionSub on their topics and groups.
const (
	ActionAll    Action = "All"
	ActionPub    Action = "Pub"
	ActionSub    Action = "Sub"
	ActionCreate Action = "Create"
	ActionUpdate Action = "Update"
	ActionDelete Action = "Delete"
	ActionGet    Action = "Get"
	ActionList   Action = "List"
)

func actions() []Action {
	return []Action{ActionAll, ActionPub, ActionSub, ActionCreate, ActionUpdate, ActionDelete, ActionGet, ActionList}
}

// Decision says whether a PolicyEntry allows or denies (RocketMQ's Decision).
type Decision string

// The decisions. At the same precision Deny counts more.
const (
	Allow Decision = "Allow"
	Deny  Decision = "Deny"
)

// PolicyType ranks the policies of an ACL (RocketMQ's PolicyType).
type PolicyType string

// The types of policies.
const (
	CustomPolicy PolicyType = "Custom"
	// DefaultPolicy counts where no entry of the CustomPolicy matches.
	DefaultPolicy PolicyType = "Default"
)

// ACL is what one user may do on one broker (RocketMQ's AclInfo).
type ACL struct {
	User     string
	Policies []Policy
}

// Policy is a part of an ACL (RocketMQ's AclInfo.PolicyInfo).
type Policy struct {
	Type    PolicyType    `json:"policyType"`
	Entries []PolicyEntry `json:"entries"`
}

// PolicyEntry allows or denies actions on a resource (RocketMQ's AclInfo.PolicyEntryInfo). In one policy there is one entry
// for each Resource.
type PolicyEntry struct {
	// Resource is "Topic:orders", "Group:billing", "Cluster:<brokerClusterName>" or "Namespace:…"; with a star at the end a
	// prefix, "Topic:orders*"; "Topic:*" for all of a kind, "*" for everything. The more precise one counts.
	Resource string   `json:"resource"`
	Actions  []Action `json:"actions"`
	// SourceIPs are addresses and CIDRs to which the entry is limited; none is no limit.
	SourceIPs []string `json:"sourceIps,omitempty"`
	Decision  Decision `json:"decision"`
}

// Check finds what a broker would misunderstand without a word or refuse: it drops words that are no actions, and takes what
// follows a star in a resource for nothing.
func (e PolicyEntry) Check() error {
	kind, name, typed := strings.Cut(e.Resource, ":")
	switch {
	case e.Resource == "*":
	case !typed || !slices.Contains([]string{"Topic", "Group", "Cluster", "Namespace"}, kind):
		return fmt.Errorf("resource %q: neither * nor Topic:, Group:, Cluster: or Namespace: with a name", e.Resource)
	case name == "" || strings.Contains(strings.TrimSuffix(name, "*"), "*"):
		return fmt.Errorf("resource %q: the name is empty or has a star before its end", e.Resource)
	}
	if len(e.Actions) == 0 {
		return fmt.Errorf("resource %q: no actions", e.Resource)
	}
	for _, action := range e.Actions {
		if !slices.Contains(actions(), action) {
			return fmt.Errorf("resource %q: %q is no action (there are %v)", e.Resource, action, actions())
		}
	}
	for _, ip := range e.SourceIPs {
		_, addrErr := netip.ParseAddr(ip)
		if _, prefixErr := netip.ParsePrefix(ip); addrErr != nil && prefixErr != nil {
			return fmt.Errorf("resource %q: source %q is neither an IP address nor a CIDR", e.Resource, ip)
		}
	}
	if e.Decision != Allow && e.Decision != Deny {
		return fmt.Errorf("resource %q: decision %q is neither %s nor %s", e.Resource, e.Decision, Allow, Deny)
	}
	return nil
}

// Equal reports whether both say the same, in whatever order.
func (e PolicyEntry) Equal(other PolicyEntry) bool {
	return e.Resource == other.Resource && e.Decision == other.Decision &&
		slices.Equal(slices.Sorted(slices.Values(e.Actions)), slices.Sorted(slices.Values(other.Actions))) &&
		slices.Equal(slices.Sorted(slices.Values(e.SourceIPs)), slices.Sorted(slices.Values(other.SourceIPs)))
}

// aclInfo is an ACL in requests and answers.
type aclInfo struct {
	Subject  string   `json:"subject,omitempty"`
	Policies []Policy `json:"policies"`
}

const userSubject = "User:" // the only kind of subject

func (i aclInfo) acl() ACL {
	return ACL{User: strings.TrimPrefix(i.Subject, userSubject), Policies: i.Policies}
}

func (i aclInfo) memory() int {
	bytes := 100 + len(i.Subject)
	for _, policy := range i.Policies {
		for _, entry := range policy.Entries {
			bytes += 200 + len(entry.Resource) + 32*(len(entry.Actions)+len(entry.SourceIPs))
		}
	}
	return bytes
}

// PutACL adds entries to a user's ACL on one broker (AUTH_UPDATE_ACL, which does the same as AUTH_CREATE_ACL). An entry
// takes the place of that with the same Resource; entries that are not mentioned stay: see DeleteACLEntry. It is in force
// with the next request; proxies notice it up to 20 s later. An unknown user is ErrNoSuchUser. Entries that do not pass
// PolicyEntry.Check are refused without a request.
func (c *Client) PutACL(ctx context.Context, broker string, acl ACL) error {
	if acl.User == "" {
		return errors.New("ACL: the user's name is empty")
	}
	for _, policy := range acl.Policies {
		for _, entry := range policy.Entries {
			if err := entry.Check(); err != nil {
				return fmt.Errorf("ACL of user %s: %w", acl.User, err)
			}
		}
	}
	body, err := json.Marshal(aclInfo{Policies: acl.Policies})
	if err != nil {
		return fmt.Errorf("encode ACL of user %s: %w", acl.User, err)
	}
	_, err = c.invoke(ctx, broker, remoting.Request{
		Code: remoting.AuthUpdateACL, Fields: map[string]string{"subject": userSubject + acl.User}, Body: body,
	})
	return accessError(acl.User, err)
}

// DeleteACL deletes the whole ACL of a user on one broker (AUTH_DELETE_ACL). ErrNoACL if he has none, ErrNoSuchUser if there
// is no such user.
func (c *Client) DeleteACL(ctx context.Context, broker, user string) error {
	return c.deleteACL(ctx, broker, user, nil)
}

// DeleteACLEntry deletes the entry for a resource from a user's ACL on one broker (AUTH_DELETE_ACL), and the ACL with its
// last entry. It is no error if there is no such entry; ErrNoACL if the user has no ACL, ErrNoSuchUser if there is no such
// user.
func (c *Client) DeleteACLEntry(ctx context.Context, broker, user string, policy PolicyType, resource string) error {
	if resource == "" {
		return errors.New("delete an ACL's entry: the resource is empty, which would delete the whole ACL")
	}
	return c.deleteACL(ctx, broker, user, map[string]string{"policyType": string(policy), "resource": resource})
}

func (c *Client) deleteACL(ctx context.Context, broker, user string, entry map[string]string) error {
	fields := map[string]string{"subject": userSubject + user}
	for name, value := range entry {
		fields[name] = value
	}
	_, err := c.invoke(ctx, broker, remoting.Request{Code: remoting.AuthDeleteACL, Fields: fields})
	return accessError(user, err)
}

// ACL reads the ACL of a user on one broker (AUTH_GET_ACL). One who has none has no Policies: brokers answer with an empty
// body. An unknown user is ErrNoSuchUser.
func (c *Client) ACL(ctx context.Context, broker, user string) (*ACL, error) {
	resp, err := c.invoke(ctx, broker, remoting.Request{
		Code: remoting.AuthGetACL, Fields: map[string]string{"subject": userSubject + user}, MaxAnswer: mediumAnswer,
	})
	if err != nil {
		return nil, accessError(user, err)
	}
	acl := ACL{User: user}
	if len(resp.Body) > 0 {
		var info aclInfo
		if err := remoting.UnmarshalBody(resp.Body, &info); err != nil {
			return nil, answerError(remoting.AuthGetACL, broker, err)
		}
		acl.Policies = info.Policies
	}
	return &acl, nil
}

// ACLs reads the ACLs on one broker of users whose names contain user, with the entries whose resources contain resource;
// "" stands for all (AUTH_LIST_ACL).
func (c *Client) ACLs(ctx context.Context, broker, user, resource string) ([]ACL, error) {
	var acls []ACL
	req := remoting.Request{Code: remoting.AuthListACL, Fields: map[string]string{"subjectFilter": user, "resourceFilter": resource}}
	err := c.accessList(ctx, broker, req, func(b *body) error {
		var info aclInfo
		if err := b.Decode(&info); err != nil {
			return err
		}
		acls = append(acls, info.acl())
		return b.keep(info.memory())
	})
	return acls, err
}
