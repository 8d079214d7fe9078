// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Access is what one broker knows of users: its own, not its group's. A broker that starts anew has an empty disk.
type Access struct {
	Users map[string]admin.User
	// ACLs by user and policy, then by resource.
	ACLs map[string]map[admin.PolicyType]map[string]admin.PolicyEntry
}

func newAccess(first *remoting.Credentials) Access {
	a := Access{Users: map[string]admin.User{}, ACLs: map[string]map[admin.PolicyType]map[string]admin.PolicyEntry{}}
	if first != nil {
		a.Users[first.AccessKey] = admin.User{Name: first.AccessKey, Password: first.SecretKey, Type: admin.SuperUser, Status: admin.UserEnabled}
	}
	return a
}

// ChangeAccess of a broker, as somebody does with another tool.
func (c *Cluster) ChangeAccess(broker string, change func(*Access)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.broker(broker); b != nil {
		change(&b.access)
	}
}

// User of a broker, with his entries by resource, empty if there is none.
func (c *Cluster) User(broker, name string) (user admin.User, entries map[string]admin.PolicyEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.broker(broker); b != nil {
		user, entries = b.access.Users[name], maps.Clone(b.access.ACLs[name][admin.CustomPolicy])
	}
	return user, entries
}

// userBody is a user in requests and answers (RocketMQ's UserInfo).
type userBody struct {
	Name     string           `json:"username"`
	Password string           `json:"password"`
	Type     admin.UserType   `json:"userType"`
	Status   admin.UserStatus `json:"userStatus"`
}

// aclBody is an ACL in requests and answers (RocketMQ's AclInfo).
type aclBody struct {
	Subject  string         `json:"subject"`
	Policies []admin.Policy `json:"policies"`
}

// answer what is asked and said about users (RocketMQ's AdminBrokerProcessor, with its remarks).
func (a *Access) answer(request remoting.Request) (Answer, bool) {
	name, subject := request.Fields["username"], strings.TrimPrefix(request.Fields["subject"], "User:")
	_, known := a.Users[cmp.Or(name, subject)]
	refused := func(remark string) (Answer, bool) { return Answer{Code: remoting.NoPermission, Remark: remark}, true }
	switch request.Code {
	case remoting.AuthCreateUser:
		if known {
			return refused("The user is existed")
		}
		return a.put(admin.User{Name: name, Type: admin.NormalUser, Status: admin.UserEnabled}, request.Body), true
	case remoting.AuthUpdateUser:
		if !known {
			return refused("The user is not exist")
		}
		return a.put(a.Users[name], request.Body), true
	case remoting.AuthDeleteUser:
		delete(a.Users, name)
		delete(a.ACLs, name)
		return Answer{}, true
	case remoting.AuthListUser:
		return Answer{Body: text(a.list())}, true
	case remoting.AuthCreateACL, remoting.AuthUpdateACL:
		if !known {
			return refused("The subject of " + request.Fields["subject"] + " is not exist.")
		}
		return a.putACL(subject, request.Body), true
	case remoting.AuthDeleteACL:
		if a.ACLs[subject] == nil {
			return refused("The acl is not exist.")
		}
		a.deleteACL(subject, admin.PolicyType(request.Fields["policyType"]), request.Fields["resource"])
		return Answer{}, true
	case remoting.AuthListACL:
		return Answer{Body: text(a.listACLs())}, true
	}
	return Answer{}, false
}

func (a *Access) put(user admin.User, body []byte) Answer {
	var given userBody
	if err := json.Unmarshal(body, &given); err != nil {
		return Answer{Code: remoting.SystemError}
	}
	user.Password = cmp.Or(given.Password, user.Password)
	user.Type, user.Status = cmp.Or(given.Type, user.Type), cmp.Or(given.Status, user.Status)
	a.Users[user.Name] = user
	return Answer{}
}

func (a *Access) list() (out []userBody) {
	for _, name := range slices.Sorted(maps.Keys(a.Users)) {
		user := a.Users[name]
		out = append(out, userBody{user.Name, user.Password, user.Type, user.Status})
	}
	return out
}

func (a *Access) putACL(user string, body []byte) Answer {
	var given aclBody
	if err := json.Unmarshal(body, &given); err != nil {
		return Answer{Code: remoting.SystemError}
	}
	if a.ACLs[user] == nil {
		a.ACLs[user] = map[admin.PolicyType]map[string]admin.PolicyEntry{}
	}
	for _, policy := range given.Policies {
		if a.ACLs[user][policy.Type] == nil {
			a.ACLs[user][policy.Type] = map[string]admin.PolicyEntry{}
		}
		for _, entry := range policy.Entries {
			a.ACLs[user][policy.Type][entry.Resource] = entry
		}
	}
	return Answer{}
}

// deleteACL deletes an entry, and the ACL with its last one; the whole ACL without a resource.
func (a *Access) deleteACL(user string, policy admin.PolicyType, resource string) {
	if resource == "" {
		delete(a.ACLs, user)
		return
	}
	delete(a.ACLs[user][cmp.Or(policy, admin.CustomPolicy)], resource)
	for _, entries := range a.ACLs[user] {
		if len(entries) > 0 {
			return
		}
	}
	delete(a.ACLs, user)
}

func (a *Access) listACLs() (out []aclBody) {
	for _, user := range slices.Sorted(maps.Keys(a.ACLs)) {
		acl := aclBody{Subject: "User:" + user}
		for _, policy := range slices.Sorted(maps.Keys(a.ACLs[user])) {
			entries := slices.Collect(maps.Values(a.ACLs[user][policy]))
			slices.SortFunc(entries, func(x, y admin.PolicyEntry) int { return strings.Compare(x.Resource, y.Resource) })
			acl.Policies = append(acl.Policies, admin.Policy{Type: policy, Entries: entries})
		}
		out = append(out, acl)
	}
	return out
}
