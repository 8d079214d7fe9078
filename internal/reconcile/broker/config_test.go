// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestIgnoredConfig: what RocketMQ would ignore without a word is told, wherever it stands, and keeps nothing from running.
func TestIgnoredConfig(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(strings.Replace(world.NameService, "spec: {", "spec: {config: {orderMessageEnabled: 'true'}, ", 1) +
		strings.Replace(world.Controllers, "metadata: {name: ctl}", "metadata: {name: ctl}, spec: {config: {controllerThreadPoolNums: '16k'}}", 1) +
		strings.Replace(world.Brokers, "spec: {", "spec: {config: {mapedFileSizeCommitLog: '67108864', fileReservedTime: '48 ', enablePropertyFilter: 'true ', flushDiskTyp: SYNC_FLUSH}, ", 1))
	o := w.Start()
	o.Until(w.AllReady)
	ignored := func(resource string, parts ...string) {
		t.Helper()
		o.Reports(resource, v1alpha1.ConditionIgnoredConfig, metav1.ConditionTrue, parts...)
	}
	ignored("NameService ns", "spec.config.orderMessageEnabled: RocketMQ 5.4.0 does not know this property", "Did you mean orderMessageEnable?")
	ignored("Controller ctl", `spec.config.controllerThreadPoolNums: RocketMQ cannot read "16k"`)
	ignored("Broker b", "spec.config.mapedFileSizeCommitLog: ", "Did you mean mappedFileSizeCommitLog?", "spec.config.flushDiskTyp: ", "Did you mean flushDiskType?")

	world.Edit(w, "b", func(b *v1alpha1.Broker) {
		b.Spec.Config = world.Properties("fileReservedTime", "48 ", "enablePropertyFilter", "true ")
	})
	o.Until(func() string { return w.Condition("Broker b", v1alpha1.ConditionIgnoredConfig, metav1.ConditionTrue) })
}

// TestIgnoredInBaseFile: the file in a ConfigMap is read as well.
func TestIgnoredInBaseFile(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	const file = `"fileReservedTme=48\nbrokerIP1=10.0.0.9\nauthenticationEnabled=true\nbrokerRole=ASYNC_MASTER\nflushDiskTyp=x\n"`
	w.CreateYAML("{apiVersion: v1, kind: ConfigMap, metadata: {name: base}, data: {broker-common.conf: " + file + "}}\n---\n" + world.NameService + world.Controllers +
		strings.Replace(world.Brokers, "spec: {", "spec: {volumes: [{name: base, configMap: {name: base}}], config: {flushDiskTyp: SYNC_FLUSH}, ", 1))
	o := w.Start()
	const where = "broker-common.conf of ConfigMap base (spec.volumes[0]), "
	o.Reports("Broker b", v1alpha1.ConditionIgnoredConfig, metav1.ConditionTrue, where+"fileReservedTme: RocketMQ 5.4.0 does not know",
		where+"brokerIP1: it is the operator's", "spec.config.flushDiskTyp: ")
	o.Reports("Broker b", v1alpha1.ConditionUnsupportedConfig, metav1.ConditionTrue, where+"authenticationEnabled: servers refuse")
	message := w.Condition("Broker b", v1alpha1.ConditionIgnoredConfig, metav1.ConditionTrue)
	if strings.Contains(message, "brokerRole") || strings.Contains(message, where+"flushDiskTyp") {
		t.Errorf("%q names what may be there, or what spec.config overrides", message)
	}

	world.Edit(w, "base", func(c *corev1.ConfigMap) { c.Data["broker-common.conf"] = `path=C:\users` })
	o.Reports("Broker b", v1alpha1.ConditionInvalidSpec, metav1.ConditionTrue, "(spec.volumes[0]): line 1: malformed escape", "do not start")
}

// TestReleases: an image whose tag is none of RocketMQ's runs, and the user learns what is not looked after, and how to say it.
func TestReleases(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.NameService + world.Controllers +
		strings.Replace(world.Brokers, "spec: {", "spec: {brokerImage: 'registry.example.com:5000/mq/rocketmq:1.0.3', config: {allAckInSyncStateSet: 'true'}, ", 1))
	o := w.Start()
	o.Until(w.AllReady)
	o.Reports("Broker b", v1alpha1.ConditionUnknownRelease, metav1.ConditionTrue, `spec.brokerImage: the tag of "registry.example.com:5000/mq/rocketmq:1.0.3" is no release`,
		"kubectl annotate --overwrite -n "+w.Namespace+" broker.rocketmq.apache.org b rocketmq.apache.org/rocketmq-version=5.4.0")

	say := func(release string) {
		world.Edit(w, "b", func(b *v1alpha1.Broker) {
			metav1.SetMetaDataAnnotation(&b.ObjectMeta, v1alpha1.AnnotationRelease, release)
		})
	}
	say("5.4.0")
	o.Reports("Broker b", v1alpha1.ConditionKnownDefect, metav1.ConditionTrue, "RocketMQ 5.4.0: ")
	o.Until(func() string { return w.Condition("Broker b", v1alpha1.ConditionUnknownRelease, metav1.ConditionTrue) })
	say("latest")
	o.Reports("Broker b", v1alpha1.ConditionInvalidSpec, metav1.ConditionTrue, `is "latest": give the release of RocketMQ`)
	say("4.9.7")
	o.Reports("Broker b", v1alpha1.ConditionUnsupportedImage, metav1.ConditionTrue, "is RocketMQ 4.9.7, and 5.0.0 is the oldest")
}
