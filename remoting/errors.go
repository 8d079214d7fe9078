// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Why a server with ACL 2.0 refused a request. RocketMQ answers NoPermission to all of them and tells them apart only in
// the remark; errors.Is finds them in a ResponseError:
//
//	if errors.Is(err, remoting.ErrSignature) { ... the password is wrong ... }
//
// A refusal whose remark is none of the known ones is still found by IsCode(err, NoPermission).
var (
	// ErrNotAuthenticated: the request was not signed (Options.Credentials is missing).
	ErrNotAuthenticated = errors.New("the request names no user")
	// ErrUserUnknown: the server has no such user. Brokers do not share users, so others may have it.
	ErrUserUnknown = errors.New("the user is unknown")
	// ErrUserDisabled: the user exists, with the status disable.
	ErrUserDisabled = errors.New("the user is disabled")
	// ErrSignature: the signature does not match, mostly because the password is wrong.
	ErrSignature = errors.New("the signature is wrong")
	// ErrNotPermitted: the user is who he says, and is not allowed to do this.
	ErrNotPermitted = errors.New("the user has no permission")
)

// ResponseError is a server's answer with a code other than Success: the server was reached and refused.
// Every other error of Invoke means that no usable answer came.
type ResponseError struct {
	Code ResponseCode
	// Remark is the server's own text, sometimes a whole Java stack trace.
	Remark string
	// Request is what was asked, Addr the server that answered.
	Request RequestCode
	Addr    string
}

// Error shortens the remark to one line, because it ends up in conditions and events.
func (e *ResponseError) Error() string {
	text := fmt.Sprintf("%s to %s: %s", e.Request, e.Addr, e.Code)
	if remark := oneLine(e.Remark); remark != "" {
		text += ": " + remark
	}
	return text
}

// Is reports whether target is the reason for a refusal with NoPermission: ErrNotAuthenticated and its kin.
func (e *ResponseError) Is(target error) bool {
	return e.Code == NoPermission && target != nil && target == denial(e.Remark)
}

// denial reads the remark of a broker with ACL 2.0; nil for any other remark. The texts are those of RocketMQ's
// DefaultAuthenticationHandler, UserAuthorizationHandler and AclAuthorizationHandler.
func denial(remark string) error {
	switch {
	case strings.Contains(remark, "username cannot be null"):
		return ErrNotAuthenticated
	case strings.Contains(remark, "check signature failed"):
		return ErrSignature
	case strings.Contains(remark, "has no permission to access"):
		return ErrNotPermitted
	case !strings.Contains(remark, "User:"):
		return nil
	case strings.Contains(remark, "not found"):
		return ErrUserUnknown
	case strings.Contains(remark, "is disabled"):
		return ErrUserDisabled
	}
	return nil
}

// IsCode reports whether err is, or wraps, a server's answer with one of the codes.
func IsCode(err error, codes ...ResponseCode) bool {
	var refused *ResponseError
	return errors.As(err, &refused) && slices.Contains(codes, refused.Code)
}

const maxRemarkInError = 300 // bytes

func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if len(s) > maxRemarkInError {
		s = s[:maxRemarkInError] + "…"
	}
	return strings.ToValidUTF8(strings.TrimSpace(s), "")
}
