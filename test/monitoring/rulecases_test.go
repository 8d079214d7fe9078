// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"slices"
	"strings"
	"time"
)

// ruleCase is what an alert makes of series, in the notation of Prometheus' own rule tests, one value a minute.
type ruleCase struct {
	name, alert, series string
	at                  time.Duration
	firing              string // what the alert is about, or silence
}

const silence = "-"

func ruleCases() []ruleCase { return slices.Concat(clusterCases(), messageCases(), operatorCases()) }

func clusterCases() []ruleCase {
	const (
		condition = `rocketmq_operator_resource_condition{namespace="mq", name="b", `
		masters   = `rocketmq_operator_broker_group_master{namespace="mq", name="b", group="b-0", pod=`
		roles     = `role{namespace="mq", group="ctl", peer_id=`
	)
	return []ruleCase{
		{"a group has lost its master", "RocketMQNoMaster",
			masters + `"b-0-0"} 1 1 stale` + "\n" +
				masters + `""} _ _ 0 0 0 0 0`,
			5 * time.Minute, "group=b-0 name=b namespace=mq"},
		{"an election", "RocketMQNoMaster",
			masters + `"b-0-0"} 1 1 stale` + "\n" +
				masters + `""} _ _ 0 stale` + "\n" +
				masters + `"b-0-1"} _ _ _ 1 1 1`,
			5 * time.Minute, silence},

		{"candidates only", "RocketMQControllersWithoutLeader",
			roles + `"n0"} -1+0x9` + "\n" +
				roles + `"n1"} 0+0x9`,
			2 * time.Minute, "group=ctl namespace=mq"},
		{"a leader", "RocketMQControllersWithoutLeader", roles + `"n0"} 1+0x9` + "\n" + roles + `"n1"} 0+0x9`, 5 * time.Minute, silence},
		{"a metric of somebody else", "RocketMQControllersWithoutLeader",
			`role{namespace="mq", app="theirs"} 0+0x9`,
			5 * time.Minute, silence},

		{"not ready for reasons that change", "RocketMQNotReady",
			condition + `kind="Broker", condition="Ready", reason="NoMaster"} 1+0x8 stale` + "\n" +
				condition + `kind="Broker", condition="Ready", reason="MembersNotReady"} _x8 1+0x20`,
			16 * time.Minute, "kind=Broker name=b namespace=mq"},
		{"not ready for a while", "RocketMQNotReady",
			condition + `kind="Broker", condition="Ready", reason="NoMaster"} 1+0x10 stale`,
			16 * time.Minute, silence},
		{"a transfer takes its time", "RocketMQNotReady",
			condition + `kind="TopicTransfer", condition="Ready", reason="Drain"} 1+0x60`,
			60 * time.Minute, silence},

		{"a disk is nearly full", "RocketMQDiskFillsUp",
			condition + `kind="Broker", condition="DiskPressure", reason="DiskPressure"} 1+0x9`,
			6 * time.Minute, "name=b namespace=mq"},
		{"the cluster of that Broker", "RocketMQDiskFillsUp",
			condition + `kind="RocketMQCluster", condition="DiskPressure", reason="DiskPressure"} 1+0x9`,
			6 * time.Minute, silence},

		{"nothing can be replaced", "RocketMQRolloutBlocked",
			condition + `kind="Broker", condition="RolloutBlocked", reason="RolloutBlocked"} 1+0x20`,
			11 * time.Minute, "condition=RolloutBlocked kind=Broker name=b namespace=mq"},
		{"a pod with the only copy", "RocketMQRolloutBlocked",
			condition + `kind="Controller", condition="WouldLoseMessages", reason="WouldLoseMessages"} 1+0x20`,
			11 * time.Minute, "condition=WouldLoseMessages kind=Controller name=b namespace=mq"},
		{"pods are being replaced", "RocketMQRolloutBlocked",
			condition + `kind="Broker", condition="UpToDate", reason="ReplacingPods"} 1+0x20`,
			11 * time.Minute, silence},

		{"a pod cannot start with its new spec", "RocketMQRolloutStuck",
			condition + `kind="Broker", condition="UpToDate", reason="ReplacingPods"} 1+0x70`,
			61 * time.Minute, "kind=Broker name=b namespace=mq"},
		{"a roll of half an hour", "RocketMQRolloutStuck",
			condition + `kind="Broker", condition="UpToDate", reason="ReplacingPods"} 1+0x30 stale`,
			61 * time.Minute, silence},
		{"the user wants it so", "RocketMQRolloutStuck",
			condition + `kind="Broker", condition="UpToDate", reason="Paused"} 1+0x70`,
			61 * time.Minute, silence},

		{"a container out of memory", "RocketMQTrouble",
			condition + `kind="Broker", condition="OutOfMemory", reason="OutOfMemory"} 1+0x20`,
			11 * time.Minute, "condition=OutOfMemory kind=Broker name=b namespace=mq"},
		{"a volume that grows", "RocketMQTrouble",
			condition + `kind="Broker", condition="VolumeExpansion", reason="Expanding"} 1+0x20`,
			11 * time.Minute, silence},
		{"advice", "RocketMQTrouble",
			condition + `kind="Broker", condition="KnownDefect", reason="KnownDefect"} 1+0x20`,
			11 * time.Minute, silence},
	}
}

func messageCases() []ruleCase {
	const (
		broker    = `namespace="mq", cluster="shop", pod="b-0-0", node_id="b-0"`
		sends     = `rocketmq_rpc_latency_milliseconds_count{` + broker + `, request_code="send_message_v2", response_code=`
		lag       = `rocketmq_consumer_lag_messages{` + broker + `, topic="orders", consumer_group="billing", is_system="false"} `
		consumers = `rocketmq_consumer_connections{` + broker + `, consumer_group="billing", is_system="false"} `
		dead      = `rocketmq_send_to_dlq_messages_total{` + broker + `, topic="orders", consumer_group="billing", is_system="false"} `
	)
	return []ruleCase{
		{"a tenth of the sends fails", "RocketMQSendsFail",
			sends + `"success"} 0+90x20` + "\n" +
				sends + `"flush_slave_timeout"} 0+10x20`,
			11 * time.Minute, "cluster=shop namespace=mq node_id=b-0"},
		{"few sends fail", "RocketMQSendsFail",
			sends + `"success"} 0+990x20` + "\n" +
				sends + `"system_busy"} 0+10x20`,
			11 * time.Minute, silence},
		{"nobody sends", "RocketMQSendsFail",
			sends + `"success"} 7+0x20` + "\n" +
				sends + `"system_busy"} 3+0x20`,
			11 * time.Minute, silence},

		{"a lag that grows", "RocketMQConsumerLagGrows",
			lag + `2000+10x30`,
			20 * time.Minute, "cluster=shop consumer_group=billing namespace=mq topic=orders"},
		{"a lag that shrinks", "RocketMQConsumerLagGrows", lag + `9000-100x30`, 20 * time.Minute, silence},
		{"a small lag", "RocketMQConsumerLagGrows", lag + `0+10x30`, 20 * time.Minute, silence},

		{"the last consumer has left", "RocketMQConsumersGone",
			consumers + `2 2 2 stale` + "\n" +
				`rocketmq_broker_permission{` + broker + `} 6+0x60`,
			14 * time.Minute, "cluster=shop consumer_group=billing namespace=mq"},
		{"consumers were restarted", "RocketMQConsumersGone",
			consumers + `2 2 stale _ _ 2 2 2 2 2 2 2 2 2 2 2` + "\n" +
				`rocketmq_broker_permission{` + broker + `} 6+0x60`,
			14 * time.Minute, silence},
		{"another broker has them now", "RocketMQConsumersGone",
			consumers + `2 2 stale` + "\n" +
				strings.ReplaceAll(consumers, "b-0-0", "b-0-1") + `_ _ 2+0x20` + "\n" +
				`rocketmq_broker_permission{` + broker + `} 6+0x60`,
			14 * time.Minute, silence},
		{"the cluster has gone", "RocketMQConsumersGone",
			consumers + `2 2 2 stale` + "\n" +
				`rocketmq_broker_permission{` + broker + `} 6 6 6 stale`,
			14 * time.Minute, silence},
		{"they left yesterday", "RocketMQConsumersGone",
			consumers + `2 2 2 stale` + "\n" +
				`rocketmq_broker_permission{` + broker + `} 6+0x90`,
			80 * time.Minute, silence},

		{"the first dead letter", "RocketMQDeadLetters",
			dead + `_ _ 1 1 1 1`,
			5 * time.Minute, "cluster=shop consumer_group=billing namespace=mq topic=orders"},
		{"one more", "RocketMQDeadLetters",
			dead + `5+0x20 6+0x9`,
			25 * time.Minute, "cluster=shop consumer_group=billing namespace=mq topic=orders"},
		{"dead letters of long ago", "RocketMQDeadLetters", dead + `5+0x60`, 30 * time.Minute, silence},
	}
}

func operatorCases() []ruleCase {
	const (
		broker = `namespace="mq", cluster="shop", pod="b-0-0", node_id="b-0"`
		looked = `rocketmq_operator_last_complete_look_timestamp_seconds{namespace="mq", kind="Broker", name="b"} `
		builds = `rocketmq_operator_build_info{instance="op"} 1+0x60` + "\n"
		errors = `controller_runtime_reconcile_errors_total{controller="broker", instance=`
		leads  = `leader_election_master_status{name="rocketmq-operator.rocketmq.apache.org", instance=`
	)
	return []ruleCase{
		{"nobody answers", "RocketMQOperatorDown", `up 1+0x20`, 6 * time.Minute, ""},
		{"nobody leads", "RocketMQOperatorDown", builds + leads + `"a"} 0+0x20` + "\n" + leads + `"b"} 0+0x20`, 6 * time.Minute, ""},
		{"one leads", "RocketMQOperatorDown", builds + leads + `"a"} 0+0x20` + "\n" + leads + `"b"} 1+0x20`, 6 * time.Minute, silence},
		{"an operator without election", "RocketMQOperatorDown", builds, 6 * time.Minute, silence},

		{"it has not seen all servers for long", "RocketMQOperatorBlind",
			looked + `60+0x30`,
			12 * time.Minute, "kind=Broker name=b namespace=mq"},
		{"it has never seen them", "RocketMQOperatorBlind", looked + `0+0x30`, 12 * time.Minute, "kind=Broker name=b namespace=mq"},
		{"it looks every minute", "RocketMQOperatorBlind", looked + `0+60x30`, 12 * time.Minute, silence},

		{"errors again and again", "RocketMQOperatorFailing", builds + errors + `"op"} 0+1x30`, 15 * time.Minute, "controller=broker"},
		{"an error now and then", "RocketMQOperatorFailing", builds + errors + `"op"} 0 1 1+0x30`, 15 * time.Minute, silence},
		{"another program's errors", "RocketMQOperatorFailing", builds + errors + `"theirs"} 0+9x30`, 15 * time.Minute, silence},
	}
}
