// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// TestMisconfigured: brokers are given what they do not run with, and nothing else.
func TestMisconfigured(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world)
		want   []string
	}{
		"all is well":        {func(*world) {}, nil},
		"other name servers": {func(w *world) { w.Dependencies.NameServers = []string{"a:1", "b:1"} }, []string{"b-0-0 namesrvAddr=a:1;b:1", "b-0-1 namesrvAddr=a:1;b:1", "b-1-0 namesrvAddr=a:1;b:1", "b-1-1 namesrvAddr=a:1;b:1"}},
		"other controllers":  {func(w *world) { w.Properties[w.dialable("b-0", 1)]["controllerAddr"] = "x" }, []string{"b-0-1 controllerAddr=ctl-0:9878"}},
		"a live property": {func(w *world) {
			w.Broker.Spec.Config = map[string]v1alpha1.ConfigValue{"fileReservedTime": "48"}
			delete(w.Properties, w.dialable("b-1", 0))
			delete(w.Properties, w.dialable("b-1", 1))
		}, []string{"b-0-0 fileReservedTime=48", "b-0-1 fileReservedTime=48"}},
		"a release that does not know one": {func(w *world) { delete(w.Properties[w.dialable("b-0", 0)], "fileReservedTime") }, nil},
		"a permission":                     {func(w *world) { w.Properties[w.dialable("b-0", 0)]["brokerPermission"] = "4" }, []string{"b-0-0 brokerPermission=6"}},
		"one that is stopping": {func(w *world) {
			w.Properties[w.dialable("b-0", 0)]["brokerPermission"] = "4"
			w.pod("b-0-0").DeletionTimestamp = new(ago(0))
		}, nil},
		"one whose agent hands over": {func(w *world) {
			maps.Copy(w.Properties[w.dialable("b-0", 0)], settings.Held(w.Properties[w.dialable("b-0", 0)], false))
		}, nil},
		"one whose agent has fenced it": {func(w *world) {
			maps.Copy(w.Properties[w.dialable("b-0", 0)], settings.Held(w.Properties[w.dialable("b-0", 0)], true))
		}, nil},
		"one that did not answer":    {func(w *world) { delete(w.Properties, w.dialable("b-0", 0)) }, nil},
		"clients are told otherwise": {func(w *world) { w.Shown["ns"]["b-1"] = 0 }, []string{"b-1-0 brokerPermission=6"}},
		"a member that is to leave": {func(w *world) {
			w.Broker.Spec.ReplicaPerGroup = new(int32(0))
			w.Properties[w.dialable("b-0", 1)]["brokerPermission"] = "0"
		}, []string{"b-0-1 brokerPermission=6"}},
		"a fence that nobody wants": {func(w *world) { w.Properties[w.dialable("b-1", 1)]["startAcceptSendRequestTimeStamp"] = "9" }, []string{"b-1-1 startAcceptSendRequestTimeStamp=0"}},
	} {
		w := newWorld()
		test.change(w)
		var got []string
		for _, m := range w.see().Misconfigured() {
			got = append(got, m.Name+" "+m.String())
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestNotOpen: a broker of an open group that does not let clients in is named.
func TestNotOpen(t *testing.T) {
	w := newWorld()
	w.Properties[w.dialable("b-1", 1)]["brokerPermission"] = "0"
	if got := w.see().NotOpen(); !strings.Contains(got, "clients cannot use b-1-1 yet") || !strings.Contains(got, "brokerPermission=6") || !strings.Contains(got, v1alpha1.EventPropertiesNotUpdated) {
		t.Errorf("said %q", got)
	}
	w = newWorld()
	w.setState(1, scale.Hidden)
	w.Properties[w.dialable("b-1", 1)]["namesrvAddr"] = "old"
	if got := w.see().NotOpen(); got != "" {
		t.Errorf("of a hidden group: %q", got)
	}
}
