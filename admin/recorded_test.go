// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// replay starts a server that answers one request with the bytes of testdata/<name>.frame, which servers of RocketMQ
// 5.4.0 sent, and returns a client to ask it with.
func replay(t *testing.T, name string) (c *admin.Client, addr string) {
	t.Helper()
	frame, err := os.ReadFile(filepath.Join("testdata", name+".frame"))
	if err != nil {
		t.Fatal(err)
	}
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
		if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil { // a request has begun to come
			return
		}
		_, _ = conn.Write(frame)
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = io.Copy(io.Discard, conn) // until the client closes: closing first could cost it the answer
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-served
	})
	rc := remoting.NewClient(remoting.Options{Timeout: 10 * time.Second})
	t.Cleanup(func() { _ = rc.Close() }) // before the server's cleanup, which waits for it
	return admin.New(rc), l.Addr().String()
}

func TestRecordedAnswers(t *testing.T) {
	const master, slave = "127.0.0.1:18990", "127.0.0.1:18966"
	for _, tc := range []struct {
		file string
		ask  func(c *admin.Client, addr string) (any, error)
		want any
	}{
		{
			"cluster_info",
			func(c *admin.Client, addr string) (any, error) { return c.ClusterInfo(t.Context(), addr) },
			&admin.ClusterInfo{
				Brokers: map[string]admin.BrokerData{
					group:    {Cluster: cluster, Name: group, Addrs: map[int64]string{0: master, 2: slave}},
					"static": {Cluster: "cluster-b", Name: "static", Addrs: map[int64]string{0: "127.0.0.1:15554"}},
				},
				Clusters: map[string][]string{cluster: {group}, "cluster-b": {"static"}},
			},
		},
		{
			"ha_status_master",
			func(c *admin.Client, addr string) (any, error) { return c.HAStatus(t.Context(), addr) },
			&admin.HAStatus{Master: true, InSyncSlaves: 1, Slaves: []admin.HASlave{{Addr: "127.0.0.1:33616", InSync: true}}},
		},
		{
			"ha_status_slave",
			func(c *admin.Client, addr string) (any, error) { return c.HAStatus(t.Context(), addr) },
			&admin.HAStatus{
				Slaves: []admin.HASlave{},
				Source: admin.HASource{MasterAddr: "127.0.0.1:18991", LastReadMillis: 1795467637267},
			},
		},
		{
			"metadata",
			func(c *admin.Client, addr string) (any, error) { return c.ControllerMetadata(t.Context(), addr) },
			&admin.ControllerMetadata{
				Group: "test", LeaderID: "n0", LeaderAddr: "127.0.0.1:31600", IsLeader: true,
				Peers: []admin.ControllerPeer{{ID: "n0", Addr: "127.0.0.1:31600"}},
			},
		},
		{
			"metadata_no_leader",
			func(c *admin.Client, addr string) (any, error) { return c.ControllerMetadata(t.Context(), addr) },
			&admin.ControllerMetadata{
				Group: "test",
				Peers: []admin.ControllerPeer{{ID: "n0", Addr: "127.0.0.1:26068"}, {ID: "n1", Addr: "127.0.0.1:28716"}},
			},
		},
		{
			"sync_state",
			func(c *admin.Client, addr string) (any, error) { return c.SyncStateData(t.Context(), addr, group) },
			map[string]admin.SyncState{group: {
				MasterID: 1, MasterAddr: master, MasterEpoch: 1, SyncStateSetEpoch: 1,
				InSync:    []admin.Replica{{ID: 1, Addr: master, Alive: true}},
				NotInSync: []admin.Replica{{ID: 2, Addr: slave, Alive: true}},
			}},
		},
		{
			"elect_master",
			func(c *admin.Client, addr string) (any, error) {
				return c.ElectMaster(t.Context(), addr, admin.ElectMasterRequest{ClusterName: cluster, BrokerName: group, BrokerID: 2})
			},
			&admin.ElectMasterResult{
				MasterID: 2, MasterAddr: slave, MasterEpoch: 2, SyncStateSetEpoch: 3,
				Addrs: map[int64]string{1: master, 2: slave}, SyncStateSet: []int64{2},
			},
		},
		{
			"topic",
			func(c *admin.Client, addr string) (any, error) { return c.Topic(t.Context(), addr, "orders") },
			&admin.TopicConfig{
				Name: "orders", ReadQueues: 3, WriteQueues: 2, Perm: 6, FilterType: "SINGLE_TAG", Order: true,
				Attributes: map[string]string{"message.type": "FIFO", "queue.type": "SimpleCQ"},
			},
		},
		{
			"topics_state",
			func(c *admin.Client, addr string) (any, error) { return c.TopicsState(t.Context(), addr) },
			admin.TableState{Version: admin.DataVersion{Timestamp: 1795471930071, Counter: 2}, Total: 16},
		},
		{
			"groups_state",
			func(c *admin.Client, addr string) (any, error) { return c.GroupsState(t.Context(), addr) },
			admin.TableState{Version: admin.DataVersion{Timestamp: 1795471930269, Counter: 2}, Total: 10},
		},
		{
			"offsets",
			func(c *admin.Client, addr string) (any, error) { return c.Offsets(t.Context(), addr) },
			map[admin.TopicGroup]map[int]int64{{Topic: "t1", Group: "g1"}: {0: 1}},
		},
		{
			"topic_stats",
			func(c *admin.Client, addr string) (any, error) { return c.TopicStats(t.Context(), addr, "t1") },
			map[int]admin.QueueStats{0: {MaxOffset: 3, LastUpdateMillis: 1795471930185}, 1: {}},
		},
		{
			"consume_stats",
			func(c *admin.Client, addr string) (any, error) {
				return c.ConsumeStats(t.Context(), addr, "g1", "t1", "orders")
			},
			&admin.ConsumeStats{Queues: map[admin.TopicQueue]admin.ConsumeProgress{
				{Topic: "orders", Queue: 0}: {}, {Topic: "orders", Queue: 1}: {}, {Topic: "orders", Queue: 2}: {},
				{Topic: "t1", Queue: 0}: {BrokerOffset: 3, ConsumerOffset: 1, PullOffset: 1, LastMillis: 1795471930129},
				{Topic: "t1", Queue: 1}: {},
			}},
		},
		{
			"consumer_connection",
			func(c *admin.Client, addr string) (any, error) { return c.ConsumerConnection(t.Context(), addr, "g1") },
			&admin.ConsumerConnection{
				Members:       []admin.Connection{{ClientID: "client-1", Addr: "127.0.0.1:50796", Language: "GO", Version: 493}},
				Subscriptions: map[string]admin.Subscription{"t1": {Topic: "t1", Expression: "a || b", Type: "TAG"}},
				Type:          "CONSUME_PASSIVELY", Model: "CLUSTERING", From: "CONSUME_FROM_LAST_OFFSET",
			},
		},
		{
			"consumer_ids",
			func(c *admin.Client, addr string) (any, error) { return c.ConsumerIDs(t.Context(), addr, "g1") },
			[]string{"client-1"},
		},
		{
			"producers",
			func(c *admin.Client, addr string) (any, error) { return c.Producers(t.Context(), addr) },
			map[string][]admin.Producer{"pg": {{
				ClientID: "client-1", Addr: "127.0.0.1:50796", Language: "GO", Version: 493, LastUpdateMillis: 1795471930390,
			}}},
		},
		{
			"topic_consumers",
			func(c *admin.Client, addr string) (any, error) { return c.TopicConsumers(t.Context(), addr, "t1") },
			[]string{"g1"},
		},
		{
			"group_topics",
			func(c *admin.Client, addr string) (any, error) { return c.GroupTopics(t.Context(), addr, "g1") },
			[]string{"t1"},
		},
		{
			"delay_offsets",
			func(c *admin.Client, addr string) (any, error) { return c.DelayOffsets(t.Context(), addr) },
			map[int]int64{18: 0},
		},
		{
			"route",
			func(c *admin.Client, addr string) (any, error) { return c.TopicRoute(t.Context(), addr, "orders") },
			&admin.TopicRoute{
				Brokers: []admin.BrokerData{{Cluster: "c", Name: "static", Addrs: map[int64]string{0: "127.0.0.1:33911"}}},
				Queues:  []admin.RouteQueue{{Broker: "static", ReadQueues: 3, WriteQueues: 2, Perm: 6}},
			},
		},
	} {
		t.Run(tc.file, func(t *testing.T) {
			got, err := tc.ask(replay(t, tc.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestRecordedTables: whole tables, of a broker with its own topics and groups and some of users.
func TestRecordedTables(t *testing.T) {
	c, addr := replay(t, "topics")
	topics, version, err := c.Topics(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	wantVersion := admin.DataVersion{Timestamp: 1795471930071, Counter: 2}
	if diff := cmp.Diff(wantVersion, version); diff != "" || len(topics) != 16 {
		t.Errorf("%d topics, version (-want +got):\n%s", len(topics), diff)
	}
	for name, topic := range topics {
		if system := name != "orders" && name != "t1"; topic.Name != name || admin.IsSystemTopic(name, "c", "static") != system {
			t.Errorf("topic %s: %+v; system topic: %t", name, topic, !system)
		}
	}

	c, addr = replay(t, "groups")
	groups, _, err := c.Groups(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	want := admin.NewSubscriptionGroup("g1")
	want.RetryMaxTimes = 3
	want.RetryPolicy = []byte(`{"type":"EXPONENTIAL","exponentialRetryPolicy":{"initial":1000,"max":60000,"multiplier":2}}`)
	if got := groups["g1"]; len(groups) != 10 || !got.Equal(want) {
		t.Errorf("%d groups\nwant %+v\ngot  %+v", len(groups), want, got)
	}

	c, addr = replay(t, "group")
	if got, err := c.Group(t.Context(), addr, "g1"); err != nil || !got.Equal(want) {
		t.Errorf("one group: %v\nwant %+v\ngot  %+v", err, want, got)
	}
	c, addr = replay(t, "topic_unknown")
	if _, err := c.Topic(t.Context(), addr, "nope"); !remoting.IsCode(err, remoting.TopicNotExist) {
		t.Errorf("unknown topic: %v", err)
	}
}

func TestRecordedRuntimeInfo(t *testing.T) {
	c, addr := replay(t, "runtime_info")
	got, err := c.BrokerRuntimeInfo(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	type figures struct {
		Version             string
		Active              bool
		BootTime            time.Time
		CommitLog, Consume  float64
		DispatchBehindBytes string
	}
	want := figures{"V5_4_0", true, time.UnixMilli(1795467614384), 0.24, 0.24, "0"}
	if diff := cmp.Diff(want, figures{
		got.Version(), got.Active(), got.BootTime(), got.CommitLogDiskRatio(), got.ConsumeQueueDiskRatio(),
		got["dispatchBehindBytes"],
	}); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRecordedBrokerConfig(t *testing.T) {
	c, addr := replay(t, "broker_config")
	got, err := c.BrokerConfig(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 456 {
		t.Errorf("%d keys, want all 456", len(got))
	}
	for key, want := range map[string]string{"brokerName": "static", "timerWheelEnable": "false", "metricsPromExporterHost": ""} {
		if value, ok := got[key]; !ok || value != want {
			t.Errorf("%s is %q (%t), want %q", key, value, ok, want)
		}
	}
}

func TestRecordedRefusal(t *testing.T) {
	c, addr := replay(t, "not_leader")
	_, err := c.SyncStateData(t.Context(), addr, group)
	if !remoting.IsCode(err, remoting.ControllerNotLeader) {
		t.Errorf("got %v, want CONTROLLER_NOT_LEADER", err)
	}
}

// TestUnusableAnswers: an answer of another kind than asked for is an error that names request and server.
func TestUnusableAnswers(t *testing.T) {
	c, addr := replay(t, "metadata") // an answer without a body
	_, err := c.ClusterInfo(t.Context(), addr)
	want := "GET_BROKER_CLUSTER_INFO to " + addr + ": unusable answer: decode body: at byte 0: unexpected end"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	c, addr = replay(t, "cluster_info") // a body without the election's header
	if _, err := c.ElectMaster(t.Context(), addr, admin.ElectMasterRequest{}); err == nil {
		t.Error("an election without a result was taken for one")
	}
}
