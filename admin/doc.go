// SPDX-License-Identifier: Apache-2.0

// Package admin has typed operations on RocketMQ's name servers, brokers and controllers: what the command line tool mqadmin
// does, as functions. It needs nothing but package remoting.
//
//	rc := remoting.NewClient(remoting.Options{})
//	defer rc.Close()
//	c := admin.New(rc)
//	info, err := c.ClusterInfo(ctx, "10.0.0.1:9876")
//
// # Where to send what
//
// Every operation asks one server, given as host:port, with one request unless its comment says otherwise. Servers do not pass
// requests on, so the choice is the caller's:
//
//   - Name servers know which brokers are registered (ClusterInfo) and where a topic's clients go (TopicRoute). They do not
//     talk to each other: what one says, another may not know yet.
//   - Brokers hold topics, consumer groups and offsets. Changes go to the master of each group of brokers (MasterID in
//     BrokerData.Addrs); its slaves copy them within some seconds. Configuration, users and ACLs are not copied: send these to
//     every broker.
//   - Controllers elect masters. Only the leading one answers most questions: FindLeader.
//
// # Operations by subject
//
//   - name servers: ClusterInfo, ClusterInfoOf, TopicRoute, TopicRouteOf, DeleteTopicRoute
//   - topics: Topics, Topic, TopicsState, PutTopic, PutTopics, DeleteTopic, TopicStats, QueueStats
//   - messages: Send, Messages, ReadMessages, FindMessages, MessageAt
//   - consumer groups: Groups, Group, GroupsState, PutGroup, PutGroups, DeleteGroup
//   - offsets: Offsets, EachOffset, TopicOffsets, Offset, PutOffset, PutOffsets
//   - what is left to consume: ConsumeStats, Lags, TopicConsumers, GroupTopics, DelayBacklog, TimerBacklog, TransactionBacklog,
//     PopBacklog
//   - connected clients: ConsumerConnection, ConsumerIDs, Producers
//   - brokers: BrokerConfig, UpdateBrokerConfig, SetBrokerPermission, BrokerRuntimeInfo, HAStatus, Follow, TakesMessages
//   - controllers: ControllerMetadata, FindLeader, SyncStateData, ElectMaster, NotifyRoleChanged, CleanBrokerData,
//     ControllerConfig, UpdateControllerConfig
//   - users and permissions (ACL 2.0): CreateUser, UpdateUser, DeleteUser, User, Users, PutACL, DeleteACL, DeleteACLEntry, ACL,
//     ACLs
//
// Comments name the request, as RocketMQ's class RequestCode does, and the traps that were found by trying, mostly with
// RocketMQ 5.4.0.
//
// # Errors, time, concurrency
//
// Errors are, or wrap, those of package remoting: a *remoting.ResponseError when the server refused (remoting.IsCode tells the
// codes apart), anything else when no usable answer came. Where a comment says that the error is remoting.TopicNotExist, it is a
// ResponseError with that code. Operations end with their context, or after the client's timeout if it has no deadline. All
// are safe for concurrent use.
//
// # Memory
//
// Answers are read as they arrive, and only what is returned is kept. Limits on their length and on the number of entries keep
// a broken or hostile server from exhausting memory; genuine answers do not come near them, but for tables of offsets: see
// EachOffset.
package admin
