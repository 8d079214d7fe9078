package reconcile

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
)

const (
	nameService = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: NameService, metadata: {name: ns}, spec: {size: 2}}\n---\n"
	controllers = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Controller, metadata: {name: ctl}}\n---\n"
	brokers     = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: b}, spec: {size: 2, clusterMode: CONTROLLER}}\n---\n"
	proxies     = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Proxy, metadata: {name: p}}\n---\n"
	static      = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: b}, spec: {size: 1, replicaPerGroup: 1}}\n---\n"
)

// TestZeroWrites: once everything is as it should be, no pass writes anything, of whatever form of spec.
func TestZeroWrites(t *testing.T) {
	t.Parallel()
	inputs, err := filepath.Glob("../desired/testdata/*.in.yaml")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no input: %v", err)
	}
	for _, input := range inputs {
		t.Run(strings.TrimSuffix(filepath.Base(input), ".in.yaml"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.createFile(input)
			if strings.Contains(input, "broker-") {
				w.create(nameService + controllers)
			}
			if strings.Contains(input, "proxy-") {
				w.create(nameService + static)
			}
			for _, component := range []string{"console-", "exporter-", "schemaregistry-"} {
				if strings.Contains(input, component) {
					w.create(nameService)
				}
			}
			if strings.Contains(input, "broker-predecessor") { // its name servers are not ours: nobody answers there
				edit(w, "broker", func(b *v1alpha1.Broker) { b.Spec.NameServers = "" })
			}
			o := w.start(-1)
			o.until(w.allReady)
			o.checkSilence()
		})
	}
}

// settle lets everything happen that is under way.
func (o *operator) settle() {
	o.world.Helper()
	for range 10 {
		o.world.turn()
		o.world.must(o.pass())
		time.Sleep(200 * time.Millisecond)
	}
}

// checkSilence runs the operator for a while and expects that it writes nothing and says nothing.
func (o *operator) checkSilence() { o.world.Helper(); o.checkSilenceFor(1500 * time.Millisecond) }

func (o *operator) checkSilenceFor(while time.Duration) {
	o.world.Helper()
	wrote, said := o.writes.count(), len(o.events.all())
	for end := time.Now().Add(while); time.Now().Before(end); time.Sleep(250 * time.Millisecond) {
		o.world.must(o.pass())
	}
	if more := o.writes.all()[wrote:]; len(more) > 0 {
		o.world.Errorf("converged, and wrote %v", more)
	}
	if more := o.events.all()[said:]; len(more) > 0 {
		o.world.Errorf("converged, and said %v", more)
	}
}

// TestRestartIsSilent: an operator that starts beside a converged cluster writes nothing, although it knows nothing yet.
func TestRestartIsSilent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + brokers + proxies)
	o := w.start(-1)
	o.until(w.allReady)
	o.shutdown()
	w.start(-1).checkSilence()
}

// TestCrashPoints: an operator dies after its k-th write, for every k, while it creates or changes something; the next
// one brings about the same objects as one that was never disturbed.
func TestCrashPoints(t *testing.T) {
	t.Parallel()
	for _, test := range []crash{
		{name: "create NameService", act: func(w *world) { w.create(nameService) }},
		{name: "create Controller", act: func(w *world) { w.create(controllers) }},
		{name: "create Broker", before: nameService + controllers, act: func(w *world) { w.create(brokers) }},
		{name: "change NameService", before: nameService, act: func(w *world) {
			edit(w, "ns", func(ns *v1alpha1.NameService) {
				ns.Spec.Size, ns.Spec.NameServiceImage = new(int32(3)), "apache/rocketmq:5.5.0"
			})
		}},
		{name: "change Controller", before: controllers, act: func(w *world) {
			edit(w, "ctl", func(ctl *v1alpha1.Controller) { ctl.Spec.ControllerImage = "apache/rocketmq:5.5.0" })
		}},
		{name: "change Broker", before: nameService + strings.Replace(controllers, "{name: ctl}", "{name: ctl}, spec: {size: 1}", 1) + strings.Replace(brokers, "size: 2", "size: 1", 1), act: func(w *world) {
			edit(w, "b", func(b *v1alpha1.Broker) {
				b.Spec.ReplicaPerGroup, b.Spec.PodAnnotations = new(int32(2)), map[string]string{"a": "b"}
			})
		}},
		{name: "create Console", before: nameService, act: func(w *world) { w.create(console) }},
		{name: "create Exporter", before: nameService, act: func(w *world) { w.create(exporter) }},
		{name: "create SchemaRegistry", before: nameService, act: func(w *world) { w.create(registry) }},
		{name: "change Console", before: nameService + console, act: func(w *world) {
			edit(w, "con", func(c *v1alpha1.Console) {
				c.Spec.Ingress, c.Spec.Service.Annotations, c.Spec.Image = nil, map[string]string{"a": "b"}, "dashboard:2"
			})
			edit(w, "ns", func(ns *v1alpha1.NameService) { ns.Spec.Size = new(int32(3)) })
		}},
		{name: "create RocketMQCluster", act: func(w *world) { w.create(wholeCluster) }},
		{name: "change RocketMQCluster", before: wholeCluster, act: func(w *world) {
			edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
				c.Spec.Version, c.Spec.Console, c.Spec.Config = "5.5.0", nil, map[string]v1alpha1.ConfigValue{"a": "b"}
			})
		}},
		{name: "scale out Broker", before: nameService + static, act: func(w *world) {
			w.mq.inGroup("b-0", func(t *tables) {
				t.topics["t"], t.groups["g"] = admin.TopicConfig{Name: "t", ReadQueues: 2, WriteQueues: 2, Perm: 6}, admin.NewSubscriptionGroup("g")
				t.offsets["t@g"] = map[string]int64{"0": 5, "1": 7}
			})
			edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size = new(int32(2)) })
		}},
		{name: "enlarge Broker's volumes", volumes: true, before: nameService + strings.Replace(static, "size: 1,", "size: 2, storage: {className: CLASS, size: 8Gi},", 1),
			act: func(w *world) {
				edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Storage.Size = new(resource.MustParse("9Gi")) })
			}},
		{name: "scale in Broker", before: nameService + strings.Replace(static, "size: 1,", "size: 2, drainSeconds: 0,", 1), act: func(w *world) {
			edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Size, b.Spec.ReplicaPerGroup = new(int32(1)), new(int32(0)) })
		}},
		{name: "create Proxy", before: nameService + static, act: func(w *world) { w.create(proxies) }},
		{name: "change Proxy", before: nameService + static + proxies, act: func(w *world) {
			edit(w, "p", func(p *v1alpha1.Proxy) {
				p.Spec.Replicas, p.Spec.Image, p.Spec.Config = new(int32(2)), "apache/rocketmq:5.5.0", map[string]v1alpha1.ConfigValue{"traceOn": "true"}
				p.Spec.Service = &v1alpha1.ProxyService{Ports: &v1alpha1.ProxyPorts{GRPC: 443, Remoting: 8080}}
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			undisturbed, total := test.run(t, -1)
			if total < 4 {
				t.Fatalf("only %d writes", total)
			}
			for k := 1; k < total; k++ {
				t.Run(fmt.Sprint(k), func(t *testing.T) {
					t.Parallel()
					got, _ := test.run(t, k)
					if diff := cmp.Diff(undisturbed, got); diff != "" {
						t.Errorf("objects differ from those of an undisturbed run (-undisturbed +got):\n%s", diff)
					}
				})
			}
		})
	}
}

type crash struct {
	name   string
	before string // what is there already, ready; CLASS is the world's StorageClass
	// volumes: there are some, and they grow.
	volumes bool
	act     func(w *world)
}

// run acts under an operator that dies after k writes, never if that is negative, and lets another one finish. It
// returns the objects in the end, and the last operator's writes.
func (c crash) run(t *testing.T, k int) (objects map[string]any, writes int) {
	t.Helper()
	w := newWorld(t)
	if c.volumes {
		c.before, w.growing = strings.ReplaceAll(c.before, "CLASS", w.storageClass()), true
	}
	if c.before != "" {
		w.create(c.before)
		first := w.start(-1)
		first.until(w.allReady)
		first.shutdown()
	}
	c.act(w)
	o := w.start(k)
	if k >= 0 {
		o.dieAfter(k, w.allReady)
		o = w.start(-1)
	}
	o.until(func() string {
		if missing := w.allReady(); missing != "" {
			return missing
		}
		return w.topicsUnsaved()
	})
	writes = o.writes.count()
	o.checkSilenceFor(400 * time.Millisecond)
	return w.snapshot(), writes
}

// topicsUnsaved says which guarded group has a topic that is not saved yet.
func (w *world) topicsUnsaved() string {
	w.Helper()
	w.mq.mu.Lock()
	defer w.mq.mu.Unlock()
	for group := range w.mq.groups {
		if saved := w.saved(group); saved != nil && saved.Data["topics"] != strconv.Itoa(len(w.mq.of(group).topics)) {
			return fmt.Sprintf("of %d topics of %s %s are saved", len(w.mq.of(group).topics), group, saved.Data["topics"])
		}
	}
	return ""
}

// snapshot is everything that the operator made, without what differs from run to run.
func (w *world) snapshot() map[string]any {
	w.Helper()
	out := map[string]any{}
	// The name servers' addresses, which hold the namespace, are part of a tool's hash.
	var deployments appsv1.DeploymentList
	w.must(w.List(w.Context(), &deployments, client.InNamespace(w.namespace)))
	varying := []string{w.namespace, "NAMESPACE"}
	for i := range deployments.Items {
		varying = append(varying, workload.DeploymentHash(&deployments.Items[i]), "HASH")
	}
	same := strings.NewReplacer(varying...)
	for _, list := range []client.ObjectList{
		&v1alpha1.NameServiceList{}, &v1alpha1.ControllerList{}, &v1alpha1.BrokerList{}, &appsv1.StatefulSetList{},
		&v1alpha1.ProxyList{}, &v1alpha1.ConsoleList{}, &v1alpha1.ExporterList{}, &v1alpha1.SchemaRegistryList{}, &appsv1.DeploymentList{},
		&v1alpha1.RocketMQClusterList{}, &corev1.SecretList{}, &corev1.PersistentVolumeClaimList{}, &networkingv1.IngressList{},
		&corev1.ServiceList{}, &corev1.ConfigMapList{}, &policyv1.PodDisruptionBudgetList{}, &corev1.PodList{},
	} {
		w.must(w.List(w.Context(), list, client.InNamespace(w.namespace)))
		w.must(meta.EachListItem(list, func(item runtime.Object) error {
			content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(item)
			if err != nil {
				return err
			}
			u := unstructured.Unstructured{Object: content}
			key := same.Replace(fmt.Sprintf("%T %s", item, u.GetName()))
			for _, varying := range [][]string{
				{"metadata", "uid"}, {"metadata", "resourceVersion"}, {"metadata", "creationTimestamp"}, {"metadata", "managedFields"},
				{"metadata", "namespace"}, {"metadata", "generation"}, {"status", "observedGeneration"},
				{"metadata", "annotations", "rocketmq.apache.org/applied"}, // of the owner's uid, too
				{"metadata", "annotations", v1alpha1.AnnotationStateSince},
				{"spec", "clusterIP"}, {"spec", "clusterIPs"},
				{"data", "term"}, // of a pod's uid
				{"data", "password"}, {"data", "users.properties"},
			} {
				unstructured.RemoveNestedField(content, varying...)
			}
			drop(content, "lastTransitionTime", "uid", "masterSince", "formerMaster")
			data, err := json.Marshal(content)
			if err != nil {
				return err
			}
			var normal any
			out[key] = &normal
			return json.Unmarshal([]byte(same.Replace(string(data))), &normal)
		}))
	}
	return out
}

// drop keys everywhere.
func drop(value any, keys ...string) {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range keys {
			delete(v, key)
		}
		for _, child := range v {
			drop(child, keys...)
		}
	case []any:
		for _, child := range v {
			drop(child, keys...)
		}
	}
}
