package reconcile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

// service of somebody else.
func foreignService(name string) string {
	return fmt.Sprintf("{apiVersion: v1, kind: Service, metadata: {name: %s, labels: {app: theirs}}, spec: {ports: [{port: 80}]}}\n---\n", name)
}

// statefulSet of somebody else, with labels.
func foreignStatefulSet(name, labels string) string {
	return fmt.Sprintf(`{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: %s, labels: {%s}}, spec: {serviceName: x, replicas: 0, selector: {matchLabels: {a: b}},
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}
---
`, name, labels)
}

// consoleOf is a Console of this spec.
func consoleOf(spec string) string {
	return "{apiVersion: rocketmq.apache.org/v1alpha1, kind: Console, metadata: {name: con}, spec: {" + spec + "}}"
}

// TestTroubles: what stops a resource is a condition that says what to do, and what was found is not touched.
func TestTroubles(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		objects   string
		resource  string
		condition string
		says      []string
		// untouched object, "Kind name"
		untouched string
	}{
		{
			"a Service of the name", foreignService("ns-nameserver") + nameService, "NameService ns",
			v1alpha1.ConditionNameConflict, []string{`Service "ns-nameserver"`, "another name"}, "Service ns-nameserver",
		},
		{
			"a ConfigMap of the name", "{apiVersion: v1, kind: ConfigMap, metadata: {name: ctl-controller-config}}\n---\n" + controllers, "Controller ctl",
			v1alpha1.ConditionNameConflict, []string{`ConfigMap "ctl-controller-config"`}, "ConfigMap ctl-controller-config",
		},
		{
			"a StatefulSet of the name", foreignStatefulSet("b-1", "app: theirs") + nameService + controllers + brokers, "Broker b",
			v1alpha1.ConditionNameConflict, []string{`StatefulSet "b-1"`}, "StatefulSet b-1",
		},
		{
			"two resources want one StatefulSet", nameService + strings.ReplaceAll(controllers, "ctl", "ns"), "Controller ns",
			v1alpha1.ConditionNameConflict, []string{`StatefulSet "ns"`, "NameService ns"}, "StatefulSet ns",
		},
		{
			"the predecessor's name servers", foreignStatefulSet("ns", "app: name_service, name_service_cr: ns") + nameService, "NameService ns",
			v1alpha1.ConditionLegacyResources, []string{`StatefulSet "ns"`, "apache/rocketmq-operator", "kubectl delete -n reconcile-", " StatefulSet ns"}, "StatefulSet ns",
		},
		{
			"the predecessor's brokers", foreignStatefulSet("b-0-master", "app: broker, broker_cr: b") + foreignStatefulSet("b-0-replica-1", "broker_cr: b") +
				nameService + controllers + brokers, "Broker b",
			v1alpha1.ConditionLegacyResources, []string{"b-0-master, b-0-replica-1", "kubectl delete statefulset -n reconcile-", " b-0-master b-0-replica-1"}, "StatefulSet b-0-master",
		},
		{
			"the predecessor's broker image", nameService + strings.Replace(static, "size: 1", "size: 1, brokerImage: 'apacherocketmq/rocketmq-broker:4.5.0-alpine-operator-0.3.0'", 1),
			"Broker b", v1alpha1.ConditionUnsupportedImage, []string{"spec.brokerImage", "apache/rocketmq:5.4.0"}, "",
		},
		{
			"the predecessor's name server image", strings.Replace(nameService, "size: 2", "nameServiceImage: 'apacherocketmq/rocketmq-nameserver:4.5.0-alpine-operator-0.3.0'", 1),
			"NameService ns", v1alpha1.ConditionUnsupportedImage, []string{"spec.nameServiceImage"}, "",
		},
		{
			"an image of RocketMQ 4", strings.Replace(controllers, "{name: ctl}", "{name: ctl}, spec: {controllerImage: 'apache/rocketmq:4.9.7'}", 1),
			"Controller ctl", v1alpha1.ConditionUnsupportedImage, []string{"spec.controllerImage", "5.0.0 is the oldest"}, "",
		},
		{
			"a reference to nothing", nameService + strings.Replace(static, "size: 1", "nameServiceRef: {name: gone}", 1), "Broker b",
			v1alpha1.ConditionMissingReference, []string{"spec.nameServiceRef", `"gone"`}, "",
		},
		{
			"a reference to nothing in another namespace", strings.Replace(static, "size: 1", "nameServiceRef: {name: ns, namespace: elsewhere}", 1), "Broker b",
			v1alpha1.ConditionMissingReference, []string{"spec.nameServiceRef"}, "",
		},
		{
			"two candidates", nameService + strings.Replace(nameService, "name: ns", "name: ns2", 1) + static, "Broker b",
			v1alpha1.ConditionAmbiguousReference, []string{"ns, ns2", "spec.nameServiceRef"}, "",
		},
		{
			"a pod template that the API server refuses",
			strings.Replace(nameService, "size: 2", "podTemplate: {spec: {containers: [{name: 'Not A Name', image: x}]}}", 1), "NameService ns",
			v1alpha1.ConditionRefused, []string{"Not A Name", "Invalid value"}, "",
		},
		{
			"a pod template that is none", strings.Replace(nameService, "size: 2", "podTemplate: {spec: {containers: none}}", 1), "NameService ns",
			v1alpha1.ConditionInvalidSpec, []string{"spec.podTemplate"}, "",
		},
		{
			"two volumes of one name", nameService + strings.Replace(static, "size: 1", "volumes: [{name: rocketmq-run, emptyDir: {}}]", 1), "Broker b",
			v1alpha1.ConditionInvalidSpec, []string{"spec.volumes", "rocketmq-run"}, "",
		},
		{
			"a Deployment of the dashboard's name", "{apiVersion: apps/v1, kind: Deployment, metadata: {name: con, labels: {app: theirs}}, spec: {replicas: 0, selector: {matchLabels: {a: b}}, " +
				"template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}\n---\n" + nameService + console, "Console con",
			v1alpha1.ConditionNameConflict, []string{`Deployment "con"`, "another name"}, "",
		},
		{
			"a Service of the exporter's name", foreignService("exp") + nameService + exporter, "Exporter exp",
			v1alpha1.ConditionNameConflict, []string{`Service "exp"`, "another name"}, "Service exp",
		},
		{
			"a dashboard without a NameService", console, "Console con",
			v1alpha1.ConditionMissingReference, []string{"there is no NameService", "spec.nameServiceRef"}, "",
		},
		{
			"a dashboard between two NameServices", nameService + strings.Replace(nameService, "name: ns", "name: ns2", 1) + console, "Console con",
			v1alpha1.ConditionAmbiguousReference, []string{"ns, ns2", "spec.nameServiceRef"}, "",
		},
		{
			"a consoleDeployment with an unknown field", nameService + consoleOf("consoleDeployment: {spec: {template: {spec: {notAField: 1}}}}"), "Console con",
			v1alpha1.ConditionInvalidSpec, []string{"spec.consoleDeployment", "notAField"}, "",
		},
		{
			"a consoleDeployment that is something else", nameService + consoleOf("consoleDeployment: {kind: StatefulSet, apiVersion: apps/v1}"), "Console con",
			v1alpha1.ConditionInvalidSpec, []string{"StatefulSet", "not an apps/v1 Deployment"}, "",
		},
		{
			"a consoleDeployment beside short fields", nameService + consoleOf("consoleDeployment: {}, env: [{name: A, value: b}], jvm: {heap: 1Gi}"), "Console con",
			v1alpha1.ConditionInvalidSpec, []string{"spec.env, spec.jvm"}, "",
		},
		{
			"properties in the environment", nameService + consoleOf("env: [{name: SPRING_APPLICATION_JSON, value: '{}'}]"), "Console con",
			v1alpha1.ConditionInvalidSpec, []string{"SPRING_APPLICATION_JSON", "spec.config"}, "",
		},
		{
			"two volumes of one name in consoleDeployment", nameService + consoleOf("consoleDeployment: {spec: {template: {spec: {volumes: [{name: v}, {name: v}]}}}}"), "Console con",
			v1alpha1.ConditionInvalidSpec, []string{`"v" is taken`}, "",
		},
		{
			"a selector that does not fit", nameService + consoleOf("consoleDeployment: {spec: {selector: {matchLabels: {a: b}}}}"), "Console con",
			v1alpha1.ConditionRefused, []string{"selector"}, "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.create(test.objects)
			kind, name, _ := strings.Cut(test.untouched, " ")
			version := func() string {
				switch kind {
				case "Service":
					return get[corev1.Service](w, name).ResourceVersion
				case "ConfigMap":
					return get[corev1.ConfigMap](w, name).ResourceVersion
				case "StatefulSet":
					return get[appsv1.StatefulSet](w, name).ResourceVersion
				}
				return ""
			}
			o := w.start(-1)
			before := ""
			if !strings.Contains(test.name, "two resources") {
				before = version()
			}
			o.settled(test.resource, test.condition, metav1.ConditionTrue, test.says...)
			o.settled(test.resource, ready, metav1.ConditionFalse, append(test.says, test.condition+": ")...)
			if before != "" && version() != before {
				t.Errorf("%s was written to", test.untouched)
			}
			// Whatever else is in the namespace gets ready, and then all are silent.
			o.settle()
			o.checkSilence()
		})
	}
}

// TestTroubleIsOver: the resource goes on when the user has done what the condition says.
func TestTroubleIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(foreignService("ns-nameserver") + nameService)
	o := w.start(-1)
	o.settled("NameService ns", v1alpha1.ConditionNameConflict, metav1.ConditionTrue)
	w.must(w.Delete(t.Context(), get[corev1.Service](w, "ns-nameserver")))
	o.until(w.allReady)
	if text := w.condition("NameService ns", v1alpha1.ConditionNameConflict, metav1.ConditionTrue); text != "" {
		t.Errorf("the condition stays: %s", text)
	}
}

// TestResolvedReferenceStays: a second candidate breaks nothing that runs.
func TestResolvedReferenceStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + strings.Replace(brokers, "size: 2", "size: 1", 1))
	o := w.start(-1)
	o.until(w.allReady)
	w.create(strings.Replace(nameService, "name: ns", "name: ns2", 1) + strings.Replace(controllers, "name: ctl", "name: ctl2", 1))
	o.until(w.allReady)
	b := get[v1alpha1.Broker](w, "b")
	if b.Status.NameServiceRef.Name != "ns" || b.Status.ControllerRef.Name != "ctl" {
		t.Errorf("resolved to %v and %v", b.Status.NameServiceRef, b.Status.ControllerRef)
	}
	w.must(w.Delete(t.Context(), get[v1alpha1.NameService](w, "ns")))
	o.until(func() string {
		if ref := get[v1alpha1.Broker](w, "b").Status.NameServiceRef; ref == nil || ref.Name != "ns2" {
			return fmt.Sprintf("the only one that is left is not taken: %v", ref)
		}
		return ""
	})
}

// TestBrokerNameConflict: two Brokers of one name at the same name servers, in two namespaces. The older one goes on.
func TestBrokerNameConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + static)
	o := w.start(-1)
	o.until(w.allReady)
	time.Sleep(1100 * time.Millisecond) // creation times are whole seconds
	second := newWorld(t)
	edit(w, "ns", func(ns *v1alpha1.NameService) {
		ns.Annotations = map[string]string{v1alpha1.AnnotationAllowFrom: second.namespace}
	})
	second.create(strings.Replace(static, "spec: {", "spec: {nameServiceRef: {name: ns, namespace: "+w.namespace+"}, ", 1))
	o2 := second.start(-1, w)
	o2.settled("Broker b", v1alpha1.ConditionBrokerNameConflict, metav1.ConditionTrue, w.namespace+"/b", "another metadata.name")
	o2.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ConditionBrokerNameConflict)
	if pods := second.pods(); len(pods) > 0 {
		t.Errorf("%d pods of the second Broker", len(pods))
	}
	o.until(w.allReady)

	// A broker that the operator knows nothing of.
	w.mq.mu.Lock()
	w.mq.groups["b-0"].members["b-0-7"] = member{addr: "stranger:10911"}
	w.mq.mu.Unlock()
	for range 30 { // without w.turn, which would register only what runs
		w.must(o.pass())
		time.Sleep(50 * time.Millisecond)
	}
	if text := w.condition("Broker b", v1alpha1.ConditionBrokerNameConflict, metav1.ConditionTrue); !strings.Contains(text, "stranger:10911") {
		t.Errorf("a stranger is not told: %q", text)
	}
	o.until(w.allReady)
}

func TestKnownDefect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + strings.Replace(static, "size: 1", "brokerImage: 'apache/rocketmq:5.3.3'", 1))
	o := w.start(-1)
	o.until(w.allReady) // it is told, and stops nothing
	if text := w.condition("Broker b", v1alpha1.ConditionKnownDefect, metav1.ConditionTrue); !strings.Contains(text, "RocketMQ 5.3.3") || !strings.Contains(text, "use 5.4.0") {
		t.Errorf("KnownDefect %q", text)
	}
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.BrokerImage = "apache/rocketmq:5.4.0" })
	o.until(w.allReady)
	if text := w.condition("Broker b", v1alpha1.ConditionKnownDefect, metav1.ConditionTrue); text != "" {
		t.Errorf("still KnownDefect %q", text)
	}

	// Who wants every in-sync member to have a message before it is acknowledged, is told when it may not be so.
	w.create(strings.Replace(brokers, "{name: b}, spec: {", "{name: all}, spec: {config: {allAckInSyncStateSet: 'true'}, ", 1))
	o.settled("Broker all", v1alpha1.ConditionKnownDefect, metav1.ConditionTrue, "RocketMQ 5.4.0", "allAckInSyncStateSet", "resources.requests.cpu")
}

// TestNodeLost: pods on a node that does not answer.
func TestNodeLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "node-"}}
	w.must(w.Create(t.Context(), node))
	setNode := func(status corev1.ConditionStatus) {
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}}
		w.must(w.Status().Update(t.Context(), node))
	}
	setNode(corev1.ConditionTrue)
	w.node = node.Name
	w.create(nameService + controllers + strings.Replace(brokers, "size: 2", "size: 1", 1))
	o := w.start(-1)
	o.until(w.allReady)
	setNode(corev1.ConditionUnknown)
	o.checkSilence() // as long as the pods answer, the node's word does not count
	w.starting["ns-1"], w.starting["ctl-1"], w.starting["b-0-1"] = true, true, true
	for resource, pod := range map[string]string{"NameService ns": "ns-1", "Controller ctl": "ctl-1", "Broker b": "b-0-1"} {
		o.settled(resource, v1alpha1.ConditionNodeLost, metav1.ConditionTrue, pod, node.Name, "node.kubernetes.io/out-of-service")
	}
	o.checkSilence()
	setNode(corev1.ConditionTrue)
	clear(w.starting)
	o.until(w.allReady)
	if text := w.condition("Broker b", v1alpha1.ConditionNodeLost, metav1.ConditionTrue); text != "" {
		t.Errorf("still NodeLost %q", text)
	}
}

// TestControllerStateLost: controllers that know nothing of brokers that are registered.
func TestControllerStateLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)
	forget := func(lost bool) {
		w.mq.mu.Lock()
		defer w.mq.mu.Unlock()
		w.mq.amnesia = lost
	}
	forget(true)
	o.settled("Broker b", v1alpha1.ConditionControllerStateLost, metav1.ConditionTrue, "b-0", "b-1", "brokerIdentity")
	o.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ConditionControllerStateLost)
	o.checkSilence()
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Env = []corev1.EnvVar{{Name: "A", Value: "b"}} })
	o.settled("Broker b", upToDate, metav1.ConditionFalse, "waiting") // a restarted broker would stay out
	forget(false)
	o.until(w.allReady)
}

// TestForeignIdentity: brokers that come with a disk whose identity the controllers never gave do not get in.
func TestForeignIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers)
	o := w.start(-1)
	o.until(w.allReady)
	w.mq.mu.Lock()
	w.mq.amnesia = true
	w.mq.mu.Unlock()
	w.starting["b-0-0"], w.starting["b-0-1"] = true, true
	w.create(strings.Replace(brokers, "size: 2", "size: 1", 1))
	o.settled("Broker b", ready, metav1.ConditionFalse, v1alpha1.ReasonMembersNotReady, "b-0-0")
	o.settle()
	running := func(since time.Duration) {
		pod := get[corev1.Pod](w, "b-0-0")
		before := pod.DeepCopy()
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: desired.Container, State: corev1.ContainerState{
			Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(time.Now().Add(-since))}}}}
		w.must(w.patchStatus(pod, before))
	}
	running(time.Minute)
	o.settle()
	if text := w.condition("Broker b", v1alpha1.ConditionControllerStateLost, metav1.ConditionTrue); text != "" {
		t.Errorf("after a minute: %s", text)
	}
	running(3 * time.Minute)
	o.settled("Broker b", v1alpha1.ConditionControllerStateLost, metav1.ConditionTrue, "b-0", "brokerIdentity")
}

// TestUnreachable: no name server answers the operator.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + static)
	o := w.start(-1)
	o.until(w.allReady)
	w.mq.mu.Lock()
	for ip, pod := range w.mq.pods {
		if pod.Labels[desired.LabelComponent] == string(desired.NameServer) {
			w.mq.silent[ip] = true
		}
	}
	w.mq.mu.Unlock()
	o.settled("Broker b", ready, metav1.ConditionUnknown, v1alpha1.ReasonUnreachable, "no name server answers")
	w.mq.mu.Lock()
	clear(w.mq.silent)
	w.mq.mu.Unlock()
	o.until(w.allReady)
}

// TestStuckPod: one that cannot start is told, and replaced when the spec is mended, whatever its group's turn is.
func TestStuckPod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + controllers + brokers)
	o := w.start(-1)
	o.until(w.allReady)
	w.starting["b-1-1"] = true
	o.settled("Broker b", ready, metav1.ConditionFalse, "b-1-1 is starting")
	pod := get[corev1.Pod](w, "b-1-1")
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "rocketmq", State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "no such image"}}}}
	w.must(w.Status().Update(t.Context(), pod))
	o.settled("Broker b", ready, metav1.ConditionFalse, "b-1-1 cannot start (ImagePullBackOff: no such image)")
	first := len(o.events.all())
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.BrokerImage = "apache/rocketmq:5.5.0" })
	o.until(func() string {
		for _, event := range o.events.all()[first:] {
			if strings.Contains(event, "ReplacingPod") {
				w.starting["b-1-1"] = false
				if !strings.Contains(event, "replacing pod b-1-1") {
					t.Errorf("the first to be replaced: %s", event)
				}
				return ""
			}
		}
		return "nothing is replaced"
	})
	o.until(w.allReady)
}

// TestKeepsOnlyCopy: a master on an emptyDir is not replaced when its messages are nowhere else, not even if it crashes.
func TestKeepsOnlyCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + strings.Replace(static, "replicaPerGroup: 1", "replicaPerGroup: 1, storageMode: EmptyDir", 1))
	o := w.start(-1)
	o.until(w.allReady)
	master := get[corev1.Pod](w, "b-0-0").UID
	edit(w, "b", func(b *v1alpha1.Broker) { b.Spec.Config = map[string]v1alpha1.ConfigValue{"bad": "value"} })
	o.settled("Broker b", upToDate, metav1.ConditionFalse, v1alpha1.ConditionWouldLoseMessages, "b-0-0", "STATIC")

	w.starting["b-0-0"] = true
	o.settled("Broker b", ready, metav1.ConditionFalse, "b-0-0 is starting")
	pod := get[corev1.Pod](w, "b-0-0")
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "rocketmq", RestartCount: 3, State: corev1.ContainerState{
		Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}}}
	w.must(w.Status().Update(t.Context(), pod))
	o.settled("Broker b", upToDate, metav1.ConditionFalse, v1alpha1.ConditionWouldLoseMessages, "b-0-0")
	o.settle()
	o.checkSilence()
	if get[corev1.Pod](w, "b-0-0").UID != master {
		t.Error("the pod with the only copy was replaced")
	}
}

// TestStrayPod: a pod with a group's labels that the StatefulSet does not want crashes nothing.
func TestStrayPod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService + static)
	o := w.start(-1)
	o.until(w.allReady)
	stray := get[corev1.Pod](w, "b-0-1")
	stray = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "b-0-9", Namespace: w.namespace, Labels: stray.Labels}, Spec: stray.Spec}
	w.must(w.Create(t.Context(), stray))
	w.must(o.pass())
	w.must(w.Delete(t.Context(), stray))
	o.until(w.allReady)
}

// TestNotAdmitted: a namespace that refuses the pods.
func TestNotAdmitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(nameService)
	o := w.start(-1)
	w.must(o.pass())
	refusal := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "refusal", Namespace: w.namespace}, EventTime: metav1.NowMicro(),
		Reason: "FailedCreate", Action: "Create", Type: corev1.EventTypeWarning, ReportingController: "statefulset-controller", ReportingInstance: "x",
		Regarding: corev1.ObjectReference{Kind: "StatefulSet", Name: "ns", Namespace: w.namespace},
		Note:      `create Pod ns-0 failed: pods "ns-0" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)`,
	}
	w.must(w.Create(t.Context(), refusal))
	w.must(o.pass())
	for _, part := range []string{"2 pods are not admitted", "hostNetwork=true", "kubectl label namespace " + w.namespace} {
		if text := w.condition("NameService ns", v1alpha1.ConditionRefused, metav1.ConditionTrue); !strings.Contains(text, part) {
			t.Errorf("Refused %q lacks %q", text, part)
		}
	}
	o.until(w.allReady)
}
