// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// TestLongestNames: names of 40 characters, which the CRDs allow, give valid labels, Services and pods.
func TestLongestNames(t *testing.T) {
	c, name, namespace := installation(), strings.Repeat("n", 40), strings.Repeat("s", 63)
	header := fmt.Sprintf("metadata: {name: %s, namespace: %s}\nspec: ", name, namespace)
	var objects []client.Object
	var addresses []string
	add := func(err error, more ...client.Object) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, more...)
	}
	ns := parse[v1alpha1.NameService](t, header+"{size: 99}")
	shared, set, err := c.NameService(ns, nil, TLS{})
	add(err, append(shared, set)...)
	addresses = append(addresses, c.NameServerAddresses(ns)...)

	ctl := parse[v1alpha1.Controller](t, header+"{size: 7}")
	shared, set, err = c.Controller(ctl, nil, TLS{})
	add(err, append(shared, set, c.ControllerService(ctl))...)
	addresses = append(addresses, c.ControllerAddresses(ctl)...)

	b := parse[v1alpha1.Broker](t, header+"{size: 999, replicaPerGroup: 9}")
	shared, err = c.Broker(b, Dependencies{})
	add(err, shared...)
	budget, set, err := c.BrokerGroup(b, 998, GroupState{Members: MemberCount(b), State: scale.Open}, Dependencies{})
	add(err, budget, set)
	addresses = append(addresses, c.BrokerAddress(b, PodName(set.Name, 9)))

	p := parse[v1alpha1.Proxy](t, header+"{replicas: 999}")
	shared, deployment, err := c.Proxy(p, Backend{})
	add(err, append(shared, deployment)...)
	addresses = append(addresses, c.ProxyHost(p))

	for _, object := range objects {
		if object.GetNamespace() != namespace {
			t.Errorf("%T %s is in namespace %q", object, object.GetName(), object.GetNamespace())
		}
		for _, problem := range validation.IsDNS1035Label(object.GetName()) {
			t.Errorf("%T %s: %s", object, object.GetName(), problem)
		}
		for key, value := range object.GetLabels() {
			for _, problem := range validation.IsValidLabelValue(value) {
				t.Errorf("%T %s: label %s=%s: %s", object, object.GetName(), key, value, problem)
			}
		}
		set, ok := object.(*appsv1.StatefulSet)
		if !ok {
			continue
		}
		// Kubernetes labels pods with their revision, the StatefulSet's name and a hash of 10, and with their name.
		for _, label := range []string{set.Name + "-" + strings.Repeat("f", 10), PodName(set.Name, *set.Spec.Replicas-1)} {
			for _, problem := range validation.IsDNS1123Label(label) {
				t.Errorf("pods of %s: %s: %s", set.Name, label, problem)
			}
		}
	}
	for _, address := range addresses {
		host, _, _ := strings.Cut(address, ":")
		for _, problem := range validation.IsDNS1123Subdomain(host) {
			t.Errorf("address %s: %s", address, problem)
		}
	}
}

// TestSelectorsMatchTemplates: a StatefulSet, Service or budget that selects other pods than its own would be wrong,
// whatever the user's overlay says.
func TestSelectorsMatchTemplates(t *testing.T) {
	spec := `{podTemplate: {metadata: {labels: {app.kubernetes.io/instance: x, app.kubernetes.io/managed-by: null,
		rocketmq.apache.org/group: x, app.kubernetes.io/component: x}}}}`
	b := parse[v1alpha1.Broker](t, "metadata: {name: b, namespace: mq}\nspec: "+spec)
	shared, err := installation().Broker(b, dependencies())
	if err != nil {
		t.Fatal(err)
	}
	budget, set, err := installation().BrokerGroup(b, 1, GroupState{Members: 2, State: scale.Open}, dependencies())
	if err != nil {
		t.Fatal(err)
	}
	labels := set.Spec.Template.Labels
	for what, selector := range map[string]map[string]string{
		"StatefulSet":         set.Spec.Selector.MatchLabels,
		"PodDisruptionBudget": budget.Spec.Selector.MatchLabels,
		"headless Service":    shared[0].(*corev1.Service).Spec.Selector,
	} {
		for key, value := range selector {
			if labels[key] != value {
				t.Errorf("the %s selects %s=%s, pods have %q", what, key, value, labels[key])
			}
		}
		for _, changing := range []string{LabelRole, LabelCluster, LabelPartOf} {
			if _, ok := selector[changing]; ok {
				t.Errorf("the %s selects by %s, which can change", what, changing)
			}
		}
	}
	if _, another, _ := installation().BrokerGroup(b, 2, GroupState{Members: 2, State: scale.Open}, dependencies()); maps.Equal(another.Spec.Selector.MatchLabels, set.Spec.Selector.MatchLabels) {
		t.Error("two groups select the same pods")
	}
}

// TestSpecThatDoesNotFit: what no schema can refuse is an error that names the field.
func TestSpecThatDoesNotFit(t *testing.T) {
	for spec, want := range map[string]string{
		`{volumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}]}`:          `spec.volumes: the name "a"`,
		`{volumes: [{name: data, emptyDir: {}}]}`:                                `spec.volumes: the name "data"`,
		`{volumes: [{name: rocketmq-run, emptyDir: {}}]}`:                        `spec.volumes: the name "rocketmq-run"`,
		`{volumeClaimTemplates: [{metadata: {name: a}}, {metadata: {name: a}}]}`: "spec.volumeClaimTemplates",
		`{podTemplate: {spec: {containers: rocketmq}}}`:                          "spec.podTemplate",
		`{podTemplate: {spec: {terminationGracePeriodSeconds: "soon"}}}`:         "spec.podTemplate",
		`{podTemplate: {spec: {containers: [{image: "no name to merge by"}]}}}`:  "spec.podTemplate",
	} {
		b := parse[v1alpha1.Broker](t, "metadata: {name: b, namespace: mq}\nspec: "+spec)
		if _, _, err := installation().BrokerGroup(b, 0, GroupState{Members: 2, State: scale.Open}, dependencies()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that names %s", spec, err, want)
		}
	}
}

// TestJVMFlags: memory is divided by the limit, and what the user says comes besides, for the agent to weigh.
func TestJVMFlags(t *testing.T) {
	for _, test := range []struct {
		component Component
		spec      string
		want      []string
	}{
		{Broker, "{}", []string{"--default-heap=1024m", "--default-direct-memory=512m"}},
		{NameServer, "{}", []string{"--default-heap=512m", "--default-direct-memory=256m"}},
		{Controller, "{}", []string{"--default-heap=512m", "--default-direct-memory=256m"}},
		{Broker, "{resources: {limits: {memory: 8Gi}}}", []string{"--default-heap=4096m", "--default-direct-memory=2048m"}},
		{Broker, "{resources: {limits: {memory: 1G}}}", []string{"--default-heap=476m", "--default-direct-memory=238m"}},
		{Broker, "{resources: {limits: {memory: 100Mi}}}", []string{"--default-heap=64m", "--default-direct-memory=32m"}},
		{Broker, "{resources: {requests: {memory: 8Gi}}}", []string{"--default-heap=1024m", "--default-direct-memory=512m"}},
		{Broker, "{resources: {limits: {cpu: 2}}}", []string{"--default-heap=1024m", "--default-direct-memory=512m"}},
		{NameServer, "{resources: {limits: {memory: 2Gi}}}", []string{"--default-heap=512m", "--default-direct-memory=512m"}},
		{Controller, "{resources: {limits: {memory: 16Gi}}}", []string{"--default-heap=1024m", "--default-direct-memory=4096m"}},
		{Controller, "{resources: {limits: {memory: 128Mi}}}", []string{"--default-heap=48m", "--default-direct-memory=32m"}},
		{Broker, "{jvm: {heap: 1.5Gi}}", []string{"--default-heap=1024m", "--default-direct-memory=512m", "--heap=1536m"}},
		{Broker, "{jvm: {directMemory: 1000000}}", []string{"--default-heap=1024m", "--default-direct-memory=512m", "--direct-memory=1000000"}},
		{
			Broker, `{jvm: {heap: 1G, directMemory: 512Mi, extraOptions: ["-Da=b c", -XX:+UseZGC]}, resources: {limits: {memory: 4Gi}}}`,
			[]string{"--default-heap=2048m", "--default-direct-memory=1024m", "--heap=1000000000", "--direct-memory=512m",
				"--java-option=-Da=b c", "--java-option=-XX:+UseZGC"},
		},
	} {
		got := jvmFlags(settings.Role(test.component), parse[v1alpha1.PodSettings](t, test.spec))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", test.component, test.spec, diff)
		}
	}
}

// TestGraceOfAgent: a broker's agent is told of the grace period that the pod gets in the end.
func TestGraceOfAgent(t *testing.T) {
	for spec, want := range map[string]string{
		"{}":                  "--grace=155s",
		"{drainSeconds: 300}": "--grace=685s",
		"{podTemplate: {spec: {terminationGracePeriodSeconds: 30}}}":                                                     "--grace=30s",
		"{podTemplate: {spec: {terminationGracePeriodSeconds: null}}}":                                                   "--grace=30s",
		"{podTemplate: {spec: {containers: [{name: sidecar, image: x}]}}}":                                               "--grace=155s",
		"{podTemplate: {spec: {containers: [{name: rocketmq, command: [sleep, infinity]}]}}}":                            "",
		"{podTemplate: {spec: {containers: [{name: rocketmq, env: [{name: A, value: b}]}], nodeName: node-1}}, size: 1}": "--grace=155s",
	} {
		b := parse[v1alpha1.Broker](t, "{metadata: {name: b, namespace: mq}, spec: "+spec+"}")
		_, set, err := installation().BrokerGroup(b, 0, GroupState{Members: 2, State: scale.Open}, dependencies())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range set.Spec.Template.Spec.Containers {
			for _, arg := range c.Command {
				if strings.HasPrefix(arg, "--grace=") {
					got = append(got, arg)
				}
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: the agent is told %q, want %q", spec, got, want)
		}
	}
}

// TestBaseVolumes: the base file may be in any of the volumes that are made of files; the first one may be anything.
func TestBaseVolumes(t *testing.T) {
	b := parse[v1alpha1.Broker](t, `{metadata: {name: b, namespace: mq}, spec: {volumes: [
		{name: tz, hostPath: {path: /etc/localtime, type: File}}, {name: keys, secret: {secretName: s}}, {name: scratch, emptyDir: {}},
		{name: base, configMap: {name: c}}]}}`)
	_, set, err := installation().BrokerGroup(b, 0, GroupState{Members: 2, State: scale.Open}, dependencies())
	if err != nil {
		t.Fatal(err)
	}
	var mounts, flags []string
	for _, m := range set.Spec.Template.Spec.Containers[0].VolumeMounts {
		if strings.HasPrefix(m.MountPath, settings.BaseDir) {
			mounts = append(mounts, m.Name+" "+m.MountPath)
		}
	}
	for _, arg := range set.Spec.Template.Spec.Containers[0].Command {
		if volume, ok := strings.CutPrefix(arg, "--base-volume="); ok {
			flags = append(flags, volume)
		}
	}
	if diff := cmp.Diff([]string{"tz /etc/rocketmq-base/tz", "keys /etc/rocketmq-base/keys", "base /etc/rocketmq-base/base"}, mounts); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"tz", "keys", "base"}, flags); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
}

// TestEnvironment: a name is told once. API servers refuse to apply a list that holds one twice.
func TestEnvironment(t *testing.T) {
	b := parse[v1alpha1.Broker](t, `{metadata: {name: b, namespace: mq}, spec: {env: [
		{name: NAMESRV_ADDR, value: "mine:9876"}, {name: POD_NAME, value: forged}, {name: TZ, value: GMT}, {name: TZ, value: UTC}]}}`)
	_, set, err := installation().BrokerGroup(b, 0, GroupState{Members: 2, State: scale.Open}, dependencies())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, env := range set.Spec.Template.Spec.Containers[0].Env {
		if _, twice := got[env.Name]; twice {
			t.Errorf("%s is there twice", env.Name)
		}
		got[env.Name] = env.Value
	}
	want := map[string]string{"POD_NAME": "", "POD_NAMESPACE": "", "POD_IP": "", "HOST_IP": "", "NAMESRV_ADDR": "mine:9876", "TZ": "UTC"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the user's wins, but for a pod's identity (-want +got):\n%s", diff)
	}
}

func TestOrdinal(t *testing.T) {
	for pod, want := range map[string]int32{"b-0-12": 12, "ns-3": 3, "ns": -1, "ns-": -1, "": -1, "b-0-x": -1, "b-99999999999": -1} {
		if got := Ordinal(pod); got != want {
			t.Errorf("Ordinal(%q) = %d, want %d", pod, got, want)
		}
	}
}

func TestExternalNameServers(t *testing.T) {
	for text, want := range map[string][]string{
		"":                   nil,
		"a:9876":             {"a:9876"},
		"a:9876;b:9876;":     {"a:9876", "b:9876"},
		"10.0.0.1:1;[::1]:2": {"10.0.0.1:1", "[::1]:2"},
	} {
		b := &v1alpha1.Broker{Spec: v1alpha1.BrokerSpec{NameServers: text}}
		if got := ExternalNameServers(b); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestMode(t *testing.T) {
	for text, want := range map[v1alpha1.ClusterMode]string{"": "STATIC", "static": "STATIC", "CONTROLLER": "CONTROLLER", "Controller": "CONTROLLER"} {
		if got := Mode(&v1alpha1.Broker{Spec: v1alpha1.BrokerSpec{ClusterMode: text}}); string(got) != want {
			t.Errorf("clusterMode %q is %s, want %s", text, got, want)
		}
	}
}
