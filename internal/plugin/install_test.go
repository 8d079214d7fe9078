// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/test/apiserver"
)

// address of an API server; nil with -short.
var address *rest.Config

func TestMain(m *testing.M) {
	os.Exit(apiserver.Run(func(config *rest.Config) int {
		address = config
		return m.Run()
	}))
}

// The embedded manifests are config/default, as install-operator.sh applies it.
func TestEmbeddedManifestsAreThoseOfTheRepository(t *testing.T) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../../config/default")
	if err != nil {
		t.Fatal(err)
	}
	want, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	got, err := renderManifests()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("-repository +embedded:\n%s", diff)
	}
}

// A kind that the plugin could not apply would fail only at a real API server.
func TestEveryKindOfTheManifestsIsKnown(t *testing.T) {
	objects, err := (&installation{image: "x", domain: "cluster.local"}).manifests()
	if err != nil {
		t.Fatal(err)
	}
	mapper := kinds()
	for _, object := range objects {
		kind := object.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			t.Errorf("%s: %v", object.GetName(), err)
		} else if namespaced := mapping.Scope.Name() == "namespace"; namespaced != (object.GetNamespace() != "") {
			t.Errorf("%s %s: namespace %q, and the plugin takes it for a kind with namespaces: %t", kind.Kind, object.GetName(), object.GetNamespace(), namespaced)
		}
	}
}

// TestPrintedManifestsOfNoRelease name an image that nobody can pull.
func TestPrintedManifestsOfNoRelease(t *testing.T) {
	w := newWorld(t)
	for image, want := range map[string]string{"": "warning: ", "op:v1": ""} {
		words := []string{"install", "--print"}
		if image != "" {
			words = append(words, "--image", image)
		}
		var out, said bytes.Buffer
		if err := w.runOn(t.Context(), &out, &said, words...); err != nil || !strings.HasPrefix(out.String(), "---\napiVersion") {
			t.Fatalf("%v\n%.200s", err, out.String())
		}
		if got := said.String(); !strings.HasPrefix(got, want) || (want == "") != (got == "") || (want != "" && !strings.Contains(got, "--image")) {
			t.Errorf("image %q: on the standard error is %q", image, got)
		}
	}
}

func TestPrintedManifests(t *testing.T) {
	w := newWorld(t)
	out, err := w.run("install", "--print", "--image", "registry.example/op:v9", "--cluster-domain", "corp.example")
	if err != nil {
		t.Fatal(err)
	}
	kinds, image, domain := []string{}, "", false
	for document := range strings.SplitSeq(strings.TrimPrefix(out, "---\n"), "\n---\n") {
		var object unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, object.GetKind())
		if object.GetKind() == "Deployment" {
			var d appsv1.Deployment
			if err := yaml.Unmarshal([]byte(document), &d); err != nil {
				t.Fatal(err)
			}
			image = d.Spec.Template.Spec.Containers[0].Image
			domain = strings.Contains(strings.Join(d.Spec.Template.Spec.Containers[0].Args, " "), "--cluster-domain=corp.example")
		}
	}
	if image != "registry.example/op:v9" || !domain || kinds[0] != "Namespace" || kinds[1] != "CustomResourceDefinition" {
		t.Errorf("image %s, domain %t, kinds %v", image, domain, kinds)
	}
	w.fails([]string{"is no DNS domain"}, "install", "--print", "--cluster-domain", "a,--leader-elect=false")
	w.fails([]string{"belongs to no release", "--image"}, "install")
	for _, image := range []string{"", " ", "a b", "Foo/Bar:v1", "op:", "op:v1,x", "op@sha256:1", "https://registry.example/op", "-op"} {
		for _, how := range []string{"--print", "--dry-run"} {
			w.fails([]string{fmt.Sprintf("--image %q is no image", image), "registry.example/rocketmq-operator:v1.2.3"}, "install", how, "--image="+image)
		}
	}
	for _, image := range []string{"op", "op:v1", "Registry.example:5000/a/b_c:V1", "localhost:5000/op", "a/b@sha256:" + strings.Repeat("0a", 32)} {
		if !images.MatchString(image) {
			t.Errorf("%s is refused", image)
		}
	}
	w.fails([]string{"dry-run print"}, "install", "--print", "--dry-run")
}

// serving plays what Kubernetes does with CRDs and Deployments.
func serving(w *world) {
	w.intercept.Get = func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
		if err := c.Get(ctx, key, into, options...); err != nil {
			return err
		}
		switch o := into.(type) {
		case *apiextensionsv1.CustomResourceDefinition:
			o.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{{Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue}}
		case *appsv1.Deployment:
			o.Status = appsv1.DeploymentStatus{ObservedGeneration: o.Generation, Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}
		}
		return nil
	}
}

// scaled is serving with so many pods.
func scaled(get getting, replicas int32) getting {
	return func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
		err := get(ctx, c, key, into, options...)
		if d, is := into.(*appsv1.Deployment); is {
			d.Status.Replicas, d.Status.UpdatedReplicas, d.Status.AvailableReplicas = replicas, replicas, replicas
		}
		return err
	}
}

type getting = func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error

// On a real API server, whose CRDs are there and are another's: that is an upgrade of the CRDs.
func TestInstallAndUpgrade(t *testing.T) {
	if address == nil {
		t.Skip("needs an API server")
	}
	w := newWorld(t)
	serving(w)
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	direct, err := client.NewWithWatch(address, client.Options{Scheme: scheme, Mapper: kinds()})
	if err != nil {
		t.Fatal(err)
	}
	w.keeps, w.kubernetes = true, interceptor.NewClient(direct, w.intercept)
	image := func() string {
		t.Helper()
		var d appsv1.Deployment
		if err := direct.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: operatorName}, &d); err != nil {
			t.Fatal(err)
		}
		return d.Spec.Template.Spec.Containers[0].Image
	}

	w.shows("install-dry-run", "install", "--image", "op:v1", "--dry-run")
	if err := direct.Get(t.Context(), client.ObjectKey{Name: operatorNamespace}, &corev1.Namespace{}); !apierrors.IsNotFound(err) {
		t.Errorf("the namespace after a dry run: %v", err)
	}
	w.shows("install", "install", "--image", "op:v1")
	if got := image(); got != "op:v1" {
		t.Errorf("the image is %s", got)
	}
	w.shows("install-again", "install", "--image", "op:v1")
	w.shows("upgrade-dry-run", "install", "--image", "op:v2", "--dry-run")
	if got := image(); got != "op:v1" {
		t.Errorf("after a dry run the image is %s", got)
	}
	w.shows("upgrade", "install", "--image", "op:v2")
	if got := image(); got != "op:v2" {
		t.Errorf("the upgraded image is %s", got)
	}

	out, err := w.run("install", "--image", "op:v2", "-o", "json")
	var r installReport
	if err := errors.Join(err, json.Unmarshal([]byte(out), &r)); err != nil || r.Before != "op:v2" || !r.Running || len(r.Objects) < 15 {
		t.Errorf("for programs: %v\n%s", err, out)
	}
}

func deployment(namespace, name, image string) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "operator", Image: image}}
	return d
}

func TestInstallBesideAnotherOperator(t *testing.T) {
	w := newWorld(t)
	serving(w)
	old := deployment("default", "rocketmq-operator", "docker.io/apache/rocketmq-operator:0.3.0")
	w.add(old)
	w.fails([]string{"Deployment rocketmq-operator in namespace default", "scale deployment rocketmq-operator --replicas=0"}, "install", "--image", "op:v1")
	old.Spec.Replicas = new(int32(0))
	if _, err := w.run("install", "--image", "op:v1"); err != nil {
		t.Errorf("the other one is stopped: %v", err)
	}

	other := deployment("mq-operator", "mq-rocketmq-operator", "op:v0")
	other.Labels = map[string]string{"app.kubernetes.io/name": operatorName}
	w.add(other)
	w.fails([]string{"Deployment mq-rocketmq-operator in namespace mq-operator is an operator"}, "install", "--image", "op:v1")
	other.Labels["olm.owner"] = "rocketmq-operator.v0.1.0"
	w.fails([]string{"installed by the Operator Lifecycle Manager, as rocketmq-operator.v0.1.0"}, "install", "--image", "op:v1")
	other.Annotations = map[string]string{"meta.helm.sh/release-name": "mq"}
	w.fails([]string{"installed by Helm, as release mq", "helm upgrade"}, "install", "--image", "op:v1")
}

func TestInstallOfAnImageThatCannotBePulled(t *testing.T) {
	w := newWorld(t)
	serving(w)
	ready := w.intercept.Get
	w.intercept.Get = func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
		err := ready(ctx, c, key, into, options...)
		if d, is := into.(*appsv1.Deployment); is {
			d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: 1, UpdatedReplicas: 1}
		}
		return err
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "op-1", Labels: map[string]string{"app.kubernetes.io/name": operatorName}}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "operator", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "op:v1: not found"}}}}
	w.add(pod)

	var progress bytes.Buffer
	err := w.runOn(t.Context(), new(bytes.Buffer), &progress, "install", "--image", "op:v1", "--timeout", "3s")
	if err == nil || !strings.Contains(err.Error(), "op-1: ImagePullBackOff: op:v1: not found") || !strings.Contains(err.Error(), "--image") || !strings.Contains(err.Error(), "--timeout 3s") {
		t.Errorf("%v", err)
	}
	if want := "waiting for the operator: 0 of 1 pods are ready: op-1: ImagePullBackOff: op:v1: not found\n"; progress.String() != want {
		t.Errorf("it told %q, want %q once", progress.String(), want)
	}
}
