// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"net"
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

// TestIPv6: a broker registers its IPv6 address without brackets. It is found and asked all the same.
func TestIPv6(t *testing.T) {
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skipf("this machine has no IPv6: %v", err)
	} else {
		_ = l.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	s := rocketmq.New(t)
	nameServer, err := s.NameServer()
	must(t, err)
	broker, err := s.Broker(rocketmq.Broker{
		Cluster: "c", Name: "six", NameServers: []*rocketmq.Server{nameServer},
		Properties: map[string]string{"brokerIP1": "::1", "brokerIP2": "::1"},
	})
	must(t, err)
	must(t, nameServer.Ready(ctx))
	_, port, err := remoting.SplitAddr(broker.Addr)
	must(t, err)
	want := "[::1]:" + port
	eventually(ctx, t, "the broker is registered", func() (bool, error) {
		info, err := s.Admin.ClusterInfoOf(ctx, nameServer.Addr, "six")
		if err != nil {
			return false, err
		}
		// A name server shows a group for a moment before it has its address (RouteInfoManager.registerBroker).
		registered := info.Brokers["six"].Addrs[admin.MasterID]
		if registered != "" && registered != want {
			t.Fatalf("registered as %q, want %s", registered, want)
		}
		return registered != "", nil
	})
	for _, addr := range []string{want, "::1:" + port, "0:0:0:0:0:0:0:1:" + port} {
		config, err := s.Admin.BrokerConfig(ctx, addr)
		if err != nil || config["brokerIP1"] != "::1" {
			t.Errorf("asked at %s: brokerIP1 %q, %v", addr, config["brokerIP1"], err)
		}
	}
	if _, err := s.Admin.ClusterInfo(ctx, "[::1]:"+portOf(t, nameServer.Addr)); err != nil {
		t.Errorf("the name server's IPv6 address: %v", err)
	}
	route, err := s.Admin.TopicRouteOf(ctx, nameServer.Addr, "SELF_TEST_TOPIC", "six")
	must(t, err)
	if len(route.Brokers) != 1 || route.Brokers[0].Addrs[admin.MasterID] != want || len(route.Queues) != 1 {
		t.Errorf("route %+v", route)
	}
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := remoting.SplitAddr(addr)
	must(t, err)
	return port
}
