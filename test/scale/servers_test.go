// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

func podOf(name, cluster string, component desired.Component, group string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: name, UID: types.UID(name), Labels: map[string]string{
		desired.LabelCluster: cluster, desired.LabelComponent: string(component), desired.LabelGroup: group,
	}}}
}

// TestPodsArePlayed: each pod is a server at an address of its own, which belongs to the pod's cluster.
func TestPodsArePlayed(t *testing.T) {
	s, err := newServers("../..")
	if err != nil {
		t.Fatal(err)
	}
	client := remoting.NewClient(remoting.Options{Dialer: fakemq.Dialer(s)})
	t.Cleanup(func() { _ = client.Close() })
	ask := admin.New(client)

	given := &settings.Settings{ServiceDomain: "svc", Broker: &settings.BrokerSettings{
		Groups: map[string]settings.GroupSettings{"a-0": {Permission: settings.ReadWrite}},
	}}
	at := map[string]string{}
	for _, pod := range []*corev1.Pod{
		podOf("a-ns-0", "a", desired.NameServer, ""), podOf("a-0-0", "a", desired.Broker, "a-0"),
		podOf("b-ns-0", "b", desired.NameServer, ""), podOf("b-0-0", "b", desired.Broker, "b-0"),
	} {
		ip, err := s.start(pod, given)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := s.start(pod, given); err != nil || again != ip {
			t.Errorf("%s is started again at %s instead of %s: %v", pod.Name, again, ip, err)
		}
		s.ready(pod.UID)
		at[pod.Name] = s.pods[pod.UID].dialled
	}
	info, err := ask.ClusterInfo(t.Context(), at["a-ns-0"])
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Brokers) != 1 || info.Brokers["a-0"].Addrs[admin.MasterID] != "a-0-0.svc:10911" {
		t.Errorf("the name server of a lists %+v", info.Brokers)
	}
	config, err := ask.BrokerConfig(t.Context(), at["a-0-0"])
	if err != nil {
		t.Fatal(err)
	}
	if config["brokerPermission"] != "6" {
		t.Errorf("the broker of a has the permission %s", config["brokerPermission"])
	}

	s.silence(map[string]bool{"mq/a": true}, true)
	for _, pod := range []string{"a-ns-0", "a-0-0", "b-ns-0", "b-0-0"} {
		want := fakemq.Serving
		if pod == "a-0-0" {
			want = fakemq.Silent
		}
		if got := s.State(at[pod]); got != want {
			t.Errorf("the state of %s is %d, want %d", pod, got, want)
		}
	}
	s.stop("b-0-0")
	if got := s.State(at["b-0-0"]); got != fakemq.Refused {
		t.Errorf("the state of a pod that has ended is %d", got)
	}
	if got := s.counts()[remoting.GetBrokerConfig.String()]; got != 1 {
		t.Errorf("the broker's configuration was asked for %d times", got)
	}
	if _, err := s.start(podOf("p", "a", desired.Proxy, ""), given); err == nil {
		t.Error("a proxy is played")
	}
}
