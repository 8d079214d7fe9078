// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/apiserver"
)

var server *rest.Config // of a real API server, set once, before any test

func TestMain(m *testing.M) {
	os.Exit(apiserver.Run(func(c *rest.Config) int {
		server = c
		return m.Run()
	}))
}

// TestTheDocumentedCommandsInstallAnOperatorOfOneNamespace follows a user whose kinds come from somewhere else: the commands of the
// documents take them over and keep what was set before. The operator is then run with the arguments and the rights that the
// chart gave it, which are Roles in one namespace.
func TestTheDocumentedCommandsInstallAnOperatorOfOneNamespace(t *testing.T) {
	if server == nil {
		t.Skip("needs an API server")
	}
	u := newUser(t)
	u.addOtherKinds(t)
	install := u.command(t, "docs/coming-from-apache.md", "helm install")
	own := []string{
		"--set", "watchNamespaces={shop}",
		// Of one process beside others on this machine.
		"--set", "extraArgs={--metrics-bind-address=0,--health-probe-bind-address=0,--leader-election-namespace=" + release.Namespace + "}",
	}

	plain := slices.DeleteFunc(slices.Clone(install), func(arg string) bool {
		return arg == "--take-ownership" || arg == "--force-conflicts"
	})
	const refusal = "cannot be imported into the current release"
	if out, err := u.helm(t, slices.Concat(plain, own)...); err == nil || !strings.Contains(out, refusal) {
		t.Fatalf("kinds of somebody else are no obstacle, so the documents need not say what to do about them: %v\n%s", err, out)
	}
	u.mustHelm(t, slices.Concat(install, own)...)
	u.checkKinds(t)

	u.mustHelm(t, u.command(t, "docs/monitoring.md", "helm upgrade")...)
	if rule := u.get(t, "monitoring.coreos.com/v1", "PrometheusRule", release.Namespace, operator); rule == nil {
		t.Error("the upgrade brought no alerts")
	}
	u.runOperator(t)
}

// user of an API server.
type user struct {
	client.Client
	kubeconfig string
}

func newUser(t *testing.T) *user {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		must(t, add(scheme))
	}
	c, err := client.New(server, client.Options{Scheme: scheme})
	must(t, err)
	u := &user{c, writeKubeconfig(t, server.BearerToken)}
	for _, name := range []string{"shop", "bank"} {
		must(t, u.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))
	}
	return u
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writeKubeconfig for whoever has the token.
func writeKubeconfig(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"test": {Server: server.Host, CertificateAuthorityData: server.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"test": {Token: token}},
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "test"}},
		CurrentContext: "test",
	}, path))
	return path
}

// addOtherKinds: those of the Prometheus Operator, and one of ours as another operator's user has it.
func (u *user) addOtherKinds(t *testing.T) {
	t.Helper()
	open := apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
		Type: "object", XPreserveUnknownFields: new(true),
	}}
	for _, kind := range []string{"PodMonitor", "PrometheusRule"} {
		plural := strings.ToLower(kind) + "s"
		must(t, u.Create(t.Context(), &apiextensionsv1.CustomResourceDefinition{
			ObjectMeta: metav1.ObjectMeta{Name: plural + ".monitoring.coreos.com"},
			Spec: apiextensionsv1.CustomResourceDefinitionSpec{
				Group: "monitoring.coreos.com", Scope: apiextensionsv1.NamespaceScoped,
				Names:    apiextensionsv1.CustomResourceDefinitionNames{Kind: kind, Plural: plural},
				Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1", Served: true, Storage: true, Schema: &open}},
			},
		}))
	}

	brokers := &apiextensionsv1.CustomResourceDefinition{}
	must(t, u.Get(t.Context(), client.ObjectKey{Name: "brokers.rocketmq.apache.org"}, brokers))
	brokers.Spec.Versions[0].Schema = &open
	brokers.Spec.Versions[0].AdditionalPrinterColumns = nil
	must(t, u.Update(t.Context(), brokers, client.FieldOwner("kubectl-client-side-apply")))
}

// command of a document that begins so, with this checkout's chart for the released one.
func (u *user) command(t *testing.T, document, begin string) []string {
	t.Helper()
	indented := regexp.MustCompile(`(?m)^ {4,}` + begin + `(?:.*\\\n)*.*$`).FindString(read(t, filepath.Join(root, document)))
	if indented == "" {
		t.Fatalf("%s has no command that begins with %q", document, begin)
	}
	line := strings.ReplaceAll(indented, "\\\n", " ")
	line = regexp.MustCompile(`oci://\S+/rocketmq-operator --version \S+`).ReplaceAllString(line, filepath.Join(root, "charts", operator))
	return strings.Fields(line)[1:]
}

// helm runs the real one.
func (u *user) helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool", "helm"}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+u.kubeconfig, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (u *user) mustHelm(t *testing.T, args ...string) {
	t.Helper()
	if out, err := u.helm(t, args...); err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// checkKinds: all are those of the chart, and Helm's.
func (u *user) checkKinds(t *testing.T) {
	t.Helper()
	kinds := 0
	for _, o := range mustRender(t, nil) {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		kinds++
		var want, got apiextensionsv1.CustomResourceDefinition
		decode(t, encode(t, o.Object), &want)
		must(t, u.Get(t.Context(), client.ObjectKey{Name: o.GetName()}, &got))
		if owner := got.Annotations["meta.helm.sh/release-name"]; owner != operator {
			t.Errorf("%s belongs to the release %q", o.GetName(), owner)
		}
		if got.Spec.Versions[0].Schema.OpenAPIV3Schema.Description != want.Spec.Versions[0].Schema.OpenAPIV3Schema.Description {
			t.Errorf("%s is still that of somebody else", o.GetName())
		}
	}
	if kinds == 0 {
		t.Error("the chart has no kinds")
	}
}

// get an object, nil if it is not there.
func (u *user) get(t *testing.T, version, kind, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(version)
	o.SetKind(kind)
	err := u.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, o)
	must(t, client.IgnoreNotFound(err))
	if err != nil {
		return nil
	}
	return o
}

// runOperator as the Deployment says, with the rights of its service account. A cluster in its namespace gets its servers, one beside
// it none, and it misses no right.
func (u *user) runOperator(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	var deployment appsv1.Deployment
	must(t, u.Get(ctx, client.ObjectKey{Namespace: release.Namespace, Name: operator}, &deployment))
	spec := deployment.Spec.Template.Spec
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: release.Namespace, Name: "operator-0"}, Spec: *spec.DeepCopy()}
	must(t, u.Create(ctx, pod))
	token := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: release.Namespace, Name: spec.ServiceAccountName}}
	must(t, u.SubResource("token").Create(ctx, account, token))

	for _, namespace := range []string{"shop", "bank"} {
		must(t, u.Create(ctx, &v1alpha1.NameService{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "ns"}}))
		must(t, u.Create(ctx, &v1alpha1.Broker{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "b"}, Spec: v1alpha1.BrokerSpec{NameServers: "192.0.2.1:9876"},
		}))
	}
	log := startOperator(t, writeKubeconfig(t, token.Status.Token), pod)

	awaited := []client.ObjectKey{{Namespace: "shop", Name: "ns"}, {Namespace: "shop", Name: "b-0"}}
	for deadline := time.Now().Add(time.Minute); len(awaited) > 0; time.Sleep(100 * time.Millisecond) {
		if err := u.Get(ctx, awaited[0], &appsv1.StatefulSet{}); err == nil {
			awaited = awaited[1:]
		} else if time.Now().After(deadline) {
			t.Fatalf("StatefulSet %s: %v; the operator says:\n%s", awaited[0], err, read(t, log))
		}
	}
	var foreign appsv1.StatefulSetList
	must(t, u.List(ctx, &foreign, client.InNamespace("bank")))
	if len(foreign.Items) > 0 {
		t.Errorf("%d StatefulSets are in a namespace that is not the operator's", len(foreign.Items))
	}
	if said := read(t, log); strings.Contains(said, "forbidden") || !strings.Contains(said, "Starting workers") {
		t.Errorf("the operator misses rights, or does not work:\n%s", said)
	}
}

// startOperator in its pod, as a process on this machine that ends with the test. It returns the file that it logs to.
func startOperator(t *testing.T, kubeconfig string, pod *corev1.Pod) (log string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, operator)
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-gcflags=all=-l", "-o", program, "./cmd/rocketmq-operator")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	file, err := os.Create(filepath.Join(dir, "log"))
	must(t, err)
	cmd := exec.CommandContext(t.Context(), program, pod.Spec.Containers[0].Args...) // whose context ends before the cleanup
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "POD_NAMESPACE="+pod.Namespace, "POD_NAME="+pod.Name)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.Stdout, cmd.Stderr = file, file
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Wait() // it was told to end
		must(t, file.Close())
	})
	return file.Name()
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return string(content)
}

// Without the flag, Helm forgets all that was set before.
func TestUpgradesOfTheDocumentsKeepWhatWasSet(t *testing.T) {
	var documents []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		must(t, err)
		documents = append(documents, found...)
	}
	upgrades := 0
	for _, document := range documents {
		for _, command := range regexp.MustCompile(`helm upgrade (?:.*\\\n)*.*`).FindAllString(read(t, document), -1) {
			upgrades++
			if !strings.Contains(command, "--reset-then-reuse-values") {
				t.Errorf("%s forgets the values of before, give --reset-then-reuse-values: %s", document, command)
			}
		}
	}
	if upgrades < 2 {
		t.Errorf("%d upgrades were found", upgrades)
	}
}
