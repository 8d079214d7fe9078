// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// newClient is what the other examples begin with.
func newClient() (c *admin.Client, end func()) {
	rc := remoting.NewClient(remoting.Options{})
	return admin.New(rc), func() { _ = rc.Close() }
}

// Print the master and the slaves of each group of brokers.
func ExampleClient_ClusterInfo() {
	c, end := newClient()
	defer end()

	info, err := c.ClusterInfo(context.Background(), "10.0.0.1:9876")
	if err != nil {
		log.Fatal(err)
	}
	for name, group := range info.Brokers {
		fmt.Println(name, "has the master", group.Addrs[admin.MasterID])
		for id, addr := range group.Addrs {
			if id != admin.MasterID {
				fmt.Println(name, "has the slave", id, addr)
			}
		}
	}
}

// Print the topics of users, with their number of queues.
func ExampleClient_Topics() {
	c, end := newClient()
	defer end()

	topics, _, err := c.Topics(context.Background(), "10.0.0.2:10911")
	if err != nil {
		log.Fatal(err)
	}
	for name, topic := range topics {
		if !admin.IsSystemTopic(name, "DefaultCluster", "broker-a") {
			fmt.Println(name, topic.WriteQueues, topic.Attributes["message.type"])
		}
	}
}

// Create or change topics on a master: only what differs is sent.
func ExampleClient_PutTopics() {
	c, end := newClient()
	defer end()
	const master = "10.0.0.2:10911"

	ctx := context.Background()
	current, _, err := c.Topics(ctx, master)
	if err != nil {
		log.Fatal(err)
	}
	sent, err := c.PutTopics(ctx, master, current, []admin.TopicConfig{
		{Name: "orders", ReadQueues: 8, WriteQueues: 8, Perm: admin.PermRead + admin.PermWrite},
		{
			Name: "payments", ReadQueues: 8, WriteQueues: 8, Perm: admin.PermRead + admin.PermWrite,
			Attributes: map[string]string{"message.type": "FIFO"},
		},
	})
	if errors.Is(err, admin.ErrCreateOnly) {
		log.Fatal("delete the topic first: ", err)
	}
	fmt.Println(sent, "topics sent", err)
}

// Make another member of a group its master.
func ExampleClient_ElectMaster() {
	c, end := newClient()
	defer end()

	ctx := context.Background()
	leader, err := c.FindLeader(ctx, []string{"10.0.0.5:9878", "10.0.0.6:9878", "10.0.0.7:9878"})
	if err != nil {
		log.Fatal(err) // it says what each of them answered
	}
	states, err := c.SyncStateData(ctx, leader, "broker-a")
	if err != nil {
		log.Fatal(err)
	}
	for _, member := range states["broker-a"].InSync {
		if member.ID == states["broker-a"].MasterID || !member.Alive {
			continue
		}
		result, err := c.ElectMaster(ctx, leader, admin.ElectMasterRequest{
			ClusterName: "DefaultCluster", BrokerName: "broker-a", BrokerID: member.ID,
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("the master is now", result.MasterAddr)
		break
	}
}

// Let an application send to some topics, on every broker.
func ExampleClient_CreateUser() {
	rc := remoting.NewClient(remoting.Options{Credentials: &remoting.Credentials{AccessKey: "root", SecretKey: "password of root"}})
	defer rc.Close()
	c := admin.New(rc)

	ctx := context.Background()
	acl := admin.ACL{User: "shop", Policies: []admin.Policy{{Type: admin.CustomPolicy, Entries: []admin.PolicyEntry{
		{Resource: "Topic:orders*", Actions: []admin.Action{admin.ActionPub}, Decision: admin.Allow},
	}}}}
	for _, broker := range []string{"10.0.0.2:10911", "10.0.0.3:10911"} { // they do not share users
		err := c.CreateUser(ctx, broker, admin.User{Name: "shop", Password: "password of shop"})
		if err != nil && !errors.Is(err, admin.ErrUserExists) {
			log.Fatal(err)
		}
		if err := c.PutACL(ctx, broker, acl); err != nil {
			log.Fatal(err)
		}
	}
}

// Find out what consumers have still to read, whether or not they are connected.
func ExampleClient_Lags() {
	c, end := newClient()
	defer end()

	lags, err := c.Lags(context.Background(), "10.0.0.2:10911")
	if err != nil {
		log.Fatal(err)
	}
	for pair, n := range lags {
		fmt.Printf("%s has %d messages of %s to read\n", pair.Group, n, pair.Topic)
	}
}

func ExampleAttributeDiff() {
	current := map[string]string{"message.type": "NORMAL", "reserve.time": "3600"}
	wanted := map[string]string{"message.type": "FIFO"}
	diff, err := admin.AttributeDiff(true, current, wanted)
	fmt.Println(diff, err)

	wanted["cleanup.policy"] = "COMPACTION"
	_, err = admin.AttributeDiff(true, current, wanted)
	fmt.Println(errors.Is(err, admin.ErrCreateOnly))
	// Output:
	// map[+message.type:FIFO -reserve.time:] <nil>
	// true
}

func ExamplePolicyEntry_Check() {
	entry := admin.PolicyEntry{Resource: "Topic:orders*", Actions: []admin.Action{"Publish"}, Decision: admin.Allow}
	fmt.Println(entry.Check())
	// Output: resource "Topic:orders*": "Publish" is no action (there are [All Pub Sub Create Update Delete Get List])
}

func ExampleConsumeStats() {
	stats := admin.ConsumeStats{Queues: map[admin.TopicQueue]admin.ConsumeProgress{
		{Topic: "orders", Queue: 0}: {BrokerOffset: 100, ConsumerOffset: 90, PullOffset: 95},
		{Topic: "orders", Queue: 1}: {BrokerOffset: 50, ConsumerOffset: 50, PullOffset: 50},
	}}
	fmt.Println(stats.Lag(), "not confirmed,", stats.Inflight(), "of them fetched")
	// Output: 10 not confirmed, 5 of them fetched
}
