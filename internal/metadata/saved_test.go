package metadata

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

func TestMarkOf(t *testing.T) {
	for _, test := range []struct {
		term string
		want bool
	}{{"pod-a", true}, {"pod-a/3", true}, {"pod-ab/3", false}, {"pod-b", false}, {"", false}} {
		if got := (&Mark{Term: test.term}).Of("pod-a"); got != test.want {
			t.Errorf("%q of pod-a: %t", test.term, got)
		}
	}
}

func many(topics int, attribute func() string) *Tables {
	out := &Tables{Topics: map[string]admin.TopicConfig{}, Groups: map[string]admin.SubscriptionGroup{}}
	for i := range topics {
		name := fmt.Sprintf("orders-%05d", i)
		out.Topics[name] = admin.TopicConfig{Name: name, ReadQueues: 8, WriteQueues: 8, Perm: 6, Attributes: map[string]string{"message.type": attribute()}}
	}
	group := admin.NewSubscriptionGroup("g")
	group.RetryMaxTimes = 3
	out.Groups["g"] = group
	return out
}

// TestEncode: what is saved comes back whole, in the same bytes each time, and 10,000 topics fit easily.
func TestEncode(t *testing.T) {
	want := many(10_000, func() string { return "FIFO" })
	mark := Mark{Term: "pod-a/1", Version: "7"}
	data, binary, err := Encode(mark, want)
	if err != nil {
		t.Fatal(err)
	}
	if got := *MarkOf(data); got != mark {
		t.Errorf("mark %+v", got)
	}
	if data["topics"] != "10000" || data["consumerGroups"] != "1" {
		t.Errorf("data %v", data)
	}
	if size := len(binary[KeyTables]); size > 100<<10 {
		t.Errorf("10,000 topics take %d bytes", size)
	}
	got, err := Decode(binary)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(admin.SubscriptionGroup{})); diff != "" {
		t.Errorf("(-saved +read):\n%s", diff)
	}
	_, again, err := Encode(mark, want)
	if err != nil || !cmp.Equal(binary, again) {
		t.Errorf("other bytes for the same tables (%v)", err)
	}
}

// TestTooLarge: what no ConfigMap can hold is marked, and left out.
func TestTooLarge(t *testing.T) {
	noise := func() string {
		b := make([]byte, 100)
		_, _ = rand.Read(b)
		return base64.StdEncoding.EncodeToString(b)
	}
	data, binary, err := Encode(Mark{Term: "x"}, many(20_000, noise))
	if err != nil || binary != nil || data["topics"] != "20000" || !Outgrown(data) {
		t.Errorf("%d bytes saved, %v, %v", len(binary[KeyTables]), data, err)
	}
}

func TestDecodeGarbage(t *testing.T) {
	for what, binary := range map[string]map[string][]byte{"missing": nil, "no gzip": {KeyTables: []byte("garbage")}} {
		if _, err := Decode(binary); err == nil || !strings.Contains(err.Error(), KeyTables) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
