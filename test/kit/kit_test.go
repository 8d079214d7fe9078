// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

func TestVerdictIsFoundAmongProgress(t *testing.T) {
	v, err := ParseVerdict("ledger: sending\n" +
		`{"run":"x","acked":10,"received":9,"lost":1,"lostMessages":[{"number":7,"group":"b-1","queue":2,"offset":4,"ackedMillis":8300,"instead":8}],"groups":{"b-0":{"acked":4},"b-1":{"acked":6}},"longestGapMillis":1500}` + "\nledger: bye\n")
	if err != nil {
		t.Fatal(err)
	}
	want := "10 acknowledged (b-0 4, b-1 6), 9 received, 1 lost, 0 twice or more; 0 sends failed, longest time without an acknowledgement 1.5 s; " +
		"lost: message 7, acknowledged after 8.3 s by b-1 at offset 4 of queue 2, where message 8 came from"
	if got := v.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := ParseVerdict("ledger: no name server answers\n"); err == nil || !strings.Contains(err.Error(), "no name server answers") {
		t.Errorf("without a verdict the error is %v, want what was printed", err)
	}
}

func TestOperatorWrites(t *testing.T) {
	const operator = `"user":{"username":"system:serviceaccount:rocketmq-operator-system:rocketmq-operator"},"stage":"ResponseComplete"`
	at := func(clock, rest string) string {
		return `{"requestReceivedTimestamp":"2026-01-01T` + clock + `.000000Z",` + rest + "}\n"
	}
	log := at("10:00:00", operator+`,"verb":"create","objectRef":{"resource":"services","namespace":"n","name":"early"}`) +
		at("10:01:00", operator+`,"verb":"patch","objectRef":{"resource":"brokers","subresource":"status","namespace":"n","name":"b"}`) +
		at("10:01:01", operator+`,"verb":"update","objectRef":{"resource":"leases","namespace":"n","name":"own"}`) +
		at("10:01:02", operator+`,"verb":"get","objectRef":{"resource":"pods","namespace":"n","name":"p"}`) +
		at("10:01:03", `"user":{"username":"admin"},"stage":"ResponseComplete","verb":"delete","objectRef":{"resource":"pods","namespace":"n","name":"p"}`) +
		at("10:03:00", operator+`,"verb":"delete","objectRef":{"resource":"pods","namespace":"n","name":"late"}`) +
		`{"requestReceivedTimestamp":"2026-01-01T10:01:0`
	from := time.Date(2026, 1, 1, 10, 0, 30, 0, time.UTC)
	got, err := operatorWrites(strings.NewReader(log), from, from.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"patch brokers/status n/b"}, got); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestTopologyCompare(t *testing.T) {
	group := func(ids ...int64) admin.BrokerData {
		data := admin.BrokerData{Addrs: map[int64]string{}}
		for _, id := range ids {
			data.Addrs[id] = "somewhere:10911"
		}
		return data
	}
	for _, c := range []struct {
		name    string
		brokers map[string]admin.BrokerData
		want    string
	}{
		{"complete", map[string]admin.BrokerData{"b-0": group(0, 2)}, ""},
		{"nobody", nil, "group b-0 has no master\ngroup b-0 has 0 of 2 members"},
		{"no master", map[string]admin.BrokerData{"b-0": group(1, 2)}, "group b-0 has no master"},
		{"no slave", map[string]admin.BrokerData{"b-0": group(0)}, "group b-0 has 1 of 2 members"},
		{"a stranger", map[string]admin.BrokerData{"b-0": group(0, 2), "c-0": group(0)}, "group c-0 does not belong here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if err := (Topology{"b-0": 2}).compare(&admin.ClusterInfo{Brokers: c.brokers}); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestDecodeSkipsEmptyDocuments(t *testing.T) {
	objects, err := Decode([]byte("# nothing yet\n---\nkind: A\nmetadata: {name: a}\n---\n---\nkind: B\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 || objects[0].GetKind() != "A" || objects[1].GetKind() != "B" {
		t.Errorf("got %v", objects)
	}
}

func TestMetrics(t *testing.T) {
	m, err := ParseMetrics("# HELP a b\na_total{topic=\"x y\",cluster=\"c\"} 5.0 1700000000\na_total{topic=\"z\",cluster=\"c\"} 2\nup 1\n\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		labels []string
		sum    float64
		series int
	}{
		{"a_total", nil, 7, 2},
		{"a_total", []string{`topic="x y"`, `cluster="c"`}, 5, 1},
		{"a_total", []string{`topic="x"`}, 0, 0},
		{"up", nil, 1, 1},
		{"a", nil, 0, 0},
	} {
		if sum, series := m.Sum(test.name, test.labels...); sum != test.sum || series != test.series {
			t.Errorf("%s %v: %v of %d series, want %v of %d", test.name, test.labels, sum, series, test.sum, test.series)
		}
	}
	for _, wrong := range []string{"a{b=\"c\"}", "a x"} {
		if _, err := ParseMetrics(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestDialNeedsAPod(t *testing.T) {
	if _, err := (&Cluster{}).Dial(t.Context(), "tcp", "10.0.0.1:9876"); err == nil || !strings.Contains(err.Error(), "not the name of a pod") {
		t.Errorf("got %v", err)
	}
}

func TestAwaitEndsAndSaysWhatWasMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var story bytes.Buffer
		n := &Namespace{Cluster: &Cluster{Client: fake.NewFakeClient()}, Name: "n", Log: NewLog(&story)}
		asked := 0
		if err := n.Await(t.Context(), "the third time", time.Minute, func(context.Context) error {
			if asked++; asked < 3 {
				return errors.New("not yet")
			}
			return nil
		}); err != nil {
			t.Error(err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		began := time.Now()
		err := n.Await(ctx, "what never comes", time.Hour, func(context.Context) error { return errors.New("2 of 3 are there") })
		if err == nil || !strings.Contains(err.Error(), "what never comes") || !strings.Contains(err.Error(), "2 of 3 are there") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("it ended %s after the user gave up", took-10*time.Second)
		}
	})
}
