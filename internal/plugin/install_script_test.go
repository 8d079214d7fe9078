// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// told is an installed operator with settings.
func told(image string, replicas int32, arguments ...string) *appsv1.Deployment {
	d := deployment(operatorNamespace, operatorName, image)
	d.Spec.Replicas = &replicas
	d.Spec.Template.Spec.Containers[0].Args = append([]string{"--leader-elect", "--metrics-bind-address=:8080"}, arguments...)
	return d
}

// script runs install-operator.sh with a kubectl that plays an API server, and returns what it says and applies.
func script(t *testing.T, before *appsv1.Deployment, words ...string) (said string, applied *appsv1.Deployment, err error) {
	t.Helper()
	return scriptBeside(t, nil, before, words...)
}

// scriptBeside runs it where other Deployments are, too.
func scriptBeside(
	t *testing.T, others []*appsv1.Deployment, before *appsv1.Deployment, words ...string,
) (said string, applied *appsv1.Deployment, err error) {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	dir := t.TempDir()
	write := func(file string, content []byte, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), content, mode); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile("../../install-operator.sh")
	if err != nil {
		t.Fatal(err)
	}
	write("install-operator.sh", content, 0o755)
	manifests, err := renderManifests()
	if err != nil {
		t.Fatal(err)
	}
	write("manifests", manifests, 0o644)
	write("installed", answered(t, string(content), "get deployment rocketmq-operator --ignore-not-found", before), 0o644)
	all := &appsv1.DeploymentList{}
	for _, d := range append(others, before) {
		if d != nil {
			all.Items = append(all.Items, *d)
		}
	}
	write("deployments", answered(t, string(content), "get deployments --all-namespaces", all), 0o644)
	write("kubectl", []byte(`#!/bin/sh
cd "$(dirname "$0")"
case "$*" in
*"get deployment rocketmq-operator --ignore-not-found"*) cat installed ;;
*"get deployments --all-namespaces"*) cat deployments ;;
kustomize*) cat manifests ;;
apply*) cat > applied ;;
esac
`), 0o755)

	cmd := exec.CommandContext(t.Context(), bash, append([]string{filepath.Join(dir, "install-operator.sh")}, words...)...)
	cmd.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	written, readErr := os.ReadFile(filepath.Join(dir, "applied"))
	if readErr != nil {
		return string(out), nil, err
	}
	for document := range strings.SplitSeq(string(written), "\n---\n") {
		if strings.Contains(document, "\nkind: Deployment\n") {
			applied = &appsv1.Deployment{}
			if err := yaml.Unmarshal([]byte(document), applied); err != nil {
				t.Fatal(err)
			}
		}
	}
	return string(out), applied, err
}

// answered is what the jsonpath of a command of the script makes of the objects.
func answered(t *testing.T, script, command string, objects any) []byte {
	t.Helper()
	if d, ok := objects.(*appsv1.Deployment); ok && d == nil {
		return nil
	}
	template := regexp.MustCompile(regexp.QuoteMeta(command) + ` --output \\\n +jsonpath='([^']+)'`).FindStringSubmatch(script)
	if template == nil {
		t.Fatalf("the script does not %s in the way that this test knows", command)
	}
	path := jsonpath.New("answer").AllowMissingKeys(true)
	if err := path.Parse(template[1]); err != nil {
		t.Fatal(err)
	}
	var content any
	text, err := yaml.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &content); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := path.Execute(&out, content); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestWhatIsKept: an install over an installed operator keeps what that was told and is not told again, by the plugin and the script alike.
func TestWhatIsKept(t *testing.T) {
	const developed = "rocketmq-operator/rocketmq-operator"
	for _, c := range []struct {
		name   string
		before *appsv1.Deployment
		words  []string
		// of the applied Deployment
		image     string
		replicas  int32
		arguments []string
		said      string
	}{
		{"a first install", nil, []string{"--image=op:v1"}, "op:v1", 1, []string{"--cluster-domain=cluster.local"}, ""},
		{
			"nothing was told", told("op:v1", 1, "--cluster-domain=cluster.local"), []string{"--image=op:v2"},
			"op:v2", 1, []string{"--cluster-domain=cluster.local"}, "",
		},
		{
			"the domain", told("op:v1", 1, "--cluster-domain=corp.example"), []string{"--image=op:v2"},
			"op:v2", 1, []string{"--cluster-domain=corp.example"}, "--cluster-domain=corp.example.",
		},
		{
			"another domain is given", told("op:v1", 1, "--cluster-domain=corp.example"), []string{"--image=op:v2", "--cluster-domain=b.example"},
			"op:v2", 1, []string{"--cluster-domain=b.example"}, "",
		},
		{
			"the image", told("registry.example:5000/op@sha256:00", 1, "--cluster-domain=cluster.local"), nil,
			"registry.example:5000/op@sha256:00", 1, []string{"--cluster-domain=cluster.local"}, "--image=registry.example:5000/op@sha256:00.",
		},
		{
			"everything", told("registry.example/op:v1", 2, "--cluster-domain=corp.example", "--debug", "--observe-interval=5s", "--watch-namespaces=a,b"), nil,
			"registry.example/op:v1", 2,
			[]string{"--cluster-domain=corp.example", "--debug", "--observe-interval=5s", "--watch-namespaces=a,b"},
			"--image=registry.example/op:v1, --cluster-domain=corp.example, --debug, --observe-interval=5s, --watch-namespaces=a,b, 2 replicas.",
		},
		{
			"a stopped operator", told(developed+":dev", 0, "--cluster-domain=cluster.local"), []string{"--image=op:v1"},
			"op:v1", 1, []string{"--cluster-domain=cluster.local"}, "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			check := func(by, said string, d *appsv1.Deployment) {
				t.Helper()
				if c.said != "" && strings.Count(said, "Kept as the installed operator has it: "+c.said+" To change it") != 1 || c.said == "" && strings.Contains(said, "Kept") {
					t.Errorf("the %s says\n%s", by, said)
				}
				if d == nil {
					t.Fatalf("the %s applied no Deployment", by)
				}
				container := d.Spec.Template.Spec.Containers[0]
				want := slices.Concat([]string{"--leader-elect", "--metrics-bind-address=:8080", "--health-probe-bind-address=:8081"}, c.arguments)
				got := slices.Clone(container.Args)
				slices.Sort(want)
				slices.Sort(got)
				if diff := cmp.Diff(want, got); container.Image != c.image || *d.Spec.Replicas != c.replicas || diff != "" {
					t.Errorf("by the %s: image %s, %d replicas, arguments -want +got:\n%s", by, container.Image, *d.Spec.Replicas, diff)
				}
			}
			w := newWorld(t)
			serving(w)
			if c.before != nil {
				w.add(c.before.DeepCopy())
			}
			if w.keeps = true; c.replicas > 1 {
				ready := w.intercept.Get
				w.intercept.Get = scaled(ready, c.replicas)
			}
			said, err := w.run(append([]string{"install", "--timeout", "3s"}, c.words...)...)
			if err != nil {
				t.Fatal(err)
			}
			var d appsv1.Deployment
			if err := w.kubernetes.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: operatorName}, &d); err != nil {
				t.Fatal(err)
			}
			check("plugin", said, &d)

			said, applied, err := script(t, c.before, c.words...)
			if err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			check("script", said, applied)
		})
	}
}

// TestInstallScript: without anything to keep it applies what the plugin applies, and refuses what is wrong before it asks or applies.
func TestInstallScript(t *testing.T) {
	said, applied, err := script(t, told("rocketmq-operator/rocketmq-operator:before-1", 1, "--cluster-domain=cluster.local"))
	if err != nil || applied.Spec.Template.Spec.Containers[0].Image != developedImage || strings.Contains(said, "Kept") {
		t.Errorf("another tag of the manifests' image is replaced: %v\n%s", err, said)
	}
	for _, c := range []struct{ flag, value string }{
		{"--image", ""}, {"--image", "a b"}, {"--image", "Foo/Bar:v1"}, {"--image", "op:"}, {"--cluster-domain", ""}, {"--cluster-domain", "A b"},
	} {
		for _, words := range [][]string{{c.flag, c.value}, {c.flag + "=" + c.value}} {
			said, applied, err := script(t, nil, words...)
			if err == nil || applied != nil || !strings.Contains(said, fmt.Sprintf("%s %q is no ", c.flag, c.value)) || !strings.Contains(said, "use something like") {
				t.Errorf("%q: %v\n%s", words, err, said)
			}
		}
	}
	if said, _, err := script(t, nil, "--image"); err == nil || !strings.Contains(said, "--image needs a value") {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestInstallBesideAnInstallationOfSomebodyElse is refused by the plugin and the script in the same words, before anything is applied.
func TestInstallBesideAnInstallationOfSomebodyElse(t *testing.T) {
	labelled := func(namespace, name, image, release, owner string) *appsv1.Deployment {
		d := deployment(namespace, name, image)
		d.Labels = map[string]string{"app.kubernetes.io/name": operatorName}
		if release != "" {
			d.Annotations = map[string]string{"meta.helm.sh/release-name": release}
		}
		if owner != "" {
			d.Labels["olm.owner"] = owner
		}
		return d
	}
	stopped := func(d *appsv1.Deployment) *appsv1.Deployment {
		d.Spec.Replicas = new(int32(0))
		return d
	}
	for _, c := range []struct {
		name  string
		other *appsv1.Deployment
		said  string // nothing where it is installed
	}{
		{"a release of Helm at its place", labelled(operatorNamespace, operatorName, "op:v0", operatorName, ""), "installed by Helm, as release " + operatorName},
		{"a release of Helm elsewhere", labelled("mq", "mq-rocketmq-operator", "op:v0", "mq", ""), "operator in namespace mq was installed by Helm, as release mq"},
		{"a stopped release of Helm", stopped(labelled("mq", "mq-rocketmq-operator", "op:v0", "mq", "")), "upgrade it with helm upgrade"},
		{
			"a bundle of OLM", labelled("operators", operatorName, "op:v0", "", "rocketmq-operator.v0.1.0"),
			"installed by the Operator Lifecycle Manager, as rocketmq-operator.v0.1.0",
		},
		{"another one of this project", labelled("mq", "mine", "op:v0", "", ""), "Deployment mine in namespace mq is an operator"},
		{"a stopped one", stopped(labelled("mq", "mine", "op:v0", "", "")), ""},
		{"the predecessor", deployment("default", operatorName, "docker.io/apache/rocketmq-operator:0.3.0"), "scale deployment rocketmq-operator --replicas=0"},
		{"the predecessor without a registry", deployment("default", operatorName, "apache/rocketmq-operator:0.3.0"), "is an operator that would manage"},
		{"the stopped predecessor", stopped(deployment("default", operatorName, "apache/rocketmq-operator:0.3.0")), ""},
		{"the predecessor's image under another name", deployment("default", "mirror", "apache/rocketmq-operator:0.3.0"), ""},
		{"somebody else's Deployment", deployment("default", operatorName, "nginx"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			serving(w)
			w.add(c.other.DeepCopy())
			said, err := w.run("install", "--image=op:v1", "--timeout", "3s")
			if (err == nil) != (c.said == "") || err != nil && !strings.Contains(err.Error(), c.said) {
				t.Errorf("the plugin: %v\n%s", err, said)
			}
			said, applied, scriptErr := scriptBeside(t, []*appsv1.Deployment{c.other}, nil, "--image=op:v1")
			if (scriptErr == nil) != (c.said == "") || (applied != nil) != (c.said == "") || !strings.Contains(said, c.said) {
				t.Errorf("the script: %v\n%s", scriptErr, said)
			}
			if err != nil && !strings.Contains(said, err.Error()) {
				t.Errorf("the script says\n%sthe plugin\n%v", said, err)
			}
		})
	}
}
