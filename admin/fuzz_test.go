// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// FuzzAnswers: whatever a server sends as the body of an answer, every operation ends with a value or an error, soon, and
// for memory in proportion.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"brokerAddrTable":{"b":{"brokerAddrs":{0:"[::1]:10911",2:"fd00::1:10911"},"brokerName":"b","cluster":"c"}},"clusterAddrTable":{"c":["b"]}}`,
		`{"brokerDatas":[{"brokerAddrs":{"0":"a:1"},"brokerName":"b","cluster":"c"}],"queueDatas":[{"brokerName":"b","perm":6}],"orderTopicConf":"b:4"}`,
		`{"offsetTable":{{"brokerName":"static","queueId":0,"topic":"t1"}:{"brokerOffset":3,"consumerOffset":1,"lastTimestamp":1795471930129,"pullOffset":1}},"consumeTps":0.0}`,
		`{"offsetTable":{"t1@g1":{0:1}},"dataVersion":{"counter":1,"stateVersion":0,"timestamp":1}}`,
		`{"topicConfigTable":{"t":{"attributes":{"message.type":"FIFO"},"order":true,"perm":6,"readQueueNums":3,"topicFilterType":"SINGLE_TAG","topicName":"t","topicSysFlag":0,"writeQueueNums":2}}}`,
		`{"offsetTable":{18:0}}`,
		`{"timingCount":{"t":{"count":3,"timeStamp":1}}}`,
		`{"connectionSet":[{"clientAddr":"1.2.3.4:5","clientId":"c","language":"GO","version":493}],"subscriptionTable":{"t":{"topic":"t","subString":"*"}},"consumeType":"CONSUME_PASSIVELY"}`,
		`{"data":{"g":[{"clientId":"c","remoteIP":"/1.2.3.4:5"}]}}`,
		`[{"password":"secret","userStatus":"enable","userType":"Normal","username":"app"}]`,
		`[{"policies":[{"entries":[{"actions":["Pub","Sub"],"decision":"Allow","resource":"Topic:orders*","sourceIps":["127.0.0.0/8"]}],"policyType":"Custom"}],"subject":"User:app"}]`,
		`{"policies":[{"entries":null}],"subject":"User:app"}`, ``, ` `, `null`, `[]`,
		`{"groupList":["a","b"]}`, "a=b\nc=d\r\n", "\x00\x00\x00\x04\xda\xa3\x20\xa7",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rc := remoting.NewClient(remoting.Options{Timeout: time.Minute})
		defer rc.Close()
		addr := floodUntilDone(t, body)
		c := admin.New(rc)
		ctx := t.Context()
		start := time.Now()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		// An error is as good as a value.
		_, _ = c.ClusterInfo(ctx, addr)
		_, _ = c.ClusterInfoOf(ctx, addr, "b")
		_, _ = c.TopicRoute(ctx, addr, "t")
		_, _, _ = c.Topics(ctx, addr)
		_, _, _ = c.Groups(ctx, addr)
		_, _ = c.TopicsState(ctx, addr)
		_, _ = c.Offsets(ctx, addr)
		_, _ = c.ConsumeStats(ctx, addr, "g")
		_, _ = c.TopicStats(ctx, addr, "t")
		_, _ = c.DelayOffsets(ctx, addr)
		_, _ = c.TimerBacklog(ctx, addr)
		_, _ = c.ConsumerConnection(ctx, addr, "g")
		_, _ = c.ConsumerIDs(ctx, addr, "g")
		_, _ = c.Producers(ctx, addr)
		_, _ = c.Messages(ctx, addr, "t", 0, 0)
		_, _ = c.BrokerConfig(ctx, addr)
		_, _ = c.HAStatus(ctx, addr)
		_, _ = c.SyncStateData(ctx, addr, "b")
		_, _ = c.User(ctx, addr, "app")
		_, _ = c.Users(ctx, addr, "")
		_, _ = c.ACL(ctx, addr, "app")
		_, _ = c.ACLs(ctx, addr, "", "")
		runtime.ReadMemStats(&after)
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%d bytes took %v", len(body), took)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 4<<20+uint64(22*500*len(body)) {
			t.Errorf("%d bytes allocated for %d", allocated, len(body))
		}
	})
}

// floodUntilDone is flood without a client.
func floodUntilDone(t *testing.T, body []byte) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		answerWith(conn, body)
		_, _ = io.Copy(io.Discard, conn)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-served
	})
	return l.Addr().String()
}

// FuzzFrames: whatever a server sends instead of a frame, calls end.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x24\x00\x00\x00\x20" + `{"code":0,"flag":1,"opaque":1}  {}`))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = io.ReadFull(conn, make([]byte, 8))
			_, _ = io.Copy(conn, bytes.NewReader(frame))
			_ = conn.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, conn)
		}()
		rc := remoting.NewClient(remoting.Options{Timeout: 10 * time.Second})
		defer rc.Close()
		start := time.Now()
		_, _ = admin.New(rc).ClusterInfo(t.Context(), l.Addr().String())
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%d bytes took %v", len(frame), took)
		}
	})
}
