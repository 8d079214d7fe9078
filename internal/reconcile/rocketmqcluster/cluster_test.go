// SPDX-License-Identifier: Apache-2.0

package rocketmqcluster_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/test/certs"
	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// controlledCluster has controllers and two pools.
const controlledCluster = `
apiVersion: rocketmq.apache.org/v1alpha1
kind: RocketMQCluster
metadata: {name: c}
spec:
  nameServers: {size: 2}
  controllers: {size: 1}
  brokers:
  - config: {fileReservedTime: "24"}
  - {name: hot, replicaPerGroup: 0}
  config: {fileReservedTime: "48", flushDiskType: ASYNC_FLUSH}
  exporter: {}
  schemaRegistry: {image: "registry.example/schema:1"}
`

func cluster(w *world.World) *v1alpha1.RocketMQCluster {
	w.Helper()
	return world.Get[v1alpha1.RocketMQCluster](w, "c")
}

// remove a resource with all that belongs to it: nobody collects garbage here.
func remove(w *world.World, object client.Object) {
	w.Helper()
	w.Must(w.Delete(w.Context(), object))
	for _, list := range []client.ObjectList{&corev1.ServiceList{}, &corev1.ConfigMapList{}, &appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &policyv1.PodDisruptionBudgetList{}} {
		w.Must(w.List(w.Context(), list, client.InNamespace(w.Namespace)))
		w.Must(meta.EachListItem(list, func(item runtime.Object) error {
			if owned := item.(client.Object); metav1.IsControlledBy(owned, object) {
				return client.IgnoreNotFound(w.Delete(w.Context(), owned))
			}
			return nil
		}))
	}
}

// TestCluster: one object becomes a whole cluster, which says how it is and how it is reached, and stays as it is asked
// to be.
func TestCluster(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Starting["c-ns-0"], w.Starting["c-ns-1"] = true, true
	w.CreateYAML(controlledCluster)
	o := w.Start()
	o.Reports("RocketMQCluster c", v1alpha1.ConditionReady, metav1.ConditionFalse, "MembersNotReady: NameService c-ns: MembersNotReady: ", "c-ns-0 is starting",
		"Broker c-broker: WaitingForNameServers", "Broker c-broker-hot: WaitingForNameServers")
	if c := cluster(w); c.Status.Phase != v1alpha1.PhaseCreating || c.Status.Version != "" {
		t.Errorf("status %+v", c.Status)
	}
	w.Starting["c-ns-0"], w.Starting["c-ns-1"] = false, false
	o.Until(w.AllReady)

	image := v1alpha1.DefaultImage
	domain := "." + w.Namespace + ".svc.cluster.local"
	want := v1alpha1.RocketMQClusterStatus{
		CommonStatus: v1alpha1.CommonStatus{Image: image},
		Phase:        v1alpha1.PhaseRunning, Version: "5.4.0", Brokers: "3/3", Masters: "c-broker-0-0 c-broker-hot-0-0",
		Endpoints: v1alpha1.ClusterEndpoints{
			NameServers: "c-ns-nameserver" + domain + ":9876",
			Exporter:    world.Get[v1alpha1.Exporter](w, "c-exporter").Status.Address, SchemaRegistry: world.Get[v1alpha1.SchemaRegistry](w, "c-schema").Status.Address,
		},
		Components: []v1alpha1.ClusterComponent{
			{Kind: "NameService", Name: "c-ns", Image: image, Members: "2/2", Ready: "True", Reason: "Ready"},
			{Kind: "Controller", Name: "c-ctl", Image: image, Members: "1/1", Ready: "True", Reason: "Ready"},
			{Kind: "Broker", Name: "c-broker", Image: image, Members: "2/2", Ready: "True", Reason: "Ready"},
			{Kind: "Broker", Name: "c-broker-hot", Image: image, Members: "1/1", Ready: "True", Reason: "Ready"},
			{Kind: "Exporter", Name: "c-exporter", Image: v1alpha1.DefaultExporterImage, Members: "1/1", Ready: "True", Reason: "Ready"},
			{Kind: "SchemaRegistry", Name: "c-schema", Image: "registry.example/schema:1", Members: "1/1", Ready: "True", Reason: "Ready"},
		},
	}
	got := cluster(w).Status
	got.Conditions, got.ObservedGeneration = nil, 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if got.Endpoints.Exporter == "" || got.Endpoints.SchemaRegistry == "" {
		t.Errorf("endpoints %+v", got.Endpoints)
	}
	b := world.Get[v1alpha1.Broker](w, "c-broker")
	if b.Spec.ClusterName != "c" || b.Spec.ClusterMode != "CONTROLLER" || b.Spec.Config["fileReservedTime"] != "24" || b.Spec.Config["flushDiskType"] != "ASYNC_FLUSH" {
		t.Errorf("Broker %+v", b.Spec)
	}
	for _, set := range []string{"c-ns", "c-ctl", "c-broker-0", "c-broker-hot-0"} {
		if labels := world.Get[appsv1.StatefulSet](w, set).Spec.Template.Labels; labels[desired.LabelCluster] != "c" {
			t.Errorf("%s: labels %v", set, labels)
		}
	}
	checkPartsBelong(w, cluster(w))
	o.CheckSilence()

	// Edits of what the cluster says are put back; what it does not speak of is the user's.
	world.Edit(w, "c-broker", func(b *v1alpha1.Broker) {
		b.Spec.Config["fileReservedTime"], b.Spec.DrainSeconds, b.Spec.Size = "1", new(int32(60)), new(int32(1))
		b.Spec.ReplicaPerGroup = new(int32(0))
	})
	world.Edit(w, "c-ns", func(ns *v1alpha1.NameService) { ns.OwnerReferences = nil })
	remove(w, world.Get[v1alpha1.Exporter](w, "c-exporter"))
	o.Until(func() string {
		if world.Gone[v1alpha1.Exporter](w, "c-exporter") {
			return "the Exporter is gone"
		}
		b := world.Get[v1alpha1.Broker](w, "c-broker")
		if b.Spec.Config["fileReservedTime"] != "24" || *b.Spec.ReplicaPerGroup != 1 || *b.Spec.DrainSeconds != 60 {
			return fmt.Sprintf("Broker %+v", b.Spec)
		}
		return ""
	})
	o.Until(w.AllReady)
	checkPartsBelong(w, cluster(w))

	// What was put back goes when the cluster no longer asks for it.
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Config, c.Spec.Brokers[0].Config = nil, nil })
	o.Until(func() string {
		if b := world.Get[v1alpha1.Broker](w, "c-broker"); len(b.Spec.Config) > 0 {
			return fmt.Sprintf("config %v", b.Spec.Config)
		}
		return w.AllReady()
	})
	o.CheckSilence()
}

// checkPartsBelong: all parts go with the cluster.
func checkPartsBelong(w *world.World, c *v1alpha1.RocketMQCluster) {
	w.Helper()
	if len(c.Status.Components) == 0 {
		w.Error("no components")
	}
	for _, component := range c.Status.Components {
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(component.Kind))
		w.Must(w.Get(w.Context(), w.Key(component.Name), object))
		if owner := metav1.GetControllerOf(object); owner == nil || owner.UID != c.UID {
			w.Errorf("%s %s belongs to %+v", component.Kind, component.Name, owner)
		}
	}
}

// TestClusterLogin: the dashboard's password is made once, belongs to the cluster, and is put back only when it is gone.
func TestClusterLogin(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(world.WholeCluster)
	o := w.Start()
	o.Until(w.AllReady)
	secret := world.Get[corev1.Secret](w, "c-console-login")
	password := string(secret.Data["password"])
	if owner := metav1.GetControllerOf(secret); owner == nil || owner.UID != cluster(w).UID || len(password) < 20 ||
		string(secret.Data["users.properties"]) != "admin="+password+",1\n" {
		t.Errorf("Secret of %+v with %q", owner, secret.Data)
	}
	if e := cluster(w).Status.Endpoints; e.ConsoleLogin != "c-console-login" || !strings.HasPrefix(e.Console, "http://c-console") {
		t.Errorf("endpoints %+v", e)
	}
	world.Edit(w, "c-console-login", func(s *corev1.Secret) { s.Data["users.properties"] = []byte("me=mine,1\n") })
	o.Finish()
	if got := string(world.Get[corev1.Secret](w, "c-console-login").Data["users.properties"]); got != "me=mine,1\n" {
		t.Errorf("the user's password was changed to %q", got)
	}
	// A login of the user's own, and none.
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
		c.Spec.Console.Login = &v1alpha1.ConsoleLogin{SecretRef: v1alpha1.SecretReference{Name: "mine"}}
	})
	o.Until(func() string {
		if got := cluster(w).Status.Endpoints.ConsoleLogin; got != "mine" {
			return "login " + got
		}
		return ""
	})
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Console.Overrides = world.Raw(`{"login": null}`) })
	o.Until(func() string {
		if login := world.Get[v1alpha1.Console](w, "c-console").Spec.Login; login != nil || cluster(w).Status.Endpoints.ConsoleLogin != "" {
			return "there is a login"
		}
		return w.AllReady()
	})
	// A password that is gone comes back with the dashboard that cannot start without it.
	w.Must(w.Delete(t.Context(), world.Get[corev1.Secret](w, "c-console-login")))
	w.Starting["c-console"] = true
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Console = &v1alpha1.ClusterConsole{} })
	o.Until(func() string {
		if world.Gone[corev1.Secret](w, "c-console-login") {
			return "no Secret"
		}
		return ""
	})
}

// TestClusterRefused: what cannot be made is told, with the API server's own words, and the others go on.
func TestClusterRefused(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(strings.Replace(controlledCluster, "replicaPerGroup: 0", "replicaPerGroup: 0, storage: {size: 1Gi}", 1))
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Exporter.Overrides = world.Raw(`{"replica": 2}`) })
	o := w.Start()
	o.Reports("RocketMQCluster c", v1alpha1.ConditionRefused, metav1.ConditionTrue, "Broker c-broker-hot: the API server refused it: ",
		"storage.size must hold at least four commit-log files")
	o.Reports("RocketMQCluster c", v1alpha1.ConditionInvalidSpec, metav1.ConditionTrue, "Exporter c-exporter: spec.exporter: overrides do not fit", `unknown field "replica"`)
	o.Until(func() string {
		for _, resource := range []string{"NameService c-ns", "Controller c-ctl", "Broker c-broker", "SchemaRegistry c-schema"} {
			if w.Condition(resource, v1alpha1.ConditionReady, metav1.ConditionTrue) == "" {
				return resource + " is not Ready"
			}
		}
		if w.Saved("c-broker-0") == nil {
			return "the metadata of c-broker-0 is not saved"
		}
		return ""
	})
	o.Reports("RocketMQCluster c", v1alpha1.ConditionReady, metav1.ConditionFalse, "Refused: Broker c-broker-hot: Refused: the API server refused it", "Exporter c-exporter: InvalidSpec")
	if phase := cluster(w).Status.Phase; phase != v1alpha1.PhaseDegraded {
		t.Errorf("phase %s", phase)
	}
	if !world.Gone[v1alpha1.Broker](w, "c-broker-hot") || !world.Gone[v1alpha1.Exporter](w, "c-exporter") {
		t.Error("a refused part was made")
	}
	o.CheckSilence()
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
		c.Spec.Brokers[1].Storage, c.Spec.Exporter.Overrides = nil, world.Raw(`{"replicas": 2}`)
	})
	o.Until(w.AllReady)

	// A change that is refused leaves the part as it is, and serving.
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
		c.Spec.Brokers[0].Overrides = world.Raw(`{"clusterMode": "STATIC", "drainSeconds": 70}`)
	})
	o.Reports("RocketMQCluster c", v1alpha1.ConditionUpToDate, metav1.ConditionFalse, "Refused: Broker c-broker: Refused", "clusterMode cannot change")
	o.Reports("RocketMQCluster c", v1alpha1.ConditionReady, metav1.ConditionTrue)
	if b := world.Get[v1alpha1.Broker](w, "c-broker"); b.Spec.ClusterMode != "CONTROLLER" || *b.Spec.DrainSeconds != 35 {
		t.Errorf("Broker %+v", b.Spec)
	}
}

// TestClusterAdopts: what somebody else made is taken over only by a word of the user's, and without a restart.
func TestClusterAdopts(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML("{apiVersion: rocketmq.apache.org/v1alpha1, kind: NameService, metadata: {name: c-ns}, spec: {size: 2}}\n---\n" +
		"{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: c-broker}, spec: {replicaPerGroup: 0, drainSeconds: 60}}\n---\n")
	o := w.Start()
	o.Until(w.AllReady)
	uids := map[string]types.UID{}
	for _, pod := range w.Pods() {
		uids[pod.Name] = pod.UID
	}
	w.CreateYAML(strings.Replace(world.WholeCluster, "{replicaPerGroup: 0}", `{replicaPerGroup: 0, overrides: {clusterName: ""}}`, 1))
	o.Reports("RocketMQCluster c", v1alpha1.ConditionNameConflict, metav1.ConditionTrue, "NameService c-ns: it was not made by this cluster",
		"kubectl annotate -n "+w.Namespace+" NameService.rocketmq.apache.org c-ns rocketmq.apache.org/adopt=c", "Broker c-broker: it was not made")
	o.Reports("RocketMQCluster c", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ConditionNameConflict)
	if ns := world.Get[v1alpha1.NameService](w, "c-ns"); *ns.Spec.Size != 2 || len(ns.OwnerReferences) > 0 {
		t.Errorf("NameService %+v", ns)
	}
	adopt := func(object client.Object, by string) {
		object.SetAnnotations(map[string]string{v1alpha1.AnnotationAdopt: by})
	}
	world.Edit(w, "c-ns", func(ns *v1alpha1.NameService) { adopt(ns, "another") })
	world.Edit(w, "c-broker", func(b *v1alpha1.Broker) { adopt(b, "c") })
	o.Until(func() string {
		if metav1.GetControllerOf(world.Get[v1alpha1.Broker](w, "c-broker")) == nil {
			return "the Broker is not adopted"
		}
		return ""
	})
	o.Reports("RocketMQCluster c", v1alpha1.ConditionNameConflict, metav1.ConditionTrue, "NameService c-ns: it was not made by this cluster")
	world.Edit(w, "c-ns", func(ns *v1alpha1.NameService) { adopt(ns, "c") })
	o.Until(w.AllReady)
	checkPartsBelong(w, cluster(w))
	if ns, b := world.Get[v1alpha1.NameService](w, "c-ns"), world.Get[v1alpha1.Broker](w, "c-broker"); *ns.Spec.Size != 1 || *b.Spec.DrainSeconds != 60 {
		t.Errorf("after adoption: NameService %+v, Broker %+v", ns.Spec, b.Spec)
	}
	for _, pod := range w.Pods() {
		if uid, before := uids[pod.Name]; before && uid != pod.UID {
			t.Errorf("%s was restarted", pod.Name)
		}
	}
	o.CheckSilence()

	// Another cluster's parts are nobody else's.
	w.CreateYAML(strings.Replace(world.WholeCluster, "name: c}", "name: c-broker}", 1)) // its Broker is c-broker-broker
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
		c.Spec.Brokers = append(c.Spec.Brokers, v1alpha1.BrokerPool{Name: "broker"})
	})
	o.Until(func() string {
		for _, c := range []string{"c", "c-broker"} {
			if text := w.Condition("RocketMQCluster "+c, v1alpha1.ConditionNameConflict, metav1.ConditionTrue); strings.Contains(text, "c-broker-broker: it belongs to RocketMQCluster") {
				return ""
			}
		}
		return "no conflict of two clusters"
	})
}

// TestClusterParts: what the spec no longer has goes, unless messages may be in it.
func TestClusterParts(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML(controlledCluster)
	o := w.Start()
	o.Until(w.AllReady)
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
		c.Spec.Exporter, c.Spec.Brokers, c.Spec.Console = nil, c.Spec.Brokers[:1], &v1alpha1.ClusterConsole{}
	})
	o.Reports("RocketMQCluster c", v1alpha1.ConditionRemainingBroker, metav1.ConditionTrue, "Broker c-broker-hot is in no pool",
		"kubectl delete -n "+w.Namespace+" broker.rocketmq.apache.org c-broker-hot")
	o.Until(func() string {
		if !world.Gone[v1alpha1.Exporter](w, "c-exporter") {
			return "the Exporter is still there"
		}
		return w.AllReady()
	})
	if c := cluster(w); c.Status.Brokers != "2/2" || c.Status.Phase != v1alpha1.PhaseRunning {
		t.Errorf("status %+v", c.Status)
	}
	o.CheckSilence()
	w.Must(w.Delete(t.Context(), world.Get[v1alpha1.Broker](w, "c-broker-hot")))
	o.Until(func() string {
		if text := w.Condition("RocketMQCluster c", v1alpha1.ConditionRemainingBroker, metav1.ConditionTrue); text != "" {
			return text
		}
		return ""
	})
}

// TestClusterScaled: a size that the spec leaves open is somebody else's, such as an autoscaler's.
func TestClusterScaled(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.CreateYAML("{apiVersion: rocketmq.apache.org/v1alpha1, kind: RocketMQCluster, metadata: {name: c}, spec: {version: 5.4.0, proxy: {}}}")
	o := w.Start()
	o.Until(w.AllReady)
	sizes := func() string {
		return fmt.Sprintf("%d proxies, %d groups", *world.Get[v1alpha1.Proxy](w, "c-proxy").Spec.Replicas, *world.Get[v1alpha1.Broker](w, "c-broker").Spec.Size)
	}
	if got, want := sizes(), "1 proxies, 1 groups"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	world.Edit(w, "c-proxy", func(p *v1alpha1.Proxy) { p.Spec.Replicas = new(int32(3)) })
	world.Edit(w, "c-broker", func(b *v1alpha1.Broker) { b.Spec.Size = new(int32(2)) })
	o.Until(w.AllReady)
	o.Finish()
	if got, want := sizes(), "3 proxies, 2 groups"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	o.CheckSilence()
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Proxy.Replicas = new(int32(2)) })
	o.Until(w.AllReady)
	if got, want := sizes(), "2 proxies, 2 groups"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestClusterWatches: what happens to the parts wakes the operator.
func TestClusterWatches(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Manage()
	w.CreateYAML(controlledCluster)
	o.Until(w.AllReady)
	time.Sleep(2 * time.Second)
	before := len(o.Writes())
	time.Sleep(5 * time.Second)
	if more := o.Writes()[before:]; len(more) > 0 {
		t.Errorf("converged, and wrote %v", more)
	}
	world.Edit(w, "c-broker", func(b *v1alpha1.Broker) { b.Spec.Config["fileReservedTime"] = "1" })
	remove(w, world.Get[v1alpha1.SchemaRegistry](w, "c-schema"))
	o.Until(func() string {
		if b := world.Get[v1alpha1.Broker](w, "c-broker"); b.Spec.Config["fileReservedTime"] != "24" || world.Gone[v1alpha1.SchemaRegistry](w, "c-schema") {
			return "not put back"
		}
		return w.AllReady()
	})
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Version = "5.5.0" })
	o.Until(func() string {
		if version := cluster(w).Status.Version; version != "5.5.0" {
			return "version " + version
		}
		return w.AllReady()
	})

	// Deleted: everything belongs to it (nobody collects garbage here), and nothing is made anew.
	w.Must(w.Delete(t.Context(), cluster(w)))
	time.Sleep(time.Second) // for the operator to know
	w.Must(w.Delete(t.Context(), world.Get[v1alpha1.SchemaRegistry](w, "c-schema")))
	time.Sleep(2 * time.Second)
	err := w.Get(t.Context(), client.ObjectKey{Namespace: w.Namespace, Name: "c-schema"}, &v1alpha1.SchemaRegistry{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("a part of a deleted cluster: %v", err)
	}
}

// TestClusterExample: the example that users copy.
func TestClusterExample(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	o := w.Manage()
	w.CreateFile("../../../examples/cluster/cluster.yaml")
	o.Until(w.AllReady)
	kinds := map[string]bool{}
	for _, component := range world.Get[v1alpha1.RocketMQCluster](w, "shop").Status.Components {
		kinds[component.Kind] = true
	}
	for _, kind := range []string{"NameService", "Controller", "Broker", "Console"} {
		if !kinds[kind] {
			t.Errorf("no %s in %v", kind, slices.Sorted(maps.Keys(kinds)))
		}
	}
}

// TestClusterTLS is switched on and off while the cluster runs, and its certificate renewed.
func TestClusterTLS(t *testing.T) {
	t.Parallel()
	ca, err := certs.NewCA("ca")
	if err != nil {
		t.Fatal(err)
	}
	w := world.New(t)
	w.Certificate("tls", ca, certs.Want{})
	w.CreateYAML(`
apiVersion: rocketmq.apache.org/v1alpha1
kind: RocketMQCluster
metadata: {name: c}
spec: {controllers: {size: 1}, brokers: [{replicaPerGroup: 1}], proxy: {}}
`)
	o := w.Start()
	o.Until(w.AllReady)
	does := func(mode v1alpha1.TLSMode) func() string {
		return func() string {
			if why := w.AllReady(); why != "" {
				return why
			}
			b, ns, ctl := world.Get[v1alpha1.Broker](w, "c-broker"), world.Get[v1alpha1.NameService](w, "c-ns"), world.Get[v1alpha1.Controller](w, "c-ctl")
			if got := []v1alpha1.TLSMode{b.Status.TLS.Does(), ns.Status.TLS.Does(), ctl.Status.TLS.Does()}; !slices.Equal(got, []v1alpha1.TLSMode{mode, mode, mode}) {
				return fmt.Sprintf("brokers, name servers and controllers are %v", got)
			}
			if p := world.Get[v1alpha1.Proxy](w, "c-proxy"); p.Status.ServersTLS != mode.AmongServers() {
				return fmt.Sprintf("proxies speak TLS to servers: %t", p.Status.ServersTLS)
			}
			return ""
		}
	}
	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.TLS = &v1alpha1.TLSSettings{SecretName: "tls"} })
	o.Until(does(v1alpha1.TLSEnforcing))
	if expires := world.Get[v1alpha1.Broker](w, "c-broker").Status.TLS.Expires; expires == nil || time.Until(expires.Time) > time.Hour {
		t.Errorf("the certificate expires at %v", expires)
	}
	o.CheckSilence()

	// A renewed certificate is taken as it is by all but controllers.
	before := world.Get[appsv1.StatefulSet](w, "c-broker-0").Spec.Template
	controllers := world.Get[appsv1.StatefulSet](w, "c-ctl").Spec.Template
	w.Certificate("tls", ca, certs.Want{})
	o.Until(func() string {
		if workload.Hash(world.Get[appsv1.StatefulSet](w, "c-ctl")) == controllers.Annotations[v1alpha1.AnnotationHash] {
			return "controllers have the old certificate"
		}
		return does(v1alpha1.TLSEnforcing)()
	})
	if after := workload.Hash(world.Get[appsv1.StatefulSet](w, "c-broker-0")); after != before.Annotations[v1alpha1.AnnotationHash] {
		t.Error("brokers were restarted for a certificate that they take as they run")
	}

	world.Edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.TLS = nil })
	o.Until(does(v1alpha1.TLSDisabled))
	o.CheckSilence()
}
