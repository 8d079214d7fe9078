// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseProperties(t *testing.T) {
	text := "a=1\nb=\nc= x = y \nno separator\nd=C:\\dir\r\n\ne=é"
	want := map[string]string{"a": "1", "b": "", "c": " x = y ", "d": `C:\dir`, "e": "é"}
	if diff := cmp.Diff(want, parseProperties([]byte(text))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFormatProperties(t *testing.T) {
	got := string(formatProperties(map[string]string{
		"b": "two", "a": ` x = y:z #!\` + "\t\r\n", "key with:=#!": "é世🚀\x7f",
	}))
	want := `a=\ x = y:z #!\\\t\r\n` + "\n" + `b=two` + "\n" + `key\ with\:\=\#\!=\u00e9\u4e16\ud83d\ude80\u007f` + "\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if text := formatProperties(nil); len(text) != 0 {
		t.Errorf("no properties give %q", text)
	}
}

func TestParsePeers(t *testing.T) {
	for in, want := range map[string][]ControllerPeer{
		"":                         nil,
		"n0:host-0.svc:9878;":      {{ID: "n0", Addr: "host-0.svc:9878"}},
		"n0:a:1;n1:b:2":            {{ID: "n0", Addr: "a:1"}, {ID: "n1", Addr: "b:2"}},
		"localhost:9880;other:988": {{Addr: "localhost:9880"}, {Addr: "other:988"}}, // jRaft
		"[fd00::1]:9880":           {{Addr: "[fd00::1]:9880"}},
		"n0:[fd00::1]:9880":        {{ID: "n0", Addr: "[fd00::1]:9880"}},
	} {
		if diff := cmp.Diff(want, parsePeers(in)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

func TestRuntimeInfoWithoutFigures(t *testing.T) {
	r := RuntimeInfo{"commitLogDiskRatio": "much", "bootTimestamp": "today"}
	if r.Version() != "" || r.Active() || r.DispatchBehindBytes() != 0 || r.CommitLogDiskRatio() != 0 ||
		r.ConsumeQueueDiskRatio() != 0 || r.InTPS() != 0 || r.OutTPS() != 0 || r.TimerBehind() != 0 || r.TimerWaiting() != 0 || !r.BootTime().Equal(time.Time{}) {
		t.Errorf("figures appeared from %v", r)
	}
}

func TestClientAddr(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"10.0.0.1:50796":                "10.0.0.1:50796",
		"/10.0.0.1:50796":               "10.0.0.1:50796",
		"host.svc/10.0.0.1:50796":       "10.0.0.1:50796",
		"/[fd00:0:0:0:0:0:0:1]:50796":   "[fd00::1]:50796",
		"/fd00:0:0:0:0:0:0:1:50796":     "[fd00::1]:50796",
		"/[fe80:0:0:0:0:0:0:1%2]:50796": "[fe80::1%2]:50796",
	} {
		if got := clientAddr(in); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}

func TestRuntimeInfoRates(t *testing.T) {
	r := RuntimeInfo{"putTps": "12.5 10.0 3.25", "getTransferredTps": " 7.0  "}
	if r.InTPS() != 12.5 || r.OutTPS() != 7 {
		t.Errorf("rates are %v in, %v out", r.InTPS(), r.OutTPS())
	}
}
