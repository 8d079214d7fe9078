// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"maps"
	"slices"
)

// Credentials of a RocketMQ user, for servers with authentication enabled (ACL 1.0 and 2.0 alike). Without an AccessKey they do
// not sign, for a request of a client that signs the others. Printing them with package fmt does not show the secrets.
type Credentials struct {
	AccessKey, SecretKey string
	// SecurityToken goes along with temporary credentials; RocketMQ's own users have none.
	SecurityToken string
}

// String shows only who it is.
func (c Credentials) String() string { return "credentials of " + c.AccessKey }

// GoString is String.
func (c Credentials) GoString() string { return c.String() }

// Names of the fields that a signature adds (RocketMQ's SessionCredentials).
const (
	fieldAccessKey     = "AccessKey"
	fieldSecurityToken = "SecurityToken"
	fieldSignature     = "Signature"
)

// sign returns req with the fields that prove who asks (RocketMQ's AclClientRPCHook and AclUtils). The signature is the
// HMAC-SHA1 of the values of all other fields, in the order of their names, and of the body. Nothing in it changes from one
// request to the next, so it does not protect against repetition; TLS does.
func (c *Credentials) sign(req Request) Request {
	if c == nil || c.AccessKey == "" {
		return req
	}
	fields := make(map[string]string, len(req.Fields)+3)
	maps.Copy(fields, req.Fields)
	fields[fieldAccessKey] = c.AccessKey
	if c.SecurityToken != "" {
		fields[fieldSecurityToken] = c.SecurityToken
	}
	mac := hmac.New(sha1.New, []byte(c.SecretKey))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		mac.Write([]byte(fields[name]))
	}
	mac.Write(req.Body)
	fields[fieldSignature] = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	req.Fields = fields
	return req
}
