// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestLiveConfig: a property that RocketMQ takes over live reaches every broker without a restart, and goes back to its
// default; others restart.
func TestLiveConfig(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers + world.Brokers)
	o := w.Start()
	o.Until(w.AllReady)
	before := w.UIDs()
	w.MQ.Inject(fakemq.Busy("b-0-1", 1))
	told := func(want map[string]string) string {
		for _, pod := range []string{"b-0-0", "b-0-1", "b-1-0", "b-1-1"} {
			for key, value := range want {
				if got := w.MQ.Property(pod, key); got != value {
					return fmt.Sprintf("%s runs with %s=%s, want %s", pod, key, got, value)
				}
			}
		}
		return w.AllReady()
	}
	for _, step := range []struct {
		config map[string]v1alpha1.ConfigValue
		want   map[string]string
	}{
		{world.Properties("fileReservedTime", "48", "slaveReadEnable", "TRUE"), map[string]string{"fileReservedTime": "48", "slaveReadEnable": "true"}},
		{world.Properties("fileReservedTime", "024"), map[string]string{"fileReservedTime": "24", "slaveReadEnable": "false"}},
		{nil, map[string]string{"fileReservedTime": "72", "deleteWhen": "04"}},
	} {
		world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config = step.config })
		o.Until(func() string { return told(step.want) })
		o.CheckSilence()
	}
	w.CheckReplaced(before)
	o.CheckEvent("PropertiesNotUpdated", "b-0-1 did not take fileReservedTime=48 slaveReadEnable=true")
	o.CheckEvent("PropertiesUpdated", "b-1-1 now runs with fileReservedTime=48 slaveReadEnable=true")

	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config = world.Properties("fileReservedTime", "two days") })
	o.Reports("Broker b", v1alpha1.ConditionInvalidSpec, metav1.ConditionTrue, "fileReservedTime", "whole number")
	world.Edit(w, "b", func(b *v1alpha1.Broker) {
		b.Spec.Config = world.Properties("fileReservedTime", "12", "flushDiskType", "SYNC_FLUSH")
	})
	o.Until(func() string { return told(map[string]string{"fileReservedTime": "12"}) })
	w.CheckReplaced(before, "b-0-0", "b-0-1", "b-1-0", "b-1-1")

	// A release that does not know a property is not told it again and again.
	w.MQ.Unknown("transactionTimeOut")
	o.Finish()
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config["transactionTimeOut"] = "7000" })
	o.Finish()
	o.CheckSilence()
	if got := w.MQ.Property("b-0-0", "transactionTimeOut"); got != "" {
		t.Errorf("a broker was told transactionTimeOut=%s, which it does not know", got)
	}
}

// TestUntoldIsToldAgain: a broker that refuses a live property is given it later, though no answer of a server changes meanwhile.
func TestUntoldIsToldAgain(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Manage()
	w.CreateYAML(world.NameService + world.Static)
	o.Until(w.AllReady)
	w.MQ.Inject(fakemq.Busy("b-0-1", 3))
	world.Edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config = world.Properties("fileReservedTime", "48") })
	o.Until(func() string {
		if got := w.MQ.Property("b-0-1", "fileReservedTime"); got != "48" {
			return "b-0-1 runs with fileReservedTime=" + got
		}
		return ""
	})
}
