// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// clustered is the world after a RocketMQCluster made all of it, with a proxy and a dashboard that has a trouble.
func clustered(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	c := &v1alpha1.RocketMQCluster{ObjectMeta: named("shop")}
	c.UID = types.UID("shop")
	ready := conditions("Ready", "MembersNotReady", "Console shop-console: MembersNotReady: shop-console-a cannot start: ImagePullBackOff")
	c.Status = v1alpha1.RocketMQClusterStatus{Phase: v1alpha1.PhaseDegraded, Version: "5.4.0", Brokers: "4/4", CommonStatus: common(append(ready,
		metav1.Condition{Type: "RemainingBroker", Status: "True", Reason: "RemainingBroker", Message: "Broker shop-broker-old is in no pool any more", LastTransitionTime: metav1.NewTime(longAgo())},
		metav1.Condition{Type: "KnownDefect", Status: "True", Reason: "KnownDefect", Message: "Proxy shop-proxy: no metrics", LastTransitionTime: metav1.NewTime(longAgo())},
	))}
	c.Status.Endpoints = v1alpha1.ClusterEndpoints{NameServers: "quickstart-ns-nameserver.mq.svc:9876", GRPC: "shop-proxy.mq.svc:8081"}
	proxy := &v1alpha1.Proxy{ObjectMeta: named("shop-proxy")}
	proxy.Status = v1alpha1.ProxyStatus{Members: "1/1", GRPCAddress: "shop-proxy.mq.svc:8081", CommonStatus: common(append(conditions("", "", ""),
		metav1.Condition{Type: "KnownDefect", Status: "True", Reason: "KnownDefect", Message: "no metrics", LastTransitionTime: metav1.NewTime(longAgo())}))}
	console := &v1alpha1.Console{ObjectMeta: named("shop-console")}
	console.Status = v1alpha1.ToolStatus{Members: "0/1", Address: "shop-console.mq.svc:8082",
		CommonStatus: common(conditions("Ready", "MembersNotReady", "shop-console-a cannot start: ImagePullBackOff"))}
	w.add(c, proxy, console)
	for _, object := range []client.Object{
		object[*v1alpha1.Broker](w, "quickstart"), object[*v1alpha1.NameService](w, "quickstart-ns"), object[*v1alpha1.Controller](w, "quickstart-ctl"), proxy, console,
	} {
		object.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(c, v1alpha1.GroupVersion.WithKind("RocketMQCluster"))})
	}
	exporter := &v1alpha1.Exporter{ObjectMeta: named("lonely")} // by hand
	exporter.Status = v1alpha1.ToolStatus{Members: "1/1", Address: "lonely.mq.svc:5557", CommonStatus: common(conditions("", "", ""))}
	w.add(exporter)
	return w
}

func TestStatusOfCluster(t *testing.T) {
	w := clustered(t)
	w.shows("status-cluster", "status")
	w.shows("status-cluster-one", "status", "shop")
	out, err := w.run("status", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var r statusReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Clusters) != 1 || len(r.Brokers) != 0 || r.Clusters[0].Brokers[0].Groups[1].Master != "quickstart-1-1" || r.Clusters[0].Endpoints.GRPC != "shop-proxy.mq.svc:8081" {
		t.Errorf("%s", out)
	}
	if out, err := w.run("status", "quickstart"); err != nil || out == "" { // one of its Brokers
		t.Errorf("%v in\n%s", err, out)
	}
}
