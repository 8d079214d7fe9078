// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"fmt"
	"net"
	"sync"
	"testing"
)

// BenchmarkInvoke prints the cost of a call with a short answer: one after the other, and 32 at a time on one connection. The
// server is in the same process, so its allocations count too.
func BenchmarkInvoke(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answering(echo)(conn)
		}
	}()
	c := NewClient(Options{})
	defer c.Close()
	req := Request{Code: UpdateConsumerOffset, Fields: map[string]string{
		"consumerGroup": "billing", "topic": "orders", "queueId": "7", "commitOffset": "1234567",
	}}
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			b.ReportAllocs()
			var calling sync.WaitGroup
			for caller := range callers {
				calling.Go(func() {
					for i := caller; i < b.N; i += callers {
						if _, err := c.Invoke(b.Context(), l.Addr().String(), req); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			calling.Wait()
		})
	}
}
