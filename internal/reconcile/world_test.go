package reconcile

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// patience bounds every wait of a test, a roll of nine pods among them, on a machine that has much else to do.
const patience = 5 * time.Minute

// world is a namespace on the API server in which the test plays everybody but the operator.
type world struct {
	*testing.T
	client.Client // the test's own
	namespace     string
	kinds         map[string]bool // of ours that the test created, and what those bring with them
	mq            *rocketMQ
	addresses     int // pod IPs given out
	// starting pods do not become ready, by name; of a Deployment its new pods, by its name.
	starting map[string]bool
	// missing is an image that no kubelet can pull.
	missing string
	// claims: the StatefulSet controller makes volumes, of this class; growing: its driver enlarges them.
	claims  string
	growing bool
	// node that new pods are on, "" for none: such pods end at once when they are deleted.
	node string
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		t.Fatal(err)
	}
	return s
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, kinds: map[string]bool{}, mq: newRocketMQ(), starting: map[string]bool{}}
	var err error
	w.Client, err = client.New(restConfig, client.Options{Scheme: scheme(t)})
	w.must(err)
	w.namespace = w.newNamespace()
	return w
}

func (w *world) newNamespace() string {
	w.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "reconcile-"}}
	w.must(w.Create(w.Context(), namespace))
	return namespace.Name
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// create objects from YAML documents, in the world's namespace unless they name another.
func (w *world) create(documents string) {
	w.Helper()
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(documents)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		w.must(err)
		u := &unstructured.Unstructured{}
		w.must(utilyaml.Unmarshal(document, &u.Object))
		if len(u.Object) == 0 {
			continue
		}
		if u.GetNamespace() == "" {
			u.SetNamespace(w.namespace)
		}
		w.kinds[u.GetKind()] = true
		if err := w.Create(w.Context(), u); err != nil {
			w.Fatalf("%v in:\n%s", err, document)
		}
	}
}

func (w *world) createFile(file string) {
	w.Helper()
	data, err := os.ReadFile(file)
	w.must(err)
	w.create(strings.ReplaceAll(string(data), "namespace: mq", "namespace: "+w.namespace))
}

// listOurs lists a kind of ours, without a request if there can be none: a test looks at all of them several times a second.
func (w *world) listOurs(list client.ObjectList) {
	w.Helper()
	gvk, err := w.GroupVersionKindFor(list)
	w.must(err)
	if kind := strings.TrimSuffix(gvk.Kind, "List"); w.kinds[kind] || (w.kinds["RocketMQCluster"] && kind != "TopicTransfer") {
		w.must(w.List(w.Context(), list, client.InNamespace(w.namespace)))
	}
}

// get an object of the namespace.
func get[T any, P interface {
	*T
	client.Object
}](w *world, name string) P {
	w.Helper()
	var object P = new(T)
	w.must(w.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, object))
	return object
}

// edit an object; a conflict with the operator is tried again.
func edit[T any, P interface {
	*T
	client.Object
}](w *world, name string, change func(P)) {
	w.Helper()
	for range 10 {
		object := get[T, P](w, name)
		change(object)
		err := w.Update(w.Context(), object)
		if !apierrors.IsConflict(err) {
			w.must(err)
			return
		}
	}
	w.Fatalf("%s changes all the time", name)
}

// pods of the namespace that the StatefulSets and Deployments own.
func (w *world) pods() []corev1.Pod {
	w.Helper()
	var list corev1.PodList
	w.must(w.List(w.Context(), &list, client.InNamespace(w.namespace), client.HasLabels{desired.LabelComponent}))
	return list.Items
}

// turn plays the StatefulSet and the Deployment controller, the scheduler, the kubelets and RocketMQ for one round.
func (w *world) turn() {
	w.Helper()
	var sets appsv1.StatefulSetList
	w.must(w.List(w.Context(), &sets, client.InNamespace(w.namespace)))
	running := map[string]*corev1.Pod{}
	for _, pod := range w.pods() {
		running[pod.Name] = &pod
	}
	sets.Items = slices.DeleteFunc(sets.Items, func(set appsv1.StatefulSet) bool { return w.orphan(&set, running) })
	for _, set := range sets.Items {
		for i := range *set.Spec.Replicas {
			name := desired.PodName(set.Name, i)
			w.provide(&set, name)
			w.adopt(&set, running[name])
			pod := running[name]
			if pod == nil {
				pod = w.newPod(*metav1.NewControllerRef(&set, appsv1.SchemeGroupVersion.WithKind("StatefulSet")), set.Spec.Template, set.Spec.VolumeClaimTemplates, name)
				running[name] = pod
				w.configure(pod)
			}
			if ready := !w.starting[name] && pod.DeletionTimestamp == nil && !w.lacksImage(pod); ready != pods.Ready(pod) && pod.DeletionTimestamp == nil {
				w.setReady(pod, ready)
			}
		}
		if b := set.Labels[desired.LabelComponent]; b == string(desired.Broker) {
			w.mq.mu.Lock()
			if w.mq.groups[set.Name] == nil {
				var owner v1alpha1.Broker
				err := w.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: set.Labels[desired.LabelInstance]}, &owner)
				w.mq.groups[set.Name] = &group{static: err == nil && desired.Mode(&owner) == "STATIC", cluster: desired.ClusterName(&owner), members: map[string]member{}}
			}
			w.mq.mu.Unlock()
		}
	}
	wanted := w.turnDeployments(running)
	for _, set := range sets.Items {
		for i := range *set.Spec.Replicas {
			wanted[desired.PodName(set.Name, i)] = true
		}
	}
	list := make([]corev1.Pod, 0, len(running))
	for _, name := range slices.Sorted(maps.Keys(running)) {
		if !wanted[name] && metav1.GetControllerOf(running[name]) != nil {
			w.must(client.IgnoreNotFound(w.Delete(w.Context(), running[name])))
			continue
		}
		list = append(list, *running[name])
	}
	w.mq.follow(list)
}

// orphan plays the garbage collector for a StatefulSet that is deleted without its pods, and reports whether it is.
func (w *world) orphan(set *appsv1.StatefulSet, running map[string]*corev1.Pod) bool {
	w.Helper()
	if set.DeletionTimestamp == nil || !slices.Contains(set.Finalizers, metav1.FinalizerOrphanDependents) {
		return false
	}
	for _, pod := range running {
		if metav1.IsControlledBy(pod, set) {
			before := pod.DeepCopy()
			pod.OwnerReferences = nil
			w.must(w.Patch(w.Context(), pod, client.MergeFrom(before)))
		}
	}
	before := set.DeepCopy()
	set.Finalizers = nil
	w.must(w.Patch(w.Context(), set, client.MergeFrom(before)))
	return true
}

// adopt a pod that was left behind, as the StatefulSet controller does.
func (w *world) adopt(set *appsv1.StatefulSet, pod *corev1.Pod) {
	w.Helper()
	if pod == nil || metav1.GetControllerOf(pod) != nil {
		return
	}
	before := pod.DeepCopy()
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))}
	w.must(w.Patch(w.Context(), pod, client.MergeFrom(before)))
}

// provide the volumes of a pod, and enlarge those that are to grow.
func (w *world) provide(set *appsv1.StatefulSet, pod string) {
	w.Helper()
	if w.claims == "" {
		return
	}
	for _, template := range set.Spec.VolumeClaimTemplates {
		if template.Spec.StorageClassName == nil || *template.Spec.StorageClassName != w.claims {
			continue
		}
		claim := &corev1.PersistentVolumeClaim{}
		err := w.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: template.Name + "-" + pod}, claim)
		if apierrors.IsNotFound(err) {
			claim = &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: template.Name + "-" + pod, Namespace: w.namespace,
				Labels: set.Spec.Selector.MatchLabels}, Spec: template.Spec}
			err = w.Create(w.Context(), claim)
			claim.Status.Capacity = claim.Spec.Resources.Requests
		}
		w.must(err)
		if w.growing {
			claim.Status.Capacity = claim.Spec.Resources.Requests
		}
		claim.Status.Phase = corev1.ClaimBound
		w.must(client.IgnoreNotFound(w.Status().Update(w.Context(), claim)))
	}
}

// turnDeployments brings one new pod at a time, and takes an old one when the new one is ready. It returns the names of
// the pods that are to stay.
func (w *world) turnDeployments(running map[string]*corev1.Pod) map[string]bool {
	w.Helper()
	var list appsv1.DeploymentList
	w.must(w.List(w.Context(), &list, client.InNamespace(w.namespace)))
	stay := map[string]bool{}
	for _, d := range list.Items {
		hash := workload.DeploymentHash(&d)
		if hash == "" {
			continue // not ours
		}
		var old, fresh []string
		ready, serves := 0, false
		for _, name := range slices.Sorted(maps.Keys(running)) {
			pod := running[name]
			switch {
			case pod.Status.Phase == corev1.PodFailed:
			case pod.Labels[desired.LabelComponent] != d.Labels[desired.LabelComponent] || pod.Labels[desired.LabelInstance] != d.Labels[desired.LabelInstance]:
			case pod.Annotations[v1alpha1.AnnotationHash] == hash:
				fresh = append(fresh, name)
			default:
				old = append(old, name)
			}
		}
		for i := 0; len(fresh) < int(*d.Spec.Replicas) && len(fresh)+len(old) <= int(*d.Spec.Replicas); i++ {
			name := fmt.Sprintf("%s-%s-%c", d.Name, hash, 'a'+i)
			if running[name] == nil {
				running[name] = w.newPod(*metav1.NewControllerRef(&d, appsv1.SchemeGroupVersion.WithKind("Deployment")), d.Spec.Template, nil, name)
				fresh = append(fresh, name)
			}
		}
		for _, name := range fresh {
			if pods.Ready(running[name]) {
				ready++
			} else if !w.starting[d.Name] { // one that serves already goes on
				w.setReady(running[name], true)
				serves = true
			}
		}
		for _, name := range fresh[:min(len(fresh), int(*d.Spec.Replicas))] {
			stay[name] = true
		}
		for _, name := range old[:max(0, min(len(old), int(*d.Spec.Replicas)-ready))] {
			stay[name] = true
		}
		if (serves || ready > 0) && d.Labels[desired.LabelComponent] == string(desired.Proxy) {
			w.mq.startProxy()
		}
	}
	return stay
}

func (w *world) lacksImage(pod *corev1.Pod) bool {
	return w.missing != "" && pod.Spec.Containers[0].Image == w.missing
}

// configure a new broker as its agent does.
func (w *world) configure(pod *corev1.Pod) {
	w.Helper()
	if pod.Labels[desired.LabelComponent] != string(desired.Broker) {
		return
	}
	var s settings.Settings
	config := get[corev1.ConfigMap](w, desired.ConfigMap(pod.Labels[desired.LabelInstance], desired.Broker))
	w.must(json.Unmarshal([]byte(config.Data[settings.File]), &s))
	w.mq.mu.Lock()
	defer w.mq.mu.Unlock()
	properties := s.Broker.Groups[pod.Labels[desired.LabelGroup]].Properties()
	live, err := settings.LiveProperties(s.Config)
	w.must(err)
	maps.Copy(properties, live)
	properties["namesrvAddr"], properties["controllerAddr"] = strings.Join(s.Broker.NameServers, ";"), strings.Join(s.Broker.Controllers, ";")
	w.mq.configs[pod.Name] = properties
}

func (w *world) newPod(owner metav1.OwnerReference, template corev1.PodTemplateSpec, claims []corev1.PersistentVolumeClaim, name string) *corev1.Pod {
	w.Helper()
	pod := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
	pod.Name, pod.Namespace, pod.Spec.NodeName = name, w.namespace, w.node
	pod.OwnerReferences = []metav1.OwnerReference{owner}
	pod.Spec.PriorityClassName, pod.Spec.ServiceAccountName = "", "" // nobody made them here
	for _, claim := range claims {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-" + name}}})
	}
	w.must(w.Create(w.Context(), pod))
	created := pod.DeepCopy()
	w.addresses++
	pod.Status.PodIP = fmt.Sprintf("10.0.%d.%d", w.addresses/250, w.addresses%250+1)
	pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
	if w.lacksImage(pod) {
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: desired.Container, State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found"}}}}
	}
	w.must(w.patchStatus(pod, created))
	return pod
}

// patchStatus without a lock, because the operator labels pods meanwhile. One that it deletes is none.
func (w *world) patchStatus(pod, before *corev1.Pod) error {
	return client.IgnoreNotFound(w.Status().Patch(w.Context(), pod, client.MergeFrom(before)))
}

func (w *world) setReady(pod *corev1.Pod, ready bool) {
	w.Helper()
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	before := pod.DeepCopy()
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status, LastTransitionTime: metav1.Now()}}
	w.must(w.patchStatus(pod, before))
}

// allReady is what a test waits for after every creation or change.
func (w *world) allReady() string {
	w.Helper()
	var missing []string
	w.eachResource(func(name string, generation, observed int64, conditions []metav1.Condition) {
		for _, condition := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionUpToDate} {
			c := meta.FindStatusCondition(conditions, condition)
			if c == nil || c.Status != metav1.ConditionTrue || observed != generation {
				missing = append(missing, fmt.Sprintf("%s is not %s: %+v", name, condition, conditions))
				return
			}
		}
	})
	w.mq.mu.Lock()
	if time.Since(w.mq.told) < 1500*time.Millisecond { // the operator looks every second, and says it twice until it has seen
		missing = append(missing, "a broker was configured just now")
	}
	w.mq.mu.Unlock()
	var list v1alpha1.BrokerList
	w.listOurs(&list)
	for _, b := range list.Items {
		if small := w.tooSmall(&b); small != "" {
			missing = append(missing, small)
		}
		if b.Status.Size != desired.GroupCount(&b) {
			missing = append(missing, fmt.Sprintf("%d groups exist", b.Status.Size))
		}
		for _, group := range b.Status.Groups {
			if group.State != "open" || len(group.Members) != int(desired.MemberCount(&b)) {
				missing = append(missing, fmt.Sprintf("%s is %s with %d members", group.Name, group.State, len(group.Members)))
			}
			if unsaved := w.notSaved(&b, group); unsaved != "" {
				missing = append(missing, unsaved)
			}
			for _, m := range group.Members {
				if !m.InSync { // clients can use the brokers before that
					missing = append(missing, m.Pod+" is not in sync")
				}
			}
		}
	}
	return strings.Join(missing, "\n")
}

// saved is what the operator keeps of a group's metadata, nil if nothing is.
func (w *world) saved(group string) *corev1.ConfigMap {
	w.Helper()
	found := &corev1.ConfigMap{}
	err := w.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: desired.MetadataConfigMap(group)}, found)
	w.must(client.IgnoreNotFound(err))
	if err != nil {
		return nil
	}
	return found
}

// notSaved says what is wrong with the metadata that is kept of a group.
func (w *world) notSaved(b *v1alpha1.Broker, group v1alpha1.BrokerGroupStatus) string {
	w.Helper()
	saved := w.saved(group.Name)
	if !desired.MetadataGuarded(b) {
		if saved != nil {
			return saved.Name + " is still there"
		}
		return ""
	}
	var master corev1.Pod
	if err := w.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: group.Master}, &master); err != nil {
		return err.Error()
	}
	if saved == nil || !strings.HasPrefix(saved.Data["term"], string(master.UID)) {
		return "nothing is saved of what " + group.Master + " knows"
	}
	var known metadata.Version
	w.mq.inGroup(group.Name, func(t *tables) { known = metadata.Version{Topics: version(t.topics), Groups: version(t.groups)} })
	if saved.Data["version"] != known.String() { // a proxy makes a topic when it starts
		return group.Master + " knows more by now than what is saved"
	}
	return ""
}

func (w *world) eachResource(visit func(name string, generation, observed int64, conditions []metav1.Condition)) {
	w.Helper()
	for _, kind := range v1alpha1.Kinds() {
		if kind.Name == "TopicTransfer" {
			continue // its conditions mean something else
		}
		list := kind.NewList()
		w.listOurs(list)
		w.must(meta.EachListItem(list, func(item runtime.Object) error {
			r := item.(v1alpha1.Resource)
			visit(kind.Name+" "+r.GetName(), r.GetGeneration(), r.Common().ObservedGeneration, r.Common().Conditions)
			return nil
		}))
	}
}

// condition of a resource, as "reason: message"; "" if it is not there.
func (w *world) condition(resource, condition string, want metav1.ConditionStatus) string {
	w.Helper()
	text := ""
	w.eachResource(func(name string, _, _ int64, conditions []metav1.Condition) {
		if c := meta.FindStatusCondition(conditions, condition); name == resource && c != nil && c.Status == want {
			text = c.Reason + ": " + c.Message
		}
	})
	return text
}

func raw(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }
