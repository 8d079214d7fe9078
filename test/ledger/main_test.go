// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseFlags(t *testing.T) {
	t.Setenv("NAMESRV_ADDR", "a:9876;b:9876")
	tests := []struct{ name, args, wantErr string }{
		{"messages are enough", "--messages 5", ""},
		{"duration is enough", "--duration 5s", ""},
		{"consume a run", "--only consume --run r1 --messages 5", ""},
		{"no amount", "", "how much? give --messages, --duration or both"},
		{"negative", "--messages 5 --rate -1", "--messages, --duration, --rate, --size and --delay cannot be negative"},
		{"no such level", "--messages 5 --delay-level 19", "--delay-level 19: it is 0, for none, to 18"},
		{"two kinds", "--messages 5 --delay 5s --transactions", "a message is of one kind: give --delay-level, --delay, --transactions or --ordered"},
		{"POP has no order", "--messages 5 --pop --ordered", "--pop does not keep the order that --ordered looks at"},
		{"POP of transactions", "--messages 5 --pop --transactions", ""},
		{"comes again at once", "--messages 5 --pop --invisible 1ms", "--invisible must be a second at least"},
		{"no senders", "--messages 5 --producers 0", "--producers and --poll must be positive"},
		{"unknown mode", "--messages 5 --only half", `--only "half": it is produce, consume or both`},
		{"consume without run", "--messages 5 --only consume", "--only consume needs --run, as in the verdict of the run that produced"},
		{"bad topic", "--messages 5 --topic a.b", `--topic "a.b", --group "ledger": letters, digits, - and _ only`},
		{"left over", "--messages 5 more", `unexpected argument "more"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o, err := parseFlags(strings.Fields(tt.args), io.Discard)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.wantErr {
				t.Errorf("error %q, want %q", got, tt.wantErr)
			}
			if err == nil && (o.run == "" || o.nameServers != "a:9876;b:9876") {
				t.Errorf("run %q, name servers %q: want a name for the run, and the environment's servers", o.run, o.nameServers)
			}
		})
	}
}

func TestMessageRoundTrip(t *testing.T) {
	for _, size := range []int{0, 20, 100, 5000} {
		body := message("run-1", 42, size)
		if len(body) < size {
			t.Errorf("message of %d bytes, want at least %d", len(body), size)
		}
		run, number, ok := parseMessage(body)
		if run != "run-1" || number != 42 || !ok {
			t.Errorf("size %d: parsed %q %d %v, want run-1 42", size, run, number, ok)
		}
	}
	for _, body := range []string{"", "hello", "ledger r", "ledger r x", "ledger r -1", "other r 1"} {
		if _, _, ok := parseMessage([]byte(body)); ok {
			t.Errorf("%q passes for one of our messages", body)
		}
	}
}

func TestResolver(t *testing.T) {
	names, err := newResolver("one:9876; two:9877")
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string][]string{"one": {"10.0.0.2", "10.0.0.1"}, "two": {"10.0.0.1"}}
	names.lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		var ips []netip.Addr
		for _, ip := range answers[host] {
			ips = append(ips, netip.MustParseAddr(ip))
		}
		if ips == nil {
			return nil, errors.New("no such host " + host)
		}
		return ips, nil
	}
	check := func(step string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, names.Resolve()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	if err := names.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("all names", "10.0.0.1:9876", "10.0.0.1:9877", "10.0.0.2:9876")

	answers = map[string][]string{"two": {"10.0.0.9"}}
	if err := names.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("one name is gone, the other moved", "10.0.0.9:9877")

	answers = nil
	if err := names.refresh(t.Context()); err == nil {
		t.Error("no name resolves, and refresh reports no error")
	}
	check("the last known stay", "10.0.0.9:9877")

	for _, list := range []string{"", ";", "host-without-port"} {
		if _, err := newResolver(list); err == nil {
			t.Errorf("name servers %q are accepted", list)
		}
	}
}
