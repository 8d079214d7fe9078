// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/apiserver"
)

var config *rest.Config // set once, before any test

func TestMain(m *testing.M) {
	os.Exit(apiserver.Run(func(c *rest.Config) int {
		config = c
		return m.Run()
	}))
}

// place is a namespace with an owner.
type place struct {
	*testing.T
	client.Client
	namespace string
	owner     *v1alpha1.NameService
}

func newPlace(t *testing.T) *place {
	t.Helper()
	if config == nil {
		t.Skip("needs an API server")
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	p := &place{T: t, Client: c}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "apply-"}}
	p.must(c.Create(t.Context(), namespace))
	p.namespace = namespace.Name
	p.owner = p.ownerNamed("owner")
	return p
}

func (p *place) ownerNamed(name string) *v1alpha1.NameService {
	owner := &v1alpha1.NameService{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: p.namespace}}
	p.must(p.Create(p.Context(), owner))
	return owner
}

func (p *place) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func (p *place) service(edit ...func(*corev1.Service)) *corev1.Service {
	s := parse[corev1.Service](p.T, `
metadata: {name: s, labels: {app: mq}}
spec: {selector: {app: mq}, ports: [{name: a, port: 1, targetPort: 1}, {name: b, port: 2, targetPort: 2}]}`)
	s.Namespace = p.namespace
	for _, e := range edit {
		e(s)
	}
	return s
}

func (p *place) live() *corev1.Service {
	p.Helper()
	var s corev1.Service
	p.must(p.Get(p.Context(), client.ObjectKey{Namespace: p.namespace, Name: "s"}, &s))
	return &s
}

// apply expects a write, or none.
func (p *place) apply(object client.Object, writes bool) {
	p.Helper()
	wrote, err := p.write(object)
	p.must(err)
	if wrote != writes {
		p.Errorf("wrote %t, want %t", wrote, writes)
	}
}

func (p *place) write(object client.Object) (bool, error) {
	return (&Applier{Client: p.Client, Reader: p.Client}).Apply(p.Context(), p.owner, object)
}

func parse[T any](t *testing.T, text string) *T {
	t.Helper()
	out := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), out); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return out
}

func TestApply(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.apply(p.service(), true)
	p.apply(p.service(), false)
	live := p.live()
	if owner := metav1.GetControllerOf(live); owner == nil || owner.UID != p.owner.UID || owner.BlockOwnerDeletion == nil || !*owner.BlockOwnerDeletion {
		t.Errorf("owner %+v", owner)
	}
	version := live.ResourceVersion

	changed := func(s *corev1.Service) { s.Spec.Ports[0].Port = 5; s.Labels["more"] = "yes" }
	p.apply(p.service(changed), true)
	p.apply(p.service(changed), false)
	if live = p.live(); live.Spec.Ports[0].Port != 5 || live.Labels["more"] != "yes" || live.ResourceVersion == version {
		t.Errorf("the change did not arrive: %+v", live.Spec.Ports)
	}
	p.apply(p.service(func(s *corev1.Service) { s.Spec.Ports = s.Spec.Ports[:1] }), true)
	if live = p.live(); len(live.Spec.Ports) != 1 || live.Labels["more"] != "" {
		t.Errorf("what is no longer wanted stays: %+v %v", live.Spec.Ports, live.Labels)
	}
}

// TestHandEdits: what others do to our fields is put back, what they add besides stays.
func TestHandEdits(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.apply(p.service(), true)
	live := p.live()
	live.Spec.Selector["app"] = "other"
	live.Spec.Ports[1].Port = 99
	live.Annotations["note"] = "hand"
	live.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
	p.must(p.Update(t.Context(), live))
	p.apply(p.service(), true)
	live = p.live()
	if live.Spec.Selector["app"] != "mq" || live.Spec.Ports[1].Port != 2 || live.Annotations["note"] != "hand" {
		t.Errorf("after a hand edit: %+v %v", live.Spec, live.Annotations)
	}
	p.apply(p.service(), false)

	live.Spec.Ports = append(live.Spec.Ports, corev1.ServicePort{Name: "c", Port: 3})
	p.must(p.Update(t.Context(), live))
	p.apply(p.service(), true)
	p.apply(p.service(), false)
	// An ordinary change after that, with something left out.
	one := func(s *corev1.Service) { s.Spec.Ports = s.Spec.Ports[:1] }
	for range 2 { // the second write takes what the first repair owns
		_, err := p.write(p.service(one))
		p.must(err)
	}
	p.apply(p.service(one), false)
	if live = p.live(); len(live.Spec.Ports) != 1 {
		t.Errorf("ports %+v", live.Spec.Ports)
	}
	p.must(p.Delete(t.Context(), p.live()))
	p.apply(p.service(), true)
}

// TestStatefulSet: the template and the claims that were carried over from the live object are no change; a type of
// many defaults is silent too.
func TestStatefulSet(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	set := func(replicas int32, hash string) *appsv1.StatefulSet {
		s := parse[appsv1.StatefulSet](t, `
metadata: {name: s, labels: {app: mq}}
spec:
  serviceName: s
  selector: {matchLabels: {app: mq}}
  updateStrategy: {type: OnDelete}
  template:
    metadata: {labels: {app: mq}}
    spec:
      containers: [{name: c, image: i, resources: {limits: {memory: 1024Mi, cpu: "0.5"}}, volumeMounts: [{name: data, mountPath: /d}, {name: e, mountPath: /e}]}]
      volumes: [{name: e, emptyDir: {}}]
  volumeClaimTemplates:
  - {metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`)
		s.Namespace, s.Spec.Replicas = p.namespace, &replicas
		s.Spec.Template.Annotations = map[string]string{"hash": hash}
		return s
	}
	p.apply(set(1, "a"), true)
	p.apply(set(1, "a"), false)
	var live appsv1.StatefulSet
	p.must(p.Get(t.Context(), client.ObjectKeyFromObject(set(1, "a")), &live))
	carried := set(1, "ignored")
	carried.Spec.Template, carried.Spec.VolumeClaimTemplates = live.Spec.Template, live.Spec.VolumeClaimTemplates
	p.apply(carried, true) // with the API server's defaults
	p.apply(carried, false)
	p.apply(set(2, "a"), true)
	p.apply(set(2, "b"), true)
	p.apply(set(2, "b"), false)
	p.must(p.Get(t.Context(), client.ObjectKeyFromObject(set(1, "a")), &live))
	if *live.Spec.Replicas != 2 || live.Spec.Template.Annotations["hash"] != "b" {
		t.Errorf("%d replicas, %v", *live.Spec.Replicas, live.Spec.Template.Annotations)
	}
}

// TestForeign: an object that is not ours is never written to.
func TestForeign(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		prepare func(p *place, s *corev1.Service)
		ours    bool
		legacy  bool
		holder  string
	}{
		{name: "somebody's", prepare: func(_ *place, s *corev1.Service) { s.Labels = nil }, holder: "somebody else"},
		{name: "half of our labels", prepare: func(_ *place, s *corev1.Service) { s.Labels["app"] = "other" }, holder: "somebody else"},
		{name: "the predecessor's", prepare: func(_ *place, s *corev1.Service) { s.Labels["broker_cr"] = "x" }, legacy: true, holder: "apache/rocketmq-operator"},
		{name: "its name server's", prepare: func(_ *place, s *corev1.Service) { s.Labels["name_service_cr"] = "x" }, legacy: true, holder: "apache/rocketmq-operator"},
		{name: "another resource's, with our labels", prepare: func(p *place, s *corev1.Service) {
			own(s, p.ownerNamed("another"))
		}, holder: "NameService another"},
		{name: "an older resource's of our name", prepare: func(p *place, s *corev1.Service) {
			older := p.owner.DeepCopy()
			older.UID = "11111111-1111-1111-1111-111111111111"
			own(s, older)
		}, holder: "NameService owner"},
		{name: "ours, orphaned", prepare: func(*place, *corev1.Service) {}, ours: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			found := p.service()
			test.prepare(p, found)
			p.must(p.Create(t.Context(), found))
			if test.ours {
				p.apply(p.service(), true)
				p.apply(p.service(), false)
				return
			}
			_, err := p.write(p.service(func(s *corev1.Service) { s.Spec.Ports[0].Port = 7 }))
			var conflict *ConflictError
			if !errors.As(err, &conflict) || conflict.Legacy != test.legacy || conflict.Kind != "Service" || !strings.Contains(conflict.Holder, test.holder) {
				t.Fatalf("error %#v, want a conflict with %s", err, test.holder)
			}
			if live := p.live(); live.ResourceVersion != found.ResourceVersion {
				t.Error("it was written to")
			}
		})
	}
}

func own(s *corev1.Service, owner *v1alpha1.NameService) {
	s.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, v1alpha1.GroupVersion.WithKind("NameService"))}
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	_, err := p.write(p.service(func(s *corev1.Service) { s.Spec.Ports[0].Port = 70000 }))
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "Service") || !strings.Contains(err.Error(), p.namespace+"/s") {
		t.Errorf("%v, want the API server's refusal with the object's name", err)
	}
}

// TestPatchStatus: an equal status is not written, and one that was computed from an old object is refused.
func TestPatchStatus(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	before := p.owner.DeepCopy()
	after := before.DeepCopy()
	p.must(PatchStatus(t.Context(), p, before, after))
	if after.ResourceVersion != before.ResourceVersion {
		t.Error("an equal status was written")
	}
	after.Status.Members = "1/1"
	p.must(PatchStatus(t.Context(), p, before, after))
	stale := before.DeepCopy()
	stale.Status.Members = "0/1"
	if err := PatchStatus(t.Context(), p, before, stale); !apierrors.IsConflict(err) {
		t.Errorf("a status from an old object: %v, want a conflict", err)
	}
	p.must(p.Get(t.Context(), client.ObjectKeyFromObject(before), after))
	if after.Status.Members != "1/1" {
		t.Errorf("status %q", after.Status.Members)
	}
}

func TestReadConfigMaps(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.must(p.Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: p.namespace}, Data: map[string]string{"k": "v"},
	}))
	refs := []ConfigMapRef{{"spec.a", "a", false}, {"spec.b", "missing", false}, {"spec.c", "optional", true}, {"spec.d", "a", false}}
	got, missing, err := ReadConfigMaps(t.Context(), p, p.namespace, refs)
	p.must(err)
	if len(got) != 1 || got["a"]["k"] != "v" || !slices.Equal(missing, refs[1:2]) {
		t.Errorf("read %v, missing %v", got, missing)
	}
}
