// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestDenials: the remarks are those of RocketMQ 5.4.0.
func TestDenials(t *testing.T) {
	reasons := []error{ErrNotAuthenticated, ErrUserUnknown, ErrUserDisabled, ErrSignature, ErrNotPermitted}
	for remark, want := range map[string]error{
		"AuthenticationException: username cannot be null.": ErrNotAuthenticated,
		"User:eve is not found.":                            ErrUserUnknown,
		"User:eve not found.":                               ErrUserUnknown,
		"User:eve is disabled.":                             ErrUserDisabled,
		"check signature failed.":                           ErrSignature,
		"User:eve has no permission to access Topic:t from 127.0.0.1, no matched policies.":           ErrNotPermitted,
		"User:eve has no permission to access Topic:User:x not found from ::1, the decision is deny.": ErrNotPermitted,
		"the broker[b] sending message is forbidden":                                                  nil,
		"": nil,
	} {
		err := fmt.Errorf("wrapped: %w", &ResponseError{Code: NoPermission, Remark: remark})
		for _, reason := range reasons {
			if errors.Is(err, reason) != errors.Is(want, reason) {
				t.Errorf("%q is %v: %t", remark, reason, errors.Is(err, reason))
			}
		}
		if errors.Is(&ResponseError{Code: SystemError, Remark: remark}, want) && want != nil {
			t.Errorf("%q with another code is %v", remark, want)
		}
	}
}

func TestCodeNames(t *testing.T) {
	for got, want := range map[string]string{
		GetRouteInfoByTopic.String():          "GET_ROUTEINFO_BY_TOPIC",
		AuthListACL.String():                  "AUTH_LIST_ACL",
		RequestCode(4711).String():            "request 4711",
		ControllerNotLeader.String():          "CONTROLLER_NOT_LEADER (2007)",
		ResponseCode(4711).String():           "code 4711",
		fmt.Sprint(Success, RequestCode(105)): "SUCCESS (0) GET_ROUTEINFO_BY_TOPIC",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	names := map[string]bool{}
	for code, name := range requestNames {
		if names[name] || name != strings.ToUpper(name) {
			t.Errorf("the name of request %d, %q, is another's or no constant's", int(code), name)
		}
		names[name] = true
	}
}
