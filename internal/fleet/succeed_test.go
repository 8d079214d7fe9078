// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

func TestSucceed(t *testing.T) {
	then, now := time.Unix(1000, 0), time.Unix(1003, 200_000_000)
	at := func(t time.Time) *metav1.MicroTime { return new(metav1.NewMicroTime(t)) }
	status := func(master, former string, since *metav1.MicroTime) v1alpha1.BrokerGroupStatus {
		return v1alpha1.BrokerGroupStatus{Name: "b-0", Master: master, FormerMaster: former, MasterSince: since}
	}
	for _, test := range []struct {
		name    string
		was     v1alpha1.BrokerGroupStatus
		master  string
		unknown bool
		want    v1alpha1.BrokerGroupStatus
		said    string
	}{
		{"a new group", v1alpha1.BrokerGroupStatus{}, "", false, status("", "", at(now)), ""},
		{"it waits", status("", "", at(then)), "", false, status("", "", at(then)), ""},
		{"its first master", status("", "", at(then)), "a", false, status("a", "", at(now)), "MasterElected: a is master of b-0"},
		{"nothing new", status("a", "b", at(then)), "a", false, status("a", "b", at(then)), ""},
		{"the master is gone", status("a", "b", at(then)), "", false, status("", "a", at(now)), ""},
		{"it stays gone", status("", "a", at(then)), "", false, status("", "a", at(then)), ""},
		{"another one", status("", "a", at(then)), "b", false, status("b", "a", at(now)), "MasterChanged: b is master of b-0 after a; the group was without a master for 3.2 s"},
		{"the same one", status("", "a", at(then)), "a", false, status("a", "a", at(now)), "MasterElected: a is master of b-0 again; the group was without a master for 3.2 s"},
		{"another one at once", status("a", "c", at(then)), "b", false, status("b", "a", at(now)), "MasterChanged: b is master of b-0 after a; no gap without a master was observed"},
		{"nothing is known", status("a", "b", at(then)), "", true, status("", "a", nil), ""},
		{"nothing is known for long", status("", "a", nil), "", true, status("", "a", nil), ""},
		{"the same one after that", status("", "a", nil), "a", false, status("a", "", at(now)), ""},
		{"another one after that", status("", "a", nil), "b", false, status("b", "a", at(now)), "MasterChanged: b is master of b-0 after a; no gap without a master was observed"},
		{"none after that", status("", "a", nil), "", false, status("", "a", at(now)), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := v1alpha1.BrokerGroupStatus{Name: "b-0", Master: test.master}
			reason, text := succeed(&got, test.was, now, !test.unknown)
			if reason != "" {
				text = reason + ": " + text
			}
			if text != test.said {
				t.Errorf("said %q, want %q", text, test.said)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRecords: what would be lost with the process is written at once, and what every pass finds out again is not.
func TestRecords(t *testing.T) {
	then, now := metav1.NewMicroTime(time.Unix(1000, 0)), metav1.NewMicroTime(time.Unix(1003, 0))
	group := func(name, state, master string, since metav1.MicroTime) v1alpha1.BrokerGroupStatus {
		return v1alpha1.BrokerGroupStatus{Name: name, State: state, Master: master, MasterSince: &since}
	}
	groups := func(groups ...v1alpha1.BrokerGroupStatus) *v1alpha1.BrokerStatus {
		return &v1alpha1.BrokerStatus{Members: "2/2", Groups: groups}
	}
	before := groups(group("b-0", "open", "b-0-0", then))
	for _, test := range []struct {
		name string
		now  *v1alpha1.BrokerStatus
		want bool
	}{
		{"the same", groups(group("b-0", "open", "b-0-0", then)), false},
		{"a summary", &v1alpha1.BrokerStatus{Members: "1/2", Groups: before.Groups}, false},
		{"another master", groups(group("b-0", "open", "b-0-1", now)), true},
		{"another state", groups(group("b-0", "draining", "b-0-0", then)), true},
		{"a group that has a master", groups(before.Groups[0], group("b-1", "hidden", "b-1-0", now)), true},
		{"a group that has none yet", groups(before.Groups[0], v1alpha1.BrokerGroupStatus{Name: "b-1", State: "hidden"}), false},
		{"a group less", groups(), true},
		{"what was resolved", &v1alpha1.BrokerStatus{NameServiceRef: &v1alpha1.ObjectReference{Name: "ns"}, Groups: before.Groups}, true},
	} {
		if got := Records(before, test.now); got != test.want {
			t.Errorf("%s: %t, want %t", test.name, got, test.want)
		}
	}
}
