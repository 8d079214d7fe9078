// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// images are references as container runtimes take them: [HOST[:PORT]/]PATH[:TAG][@DIGEST], in lower case but for host and tag.
// install-operator.sh has the same.
var images = regexp.MustCompile(`^(([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]+)?|[A-Za-z0-9-]+:[0-9]+)/)?` +
	`[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*` +
	`(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[a-z0-9]+:[0-9a-f]{32,})?$`)

// repository is an image without tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
		return image[:i]
	}
	return image
}

// keptOptions are the operator's options that no flag of install has and that users set in its Deployment.
func keptOptions() []string {
	return []string{"watch-namespaces", "agent-image", "observe-interval", "debug"}
}

// kept is what an installed operator has been told and this installation was not.
type kept struct {
	image, domain string
	arguments     []string
	replicas      int32 // 0: as in the manifests
}

// text is a list for people.
func (k kept) text() []string {
	var out []string
	if k.image != "" {
		out = append(out, "--image="+k.image)
	}
	if k.domain != "" {
		out = append(out, "--cluster-domain="+k.domain)
	}
	out = append(out, k.arguments...)
	if k.replicas != 0 {
		out = append(out, fmt.Sprintf("%d replicas", k.replicas))
	}
	return out
}

// keep what the Deployment of an operator says and the flags do not. An image of the release's own repository is not kept: replacing it
// is the upgrade.
func (i *installation) keep(before *appsv1.Deployment) kept {
	var k kept
	container := operatorContainer(before)
	if !i.given("image") && (i.image == "" || repository(container.Image) != repository(i.image)) {
		k.image = container.Image
		i.image = k.image
	}
	for name, value := range optionsOf(container.Args) {
		switch {
		case name == "cluster-domain" && !i.given("cluster-domain") && value != i.domain:
			k.domain = value
			i.domain = value
		case slices.Contains(keptOptions(), name) && value == "":
			k.arguments = append(k.arguments, "--"+name)
		case slices.Contains(keptOptions(), name):
			k.arguments = append(k.arguments, "--"+name+"="+value)
		}
	}
	slices.Sort(k.arguments)
	if r := before.Spec.Replicas; r != nil && *r > 1 {
		k.replicas = *r
	}
	return k
}

// operatorContainer of its Deployment.
func operatorContainer(d *appsv1.Deployment) corev1.Container {
	containers := d.Spec.Template.Spec.Containers
	for _, c := range containers {
		if c.Name == "operator" {
			return c
		}
	}
	return containers[0]
}

// optionsOf a command line, as the package flag reads it.
func optionsOf(arguments []string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(arguments); i++ {
		name, value, has := strings.Cut(strings.TrimLeft(arguments[i], "-"), "=")
		if !has && i+1 < len(arguments) && !strings.HasPrefix(arguments[i+1], "-") {
			i++
			value = arguments[i]
		}
		out[name] = value
	}
	return out
}

// add what is kept and stands in no flag to the operator's Deployment.
func (k kept) add(objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		if object.GetKind() != "Deployment" {
			continue
		}
		if k.replicas != 0 {
			if err := unstructured.SetNestedField(object.Object, int64(k.replicas), "spec", "replicas"); err != nil {
				return err
			}
		}
		containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
		if err != nil || len(containers) == 0 {
			return fmt.Errorf("read the embedded Deployment: it has %d containers: %w", len(containers), err)
		}
		container := containers[0].(map[string]any)
		arguments, _, err := unstructured.NestedStringSlice(container, "args")
		if err != nil {
			return err
		}
		if err := unstructured.SetNestedStringSlice(container, append(arguments, k.arguments...), "args"); err != nil {
			return err
		}
		if err := unstructured.SetNestedSlice(object.Object, containers, "spec", "template", "spec", "containers"); err != nil {
			return err
		}
	}
	return nil
}

// installed is the Deployment of the operator that runs and that this plugin may change, nil without one. Two operators of one API group
// would both write to the same resources.
func (a *Access) installed(ctx context.Context) (before *appsv1.Deployment, err error) {
	var deployments appsv1.DeploymentList
	if err := a.Client.List(ctx, &deployments); err != nil {
		return nil, fmt.Errorf("look for an installed operator: %w", err)
	}
	for i := range deployments.Items {
		d := &deployments.Items[i]
		if !isOperator(d) {
			continue
		}
		helm, olm := d.Annotations["meta.helm.sh/release-name"], d.Labels["olm.owner"]
		stopped := d.Spec.Replicas != nil && *d.Spec.Replicas == 0
		switch {
		case helm != "":
			return nil, fmt.Errorf("the operator in namespace %s was installed by Helm, as release %s: upgrade it with helm upgrade", d.Namespace, helm)
		case olm != "":
			return nil, fmt.Errorf("the operator in namespace %s was installed by the Operator Lifecycle Manager, as %s: it is upgraded there", d.Namespace, olm)
		case d.Name == operatorName && d.Namespace == operatorNamespace:
			before = d
		case !stopped:
			return nil, fmt.Errorf("Deployment %s in namespace %s is an operator that would manage the same resources.\n"+
				"Stop it first; RocketMQ itself goes on running: kubectl --namespace %s scale deployment %s --replicas=0",
				d.Name, d.Namespace, d.Namespace, d.Name)
		}
	}
	return before, nil
}

// isOperator reports whether a Deployment runs this operator, or the one of apache/rocketmq-operator.
func isOperator(d *appsv1.Deployment) bool {
	if d.Labels["app.kubernetes.io/name"] == operatorName || (d.Name == operatorName && d.Namespace == operatorNamespace) {
		return true
	}
	return d.Name == operatorName && slices.ContainsFunc(d.Spec.Template.Spec.Containers, func(c corev1.Container) bool {
		return strings.Contains("/"+c.Image, "/apache/rocketmq-operator")
	})
}
