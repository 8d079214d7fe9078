// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Users and what they may do (ACL 2.0, RocketMQ 5.3.0 and newer). Both belong to one broker process: members of a group and
// groups of a cluster do not share them, and a new or rebuilt broker has only the users of its own file. Write to every
// broker, slaves included.

// UserType says whether permissions are checked for a user (RocketMQ's UserType).
type UserType string

// The types of users.
const (
	// SuperUser may do everything. Only a SuperUser can make another one.
	SuperUser UserType = "Super"
	// NormalUser may do what his ACL allows.
	NormalUser UserType = "Normal"
)

// UserStatus says whether a user is let in (RocketMQ's UserStatus).
type UserStatus string

// The states of users.
const (
	UserEnabled  UserStatus = "enable"
	UserDisabled UserStatus = "disable"
)

// User is a user of one broker (RocketMQ's UserInfo).
type User struct {
	Name string
	// Password is in clear, in requests and in answers: secure the connection with TLS. Printing a User with package fmt
	// does not show it.
	Password string
	Type     UserType
	Status   UserStatus
}

// String shows everything but the password.
func (u User) String() string { return fmt.Sprintf("%s (%s, %s)", u.Name, u.Type, u.Status) }

// GoString is String.
func (u User) GoString() string { return u.String() }

// userInfo is a User in requests and answers.
type userInfo struct {
	Name     string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	Type     string `json:"userType,omitempty"`
	Status   string `json:"userStatus,omitempty"`
}

// user reads words as brokers do, in any case. Words that are unknown stay as they are.
func (i userInfo) user() User {
	u := User{Name: i.Name, Password: i.Password, Type: UserType(i.Type), Status: UserStatus(i.Status)}
	for _, known := range []UserType{SuperUser, NormalUser} {
		if strings.EqualFold(i.Type, string(known)) {
			u.Type = known
		}
	}
	for _, known := range []UserStatus{UserEnabled, UserDisabled} {
		if strings.EqualFold(i.Status, string(known)) {
			u.Status = known
		}
	}
	return u
}

func (u User) check() error {
	switch {
	case u.Name == "":
		return errors.New("user: the name is empty")
	case u.Type != "" && u.Type != SuperUser && u.Type != NormalUser:
		return fmt.Errorf("user %s: type %q is neither %s nor %s", u.Name, u.Type, SuperUser, NormalUser)
	case u.Status != "" && u.Status != UserEnabled && u.Status != UserDisabled:
		return fmt.Errorf("user %s: status %q is neither %s nor %s", u.Name, u.Status, UserEnabled, UserDisabled)
	}
	return nil
}

// What a broker refuses about users and ACLs. The answer is remoting.NoPermission to these as well, with a remark that tells
// them apart.
var (
	// ErrUserExists: CreateUser was asked for a user that the broker has.
	ErrUserExists = errors.New("the user exists already")
	// ErrNoSuchUser: the broker does not have the user that the request is about. (remoting.ErrUserUnknown is about the
	// user who asks.)
	ErrNoSuchUser = errors.New("there is no such user")
	// ErrNoACL: the user has no ACL from which something could be deleted.
	ErrNoACL = errors.New("the user has no ACL")
)

// accessError adds what a broker's remark means (RocketMQ's AuthenticationMetadataManagerImpl and
// AuthorizationMetadataManagerImpl).
func accessError(user string, err error) error {
	refused := new(remoting.ResponseError)
	if !errors.As(err, &refused) {
		return err
	}
	reason := error(nil)
	switch remark := refused.Remark; {
	case strings.Contains(remark, "The user is existed"):
		reason = ErrUserExists
	case strings.Contains(remark, "The user is not exist"),
		strings.Contains(remark, "The subject") && strings.Contains(remark, "is not exist"):
		reason = ErrNoSuchUser
	case strings.Contains(remark, "The acl is not exist"):
		reason = ErrNoACL
	default:
		return fmt.Errorf("user %s: %w", user, err)
	}
	return fmt.Errorf("user %s: %w: %w", user, reason, err)
}

// CreateUser makes a user on one broker (AUTH_CREATE_USER). Without a type it is a NormalUser, without a status it is
// enabled. A user that exists is ErrUserExists, whatever his password.
func (c *Client) CreateUser(ctx context.Context, broker string, user User) error {
	return c.writeUser(ctx, broker, remoting.AuthCreateUser, user)
}

// UpdateUser changes a user on one broker (AUTH_UPDATE_USER): the fields that are not empty. It is in force with the next
// request, on open connections too, and there is no time in which the old and the new password are both valid; proxies
// notice it up to 20 s later. An unknown user is ErrNoSuchUser.
func (c *Client) UpdateUser(ctx context.Context, broker string, user User) error {
	return c.writeUser(ctx, broker, remoting.AuthUpdateUser, user)
}

func (c *Client) writeUser(ctx context.Context, broker string, code remoting.RequestCode, user User) error {
	if err := user.check(); err != nil {
		return err
	}
	body, err := json.Marshal(userInfo{Password: user.Password, Type: string(user.Type), Status: string(user.Status)})
	if err != nil {
		return fmt.Errorf("encode user %s: %w", user.Name, err)
	}
	_, err = c.invoke(ctx, broker, remoting.Request{Code: code, Fields: map[string]string{"username": user.Name}, Body: body})
	return accessError(user.Name, err)
}

// DeleteUser deletes a user and his ACL on one broker (AUTH_DELETE_USER). It is no error if there is none.
func (c *Client) DeleteUser(ctx context.Context, broker, name string) error {
	if name == "" {
		return errors.New("delete user: the name is empty")
	}
	_, err := c.invoke(ctx, broker, remoting.Request{Code: remoting.AuthDeleteUser, Fields: map[string]string{"username": name}})
	return accessError(name, err)
}

// User reads a user of one broker, with his password in clear (AUTH_GET_USER). An unknown one is ErrNoSuchUser: brokers
// answer with success and an empty body.
func (c *Client) User(ctx context.Context, broker, name string) (*User, error) {
	resp, err := c.invoke(ctx, broker, remoting.Request{Code: remoting.AuthGetUser, Fields: map[string]string{"username": name}})
	if err != nil {
		return nil, accessError(name, err)
	}
	if len(resp.Body) == 0 {
		return nil, fmt.Errorf("user %s at %s: %w", name, broker, ErrNoSuchUser)
	}
	var info userInfo
	if err := remoting.UnmarshalBody(resp.Body, &info); err != nil {
		return nil, answerError(remoting.AuthGetUser, broker, err)
	}
	user := info.user()
	return &user, nil
}

// Users reads the users of one broker whose names contain filter, all with "", and their passwords in clear
// (AUTH_LIST_USER).
func (c *Client) Users(ctx context.Context, broker, filter string) ([]User, error) {
	var users []User
	req := remoting.Request{Code: remoting.AuthListUser, Fields: map[string]string{"filter": filter}}
	err := c.accessList(ctx, broker, req, func(b *body) error {
		var info userInfo
		if err := b.Decode(&info); err != nil {
			return err
		}
		users = append(users, info.user())
		return b.keep(100 + len(info.Name) + len(info.Password))
	})
	return users, err
}

// accessList asks for a list, of which an empty body stands for none.
func (c *Client) accessList(ctx context.Context, broker string, req remoting.Request, read func(b *body) error) error {
	req.MaxAnswer = longAnswer
	return c.stream(ctx, broker, req, func(_ *remoting.Response, b *body) error {
		if empty := b.End() == nil; empty {
			return nil
		}
		return b.Array(func() error { return read(b) })
	})
}
