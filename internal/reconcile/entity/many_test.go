// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// counted requests to brokers, by code.
type counted struct {
	mu    sync.Mutex
	codes map[remoting.RequestCode]int
}

func (c *counted) fault(at fakemq.At, request remoting.Request) (fakemq.Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.Group != "" && request.Fields["maxTopicNum"] != "1" && request.Fields["maxGroupNum"] != "1" { // those are the usual look
		c.codes[request.Code]++
	}
	return fakemq.Answer{}, false
}

// taken since the last time.
func (c *counted) taken() map[remoting.RequestCode]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	codes := c.codes
	c.codes = map[remoting.RequestCode]int{}
	return codes
}

// TestMany: a thousand topics and 200 consumer groups cost each broker group a few requests, and nothing at all while nothing
// changes.
func TestMany(t *testing.T) {
	t.Parallel()
	const topics, groups = 1000, 200
	w := world.New(t)
	w.CreateYAML(twoGroups)
	o := w.Manage()
	o.Until(w.AllReady)
	requests := &counted{codes: map[remoting.RequestCode]int{}}
	w.MQ.Inject(requests.fault)

	var all strings.Builder
	for i := range topics {
		all.WriteString(object("Topic", fmt.Sprintf("topic-%d", i), "queues: 2"))
	}
	for i := range groups {
		all.WriteString(object("ConsumerGroup", fmt.Sprintf("group-%d", i), "retryMaxTimes: 4"))
	}
	began := time.Now()
	w.CreateYAML(all.String())
	accepted := time.Now()
	o.Until(w.AllReady)
	t.Logf("all accepted after %.1f s, all Ready %.1f s later", accepted.Sub(began).Seconds(), time.Since(accepted).Seconds())
	if has := w.MQ.Tables("b-1"); len(has.Topics) < topics || len(has.Groups) < groups {
		t.Errorf("%d topics, %d groups", len(has.Topics), len(has.Groups))
	}
	made := requests.taken()
	t.Logf("requests: %v", made)
	// Every object might have cost one at each of the two groups.
	if n := made[remoting.UpdateAndCreateTopicList] + made[remoting.UpdateAndCreateSubscriptionGroupList]; n > (topics+groups)/4 {
		t.Errorf("%d requests to make them", n)
	}

	o.Finish()
	requests.taken()
	o.CheckSilence()
	still := requests.taken()
	for _, code := range []remoting.RequestCode{
		remoting.GetAllTopicConfig, remoting.GetAllSubscriptionGroupConfig, remoting.UpdateAndCreateTopicList, remoting.UpdateAndCreateSubscriptionGroupList,
	} {
		if still[code] > 0 {
			t.Errorf("%d requests %s while nothing changed", still[code], code)
		}
	}

	began = time.Now()
	world.Edit(w, "topic-500", func(t *v1alpha1.Topic) { t.Spec.Queues = new(int32(3)) })
	o.Until(has(w, "b-1", topic("topic-500", 3)))
	o.Reports("Topic topic-500", v1alpha1.ConditionReady, metav1.ConditionTrue)
	t.Logf("one changed after %.1f s", time.Since(began).Seconds())
	if writes := requests.taken()[remoting.UpdateAndCreateTopicList]; writes != 2 {
		t.Errorf("%d requests to change one topic at two groups", writes)
	}
}
