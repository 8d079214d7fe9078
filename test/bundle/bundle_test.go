// SPDX-License-Identifier: Apache-2.0

// Package bundle tests the bundle for the Operator Lifecycle Manager with the checks that its catalogues make. It is a module
// of its own because these come with a Kubernetes of their own.
package bundle

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/blang/semver/v4"
	"github.com/operator-framework/api/pkg/manifests"
	"github.com/operator-framework/api/pkg/operators/v1alpha1"
	"github.com/operator-framework/api/pkg/validation"
)

func TestCataloguesTakeTheBundle(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bundle")
	build := exec.Command("go", "run", "./bundle", "--out", dir, "--version", "1.2.3", "--replaces", "1.2.2", "--image", "example.com/operator:v1.2.3")
	build.Dir = "../../tools"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	bundle, err := manifests.GetBundleFromDir(dir)
	if err != nil {
		t.Fatal(err)
	}

	validators := validation.DefaultBundleValidators.WithValidators(
		validation.OperatorHubValidator, validation.ObjectValidator, validation.OperatorGroupValidator)
	for _, result := range validators.Validate(bundle.ObjectsToValidate()...) {
		for _, e := range result.Errors {
			t.Errorf("%s: %v", result.Name, e)
		}
		for _, w := range result.Warnings {
			t.Errorf("%s: %v", result.Name, w)
		}
	}

	csv := bundle.CSV
	if csv.Name != "rocketmq-operator.v1.2.3" || csv.Spec.Replaces != "rocketmq-operator.v1.2.2" || csv.Spec.Version.String() != "1.2.3" {
		t.Errorf("%s, version %s, replaces %s", csv.Name, csv.Spec.Version, csv.Spec.Replaces)
	}
	skipped, err := semver.ParseRange(csv.Annotations["olm.skipRange"])
	if err != nil {
		t.Fatalf("olm.skipRange %q: %v", csv.Annotations["olm.skipRange"], err)
	}
	for version, want := range map[string]bool{"0.1.0": true, "1.2.2": true, "1.2.3-rc.1": true, "1.2.3": false, "1.3.0": false} {
		if got := skipped(semver.MustParse(version)); got != want {
			t.Errorf("an operator of version %s is upgraded: %t, want %t", version, got, want)
		}
	}
	if len(csv.Spec.CustomResourceDefinitions.Owned) != len(bundle.V1CRDs) || len(bundle.V1CRDs) == 0 {
		t.Errorf("%d kinds are described, %d are there", len(csv.Spec.CustomResourceDefinitions.Owned), len(bundle.V1CRDs))
	}
	checkDeployment(t, csv)
}

// checkDeployment: OLM tells the namespaces on the pod, which must reach the operator's flag.
func checkDeployment(t *testing.T, csv *v1alpha1.ClusterServiceVersion) {
	t.Helper()
	strategy := csv.Spec.InstallStrategy.StrategySpec
	if len(strategy.DeploymentSpecs) != 1 || len(strategy.Permissions) != 1 || len(strategy.ClusterPermissions) != 1 {
		t.Fatalf("strategy %+v", strategy)
	}
	container := strategy.DeploymentSpecs[0].Spec.Template.Spec.Containers[0]
	if container.Image != "example.com/operator:v1.2.3" {
		t.Errorf("image %s", container.Image)
	}
	fields := map[string]string{}
	for _, e := range container.Env {
		if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil {
			fields[e.Name] = e.ValueFrom.FieldRef.FieldPath
		}
	}
	if fields["WATCH_NAMESPACES"] != "metadata.annotations['olm.targetNamespaces']" {
		t.Errorf("environment %v does not hold the namespaces of the OperatorGroup", fields)
	}
	last := container.Args[len(container.Args)-1]
	if last != "--watch-namespaces=$(WATCH_NAMESPACES)" {
		t.Errorf("arguments %q do not use them", container.Args)
	}
}
