// SPDX-License-Identifier: Apache-2.0

package remoting_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

// TestRealServer sends 100 calls at once to a real name server, over one connection, and one that it refuses.
func TestRealServer(t *testing.T) {
	server, err := rocketmq.New(t).NameServer()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // on a starved machine; usually 5 s
	defer cancel()
	if err := server.Ready(ctx); err != nil {
		t.Fatal(err)
	}

	var connections atomic.Int32
	c := remoting.NewClient(remoting.Options{Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		connections.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}})
	defer c.Close()
	var calling sync.WaitGroup
	for range 100 {
		calling.Go(func() {
			resp, err := c.Invoke(ctx, server.Addr, remoting.Request{Code: remoting.GetBrokerClusterInfo})
			if err != nil {
				t.Error(err)
				return
			}
			var info map[string]map[string]any
			if err := remoting.UnmarshalBody(resp.Body, &info); err != nil || info["brokerAddrTable"] == nil {
				t.Errorf("body %q: %v", resp.Body, err)
			}
		})
	}
	calling.Wait()
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	_, err = c.Invoke(ctx, server.Addr, remoting.Request{Code: remoting.ControllerElectMaster})
	if !remoting.IsCode(err, remoting.RequestCodeNotSupported) {
		t.Errorf("election at a name server: %v, want REQUEST_CODE_NOT_SUPPORTED", err)
	}

	server.Stop(ctx)
	if _, err := c.Invoke(ctx, server.Addr, remoting.Request{Code: remoting.GetBrokerClusterInfo}); err == nil {
		t.Error("a stopped server answered")
	}
}
