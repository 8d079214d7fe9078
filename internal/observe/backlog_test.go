// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/fleet"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// holder is the only server: a master that still holds messages, each kind where RocketMQ keeps it.
type holder struct {
	config string
	// lag of consumer group g in topic t.
	lag int64
	// delayed messages wait in delay level 3. givenBack are delayed once the consumers' offsets are read, and delivered are not any more.
	delayed, givenBack, delivered int64
	// half messages are of open transactions; pop are records of POP consumers.
	half, pop int64
	// timers are the messages in the timer wheel, by topic, and behind those that are not in it yet.
	timers map[string]int64
	behind int64
	// refuses one kind of request.
	refuses remoting.RequestCode

	mu   sync.Mutex
	read bool // somebody has read the consumers' offsets
}

func (*holder) State(string) fakemq.State { return fakemq.Serving }

func (h *holder) Answer(_ string, request remoting.Request) (fakemq.Answer, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if request.Code == h.refuses {
		return fakemq.Answer{Code: remoting.SystemError}, true
	}
	return fakemq.Answer{Body: h.tell(request)}, true
}

func (h *holder) tell(request remoting.Request) string {
	switch request.Code {
	case remoting.GetBrokerConfig:
		return "brokerName=b-0\n" + h.config
	case remoting.GetConsumeStats:
		n := map[string]int64{"RMQ_SYS_TRANS_HALF_TOPIC": h.half, "rmq_sys_REVIVE_LOG_c": h.pop}[request.Fields["topic"]]
		return fmt.Sprintf(`{"offsetTable":{{"brokerName":"b-0","queueId":0,"topic":%q}:{"brokerOffset":%d,"consumerOffset":100}}}`,
			request.Fields["topic"], 100+n)
	case remoting.GetTimerMetrics:
		return h.wheel()
	case remoting.GetAllDelayOffset:
		return `{"offsetTable":{3:40}}`
	case remoting.GetAllConsumerOffset:
		h.read = true
		return `{"offsetTable":{"t@g":{0:10}}}`
	case remoting.GetTopicStatsInfo:
		if topic := request.Fields["topic"]; topic != "SCHEDULE_TOPIC_XXXX" {
			return queue(topic, 0, 10+h.lag)
		}
		if h.read {
			return queue("SCHEDULE_TOPIC_XXXX", 2, 40+h.delayed+h.givenBack-h.delivered)
		}
		return queue("SCHEDULE_TOPIC_XXXX", 2, 40+h.delayed)
	case remoting.GetBrokerRuntimeInfo:
		return fmt.Sprintf(`{"table":{"timerOffsetBehind":"%d"}}`, h.behind)
	}
	return ""
}

func queue(topic string, id int, end int64) string {
	return fmt.Sprintf(`{"offsetTable":{{"brokerName":"b-0","queueId":%d,"topic":%q}:{"minOffset":0,"maxOffset":%d}}}`, id, topic, end)
}

func (h *holder) wheel() string {
	counts := ""
	for topic, n := range h.timers {
		if counts != "" {
			counts += ","
		}
		counts += fmt.Sprintf(`%q:{"count":%d}`, topic, n)
	}
	return `{"timingCount":{` + counts + `}}`
}

// TestBacklogsCountEverything: a leaving group is empty only if nothing of any kind is left, for its disk goes when it is.
func TestBacklogsCountEverything(t *testing.T) {
	const uncounted = "messages at POP consumers cannot be counted: the broker has popConsumerKVServiceEnable=true"
	for _, test := range []struct {
		name   string
		holder *holder
		want   fleet.Backlog
	}{
		{"nothing", &holder{}, fleet.Backlog{}},
		{"a lag", &holder{lag: 7}, fleet.Backlog{Lags: map[string]int64{"g": 7}}},
		{"open transactions", &holder{half: 4}, fleet.Backlog{Half: 4}},
		{"messages at POP consumers", &holder{pop: 3}, fleet.Backlog{Inflight: 3}},
		{"records of POP consumers in the timer wheel", &holder{timers: map[string]int64{"rmq_sys_REVIVE_LOG_c": 2}}, fleet.Backlog{Inflight: 2}},
		{"records of POP consumers that cannot be counted", &holder{config: "popConsumerKVServiceEnable=true\n"}, fleet.Backlog{Uncountable: uncounted}},
		{"a delay level", &holder{delayed: 5}, fleet.Backlog{Delayed: 5}},
		{"messages that a consumer gives back while lags are read", &holder{givenBack: 5}, fleet.Backlog{Delayed: 5}},
		{"delayed messages that are delivered while lags are read", &holder{delayed: 5, delivered: 5}, fleet.Backlog{Delayed: 5}},
		{"the timer wheel", &holder{timers: map[string]int64{"t": 6}}, fleet.Backlog{Delayed: 6}},
		{"messages that are not in the timer wheel yet", &holder{behind: 8}, fleet.Backlog{Delayed: 8}},
		{"one that refuses messages", &holder{config: "startAcceptSendRequestTimeStamp=9223372036854775807\n"}, fleet.Backlog{Fenced: true}},
		{
			"the costly question is left out where something else is left",
			&holder{lag: 7, refuses: remoting.GetBrokerRuntimeInfo}, fleet.Backlog{Lags: map[string]int64{"g": 7}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				test.want.At = time.Now()
				got := countedBy(t, test.holder)
				want := Backlogs{Counted: map[string]fleet.Backlog{"b-0": test.want}}
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestBacklogUnknownIsNotEmpty: a master that leaves one question open is counted again.
func TestBacklogUnknownIsNotEmpty(t *testing.T) {
	for _, code := range []remoting.RequestCode{
		remoting.GetBrokerConfig, remoting.GetConsumeStats, remoting.GetTimerMetrics, remoting.GetAllDelayOffset, remoting.GetTopicStatsInfo,
		remoting.GetAllConsumerOffset, remoting.GetBrokerRuntimeInfo,
	} {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got := countedBy(t, &holder{refuses: code})
				if len(got.Counted) > 0 || CompleteBacklogs(got) {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

// countedBy a probe of one master.
func countedBy(t *testing.T, h *holder) Backlogs {
	t.Helper()
	c := remoting.NewClient(remoting.Options{Dialer: fakemq.Dialer(h)})
	t.Cleanup(func() { _ = c.Close() })
	return ProbeBacklogs(admin.New(c), map[string]string{"b-0": "m:1"}, "c")(t.Context(), Backlogs{})
}
