// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestBaseFile: the operator reads the file that the agent will.
func TestBaseFile(t *testing.T) {
	contents := References{
		"base":   {"broker-common.conf": "fileReservedTime = 48 \n", "other.conf": "deleteWhen=05"},
		"others": {"readme": "no properties"},
		"broken": {"broker-common.conf": `path=C:\users`},
	}
	const inBase = "broker-common.conf of ConfigMap base (spec.volumes[0])"
	for _, test := range []struct {
		name, volumes string
		where, err    string // "" for none
		want          map[string]string
	}{
		{"no volumes", "[]", "", "", nil},
		{"the ConfigMap", "[{name: v, configMap: {name: base}}]", inBase, "", map[string]string{"fileReservedTime": "48"}},
		{"another key under that name", "[{name: v, configMap: {name: base, items: [{key: other.conf, path: broker-common.conf}]}}]", inBase, "",
			map[string]string{"deleteWhen": "05"}},
		{"under another name", "[{name: v, configMap: {name: base, items: [{key: broker-common.conf, path: my.conf}]}}]", "", "", nil},
		{"the second volume", "[{name: o, configMap: {name: others}}, {name: v, configMap: {name: base}}]",
			"broker-common.conf of ConfigMap base (spec.volumes[1])", "", map[string]string{"fileReservedTime": "48"}},
		{"projected", "[{name: v, projected: {sources: [{configMap: {name: others}}, {configMap: {name: base}}]}}]", inBase, "",
			map[string]string{"fileReservedTime": "48"}},
		{"a Secret may have it", "[{name: s, secret: {secretName: s}}, {name: v, configMap: {name: base}}]", "", "", nil},
		{"a projected Secret may have it", "[{name: v, projected: {sources: [{secret: {name: s}}, {configMap: {name: base}}]}}]", "", "", nil},
		{"a missing ConfigMap", "[{name: v, configMap: {name: missing}}]", "", "", nil},
		{"no properties file", "[{name: v, configMap: {name: broken}}]", "broker-common.conf of ConfigMap broken (spec.volumes[0])", `malformed escape \users`, nil},
	} {
		b := parse[v1alpha1.Broker](t, "metadata: {name: b}\nspec: {volumes: "+test.volumes+"}")
		where, got, err := BaseFile(b, contents)
		if where != test.where || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %q, %v; want %q, %q", test.name, where, err, test.where, test.err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" && err == nil {
			t.Errorf("%s: (-want +got)\n%s", test.name, diff)
		}
	}
}

func TestProperties(t *testing.T) {
	got := Properties(map[string]v1alpha1.ConfigValue{"enablePropertyFilter": "true ", "traceTopicEnable": "true\n", "sendMessageThreadPoolNums": " 16"})
	want := map[string]string{"enablePropertyFilter": "true", "traceTopicEnable": "true", "sendMessageThreadPoolNums": "16"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values are not trimmed (-want +got):\n%s", diff)
	}
}

func TestRelease(t *testing.T) {
	for _, test := range []struct{ image, annotation, want string }{
		{"apache/rocketmq:5.3.3", "", "5.3.3"},
		{"registry.example.com:5000/mq/rocketmq:1.0.3", "", ""},
		{"registry.example.com:5000/mq/rocketmq:1.0.3", "5.4.0", "5.4.0"},
		{"registry.example.com/mq/rocketmq@sha256:0123", "5.4.0", "5.4.0"},
		{"registry.example.com/mq/rocketmq:5.0.1", "5.4.0", "5.4.0"},
		{"apache/rocketmq:5.3.3", "five", "5.3.3"},
		{"", "", "5.4.0"}, // the default
	} {
		b := parse[v1alpha1.Broker](t, "metadata: {name: b, annotations: {rocketmq.apache.org/rocketmq-version: '"+test.annotation+"'}}\nspec: {brokerImage: '"+test.image+"'}")
		got, known := Release(b)
		if known != (test.want != "") || known && got.String() != test.want {
			t.Errorf("%s with %q: %s %t, want %q", test.image, test.annotation, got, known, test.want)
		}
	}
}
