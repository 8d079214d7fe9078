// SPDX-License-Identifier: Apache-2.0

package metadata

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

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

// TestTooLarge: what 16 ConfigMaps cannot hold is marked, and left out.
func TestTooLarge(t *testing.T) {
	noise := func() string {
		b := make([]byte, 10_000)
		_, _ = rand.Read(b)
		return base64.StdEncoding.EncodeToString(b)
	}
	data, binary, err := Encode(Mark{Term: "x"}, many(1_600, noise))
	if err != nil || binary != nil || data["topics"] != "1600" || !Outgrown(data) {
		t.Errorf("%d bytes saved, %v, %v", len(binary[KeyTables]), data, err)
	}
}

// TestKeep: the tables from before they became fewer are kept, and not those of each step on the way down.
func TestKeep(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	var data map[string]string
	var binary map[string][]byte
	save := func(topics int, after time.Duration) {
		now = now.Add(after)
		next := map[string]string{keyTopics: strconv.Itoa(topics), keyGroups: "1"}
		binary = Keep(next, map[string][]byte{KeyTables: []byte(strconv.Itoa(topics))}, data, binary, now)
		data = next
	}
	for i, step := range []struct {
		topics   int
		after    time.Duration
		previous string
	}{
		{5, 0, ""},
		{812, time.Minute, ""},
		{400, time.Minute, "812"},
		{200, time.Minute, "812"}, // the same trouble
		{900, time.Minute, "812"},
		{901, 48 * time.Hour, "812"},
		{3, time.Minute, "901"}, // another one
	} {
		save(step.topics, step.after)
		if got := string(binary[KeyPrevious]); got != step.previous || string(binary[KeyTables]) != strconv.Itoa(step.topics) {
			t.Errorf("step %d: %q is kept beside %s topics, want %q", i, got, binary[KeyTables], step.previous)
		}
	}
	tooLarge := map[string]string{keyTopics: "1000000", keyGroups: "1", keyOutgrown: "true"}
	if kept := Keep(tooLarge, nil, data, binary, now); string(kept[KeyTables]) != "3" {
		t.Errorf("when the new tables are too large, %q is kept", kept[KeyTables])
	}
}

func TestNextSave(t *testing.T) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	data := map[string]string{}
	binary := Keep(data, map[string][]byte{KeyTables: make([]byte, 80<<10)}, nil, nil, at)
	if got := NextSave(data, binary).Sub(at); got != 10*time.Second {
		t.Errorf("80 KiB are saved again after %s", got)
	}
	if got := NextSave(nil, nil); !got.IsZero() {
		t.Errorf("what an older operator saved is saved again at %s", got)
	}
}

func TestFewer(t *testing.T) {
	of := func(topics, groups string) map[string]string {
		return map[string]string{keyTopics: topics, keyGroups: groups}
	}
	for _, test := range []struct {
		before, after map[string]string
		part          float64
		want          bool
	}{
		{nil, of("0", "0"), 1, false},
		{of("5", "5"), of("5", "5"), 1, false},
		{of("5", "5"), of("4", "6"), 1, true},
		{of("5", "5"), of("6", "4"), 1, true},
		{of("10", "5"), of("5", "5"), 0.5, false},
		{of("10", "5"), of("4", "5"), 0.5, true},
	} {
		if got := Fewer(test.before, test.after, test.part); got != test.want {
			t.Errorf("%v after %v: %t", test.after, test.before, got)
		}
	}
}

func TestDecodeGarbage(t *testing.T) {
	for what, binary := range map[string]map[string][]byte{"missing": nil, "no gzip": {KeyTables: []byte("garbage")}} {
		if _, err := Decode(binary); err == nil || !strings.Contains(err.Error(), KeyTables) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
