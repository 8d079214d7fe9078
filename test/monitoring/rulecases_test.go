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
		replaced  = `rocketmq_operator_replaced_pods_total{namespace="mq", name="b", kind="Broker"} `
		starting  = condition + `kind="Broker", condition="Ready", reason="MembersNotReady"} 1+0x180` + "\n"
		outdated  = condition + `kind="Broker", condition="UpToDate", reason="ReplacingPods"} 1+0x180` + "\n"
		every10m  = replaced + `0+0x9 1+0x9 2+0x9 3+0x9 4+0x9 5+0x9 6+0x9 7+0x9 8+0x9 9+0x9 10+0x9 11+0x9 12+0x9` + "\n"
		topic     = `rocketmq_operator_resource_condition{namespace="mq", condition="Ready", kind="Topic", name=`
		group     = `rocketmq_operator_resource_condition{namespace="mq", condition="Ready", kind="ConsumerGroup", name=`
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
		{"a pod is replaced every ten minutes", "RocketMQNotReady", starting + every10m, 2 * time.Hour, silence},
		{"the first pod that was replaced does not start", "RocketMQNotReady",
			starting + replaced + `0+0x4 1+0x60`,
			36 * time.Minute, "kind=Broker name=b namespace=mq"},
		{"pods of another Broker are replaced", "RocketMQNotReady",
			starting + strings.ReplaceAll(every10m, `name="b"`, `name="c"`),
			16 * time.Minute, "kind=Broker name=b namespace=mq"},
		{"replicas are 0", "RocketMQNotReady",
			condition + `kind="Console", condition="Ready", reason="MembersNotReady"} 1+0x60` + "\n" +
				`rocketmq_operator_resource_scaled_to_zero{namespace="mq", name="b", kind="Console"} 1+0x60`,
			60 * time.Minute, silence},
		{"a topic", "RocketMQNotReady", topic + `"orders", reason="WaitingForBrokers"} 1+0x60`, 60 * time.Minute, silence},

		{"three topics are one alert", "RocketMQTopicsNotReady",
			topic + `"a", reason="WaitingForBrokers"} 1+0x20` + "\n" +
				topic + `"b", reason="Refused"} 1+0x20` + "\n" +
				topic + `"c", reason="Refused"} 1+0x8 stale` + "\n" +
				topic + `"c", reason="Failed"} _x8 1+0x20`,
			15 * time.Minute, "kind=Topic namespace=mq"},
		{"a consumer group", "RocketMQTopicsNotReady",
			group + `"a", reason="TypeConflict"} 1+0x20`,
			15 * time.Minute, "kind=ConsumerGroup namespace=mq"},
		{"one topic after the other", "RocketMQTopicsNotReady",
			topic + `"a", reason="Updating"} 1+0x9 stale` + "\n" +
				topic + `"b", reason="Updating"} _x9 1+0x9 stale` + "\n" +
				topic + `"c", reason="Updating"} _x18 1+0x9`,
			20 * time.Minute, silence},
		{"the operator is restarted", "RocketMQTopicsNotReady",
			topic + `"a", reason="Refused"} 1+0x16 stale _ _ 1+0x20`,
			21 * time.Minute, "kind=Topic namespace=mq"},
		{"it is ready again", "RocketMQTopicsNotReady",
			topic + `"a", reason="Refused"} 1+0x20 stale`,
			27 * time.Minute, silence},
		{"the user wants it so", "RocketMQTopicsNotReady", topic + `"a", reason="Paused"} 1+0x20`, 20 * time.Minute, silence},
		{"a Broker", "RocketMQTopicsNotReady", starting, 20 * time.Minute, silence},

		{"a disk is nearly full", "RocketMQDiskFillsUp",
			condition + `kind="Broker", condition="DiskPressure", reason="DiskPressure"} 1+0x9`,
			6 * time.Minute, "name=b namespace=mq"},
		{"the cluster of that Broker", "RocketMQDiskFillsUp",
			condition + `kind="RocketMQCluster", condition="DiskPressure", reason="DiskPressure"} 1+0x9`,
			6 * time.Minute, silence},

		{"a certificate was not renewed", "RocketMQCertificate",
			condition + `kind="Proxy", condition="CertificateExpiring", reason="CertificateExpiring"} 1+0x20`,
			11 * time.Minute, "condition=CertificateExpiring kind=Proxy name=b namespace=mq"},
		{"the cluster of that Proxy", "RocketMQCertificate",
			condition + `kind="RocketMQCluster", condition="CertificateExpiring", reason="CertificateExpiring"} 1+0x20`,
			11 * time.Minute, silence},
		{"it is renewed in time", "RocketMQCertificate",
			condition + `kind="Proxy", condition="CertificateExpiring", reason="CertificateExpiring"} 1+0x5`,
			11 * time.Minute, silence},

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
		{"a pod is replaced every ten minutes", "RocketMQRolloutStuck", outdated + every10m, 2 * time.Hour, silence},
		{"the second pod is not replaced", "RocketMQRolloutStuck",
			outdated + replaced + `0+0x4 1+0x180`,
			90 * time.Minute, "kind=Broker name=b namespace=mq"},
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
		behind    = `rocketmq_consumer_lag_latency_milliseconds{` + broker + `, topic="orders", consumer_group="billing", is_system="false"} `
		consumers = `rocketmq_consumer_connections{` + broker + `, consumer_group="billing", is_system="false"} `
		dead      = `rocketmq_send_to_dlq_messages_total{` + broker + `, topic="orders", consumer_group="billing", is_system="false"} `
		scraped   = `rocketmq_broker_permission{` + broker + `} `
	)
	return []ruleCase{
		{"a tenth of the sends fails", "RocketMQSendsFail",
			sends + `"success"} 0+90x20` + "\n" +
				sends + `"flush_slave_timeout"} 0+10x20`,
			11 * time.Minute, "cluster=shop namespace=mq node_id=b-0"},
		{"the disk is full", "RocketMQSendsFail",
			sends + `"success"} 0+90x20` + "\n" +
				sends + `"service_not_available"} 0+10x20`,
			11 * time.Minute, "cluster=shop namespace=mq node_id=b-0"},
		{"a client sends to a topic that is not there", "RocketMQSendsFail",
			sends + `"success"} 0+90x20` + "\n" +
				sends + `"topic_not_exist"} 0+90x20`,
			11 * time.Minute, silence},
		{"clients may not, or send too much", "RocketMQSendsFail",
			sends + `"no_permission"} 0+90x20` + "\n" +
				sends + `"message_illegal"} 0+90x20`,
			11 * time.Minute, silence},
		{"few sends fail", "RocketMQSendsFail",
			sends + `"success"} 0+990x20` + "\n" +
				sends + `"system_busy"} 0+10x20`,
			11 * time.Minute, silence},
		{"nobody sends", "RocketMQSendsFail",
			sends + `"success"} 7+0x20` + "\n" +
				sends + `"system_busy"} 3+0x20`,
			11 * time.Minute, silence},

		{"half a minute more each minute", "RocketMQConsumerLagGrows",
			behind + `0+30000x40`,
			22 * time.Minute, "cluster=shop consumer_group=billing namespace=mq topic=orders"},
		{"many messages that do not wait for long", "RocketMQConsumerLagGrows",
			lag + `20000+500x60` + "\n" +
				behind + `4000+50x60`,
			60 * time.Minute, silence},
		{"it was away, and catches up", "RocketMQConsumerLagGrows", behind + `9000000-60000x60`, 60 * time.Minute, silence},
		{"the proxies' own group", "RocketMQConsumerLagGrows",
			strings.ReplaceAll(behind, "billing", "CID_DefaultHeartBeatSyncerTopic") + `0+30000x40`,
			22 * time.Minute, silence},
		{"ten minutes behind, and no more", "RocketMQConsumerLagGrows", behind + `600000+0x60`, 60 * time.Minute, silence},

		{"the last consumer has left", "RocketMQConsumersGone",
			consumers + `2 2 2 stale` + "\n" +
				scraped + `6+0x60`,
			14 * time.Minute, "cluster=shop consumer_group=billing namespace=mq"},
		{"consumers were restarted", "RocketMQConsumersGone",
			consumers + `2 2 stale _ _ 2 2 2 2 2 2 2 2 2 2 2` + "\n" +
				scraped + `6+0x60`,
			14 * time.Minute, silence},
		{"another broker has them now", "RocketMQConsumersGone",
			consumers + `2 2 stale` + "\n" +
				strings.ReplaceAll(consumers, "b-0-0", "b-0-1") + `_ _ 2+0x20` + "\n" +
				scraped + `6+0x60`,
			14 * time.Minute, silence},
		{"the cluster has gone", "RocketMQConsumersGone",
			consumers + `2 2 2 stale` + "\n" +
				scraped + `6 6 6 stale`,
			14 * time.Minute, silence},
		{"the proxies have left", "RocketMQConsumersGone",
			strings.ReplaceAll(consumers, "billing", "CID_DefaultHeartBeatSyncerTopic") + `2 2 2 stale` + "\n" +
				scraped + `6+0x60`,
			14 * time.Minute, silence},
		{"they left yesterday", "RocketMQConsumersGone",
			consumers + `2 2 2 stale` + "\n" +
				scraped + `6+0x90`,
			80 * time.Minute, silence},

		{"the first dead letter", "RocketMQDeadLetters",
			scraped + `6+0x20` + "\n" +
				dead + `_x8 1 1 1 1`,
			9 * time.Minute, "cluster=shop consumer_group=billing namespace=mq topic=orders"},
		{"one more", "RocketMQDeadLetters",
			scraped + `6+0x40` + "\n" +
				dead + `5+0x20 6+0x9`,
			25 * time.Minute, "cluster=shop consumer_group=billing namespace=mq topic=orders"},
		{"the first after a restart", "RocketMQDeadLetters",
			scraped + `6+0x40` + "\n" +
				dead + `5+0x20 stale _ _ 1 1 1`,
			25 * time.Minute, "cluster=shop consumer_group=billing namespace=mq topic=orders"},
		{"a Prometheus that is new", "RocketMQDeadLetters",
			scraped + `6+0x20` + "\n" +
				dead + `5+0x20`,
			5 * time.Minute, silence},
		{"a Prometheus that was away", "RocketMQDeadLetters",
			scraped + `6+0x9 stale _x11 6+0x20` + "\n" +
				dead + `5+0x9 stale _x11 5+0x20`,
			23 * time.Minute, silence},
		{"a Prometheus that was away for a moment", "RocketMQDeadLetters",
			scraped + `6+0x9 stale _x3 6+0x20` + "\n" +
				dead + `5+0x9 stale _x3 5+0x20`,
			15 * time.Minute, silence},
		{"a pod that has another address", "RocketMQDeadLetters",
			strings.ReplaceAll(scraped+`6+0x9 stale`+"\n"+dead+`5+0x9 stale`+"\n", "pod=", `instance="10.0.0.1:5557", pod=`) +
				strings.ReplaceAll(scraped+`_x10 6+0x20`, "pod=", `instance="10.0.0.2:5557", pod=`),
			12 * time.Minute, silence},
		{"dead letters of long ago", "RocketMQDeadLetters", dead + `5+0x60`, 30 * time.Minute, silence},
	}
}

func operatorCases() []ruleCase {
	const (
		broker = `namespace="mq", cluster="shop", pod="b-0-0", node_id="b-0"`
		looked = `rocketmq_operator_last_complete_look_timestamp_seconds{namespace="mq", kind="Broker", name="b"} `
		build  = `rocketmq_operator_build_info{namespace=`
		builds = build + `"ops", instance="op"} 1+0x60` + "\n"
		errors = `controller_runtime_reconcile_errors_total{controller="broker", namespace="ops", instance=`
		leads  = `leader_election_master_status{name="rocketmq-operator.rocketmq.apache.org", namespace=`
	)
	return []ruleCase{
		{"none was ever there", "RocketMQOperatorDown", `up 1+0x20`, 6 * time.Minute, ""},
		{"the only one is gone", "RocketMQOperatorDown", build + `"ops"} 1 1 1 stale`, 9 * time.Minute, "namespace=ops"},
		{"one of two is gone", "RocketMQOperatorDown",
			build + `"ops"} 1+0x20` + "\n" + build + `"shop"} 1 1 1 stale`,
			9 * time.Minute, "namespace=shop"},
		{"one of two has no leader", "RocketMQOperatorDown",
			build + `"ops"} 1+0x20` + "\n" + leads + `"ops"} 1+0x20` + "\n" +
				build + `"shop"} 1+0x20` + "\n" + leads + `"shop", pod="a"} 0+0x20` + "\n" + leads + `"shop", pod="b"} 0+0x20`,
			6 * time.Minute, "name=rocketmq-operator.rocketmq.apache.org namespace=shop"},
		{"one of two in a namespace has no leader", "RocketMQOperatorDown",
			builds + leads + `"ops", pod="a"} 1+0x20` + "\n" +
				strings.ReplaceAll(leads, `"rocketmq-operator.`, `"shop-rocketmq-operator.`) + `"ops", pod="b"} 0+0x20`,
			6 * time.Minute, "name=shop-rocketmq-operator.rocketmq.apache.org namespace=ops"},
		{"somebody else's operator has no leader", "RocketMQOperatorDown",
			builds + strings.ReplaceAll(leads, `"rocketmq-operator.rocketmq.apache.org"`, `"theirs"`) + `"ops", pod="b"} 0+0x20`,
			6 * time.Minute, silence},
		{"one of its pods leads", "RocketMQOperatorDown",
			builds + leads + `"ops", pod="a"} 0+0x20` + "\n" + leads + `"ops", pod="b"} 1+0x20`,
			6 * time.Minute, silence},
		{"an operator without election", "RocketMQOperatorDown", builds, 6 * time.Minute, silence},
		{"an upgrade", "RocketMQOperatorDown",
			build + `"ops", pod="a", version="1"} 1+0x9 stale` + "\n" + build + `"ops", pod="b", version="2"} _x12 1+0x20`,
			30 * time.Minute, silence},
		{"one of two was removed yesterday", "RocketMQOperatorDown",
			build + `"ops"} 1+0x1560` + "\n" + build + `"shop"} 1 1 1 stale`,
			25 * time.Hour, silence},
		{"the only one went yesterday", "RocketMQOperatorDown", build + `"ops"} 1 1 1 stale`, 25 * time.Hour, ""},

		{"it has not seen all servers for ten minutes", "RocketMQOperatorBlind",
			looked + `60+0x30`,
			12 * time.Minute, "kind=Broker name=b namespace=mq"},
		{"it has not seen them for nine", "RocketMQOperatorBlind", looked + `60+0x30`, 10 * time.Minute, silence},
		{"it has never seen them for ten minutes", "RocketMQOperatorBlind",
			looked + `_x20 0+0x30`,
			31 * time.Minute, "kind=Broker name=b namespace=mq"},
		{"it has never seen them for nine", "RocketMQOperatorBlind", looked + `_x20 0+0x30`, 29 * time.Minute, silence},
		{"it looks every minute", "RocketMQOperatorBlind", looked + `0+60x30`, 12 * time.Minute, silence},

		{"something fails for good", "RocketMQOperatorFailing",
			builds + errors + `"op"} 0+2x30`,
			15 * time.Minute, "controller=broker namespace=ops"},
		{"the API server was away for three minutes", "RocketMQOperatorFailing",
			builds + errors + `"op"} 0+0x4 30 60 90 90+0x30`,
			16 * time.Minute, silence},
		{"a hundred errors at once", "RocketMQOperatorFailing", builds + errors + `"op"} 0+0x4 100+0x30`, 16 * time.Minute, silence},
		{"an error now and then", "RocketMQOperatorFailing",
			builds + errors + `"op"} 0+0x2 1+0x2 2+0x2 3+0x2 4+0x2 5+0x2 6+0x2 7+0x2 8+0x2`,
			25 * time.Minute, silence},
		{"another program's errors", "RocketMQOperatorFailing", builds + errors + `"theirs"} 0+9x30`, 15 * time.Minute, silence},
	}
}
