// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"strings"
	"testing"
)

func TestSplitAddr(t *testing.T) {
	for _, tc := range []struct{ in, host, port, canonical string }{
		{"10.0.0.1:9876", "10.0.0.1", "9876", "10.0.0.1:9876"},
		{"broker-0.svc:10911", "broker-0.svc", "10911", "broker-0.svc:10911"},
		{"localhost:1", "localhost", "1", "localhost:1"},
		{"[fd00::1]:10911", "fd00::1", "10911", "[fd00::1]:10911"},
		{"fd00::1:10911", "fd00::1", "10911", "[fd00::1]:10911"}, // as a broker registers
		{"fd00:0:0:0:0:0:0:1:10911", "fd00::1", "10911", "[fd00::1]:10911"},
		{"[FD00:0::0001]:10911", "fd00::1", "10911", "[fd00::1]:10911"},
		{"::1:9876", "::1", "9876", "[::1]:9876"},
		{"[::]:9876", "::", "9876", "[::]:9876"},
		{"[fe80::1%eth0]:9876", "fe80::1%eth0", "9876", "[fe80::1%eth0]:9876"},
		{"[::ffff:10.0.0.1]:9876", "10.0.0.1", "9876", "10.0.0.1:9876"},
		{"[10.0.0.1]:9876", "10.0.0.1", "9876", "10.0.0.1:9876"},
	} {
		host, port, err := SplitAddr(tc.in)
		if err != nil || host != tc.host || port != tc.port {
			t.Errorf("%s is %q and %q, %v; want %q and %q", tc.in, host, port, err, tc.host, tc.port)
		}
		if got := CanonicalAddr(tc.in); got != tc.canonical {
			t.Errorf("%s becomes %s, want %s", tc.in, got, tc.canonical)
		}
		if again := CanonicalAddr(tc.canonical); again != tc.canonical {
			t.Errorf("%s becomes %s", tc.canonical, again)
		}
	}
}

func TestSplitAddrRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "no port",
		"broker":               "no port",
		"broker:":              `"" is no port`,
		"broker:mq":            `"mq" is no port`,
		"broker:0":             `"0" is no port`,
		"broker:65536":         `"65536" is no port`,
		":9876":                "neither a host name nor an IP address",
		"[fd00::1:9876":        "no closing bracket",
		"[broker]:9876":        "neither a host name nor an IP address",
		"a:b:9876":             "neither a host name nor an IP address",
		"fd00::1::2:9876":      "neither a host name nor an IP address",
		"one:9876;two:9876":    "neither a host name nor an IP address",
		" 10.0.0.1:9876":       "neither a host name nor an IP address",
		"http://broker:9876":   "neither a host name nor an IP address",
		"[fd00::1]:9876:10911": "no closing bracket",
	} {
		if host, port, err := SplitAddr(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %q and %q, %v; want an error with %q", in, host, port, err, want)
		}
		if got := CanonicalAddr(in); got != in {
			t.Errorf("%q becomes %q", in, got)
		}
	}
}

func FuzzSplitAddr(f *testing.F) {
	f.Add("[fd00::1]:10911")
	f.Add("fd00::1:10911")
	f.Add("a:b:c:1")
	f.Fuzz(func(t *testing.T, addr string) {
		host, port, err := SplitAddr(addr)
		if err != nil {
			return
		}
		canonical := CanonicalAddr(addr)
		host2, port2, err := SplitAddr(canonical)
		if err != nil || host != host2 || port != port2 || CanonicalAddr(canonical) != canonical {
			t.Errorf("%q is %q and %q, but as %q it is %q and %q, %v", addr, host, port, canonical, host2, port2, err)
		}
	})
}
