// SPDX-License-Identifier: Apache-2.0

package version

import "fmt"

// Topology has the properties of a Broker or a Proxy that decide whether a defect can hurt it.
type Topology struct {
	// Slaves: groups have slaves.
	Slaves bool
	// ControllerMode: masters are elected, so a slave can become master.
	ControllerMode bool
	// AllAck: a message is acknowledged when every in-sync member has it (allAckInSyncStateSet).
	AllAck bool
	// Proxy: it is a Proxy's release.
	Proxy bool
	// Auth: brokers ask for credentials.
	Auth bool
	// TLS: servers refuse plain text.
	TLS bool
}

// Defect of a range of releases.
type Defect struct {
	First, Last Version
	// Exposed says which topologies it can hurt.
	Exposed func(Topology) bool
	// Text: what happens, what the operator does about it, and what to do.
	Text string
	// Source of the knowledge.
	Source string
}

// Defects is the table of known defects, the newest release first.
func Defects() []Defect {
	promotable := func(t Topology) bool { return t.Slaves && t.ControllerMode }
	slaves := func(t Topology) bool { return t.Slaves }
	proxy := func(t Topology) bool { return t.Proxy }
	auth := func(t Topology) bool { return t.Auth }
	tls := func(t Topology) bool { return t.TLS }
	return []Defect{
		{
			First: Version{5, 5, 0}, Last: Version{5, 5, 0}, Exposed: promotable,
			Text: "slaves cannot read the master's consumer offsets, so after an unplanned failover groups that are " +
				"offline consume their topics again from the start; 5.4.0 does not have this defect",
			Source: "SlaveSynchronize.syncConsumerOffset with fastjson2 2.0.59: JSONException, not support unquoted name",
		},
		{
			First: Version{5, 4, 0}, Last: Version{5, 5, 0}, Exposed: func(t Topology) bool { return promotable(t) && t.AllAck },
			Text: "in spite of allAckInSyncStateSet a master that lives on while the controllers elect another one (because they " +
				"got no CPU, or its node is cut off) acknowledges messages alone until it learns of it, and drops them; a " +
				"master that dies takes none with it, and what the operator does waits until the slave has everything. Give " +
				"controllers and brokers CPU (resources.requests.cpu). 5.3.1 does not have this defect",
			Source: "apache/rocketmq#9897: AutoSwitchHAService.removeConnection takes the slave out of the local SyncStateSet unasked",
		},
		{
			First: Version{5, 4, 0}, Last: Version{5, 4, 0}, Exposed: proxy,
			Text: "a proxy does not start with its metrics, so they are off (brokers and controllers have theirs); " +
				"spec.image 5.5.0 has them, and serves brokers of 5.4.0",
			Source: "apache/rocketmq#9962",
		},
		{
			First: Version{5, 3, 2}, Last: Version{5, 3, 3}, Exposed: slaves,
			Text: "slaves lose their topics when any topic has attributes such as message.type, so a failover loses " +
				"topics; use 5.4.0",
			Source: "apache/rocketmq#9403, #9547; SlaveSynchronize.syncTopicConfig",
		},
		{
			First: Version{5, 3, 0}, Last: Version{5, 3, 3}, Exposed: auth,
			Text:   "with authentication, consumers that come through a proxy (gRPC) get no messages; use 5.4.0",
			Source: "apache/rocketmq#9176, #9518, #9862, mended in 5.4.0: the time of a POP request is lost when it is read early",
		},
		{
			First: Version{5, 3, 0}, Last: Version{5, 3, 3}, Exposed: auth,
			Text: "of the entries of an ACL that fit a resource the wrong one counts: a shorter prefix before a longer one, and Allow before Deny. " +
				"Use neither Deny nor prefixes that overlap; 5.4.0 does not have this defect",
			Source: "apache/rocketmq#9539, #9540",
		},
		{
			First: Version{5, 0, 0}, Last: Version{5, 4, 0}, Exposed: tls,
			Text: "that servers refuse plain text keeps others from reading along, and is no access control: let networkPolicy decide who may " +
				"connect. 5.5.0 does not have this defect",
			Source: "NettyRemotingServer.TlsModeHandler, mended in 5.5.0",
		},
		{
			First: Version{5, 0, 0}, Last: Version{5, 1, 0}, Exposed: func(t Topology) bool { return t.ControllerMode },
			Text: "controllers know brokers by their address, so a broker whose pod gets another address is taken for a " +
				"new one; use 5.4.0",
			Source: "apache/rocketmq#5745, #5989, mended in 5.1.1",
		},
	}
}

// Known lists the defects that a release has and a topology is exposed to, as one text each.
func Known(v Version, t Topology) []string {
	var out []string
	for _, d := range Defects() {
		if v.Less(d.First) || d.Last.Less(v) || !d.Exposed(t) {
			continue
		}
		out = append(out, fmt.Sprintf("RocketMQ %s: %s", v, d.Text))
	}
	return out
}
