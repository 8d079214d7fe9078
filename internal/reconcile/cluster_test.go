package reconcile

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
)

// wholeCluster has a part of each sort: name servers, brokers, a dashboard.
const wholeCluster = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: RocketMQCluster, metadata: {name: c}, spec: {brokers: [{replicaPerGroup: 0}], console: {}}}\n---\n"

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

func (w *world) cluster() *v1alpha1.RocketMQCluster {
	w.Helper()
	return get[v1alpha1.RocketMQCluster](w, "c")
}

// gone reports whether there is no such resource.
func gone[T any, P interface {
	*T
	client.Object
}](w *world, name string) bool {
	w.Helper()
	var object P = new(T)
	err := w.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, object)
	w.must(client.IgnoreNotFound(err))
	return err != nil
}

// remove a resource with all that belongs to it: nobody collects garbage here.
func (w *world) remove(object client.Object) {
	w.Helper()
	w.must(w.Delete(w.Context(), object))
	for _, list := range []client.ObjectList{&corev1.ServiceList{}, &corev1.ConfigMapList{}, &appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &policyv1.PodDisruptionBudgetList{}} {
		w.must(w.List(w.Context(), list, client.InNamespace(w.namespace)))
		w.must(meta.EachListItem(list, func(item runtime.Object) error {
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
	w := newWorld(t)
	w.starting["c-ns-0"], w.starting["c-ns-1"] = true, true
	w.create(controlledCluster)
	o := w.start(-1)
	o.settled("RocketMQCluster c", ready, metav1.ConditionFalse, "MembersNotReady: NameService c-ns: MembersNotReady: ", "c-ns-0 is starting",
		"Controller c-ctl", "Broker c-broker-hot: WaitingForNameServers")
	if c := w.cluster(); c.Status.Phase != v1alpha1.PhaseCreating || c.Status.Version != "" {
		t.Errorf("status %+v", c.Status)
	}
	w.starting["c-ns-0"], w.starting["c-ns-1"] = false, false
	o.until(w.allReady)

	image := v1alpha1.DefaultImage
	domain := "." + w.namespace + ".svc.cluster.local"
	want := v1alpha1.RocketMQClusterStatus{
		Phase: v1alpha1.PhaseRunning, Version: "5.4.0", Brokers: "3/3", Masters: "c-broker-0-0 c-broker-hot-0-0",
		Endpoints: v1alpha1.ClusterEndpoints{
			NameServers: "c-ns-nameserver" + domain + ":9876",
			Exporter:    get[v1alpha1.Exporter](w, "c-exporter").Status.Address, SchemaRegistry: get[v1alpha1.SchemaRegistry](w, "c-schema").Status.Address,
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
	got := w.cluster().Status
	got.Conditions, got.ObservedGeneration = nil, 0
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if got.Endpoints.Exporter == "" || got.Endpoints.SchemaRegistry == "" {
		t.Errorf("endpoints %+v", got.Endpoints)
	}
	b := get[v1alpha1.Broker](w, "c-broker")
	if b.Spec.ClusterName != "c" || b.Spec.ClusterMode != "CONTROLLER" || b.Spec.Config["fileReservedTime"] != "24" || b.Spec.Config["flushDiskType"] != "ASYNC_FLUSH" {
		t.Errorf("Broker %+v", b.Spec)
	}
	for _, set := range []string{"c-ns", "c-ctl", "c-broker-0", "c-broker-hot-0"} {
		if labels := get[appsv1.StatefulSet](w, set).Spec.Template.Labels; labels[desired.LabelCluster] != "c" {
			t.Errorf("%s: labels %v", set, labels)
		}
	}
	w.checkPartsBelong(w.cluster())
	o.checkSilence()

	// Edits of what the cluster says are put back; what it does not speak of is the user's.
	edit(w, "c-broker", func(b *v1alpha1.Broker) {
		b.Spec.Config["fileReservedTime"], b.Spec.DrainSeconds, b.Spec.Size = "1", new(int32(60)), new(int32(1))
		b.Spec.ReplicaPerGroup = new(int32(0))
	})
	edit(w, "c-ns", func(ns *v1alpha1.NameService) { ns.OwnerReferences = nil })
	w.remove(get[v1alpha1.Exporter](w, "c-exporter"))
	o.until(func() string {
		if gone[v1alpha1.Exporter](w, "c-exporter") {
			return "the Exporter is gone"
		}
		b := get[v1alpha1.Broker](w, "c-broker")
		if b.Spec.Config["fileReservedTime"] != "24" || *b.Spec.ReplicaPerGroup != 1 || *b.Spec.DrainSeconds != 60 {
			return fmt.Sprintf("Broker %+v", b.Spec)
		}
		return ""
	})
	o.until(w.allReady)
	w.checkPartsBelong(w.cluster())

	// What was put back goes when the cluster no longer asks for it.
	edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Config, c.Spec.Brokers[0].Config = nil, nil })
	o.until(func() string {
		if b := get[v1alpha1.Broker](w, "c-broker"); len(b.Spec.Config) > 0 {
			return fmt.Sprintf("config %v", b.Spec.Config)
		}
		return w.allReady()
	})
	o.checkSilence()
}

// checkPartsBelong: all parts go with the cluster.
func (w *world) checkPartsBelong(c *v1alpha1.RocketMQCluster) {
	w.Helper()
	if len(c.Status.Components) == 0 {
		w.Error("no components")
	}
	for _, component := range c.Status.Components {
		object := &metav1.PartialObjectMetadata{}
		object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(component.Kind))
		w.must(w.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: component.Name}, object))
		if owner := metav1.GetControllerOf(object); owner == nil || owner.UID != c.UID {
			w.Errorf("%s %s belongs to %+v", component.Kind, component.Name, owner)
		}
	}
}

// TestClusterLogin: the dashboard's password is made once, belongs to the cluster, and is put back only when it is gone.
func TestClusterLogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(wholeCluster)
	o := w.start(-1)
	o.until(w.allReady)
	secret := get[corev1.Secret](w, "c-console-login")
	password := string(secret.Data["password"])
	if owner := metav1.GetControllerOf(secret); owner == nil || owner.UID != w.cluster().UID || len(password) < 20 ||
		string(secret.Data["users.properties"]) != "admin="+password+",1\n" {
		t.Errorf("Secret of %+v with %q", owner, secret.Data)
	}
	if e := w.cluster().Status.Endpoints; e.ConsoleLogin != "c-console-login" || !strings.HasPrefix(e.Console, "http://c-console") {
		t.Errorf("endpoints %+v", e)
	}
	edit(w, "c-console-login", func(s *corev1.Secret) { s.Data["users.properties"] = []byte("me=mine,1\n") })
	o.settle()
	if got := string(get[corev1.Secret](w, "c-console-login").Data["users.properties"]); got != "me=mine,1\n" {
		t.Errorf("the user's password was changed to %q", got)
	}
	// A login of the user's own, and none.
	edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
		c.Spec.Console.Login = &v1alpha1.ConsoleLogin{SecretRef: v1alpha1.SecretReference{Name: "mine"}}
	})
	o.until(func() string {
		if got := w.cluster().Status.Endpoints.ConsoleLogin; got != "mine" {
			return "login " + got
		}
		return ""
	})
	edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Console.Overrides = raw(`{"login": null}`) })
	o.until(func() string {
		if login := get[v1alpha1.Console](w, "c-console").Spec.Login; login != nil || w.cluster().Status.Endpoints.ConsoleLogin != "" {
			return "there is a login"
		}
		return w.allReady()
	})
	// A password that is gone comes back with the dashboard that cannot start without it.
	w.must(w.Delete(t.Context(), get[corev1.Secret](w, "c-console-login")))
	w.starting["c-console"] = true
	edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Console = &v1alpha1.ClusterConsole{} })
	o.until(func() string {
		if gone[corev1.Secret](w, "c-console-login") {
			return "no Secret"
		}
		return ""
	})
}

// TestClusterVersions: name servers, controllers, one pool after the other; nobody goes on while somebody before is not
// well, and back is the same way.
func TestClusterVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("{apiVersion: rocketmq.apache.org/v1alpha1, kind: RocketMQCluster, metadata: {name: c}, spec: {controllers: {size: 1}, brokers: [{}, {name: hot, replicaPerGroup: 0}]}}\n---\n")
	o := w.start(-1)
	o.until(w.allReady)
	images := func() string {
		c := w.cluster()
		var out []string
		for _, component := range c.Status.Components[:4] {
			out = append(out, component.Image[strings.LastIndex(component.Image, ":")+1:])
		}
		return strings.Join(out, " ")
	}
	reach := func(want string) {
		t.Helper()
		o.until(func() string {
			if got := images(); got != want {
				return "images " + got + ", want " + want + ": " + w.condition("RocketMQCluster c", upToDate, metav1.ConditionFalse)
			}
			return ""
		})
		for range 5 { // and not further
			w.turn()
			w.must(o.pass())
			if got := images(); got != want {
				t.Fatalf("images %s, want %s", got, want)
			}
		}
	}
	said := len(o.events.all())
	setVersion := func(version string) {
		edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Version = version })
	}
	w.starting["c-ns-0"] = true
	setVersion("5.5.0")
	reach("5.5.0 5.4.0 5.4.0 5.4.0")
	if c := w.cluster(); c.Status.Phase != v1alpha1.PhaseUpdating || c.Status.Version != "5.4.0" {
		t.Errorf("status %+v", c.Status)
	}
	o.settled("RocketMQCluster c", ready, metav1.ConditionFalse, "NameService c-ns: MembersNotReady: c-ns-0 is starting")
	o.settled("RocketMQCluster c", upToDate, metav1.ConditionFalse, "Controller c-ctl: Updating: it goes from apache/rocketmq:5.4.0 to apache/rocketmq:5.5.0 after NameService c-ns",
		"Broker c-broker-hot: Updating: it goes from")
	w.starting["c-ctl-0"], w.starting["c-ns-0"] = true, false
	reach("5.5.0 5.5.0 5.4.0 5.4.0")
	w.starting["c-broker-0-1"], w.starting["c-ctl-0"] = true, false
	reach("5.5.0 5.5.0 5.5.0 5.4.0")

	// Back, while the brokers cannot start.
	setVersion("5.4.0")
	w.starting["c-broker-0-1"] = false
	o.until(func() string {
		if got := images(); got != "5.4.0 5.4.0 5.4.0 5.4.0" {
			return "images " + got + ": " + w.condition("RocketMQCluster c", upToDate, metav1.ConditionFalse)
		}
		if c := w.cluster(); c.Status.Phase != v1alpha1.PhaseRunning || c.Status.Version != "5.4.0" {
			return fmt.Sprintf("status %+v", c.Status)
		}
		return ""
	})
	var changes []string
	for _, event := range o.events.all()[said:] {
		if strings.Contains(event, "ChangingVersion") {
			changes = append(changes, strings.ReplaceAll(strings.TrimPrefix(event, "c ChangingVersion: "), "apache/rocketmq:", ""))
		}
	}
	want := []string{
		"NameService c-ns goes from 5.4.0 to 5.5.0", "Controller c-ctl goes from 5.4.0 to 5.5.0", "Broker c-broker goes from 5.4.0 to 5.5.0",
		"NameService c-ns goes from 5.5.0 to 5.4.0", "Controller c-ctl goes from 5.5.0 to 5.4.0", "Broker c-broker goes from 5.5.0 to 5.4.0",
	}
	if diff := cmp.Diff(want, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}

	// Paused: the name servers' pods stay, so nobody else is asked to change.
	edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Version, c.Spec.Paused = "5.5.0", true })
	reach("5.5.0 5.4.0 5.4.0 5.4.0")
	o.settled("RocketMQCluster c", upToDate, metav1.ConditionFalse, "NameService c-ns: Paused")
	edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Paused = false })
	o.until(w.allReady)
	if got := images(); got != "5.5.0 5.5.0 5.5.0 5.5.0" {
		t.Errorf("images %s", got)
	}
	o.checkSilence()
}

// TestClusterRefused: what cannot be made is told, with the API server's own words, and the others go on.
func TestClusterRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(strings.Replace(controlledCluster, "replicaPerGroup: 0", "replicaPerGroup: 0, storage: {size: 1Gi}", 1))
	edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Exporter.Overrides = raw(`{"replica": 2}`) })
	o := w.start(-1)
	o.settled("RocketMQCluster c", v1alpha1.ConditionRefused, metav1.ConditionTrue, "Broker c-broker-hot: the API server refused it: ",
		"storage.size must hold at least four commit-log files")
	o.settled("RocketMQCluster c", v1alpha1.ConditionInvalidSpec, metav1.ConditionTrue, "Exporter c-exporter: spec.exporter: overrides do not fit", `unknown field "replica"`)
	o.until(func() string {
		for _, resource := range []string{"NameService c-ns", "Controller c-ctl", "Broker c-broker", "SchemaRegistry c-schema"} {
			if w.condition(resource, ready, metav1.ConditionTrue) == "" {
				return resource + " is not Ready"
			}
		}
		if w.saved("c-broker-0") == nil {
			return "the metadata of c-broker-0 is not saved"
		}
		return ""
	})
	o.settled("RocketMQCluster c", ready, metav1.ConditionFalse, "Refused: Broker c-broker-hot: Refused: the API server refused it", "Exporter c-exporter: InvalidSpec")
	if phase := w.cluster().Status.Phase; phase != v1alpha1.PhaseDegraded {
		t.Errorf("phase %s", phase)
	}
	if !gone[v1alpha1.Broker](w, "c-broker-hot") || !gone[v1alpha1.Exporter](w, "c-exporter") {
		t.Error("a refused part was made")
	}
	o.checkSilence()
	edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
		c.Spec.Brokers[1].Storage, c.Spec.Exporter.Overrides = nil, raw(`{"replicas": 2}`)
	})
	o.until(w.allReady)

	// A change that is refused leaves the part as it is, and serving.
	edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
		c.Spec.Brokers[0].Overrides = raw(`{"clusterMode": "STATIC", "drainSeconds": 70}`)
	})
	o.settled("RocketMQCluster c", upToDate, metav1.ConditionFalse, "Refused: Broker c-broker: Refused", "clusterMode cannot change")
	o.settled("RocketMQCluster c", ready, metav1.ConditionTrue)
	if b := get[v1alpha1.Broker](w, "c-broker"); b.Spec.ClusterMode != "CONTROLLER" || *b.Spec.DrainSeconds != 35 {
		t.Errorf("Broker %+v", b.Spec)
	}
}

// TestClusterAdopts: what somebody else made is taken over only by a word of the user's, and without a restart.
func TestClusterAdopts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("{apiVersion: rocketmq.apache.org/v1alpha1, kind: NameService, metadata: {name: c-ns}, spec: {size: 2}}\n---\n" +
		"{apiVersion: rocketmq.apache.org/v1alpha1, kind: Broker, metadata: {name: c-broker}, spec: {replicaPerGroup: 0, drainSeconds: 60}}\n---\n")
	o := w.start(-1)
	o.until(w.allReady)
	uids := map[string]types.UID{}
	for _, pod := range w.pods() {
		uids[pod.Name] = pod.UID
	}
	w.create(strings.Replace(wholeCluster, "{replicaPerGroup: 0}", `{replicaPerGroup: 0, overrides: {clusterName: ""}}`, 1))
	o.settled("RocketMQCluster c", v1alpha1.ConditionNameConflict, metav1.ConditionTrue, "NameService c-ns: it was not made by this cluster",
		"kubectl annotate -n "+w.namespace+" NameService.rocketmq.apache.org c-ns rocketmq.apache.org/adopt=c", "Broker c-broker: it was not made")
	o.settled("RocketMQCluster c", ready, metav1.ConditionFalse, v1alpha1.ConditionNameConflict)
	if ns := get[v1alpha1.NameService](w, "c-ns"); *ns.Spec.Size != 2 || len(ns.OwnerReferences) > 0 {
		t.Errorf("NameService %+v", ns)
	}
	adopt := func(object client.Object, by string) {
		object.SetAnnotations(map[string]string{v1alpha1.AnnotationAdopt: by})
	}
	edit(w, "c-ns", func(ns *v1alpha1.NameService) { adopt(ns, "another") })
	edit(w, "c-broker", func(b *v1alpha1.Broker) { adopt(b, "c") })
	o.until(func() string {
		if metav1.GetControllerOf(get[v1alpha1.Broker](w, "c-broker")) == nil {
			return "the Broker is not adopted"
		}
		return ""
	})
	o.settled("RocketMQCluster c", v1alpha1.ConditionNameConflict, metav1.ConditionTrue, "NameService c-ns: it was not made by this cluster")
	edit(w, "c-ns", func(ns *v1alpha1.NameService) { adopt(ns, "c") })
	o.until(w.allReady)
	w.checkPartsBelong(w.cluster())
	if ns, b := get[v1alpha1.NameService](w, "c-ns"), get[v1alpha1.Broker](w, "c-broker"); *ns.Spec.Size != 1 || *b.Spec.DrainSeconds != 60 {
		t.Errorf("after adoption: NameService %+v, Broker %+v", ns.Spec, b.Spec)
	}
	for _, pod := range w.pods() {
		if uid, before := uids[pod.Name]; before && uid != pod.UID {
			t.Errorf("%s was restarted", pod.Name)
		}
	}
	o.checkSilence()

	// Another cluster's parts are nobody else's.
	w.create(strings.Replace(wholeCluster, "name: c}", "name: c-broker}", 1)) // its Broker is c-broker-broker
	edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
		c.Spec.Brokers = append(c.Spec.Brokers, v1alpha1.BrokerPool{Name: "broker"})
	})
	o.until(func() string {
		for _, c := range []string{"c", "c-broker"} {
			if text := w.condition("RocketMQCluster "+c, v1alpha1.ConditionNameConflict, metav1.ConditionTrue); strings.Contains(text, "c-broker-broker: it belongs to RocketMQCluster") {
				return ""
			}
		}
		return "no conflict of two clusters"
	})
}

// TestClusterParts: what the spec no longer has goes, unless messages may be in it.
func TestClusterParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(controlledCluster)
	o := w.start(-1)
	o.until(w.allReady)
	edit(w, "c", func(c *v1alpha1.RocketMQCluster) {
		c.Spec.Exporter, c.Spec.Brokers, c.Spec.Console = nil, c.Spec.Brokers[:1], &v1alpha1.ClusterConsole{}
	})
	o.settled("RocketMQCluster c", v1alpha1.ConditionRemainingBroker, metav1.ConditionTrue, "Broker c-broker-hot is in no pool",
		"kubectl delete -n "+w.namespace+" broker.rocketmq.apache.org c-broker-hot")
	o.until(func() string {
		if !gone[v1alpha1.Exporter](w, "c-exporter") {
			return "the Exporter is still there"
		}
		return w.allReady()
	})
	if c := w.cluster(); c.Status.Brokers != "2/2" || c.Status.Phase != v1alpha1.PhaseRunning {
		t.Errorf("status %+v", c.Status)
	}
	o.checkSilence()
	w.must(w.Delete(t.Context(), get[v1alpha1.Broker](w, "c-broker-hot")))
	o.until(func() string {
		if text := w.condition("RocketMQCluster c", v1alpha1.ConditionRemainingBroker, metav1.ConditionTrue); text != "" {
			return text
		}
		return ""
	})
}

// TestClusterWatches: what happens to the parts wakes the operator.
func TestClusterWatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wrote := manage(t, w.mq, w)
	w.create(controlledCluster)
	w.await(w.allReady)
	time.Sleep(2 * time.Second)
	before := len(wrote.all())
	time.Sleep(5 * time.Second)
	if more := wrote.all()[before:]; len(more) > 0 {
		t.Errorf("converged, and wrote %v", more)
	}
	edit(w, "c-broker", func(b *v1alpha1.Broker) { b.Spec.Config["fileReservedTime"] = "1" })
	w.remove(get[v1alpha1.SchemaRegistry](w, "c-schema"))
	w.await(func() string {
		if b := get[v1alpha1.Broker](w, "c-broker"); b.Spec.Config["fileReservedTime"] != "24" || gone[v1alpha1.SchemaRegistry](w, "c-schema") {
			return "not put back"
		}
		return w.allReady()
	})
	edit(w, "c", func(c *v1alpha1.RocketMQCluster) { c.Spec.Version = "5.5.0" })
	w.await(func() string {
		if version := w.cluster().Status.Version; version != "5.5.0" {
			return "version " + version
		}
		return w.allReady()
	})

	// Deleted: everything belongs to it (nobody collects garbage here), and nothing is made anew.
	w.must(w.Delete(t.Context(), w.cluster()))
	time.Sleep(time.Second) // for the operator to know
	w.must(w.Delete(t.Context(), get[v1alpha1.SchemaRegistry](w, "c-schema")))
	time.Sleep(2 * time.Second)
	err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "c-schema"}, &v1alpha1.SchemaRegistry{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("a part of a deleted cluster: %v", err)
	}
}

// TestClusterExample: the example that users copy.
func TestClusterExample(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	manage(t, w.mq, w)
	w.createFile("../../examples/cluster/cluster.yaml")
	w.await(w.allReady)
	kinds := map[string]bool{}
	for _, component := range get[v1alpha1.RocketMQCluster](w, "shop").Status.Components {
		kinds[component.Kind] = true
	}
	for _, kind := range []string{"NameService", "Controller", "Broker", "Console"} {
		if !kinds[kind] {
			t.Errorf("no %s in %v", kind, slices.Sorted(maps.Keys(kinds)))
		}
	}
}
