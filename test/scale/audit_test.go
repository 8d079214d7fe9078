// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// logged is a line of the audit log: a request that came and was answered at these seconds, for an object that had a
// revision then.
func logged(user, verb, uri, object string, came, answered int, revision string) string {
	line := fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseComplete","requestURI":%q,"verb":%q,`+
		`"user":{"username":%q},%s"requestReceivedTimestamp":"2026-01-01T00:00:%02d.000000Z","stageTimestamp":"2026-01-01T00:00:%02d.000000Z"`,
		uri, verb, user, object, came, answered)
	if revision != "" {
		line += fmt.Sprintf(`,"responseObject":{"metadata":{"name":"x","resourceVersion":%q}}`, revision)
	}
	return line + "}\n"
}

func about(resource, subresource, namespace string) string {
	return fmt.Sprintf(`"objectRef":{"resource":%q,"subresource":%q,"namespace":%q},`, resource, subresource, namespace)
}

func TestRequestsAreCounted(t *testing.T) {
	log := logged("operator", "get", "/a", about("nodes", "", ""), 0, 0, "") +
		logged("operator", "patch", "/a", about("brokers", "status", "mq"), 1, 1, "") +
		logged("operator", "patch", "/a", about("brokers", "status", "mq"), 1, 2, "") +
		logged("standby", "list", "/a", about("pods", "", ""), 1, 2, "") +
		logged("operator", "get", "/apis/monitoring.coreos.com/v1?timeout=32s", "", 3, 3, "") +
		logged("operator", "update", "/a", about("leases", "", "operator-system"), 3, 3, "") +
		logged("operator", "create", "/a", about("events", "", "operator-system"), 3, 3, "") +
		strings.Replace(logged("operator", "watch", "/a", about("pods", "", ""), 3, 3, ""), "ResponseComplete", "ResponseStarted", 1) +
		logged("operator", "watch", "/a", about("pods", "", ""), 3, 9, "") +
		`{"kind":"Event","verb":"create","user":{"username":"oper` // is being written
	got, err := tallyOf(strings.NewReader(log), "operator-system")
	if err != nil {
		t.Fatal(err)
	}
	want := tally{Idle: requests{}, Requests: map[string]requests{
		"operator": {"get nodes": 1, "patch brokers/status": 2, "get /apis/monitoring.coreos.com/v1": 1, leaderElection: 2, "watch pods": 1},
		"standby":  {"list pods": 1},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if reads, writes := got.Requests["operator"].reads(), got.Requests["operator"].writes(); reads != 3 || writes != 2 {
		t.Errorf("%d reads and %d writes", reads, writes)
	}
}

// TestIdleWrites: one that changed nothing is answered with a revision that was there before.
func TestIdleWrites(t *testing.T) {
	patch := func(resource string, came, answered int, revision string) string {
		return logged("operator", "patch", "/a", about(resource, "", "mq"), came, answered, revision)
	}
	for _, tc := range []struct {
		name string
		log  string
		want requests
	}{
		{"the first one is not known", patch("services", 1, 2, "7"), requests{}},
		{"a new revision", patch("services", 1, 2, "7") + patch("services", 3, 4, "8"), requests{}},
		{"the same revision again", patch("services", 1, 2, "7") + patch("services", 3, 4, "7"), requests{"patch services": 1}},
		{"an older one of another object", patch("services", 1, 2, "7") + patch("brokers", 3, 4, "5"), requests{"patch brokers": 1}},
		{"it may have been made at the same time", patch("services", 1, 3, "7") + patch("brokers", 2, 4, "6"), requests{}},
		{"logged in another order", patch("services", 1, 4, "8") + patch("brokers", 2, 3, "9") + patch("brokers", 5, 6, "9"),
			requests{"patch brokers": 1}},
		{"a read is no write", patch("services", 1, 2, "7") + logged("operator", "get", "/a", about("services", "", "mq"), 3, 4, "7"),
			requests{}},
		{"without bodies nothing is known", patch("services", 1, 2, "") + patch("services", 3, 4, ""), requests{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tallyOf(strings.NewReader(tc.log), "operator-system")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Idle); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBrokenAuditLog(t *testing.T) {
	if _, err := tallyOf(strings.NewReader("no event\n"), "operator-system"); err == nil {
		t.Error("taken for an audit log")
	}
}
