// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// SplitAddr takes a server's address apart. The port is what follows the last colon, as in RocketMQ itself
// (RemotingHelper.string2SocketAddress), so it accepts "host:9876", "[fd00::1]:9876" and the form without brackets,
// "fd00::1:9876", under which brokers register. An IP address comes back in its shortest form, without brackets.
func SplitAddr(addr string) (host, port string, err error) {
	colon := strings.LastIndexByte(addr, ':')
	if colon < 0 {
		return "", "", fmt.Errorf("address %q: no port", addr)
	}
	host, port = addr[:colon], addr[colon+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("address %q: %q is no port", addr, port)
	}
	inside, bracketed := strings.CutPrefix(host, "[")
	if bracketed {
		if inside, bracketed = strings.CutSuffix(inside, "]"); !bracketed {
			return "", "", fmt.Errorf("address %q: no closing bracket before the port", addr)
		}
		host = inside
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String(), port, nil
	}
	if host == "" || bracketed || strings.ContainsAny(host, ":[] \t") {
		return "", "", fmt.Errorf("address %q: %q is neither a host name nor an IP address", addr, host)
	}
	return host, port, nil
}

// CanonicalAddr gives an address the form of net.JoinHostPort, with brackets around an IPv6 address. Two addresses of one
// server are equal in this form, however they were written. What SplitAddr refuses comes back as it is.
func CanonicalAddr(addr string) string {
	host, port, err := SplitAddr(addr)
	if err != nil {
		return addr
	}
	return net.JoinHostPort(host, port)
}
