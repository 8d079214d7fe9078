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
	write("installed", answered(t, string(content), before), 0o644)
	write("kubectl", []byte(`#!/bin/sh
cd "$(dirname "$0")"
case "$*" in
*"get deployment rocketmq-operator --ignore-not-found"*) cat installed ;;
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

// answered is what the script's jsonpath makes of the installed operator.
func answered(t *testing.T, script string, before *appsv1.Deployment) []byte {
	t.Helper()
	if before == nil {
		return nil
	}
	template := regexp.MustCompile(`get deployment rocketmq-operator --ignore-not-found --output \\\n +jsonpath='([^']+)'`).FindStringSubmatch(script)
	if template == nil {
		t.Fatal("the script asks for the installed operator in another way than this test knows")
	}
	path := jsonpath.New("installed")
	if err := path.Parse(template[1]); err != nil {
		t.Fatal(err)
	}
	var content any
	text, err := yaml.Marshal(before)
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
