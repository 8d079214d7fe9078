// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// refusal is why a broker with authentication refuses a request that should be signed like this, "" if it does not.
func refusal(request remoting.Request, by *remoting.Credentials) string {
	if by == nil {
		return ""
	}
	mac := hmac.New(sha1.New, []byte(by.SecretKey))
	for _, field := range slices.Sorted(maps.Keys(request.Fields)) {
		if field != "Signature" {
			mac.Write([]byte(request.Fields[field]))
		}
	}
	mac.Write(request.Body)
	switch user := request.Fields["AccessKey"]; {
	case user == "":
		return "username cannot be null."
	case user != by.AccessKey:
		return fmt.Sprintf("User:%s is not found.", user)
	case request.Fields["Signature"] != base64.StdEncoding.EncodeToString(mac.Sum(nil)):
		return "check signature failed."
	}
	return ""
}
