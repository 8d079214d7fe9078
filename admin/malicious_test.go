// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// pages serves one connection with topic tables: body is what the n-th answer holds, total what its header claims.
func pages(t *testing.T, total string, body func(n int64) string) (c *admin.Client, addr string, asked *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	asked = new(atomic.Int64)
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for {
			var size [4]byte
			if _, err := io.ReadFull(r, size[:]); err != nil {
				return
			}
			frame := make([]byte, binary.BigEndian.Uint32(size[:]))
			if _, err := io.ReadFull(r, frame); err != nil {
				return
			}
			var head struct{ Opaque int }
			if json.Unmarshal(frame[4:4+binary.BigEndian.Uint32(frame)&0xffffff], &head) != nil {
				return
			}
			answer := fmt.Sprintf(`{"code":0,"flag":1,"opaque":%d,"extFields":{"totalTopicNum":%q}}`, head.Opaque, total)
			text := body(asked.Add(1))
			out := binary.BigEndian.AppendUint32(nil, uint32(4+len(answer)+len(text)))
			out = binary.BigEndian.AppendUint32(out, uint32(len(answer)))
			if _, err := conn.Write(append(append(out, answer...), text...)); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-served
	})
	rc := remoting.NewClient(remoting.Options{})
	t.Cleanup(func() { _ = rc.Close() })
	return admin.New(rc), l.Addr().String(), asked
}

// TestTablesOfMaliciousServers: pages that make no progress, claim too much, or never end cost an error or a bounded
// number of questions, within the deadline.
func TestTablesOfMaliciousServers(t *testing.T) {
	const same = `{"topicConfigTable":{"t":{}},"dataVersion":{"counter":1}}`
	for _, tc := range []struct {
		name, total string
		body        func(n int64) string
		fails       bool
		most        int64 // questions; 0 for any number
	}{
		{"no progress", "5", func(int64) string { return same }, false, 7},
		{"another version each time", "5", func(n int64) string {
			return fmt.Sprintf(`{"topicConfigTable":{"t%d":{}},"dataVersion":{"counter":%d}}`, n, n)
		}, false, 7},
		{"endless", "1000000", func(n int64) string {
			return fmt.Sprintf(`{"topicConfigTable":{"t%d":{}},"dataVersion":{"counter":1}}`, n)
		}, true, 0},
		{"huge total", "99999999", func(int64) string { return same }, true, 1},
		{"negative total", "-1", func(int64) string { return same }, true, 1},
		{"total of another type", "many", func(int64) string { return same }, true, 1},
		{"table of another type", "1", func(int64) string { return `{"topicConfigTable":[1],"dataVersion":{}}` }, true, 1},
		{"no table", "1", func(int64) string { return `{}` }, true, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, addr, asked := pages(t, tc.total, tc.body)
			limit := time.Minute
			if tc.most == 0 {
				limit = 300 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			start := time.Now()
			_, _, err := c.Topics(ctx, addr)
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			if (err != nil) != tc.fails || tc.most > 0 && asked.Load() > tc.most {
				t.Errorf("after %d questions: %v", asked.Load(), err)
			}
		})
	}
}
