// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// flood serves connections and answers every request with the same body, whatever its length, without memory of its own.
func flood(t testing.TB, body []byte) (c *admin.Client, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				answerWith(conn, body)
			})
		}
	})
	rc := remoting.NewClient(remoting.Options{Timeout: time.Minute})
	t.Cleanup(func() {
		_ = l.Close()
		_ = rc.Close()
		serving.Wait()
	})
	return admin.New(rc), l.Addr().String()
}

func answerWith(conn net.Conn, body []byte) {
	r := bufio.NewReader(conn)
	for {
		opaque, err := readOpaque(r)
		if err != nil {
			return
		}
		head := fmt.Sprintf(`{"code":0,"flag":1,"opaque":%d}`, opaque)
		out := binary.BigEndian.AppendUint32(nil, uint32(4+len(head)+len(body)))
		out = binary.BigEndian.AppendUint32(out, uint32(len(head)))
		if _, err := conn.Write(append(out, head...)); err != nil {
			return
		}
		if _, err := conn.Write(body); err != nil {
			return
		}
	}
}

// readOpaque reads a request and returns its number.
func readOpaque(r io.Reader) (int, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return 0, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(r, frame); err != nil {
		return 0, err
	}
	var head struct{ Opaque int }
	err := json.Unmarshal(frame[4:4+binary.BigEndian.Uint32(frame)&0xffffff], &head)
	return head.Opaque, err
}

// fill repeats an element, with its number, between a beginning and an end until they are about so long.
func fill(size int, beginning, element, end string) []byte {
	var b strings.Builder
	b.Grow(size + 1000)
	b.WriteString(beginning)
	numbered := strings.Contains(element, "%")
	for i := 0; b.Len() < size-len(end)-200; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		if numbered {
			fmt.Fprintf(&b, element, i)
		} else {
			b.WriteString(element)
		}
	}
	b.WriteString(end)
	return []byte(b.String())
}

const (
	realGroup = `"broker-%[1]d":{"brokerAddrs":{0:"10.0.0.1:10911",2:"10.0.0.2:10911"},"brokerName":"broker-%[1]d","cluster":"c"}`
	realPair  = `"topic-of-a-team-%[1]d@consumer-group-of-it-%[1]d":{0:1234567,1:1234567,2:1234567,3:1234567}`
	realTopic = `"topic-of-a-team-%[1]d":{"attributes":{"message.type":"FIFO"},"order":false,"perm":6,"readQueueNums":8,` +
		`"topicFilterType":"SINGLE_TAG","topicName":"topic-of-a-team-%[1]d","topicSysFlag":0,"writeQueueNums":8}`
	version = `"dataVersion":{"counter":1,"stateVersion":0,"timestamp":1}`
)

// realClusterInfo is a name server's answer with as many brokers as fit.
func realClusterInfo(size int) []byte {
	return fill(size, `{"brokerAddrTable":{`, realGroup, `},"clusterAddrTable":{"c":["broker-0","broker-1","broker-2"]}}`)
}

// allocations is how many bytes do allocates, which is more than the memory that it needs at any time.
func allocations(do func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// TestLongAnswersOfMaliciousServers: whatever a server sends, one question costs a bounded amount of memory.
func TestLongAnswersOfMaliciousServers(t *testing.T) {
	const kB, mB = 1 << 10, 1 << 20
	clusterInfo := func(c *admin.Client, addr string) error { return second(c.ClusterInfo(t.Context(), addr)) }
	clusterInfoOf := func(c *admin.Client, addr string) error {
		return second(c.ClusterInfoOf(t.Context(), addr, "broker-1", "broker-2"))
	}
	topics := func(c *admin.Client, addr string) error {
		_, _, err := c.Topics(t.Context(), addr)
		return err
	}
	groups := func(c *admin.Client, addr string) error {
		_, _, err := c.Groups(t.Context(), addr)
		return err
	}
	offsets := func(c *admin.Client, addr string) error { return second(c.Offsets(t.Context(), addr)) }
	haStatus := func(c *admin.Client, addr string) error { return second(c.HAStatus(t.Context(), addr)) }
	users := func(c *admin.Client, addr string) error { return second(c.Users(t.Context(), addr, "")) }
	route := func(c *admin.Client, addr string) error { return second(c.TopicRouteOf(t.Context(), addr, "t", "b")) }
	connection := func(c *admin.Client, addr string) error { return second(c.ConsumerConnection(t.Context(), addr, "g")) }
	for _, tc := range []struct {
		name string
		body []byte
		ask  func(c *admin.Client, addr string) error
		want string // in the error
		most int    // bytes allocated
	}{
		{"16 MB of brokers", realClusterInfo(16 * mB), clusterInfo, "at most 4194304 are accepted", 500 * kB},
		{"4 MB of brokers", realClusterInfo(4 * mB), clusterInfo, "", 40 * mB},
		{"4 MB of brokers, two of them wanted", realClusterInfo(4 * mB), clusterInfoOf, "", mB},
		{
			"4 MB of addresses of a wanted broker",
			fill(4*mB, `{"brokerAddrTable":{"broker-1":{"brokerAddrs":{`, `%d:""`, `}}}}`), clusterInfoOf, "more than 1000 members", mB,
		},
		{
			"a cluster's name of 4 MB",
			fill(4*mB, `{"brokerAddrTable":{"broker-1":{"cluster":"`, `x`, `"}}}`), clusterInfoOf, "more than 262144 bytes", 2 * mB,
		},
		{"4 MB of clusters", fill(4*mB, `{"clusterAddrTable":{`, `"%d":[]`, `}}`), clusterInfo, "", 20 * mB},
		{"1 MB of queues in a route", fill(mB, `{"queueDatas":[`, `{}`, `]}`), route, "", 100 * mB},
		{"16 MB of topics", fill(16*mB, `{`+version+`,"topicConfigTable":{`, realTopic, `}}`), topics, "", 200 * mB},
		{"topics without settings", fill(16*mB, `{`+version+`,"topicConfigTable":{`, `"%d":{}`, `}}`), topics, "more entries than a server writes", 20 * mB},
		{
			"a topic with countless attributes",
			fill(16*mB, `{`+version+`,"topicConfigTable":{"t":{"attributes":{`, `"%d":""`, `}}}}`), topics, "more than 262144 bytes", 2 * mB,
		},
		{
			"topics with countless attributes",
			fill(15*mB, `{`+version+`,"topicConfigTable":{`, `"%d":{"attributes":{`+strings.Repeat(`"a":"","b":"","c":"","d":"",`, 50)+`"":""}}`, `}}`),
			topics, "", 400 * mB,
		},
		{"a group with countless settings", fill(16*mB, `{`+version+`,"subscriptionGroupTable":{"g":{`, `"%d":1`, `}}}`), groups, "more than 262144 bytes", 2 * mB},
		{"16 MB of offsets", fill(16*mB, `{"offsetTable":{`, realPair, `}}`), offsets, "", 150 * mB},
		{"short offsets", fill(16*mB, `{"offsetTable":{`, `"%d@":{}`, `}}`), offsets, "more entries than a server writes", 20 * mB},
		{"an offset for countless queues", fill(16*mB, `{"offsetTable":{"t@g":{`, `%d:0`, `}}}`), offsets, "more than 100000 queues", 10 * mB},
		{"1 MB about replication", fill(mB, `{"haConnectionInfo":[`, `{}`, `]}`), haStatus, "at most 65536 are accepted", 500 * kB},
		{"64 KB about replication", fill(64*kB-500, `{"haConnectionInfo":[`, `{}`, `]}`), haStatus, "", 10 * mB},
		{"users without a name", fill(16*mB, `[`, `{}`, `]`), users, "more entries than a server writes", 20 * mB},
		{"members without a name", fill(16*mB, `{"connectionSet":[`, `{}`, `]}`), connection, "more entries than a server writes", 20 * mB},
		{"deeper than any answer", fill(16*mB, `{"connectionSet":[`, strings.Repeat(`[`, 100), `]}`), connection, "nested more than 64 deep", mB},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, addr := flood(t, tc.body)
			var err error
			allocated := allocations(func() { err = tc.ask(c, addr) })
			t.Logf("%d KB allocated for %d KB", allocated>>10, len(tc.body)>>10)
			if allocated > tc.most {
				t.Errorf("%d bytes allocated, want at most %d", allocated, tc.most)
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// TestOffsetTableBeyondAFrame: a table longer than a broker would accept itself is read entry by entry, and refused by
// those who would keep it whole.
func TestOffsetTableBeyondAFrame(t *testing.T) {
	body := fill(remoting.DefaultMaxFrame+4<<20, `{"offsetTable":{`, realPair, `}}`)
	c, addr := flood(t, body)
	pairs, queues := 0, 0
	allocated := allocations(func() {
		err := c.EachOffset(t.Context(), addr, func(pair admin.TopicGroup, offsets map[int]int64) error {
			want := admin.TopicGroup{Topic: fmt.Sprintf("topic-of-a-team-%d", pairs), Group: fmt.Sprintf("consumer-group-of-it-%d", pairs)}
			if pair != want || offsets[3] != 1234567 {
				return fmt.Errorf("%v has %v, want %v", pair, offsets, want)
			}
			pairs++
			queues += len(offsets)
			return nil
		})
		must(t, err)
	})
	if pairs < 200_000 || queues != 4*pairs {
		t.Errorf("%d pairs with %d queues", pairs, queues)
	}
	t.Logf("%d pairs, %d KB allocated for %d KB, none kept", pairs, allocated>>10, len(body)>>10)
	if _, err := c.Offsets(t.Context(), addr); !errors.As(err, new(*remoting.AnswerTooLongError)) {
		t.Errorf("the whole table: %v", err)
	}
	stop := errors.New("enough")
	seen := 0
	err := c.EachOffset(t.Context(), addr, func(admin.TopicGroup, map[int]int64) error {
		seen++
		return stop
	})
	if !errors.Is(err, stop) || err.Error() != "enough" || seen != 1 {
		t.Errorf("after %d pairs: %v, want the visitor's error", seen, err)
	}
}

// BenchmarkLongAnswers prints bytes allocated for one answer: whole is Invoke and UnmarshalBody, as it is without streaming.
func BenchmarkLongAnswers(b *testing.B) {
	clusterInfo, offsets := realClusterInfo(4<<20), fill(15<<20, `{"offsetTable":{`, realPair, `}}`)
	for _, bm := range []struct {
		name string
		body []byte
		ask  func(b *testing.B, rc *remoting.Client, c *admin.Client, addr string) error
	}{
		{"ClusterInfo/whole", clusterInfo, func(b *testing.B, rc *remoting.Client, _ *admin.Client, addr string) error {
			return whole(b, rc, addr, remoting.GetBrokerClusterInfo, new(admin.ClusterInfo))
		}},
		{"ClusterInfo/streamed", clusterInfo, func(b *testing.B, _ *remoting.Client, c *admin.Client, addr string) error {
			return second(c.ClusterInfo(b.Context(), addr))
		}},
		{"ClusterInfo/two-groups", clusterInfo, func(b *testing.B, _ *remoting.Client, c *admin.Client, addr string) error {
			return second(c.ClusterInfoOf(b.Context(), addr, "broker-1", "broker-2"))
		}},
		{"Offsets/whole", offsets, func(b *testing.B, rc *remoting.Client, _ *admin.Client, addr string) error {
			return whole(b, rc, addr, remoting.GetAllConsumerOffset, &struct {
				Offsets map[admin.TopicGroup]map[int]int64 `json:"offsetTable"`
			}{})
		}},
		{"Offsets/streamed", offsets, func(b *testing.B, _ *remoting.Client, c *admin.Client, addr string) error {
			return second(c.Offsets(b.Context(), addr))
		}},
		{"Offsets/each", offsets, func(b *testing.B, _ *remoting.Client, c *admin.Client, addr string) error {
			return c.EachOffset(b.Context(), addr, func(admin.TopicGroup, map[int]int64) error { return nil })
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			c, addr := flood(b, bm.body)
			rc := remoting.NewClient(remoting.Options{Timeout: time.Minute})
			defer rc.Close()
			b.ReportAllocs()
			b.SetBytes(int64(len(bm.body)))
			for b.Loop() {
				if err := bm.ask(b, rc, c, addr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func whole(b *testing.B, rc *remoting.Client, addr string, code remoting.RequestCode, v any) error {
	resp, err := rc.Invoke(b.Context(), addr, remoting.Request{Code: code, MaxAnswer: remoting.DefaultMaxFrame})
	if err != nil {
		return err
	}
	return remoting.UnmarshalBody(resp.Body, v)
}
