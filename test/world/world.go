// SPDX-License-Identifier: Apache-2.0

package world

import (
	"bufio"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// World is a namespace on the API server in which the test plays everybody but the operator.
type World struct {
	*testing.T
	client.Client // the test's own
	Namespace     string
	MQ            *fakemq.Cluster

	// Starting pods do not become ready, by name; of a Deployment its new pods, by its name.
	Starting map[string]bool
	// Fenced brokers, by pod, serve although they are not ready.
	Fenced map[string]bool
	// Agent is the image of the agent that an operator has which is started now.
	Agent string
	// Missing is an image that no kubelet can pull.
	Missing string
	// Growing volumes are enlarged by their driver.
	Growing bool
	// MetricsAddr is where a managed operator serves its metrics, as the elected leader that its program is; nowhere if empty. One
	// operator of a test binary can.
	MetricsAddr string
	// Node that new pods are on, "" for none: such pods end at once when they are deleted.
	Node string

	kinds     map[string]bool // of ours that the test created, and what those bring with them
	claims    string          // StorageClass of which the StatefulSet controller makes volumes
	addresses *int            // pod IPs given out
	servers   map[types.UID]served
}

// New world, empty.
func New(t *testing.T) *World {
	t.Helper()
	if server == nil {
		t.Skip("needs an API server")
	}
	w := &World{
		T: t, MQ: fakemq.NewCluster("", nil), Starting: map[string]bool{}, Fenced: map[string]bool{},
		Agent: "agent:1", kinds: map[string]bool{}, addresses: new(int), servers: map[types.UID]served{},
	}
	scheme := runtime.NewScheme()
	w.Must(errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)))
	w.Client = w.newClient(scheme)
	w.Namespace = w.newNamespace()
	return w
}

// NewClient is another client, which has yet to learn which kinds are served.
func (w *World) NewClient() client.Client {
	w.Helper()
	return w.newClient(w.Scheme())
}

func (w *World) newClient(scheme *runtime.Scheme) client.Client {
	w.Helper()
	c, err := client.New(server, client.Options{Scheme: scheme})
	w.Must(err)
	return c
}

// Neighbour is another namespace, with servers of its own, that an operator can work on too.
func (w *World) Neighbour() *World {
	w.Helper()
	other := New(w.T)
	other.addresses = w.addresses
	return other
}

func (w *World) newNamespace() string {
	w.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "reconcile-"}}
	w.Must(w.Create(w.Context(), namespace))
	return namespace.Name
}

// Must succeed, else the test ends.
func (w *World) Must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// CreateYAML creates the objects of YAML documents, in the world's namespace unless they name another.
func (w *World) CreateYAML(documents string) {
	w.Helper()
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(documents)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		w.Must(err)
		u := &unstructured.Unstructured{}
		w.Must(utilyaml.Unmarshal(document, &u.Object))
		if len(u.Object) == 0 {
			continue
		}
		if u.GetNamespace() == "" {
			u.SetNamespace(w.Namespace)
		}
		w.kinds[u.GetKind()] = true
		if err := w.Create(w.Context(), u); err != nil {
			w.Fatalf("%v in:\n%s", err, document)
		}
	}
}

// CreateFile creates the objects of a file in the world's namespace.
func (w *World) CreateFile(file string) {
	w.Helper()
	data, err := os.ReadFile(file)
	w.Must(err)
	w.CreateYAML(strings.ReplaceAll(string(data), "namespace: mq", "namespace: "+w.Namespace))
}

// Get an object of the namespace.
func Get[T any, P interface {
	*T
	client.Object
}](w *World, name string) P {
	w.Helper()
	var object P = new(T)
	w.Must(w.Get(w.Context(), w.Key(name), object))
	return object
}

// Gone reports whether there is no such object in the namespace.
func Gone[T any, P interface {
	*T
	client.Object
}](w *World, name string) bool {
	w.Helper()
	var object P = new(T)
	err := w.Get(w.Context(), w.Key(name), object)
	w.Must(client.IgnoreNotFound(err))
	return err != nil
}

// Edit an object; a conflict with the operator is tried again.
func Edit[T any, P interface {
	*T
	client.Object
}](w *World, name string, change func(P)) {
	w.Helper()
	for range 10 {
		object := Get[T, P](w, name)
		change(object)
		err := w.Update(w.Context(), object)
		if !apierrors.IsConflict(err) {
			w.Must(err)
			return
		}
	}
	w.Fatalf("%s changes all the time", name)
}

// Remove an object, as a user does. What belongs to it stays: nobody collects garbage here.
func (w *World) Remove(object client.Object) {
	w.Helper()
	w.Must(w.Delete(w.Context(), object))
}

// Key of an object of the namespace.
func (w *World) Key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.Namespace, Name: name}
}

// Pods of the namespace that StatefulSets and Deployments of the operator own.
func (w *World) Pods() []corev1.Pod {
	w.Helper()
	var list corev1.PodList
	w.Must(w.List(w.Context(), &list, client.InNamespace(w.Namespace), client.HasLabels{desired.LabelComponent}))
	return list.Items
}

// usersOwn kinds are no parts of a RocketMQCluster.
var usersOwn = []string{"TopicTransfer", "Topic", "ConsumerGroup", "User"}

// listOurs lists a kind of ours, without a request if there can be none: a test looks at all of them several times a second.
func (w *World) listOurs(list client.ObjectList) {
	w.Helper()
	gvk, err := w.GroupVersionKindFor(list)
	w.Must(err)
	if kind := strings.TrimSuffix(gvk.Kind, "List"); w.kinds[kind] || (w.kinds["RocketMQCluster"] && !slices.Contains(usersOwn, kind)) {
		w.Must(w.List(w.Context(), list, client.InNamespace(w.Namespace)))
	}
}

// eachResource visits all resources of ours but TopicTransfers, whose conditions mean something else.
func (w *World) eachResource(visit func(name string, resource v1alpha1.Resource)) {
	w.Helper()
	for _, kind := range v1alpha1.Kinds() {
		if kind.Name == "TopicTransfer" {
			continue
		}
		list := kind.NewList()
		w.listOurs(list)
		w.Must(meta.EachListItem(list, func(item runtime.Object) error {
			r := item.(v1alpha1.Resource)
			visit(kind.Name+" "+r.GetName(), r)
			return nil
		}))
	}
}

// Condition of a resource, "Kind name", as "reason: message"; "" if it has no such condition of this status.
func (w *World) Condition(resource, condition string, status metav1.ConditionStatus) string {
	w.Helper()
	text := ""
	w.eachResource(func(name string, r v1alpha1.Resource) {
		if c := meta.FindStatusCondition(r.Common().Conditions, condition); name == resource && c != nil && c.Status == status {
			text = c.Reason + ": " + c.Message
		}
	})
	return text
}

// Raw JSON, as fields hold it whose content is not ours.
func Raw(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }
