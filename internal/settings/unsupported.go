// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Unsupported says what in the configuration of a name server, controller or broker keeps the operator, and the server's own agent,
// from talking to it. They have credentials only with spec.auth, and speak TLS only with spec.tls. where stands before the name of a
// property, options are those of java, in order.
func Unsupported(where string, config map[string]string, options []string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(config)) {
		if protects(key) && strings.TrimSpace(config[key]) == "true" {
			out = append(out, fmt.Sprintf("%s%s: servers refuse every request of the operator and of their agents, which have credentials only with spec.auth", where, key))
		}
	}
	mode := ""
	for _, option := range TLSOptions(options) {
		if given, is := strings.CutPrefix(option, "-Dtls.server.mode="); is {
			mode = given
		}
	}
	if mode == "enforcing" {
		out = append(out, "-Dtls.server.mode=enforcing: servers refuse every connection of the operator and of their agents, which speak TLS only with spec.tls")
	}
	return out
}

// TLSOptions are those of java's options that are about TLS (TlsSystemConfig).
func TLSOptions(options []string) (out []string) {
	for _, option := range strings.Fields(strings.Join(options, " ")) {
		if strings.HasPrefix(option, "-Dtls.") {
			out = append(out, option)
		}
	}
	return out
}

// frameMax is the most that one request may hold, unless this option of java says otherwise (NettySystemConfig).
const (
	frameMax       = 16 << 20
	frameMaxOption = "-Dcom.rocketmq.remoting.frameMaxLength="
)

// Beyond says why messages cannot be as long as a broker's configuration says, "" if they can.
func Beyond(where string, config map[string]string, options []string) string {
	const key = "maxMessageSize"
	wanted, err := strconv.ParseInt(config[key], 10, 64)
	limit := int64(frameMax)
	for _, option := range strings.Fields(strings.Join(options, " ")) {
		if given, is := strings.CutPrefix(option, frameMaxOption); is {
			if n, err := strconv.ParseInt(given, 10, 32); err == nil {
				limit = n
			}
		}
	}
	if err != nil || wanted < limit {
		return ""
	}
	return fmt.Sprintf("%s%s: a broker closes the connection over which more than %d bytes come at once, however long messages may be. Add %s%d to "+
		"jvm.extraOptions, also at proxies and at clients, and more direct memory (jvm.directMemory)", where, key, limit, frameMaxOption, wanted+frameMax)
}

// protects reports whether a property makes servers ask for credentials (AuthConfig; in 4.x and 5.0 to 5.2 BrokerConfig.aclEnable).
func protects(key string) bool {
	return slices.Contains([]string{"aclEnable", "authenticationEnabled", "authorizationEnabled"}, key)
}
