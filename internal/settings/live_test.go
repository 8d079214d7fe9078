// SPDX-License-Identifier: Apache-2.0

package settings

import (
	"strings"
	"testing"
)

// TestLiveKeys: none is twice there, none is the operator's own, and each default is as a broker would show it.
func TestLiveKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, owned := range OwnedKeys(Broker) {
		seen[owned.Key] = true
	}
	for _, k := range LiveKeys() {
		if seen[k.Key] {
			t.Errorf("%s is there twice, or belongs to the operator", k.Key)
		}
		seen[k.Key] = true
		if shown, err := k.Canonical(k.Default); err != nil || shown != k.Default {
			t.Errorf("%s: the default %q is shown as %q (%v)", k.Key, k.Default, shown, err)
		}
		if !IsLive(k.Key) {
			t.Errorf("%s is not live", k.Key)
		}
	}
	if IsLive("flushDiskType") || IsLive("storePathRootDir") {
		t.Error("a key that is read at the start is live")
	}
}

func TestLiveProperties(t *testing.T) {
	for _, test := range []struct{ key, given, want string }{
		{"fileReservedTime", "048", "48"},
		{"fileReservedTime", " 48 ", "48"},
		{"fileReservedTime", "-1", "-1"},
		{"fileReservedTime", "two days", ""},
		{"fileReservedTime", "3000000000", ""}, // no Java int
		{"haMaxTimeSlaveNotCatchup", "3000000000", "3000000000"},
		{"slaveReadEnable", "TRUE", "true"},
		{"slaveReadEnable", "yes", "false"},
		{"deleteWhen", "04;16", "04;16"},
	} {
		got, err := LiveProperties(map[string]string{test.key: test.given, "unknown": "x"})
		if test.want == "" {
			if err == nil || !strings.Contains(err.Error(), test.key) {
				t.Errorf("%s=%s: error %v", test.key, test.given, err)
			}
			continue
		}
		if err != nil || got[test.key] != test.want || len(got) != len(LiveKeys()) {
			t.Errorf("%s=%s: %v (%v), want %s", test.key, test.given, got, err, test.want)
		}
	}
	if none, err := LiveProperties(nil); err != nil || none["fileReservedTime"] != "72" {
		t.Errorf("without values: %v (%v)", none, err)
	}
}
