// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// policyLimit is how soon a NetworkPolicy holds, on a machine that has other things to do.
const policyLimit = 30 * time.Second

// ports are those of each component.
type ports map[string][]int

// listening are all ports of all components. The servers' are compared with what they listen on.
func listening() ports {
	return ports{
		"nameserver": {9871, 9876}, "controller": {5557, 9872, 9878}, "broker": {5557, 9873, 10909, 10911, 10912},
		"proxy": {8080, 8081, 9874}, "console": {8082}, "exporter": {5557}, "schemaregistry": {8080},
	}
}

// guarded is the cluster of examples/secured, with its neighbours.
type guarded struct {
	*kit.Installation
	// orders is the namespace of its applications.
	orders   *kit.Installation
	visitors []visitor
	images   kit.Tools
}

// visitor is a pod that tries to connect.
type visitor struct {
	*kit.Namespace
	// allowed is what it may reach under the policies.
	allowed ports
}

// networkPolicies switches the NetworkPolicies of examples/secured on and off while an application goes on. A user is promised
// that a stranger's pod then reaches no port of no component, that each of the others reaches what it needs and nothing else,
// and that clients, the operator and all components go on.
func networkPolicies(t *testing.T, w *world) {
	ctx := t.Context()
	images, err := w.place.LoadTools(ctx)
	ok(t, err)
	ok(t, w.place.LoadGRPCClient(ctx))
	n := w.namespace(t, "secured", kit.Restricted)
	g := &guarded{Installation: n.InstallationOfCluster("shop"), images: images}
	g.invite(t, w)
	g.apply(t, "networkPolicy: Enabled", "networkPolicy: Disabled")
	ok(t, g.AwaitReady(ctx, clusterLimit))
	g.listens(t)
	for _, v := range g.visitors {
		g.reaches(t, v, listening())
	}
	g.Log.Printf("without NetworkPolicies everybody reaches every port")

	g.during(t, "switched-on", func() {
		g.apply(t)
		for _, v := range g.visitors {
			g.reaches(t, v, v.allowed)
		}
	})
	g.Log.Printf("with them a stranger reaches nothing, and everybody else what they need")
	for _, part := range []struct {
		name string
		tell func(*testing.T, *guarded)
	}{{"ToolsGoOn", toolsGoOn}, {"GRPCGoesOn", grpcGoesOn}, {"MasterHandsOver", masterHandsOver}, {"ProbesPass", probesPass}, {"MasterDies", masterDies}} {
		t.Run(part.name, func(t *testing.T) {
			here, inner := *g, *g.Installation
			inner.Namespace = in(t, n)
			here.Installation = &inner
			part.tell(t, &here)
		})
	}

	g.apply(t, "networkPolicy: Enabled", "networkPolicy: Disabled")
	g.reaches(t, g.visitors[0], listening())
	var left networkingv1.NetworkPolicyList
	ok(t, g.Client.List(ctx, &left, client.InNamespace(n.Name)))
	if len(left.Items) > 0 {
		t.Errorf("%d NetworkPolicies are left", len(left.Items))
	}
}

// invite makes the neighbours and their pods: a stranger in the cluster's own namespace, an application, Prometheus, and what
// lets users in from outside.
func (g *guarded) invite(t *testing.T, w *world) {
	t.Helper()
	g.orders = &kit.Installation{Namespace: w.namespace(t, "orders", kit.Restricted)}
	g.visitors = []visitor{
		{g.Namespace, nil},
		{g.orders.Namespace, ports{"nameserver": {9876}, "broker": {10909, 10911}, "proxy": {8080, 8081}, "schemaregistry": {8080}}},
		{w.namespace(t, "monitoring", kit.Restricted), ports{"controller": {5557}, "broker": {5557}, "exporter": {5557}}},
		{w.namespace(t, "ingress", kit.Restricted), ports{"console": {8082}}},
	}
	for _, v := range g.visitors {
		ok(t, v.Client.Create(t.Context(), v.pod()))
	}
	for _, v := range g.visitors {
		ok(t, v.AwaitPodReady(t.Context(), visitorPod, "", time.Minute))
	}
}

// visitorPod is the name of every visitor's pod, and of its container.
const visitorPod = "visitor"

// pod with a shell, for which RocketMQ's image is as good as any.
func (v visitor) pod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.Name, Name: visitorPod},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: new(false), TerminationGracePeriodSeconds: new(int64(1)),
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(int64(3000)), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: visitorPod, Image: "apache/rocketmq:" + clusterVersion, Command: []string{"sleep", "36000"},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

// apply examples/secured, small, with the neighbours' namespaces and a schema registry; edits are pairs of old and new text.
func (g *guarded) apply(t *testing.T, edits ...string) {
	t.Helper()
	ok(t, g.ApplyPath(t.Context(), "examples/secured", append(edits,
		"metadata.name: orders", "metadata.name: "+g.visitors[1].Name,
		"metadata.name: monitoring", "metadata.name: "+g.visitors[2].Name,
		"metadata.name: ingress-nginx", "metadata.name: "+g.visitors[3].Name,
		"{size: 3", "{resources: {requests: {cpu: 100m}}, size: 1", // what asks for no CPU gets next to none beside those that do
		"brokers:\n  - storage", "brokers:\n  - resources: {requests: {cpu: 100m}}\n    storage",
		"console:", "console:\n    image: "+g.images.Dashboard,
		"exporter: {}", "exporter: {image: "+g.images.Exporter+"}\n  schemaRegistry: {image: "+g.images.SchemaRegistry+"}")...))
}

// listens compares what the servers listen on with what the story knows.
func (g *guarded) listens(t *testing.T) {
	t.Helper()
	pods, err := g.OwnPods(t.Context())
	ok(t, err)
	for name, pod := range pods {
		component := pod.Labels["app.kubernetes.io/component"]
		if pod.Spec.Containers[0].Name != kit.RocketMQContainer {
			continue // images of tools have no shell
		}
		table, err := g.Exec(t.Context(), name, kit.RocketMQContainer, "cat", "/proc/net/tcp", "/proc/net/tcp6")
		ok(t, err)
		if diff := cmp.Diff(listening()[component], listeners(t, table)); diff != "" {
			t.Errorf("%s listens on other ports than the story knows (-known +listening):\n%s", name, diff)
		}
	}
}

// listeners reads the ports that a process listens on from /proc/net/tcp and tcp6: sl, local address, remote address, state.
func listeners(t *testing.T, table string) []int {
	t.Helper()
	const listen = "0A"
	found := map[int]bool{}
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != listen {
			continue
		}
		address, port, _ := strings.Cut(fields[1], ":")
		number, err := strconv.ParseInt(port, 16, 32)
		ok(t, err)
		if loopback := strings.HasSuffix(address, "0100007F") || strings.HasSuffix(address, "0000000001000000"); !loopback {
			found[int(number)] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// reaches waits until a visitor reaches exactly these ports of all pods.
func (g *guarded) reaches(t *testing.T, v visitor, want ports) {
	t.Helper()
	ok(t, g.Await(t.Context(), "the pod in "+v.Name+" to reach what it may", policyLimit, func(ctx context.Context) error {
		pods, err := g.OwnPods(ctx)
		if err != nil {
			return err
		}
		wanted, got := []string{}, []string{}
		names := map[string]string{} // by address
		for name, pod := range pods {
			component := pod.Labels["app.kubernetes.io/component"]
			for _, port := range listening()[component] {
				names[fmt.Sprintf("%s/%d", pod.Status.PodIP, port)] = fmt.Sprintf("%s:%d", name, port)
			}
			for _, port := range want[component] {
				wanted = append(wanted, fmt.Sprintf("%s:%d", name, port))
			}
		}
		connected, err := v.connects(ctx, slices.Collect(maps.Keys(names)))
		if err != nil {
			return err
		}
		for _, address := range connected {
			got = append(got, names[address])
		}
		slices.Sort(wanted)
		slices.Sort(got)
		if diff := cmp.Diff(wanted, got); diff != "" {
			return errors.New("(-want +got; does the network enforce NetworkPolicies?)\n" + diff)
		}
		return nil
	}))
}

// connects tells which of the addresses, as "host/port", a visitor connects to within two seconds.
func (v visitor) connects(ctx context.Context, addresses []string) ([]string, error) {
	const script = `for address; do (timeout 2 bash -c "exec 3<>/dev/tcp/$address" 2>/dev/null && echo "$address") & done; wait`
	out, err := v.Exec(ctx, visitorPod, visitorPod, append([]string{"bash", "-c", script, "-"}, addresses...)...)
	return strings.Fields(out), err
}

// during lets the application send and receive; no acknowledged message may be lost.
func (g *guarded) during(t *testing.T, topic string, do func()) {
	t.Helper()
	nameServers := strings.Replace(g.Address(), ":", "."+g.Name+":", 1)
	during(t, g.orders, kit.LedgerOptions{NameServers: nameServers, Topic: topic, Poll: scalePoll}, do)
}

// toolsGoOn: the dashboard, the exporter and the schema registry have their figures and schemas from name servers and brokers.
func toolsGoOn(t *testing.T, g *guarded) {
	c := &tools{Installation: g.Installation}
	dashboard := httptest.NewServer(g.HTTP("shop-console", "console", 8082))
	exporter := httptest.NewServer(g.HTTP("shop-exporter", "exporter", 5557))
	registry := httptest.NewServer(g.HTTP("shop-schema", "schemaregistry", 8080))
	for url, server := range map[*string]*httptest.Server{&c.dashboard: dashboard, &c.exporter: exporter, &c.registry: registry} {
		defer server.Close()
		*url = server.URL
	}
	var login corev1.Secret
	ok(t, g.Client.Get(t.Context(), client.ObjectKey{Namespace: g.Name, Name: "shop-console-login"}, &login))
	browser, err := c.logIn(t.Context(), string(login.Data["username"]), string(login.Data["password"]))
	ok(t, err)
	c.awaitListed(t, browser, "shop-broker-0")
	c.countsMessages(t, "switched-on", 100)
	c.keepsSchemas(t)
}

// masterHandsOver: the operator, the controllers, both members and the name servers need each other, in connections that are
// new with the pod.
func masterHandsOver(t *testing.T, g *guarded) {
	masterGoes(t, g, "handed-over", false)
}

// probesPass: the kubelet has had no reason to restart anything.
func probesPass(t *testing.T, g *guarded) {
	pods, err := g.OwnPods(t.Context())
	ok(t, err)
	for name, pod := range pods {
		for _, container := range pod.Status.ContainerStatuses {
			if container.RestartCount > 0 {
				t.Errorf("%s was restarted %d times: %+v", name, container.RestartCount, container.LastTerminationState.Terminated)
			}
		}
	}
}

// masterDies: the controllers elect the slave.
func masterDies(t *testing.T, g *guarded) {
	masterGoes(t, g, "died", true)
}

func masterGoes(t *testing.T, g *guarded, topic string, force bool) {
	ctx := t.Context()
	before, err := g.Master(ctx, 0)
	ok(t, err)
	pod, err := g.Pod(ctx, before)
	ok(t, err)
	g.during(t, topic, func() {
		time.Sleep(5 * time.Second)
		g.Log.Printf("deleting pod %s, the master; at once: %t", before, force)
		began := time.Now()
		ok(t, g.DeletePod(ctx, before, force))
		master, err := g.AwaitNewMaster(ctx, 0, before, time.Minute)
		ok(t, err)
		g.Log.Printf("%s is master after %.1f s", master, time.Since(began).Seconds())
		ok(t, g.AwaitPodReady(ctx, before, pod.UID, 2*time.Minute))
	})
	ok(t, g.AwaitReady(ctx, 2*time.Minute))
	ok(t, g.AwaitRegistered(ctx, g.NameServers(1), g.Topology(1, 2), time.Minute))
	rolesFollowStatus(t, g.Installation)
	for _, v := range g.visitors {
		g.reaches(t, v, v.allowed) // the new pod as well
	}
}

// grpcGoesOn: the application sends and receives through the proxies, which need name servers and brokers.
func grpcGoesOn(t *testing.T, g *guarded) {
	topic(t, g.Installation, masterOf(t, g.Installation, 0), "normal", "NORMAL")
	viaGRPC(t, g.orders, "grpc-client", "shop-proxy-proxy."+g.Name+":8081", nil, "normal=NORMAL")
}
