// SPDX-License-Identifier: Apache-2.0

// Package bundle makes the operator's bundle for the Operator Lifecycle Manager (OLM), in the format registry+v1: the
// directories manifests/ and metadata/.
package bundle

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/semver"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/manifests"
	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/pack"
)

// Options are what a release decides.
type Options struct {
	Version  string // without a v
	Replaces string // the version before, or empty
	Image    string // of the operator
	Created  time.Time
}

// name is that of the package, of the Deployment and of the service account.
const name = "rocketmq-operator"

// firstVersion is the oldest that there can be.
const firstVersion = "0.1.0"

// Files are the bundle's files.
func Files(root string, o Options) ([]pack.File, error) {
	csv, err := serviceVersion(root, o)
	if err != nil {
		return nil, err
	}
	files := []pack.File{
		{Path: "manifests/" + name + ".clusterserviceversion.yaml", Mode: 0o644, Content: csv},
	}
	kinds, err := manifests.KindFiles(root)
	if err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		content, err := os.ReadFile(kind)
		if err != nil {
			return nil, err
		}
		files = append(files, pack.File{Path: "manifests/" + filepath.Base(kind), Mode: 0o644, Content: content})
	}
	annotations, err := yaml.Marshal(map[string]any{"annotations": Labels()})
	if err != nil {
		return nil, err
	}
	return append(files, pack.File{Path: "metadata/annotations.yaml", Mode: 0o644, Content: annotations}), nil
}

// Labels say what a bundle is: its image carries them too.
func Labels() map[string]string {
	const prefix = "operators.operatorframework.io.bundle."
	return map[string]string{
		prefix + "mediatype.v1":       "registry+v1",
		prefix + "manifests.v1":       "manifests/",
		prefix + "metadata.v1":        "metadata/",
		prefix + "package.v1":         name,
		prefix + "channels.v1":        "alpha",
		prefix + "channel.default.v1": "alpha",
	}
}

// serviceVersion completes config/olm/clusterserviceversion.yaml.
func serviceVersion(root string, o Options) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(root, "config", "olm", "clusterserviceversion.yaml"))
	if err != nil {
		return nil, err
	}
	var csv struct {
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Metadata   metadata       `json:"metadata"`
		Spec       map[string]any `json:"spec"`
	}
	if err := yaml.UnmarshalStrict(content, &csv); err != nil {
		return nil, fmt.Errorf("config/olm/clusterserviceversion.yaml: %w", err)
	}
	icon, err := os.ReadFile(filepath.Join(root, "config", "olm", "icon.svg"))
	if err != nil {
		return nil, err
	}
	kinds, err := owned(root)
	if err != nil {
		return nil, err
	}
	examples, err := examples(root, kinds)
	if err != nil {
		return nil, err
	}
	strategy, err := strategy(root, o.Image)
	if err != nil {
		return nil, err
	}
	csv.Metadata.Name, csv.Metadata.Namespace = name+".v"+o.Version, "placeholder"
	csv.Metadata.Annotations["alm-examples"] = examples
	csv.Metadata.Annotations["containerImage"] = o.Image
	csv.Metadata.Annotations["createdAt"] = o.Created.UTC().Format(time.RFC3339)
	csv.Spec["version"] = o.Version
	// OLM upgrades whatever was released before in one step; replaces keeps older bundles in the catalogue, to be installed by name.
	if semver.Compare("v"+o.Version, "v"+firstVersion) > 0 {
		csv.Metadata.Annotations["olm.skipRange"] = ">=" + firstVersion + " <" + o.Version
	}
	if o.Replaces != "" {
		csv.Spec["replaces"] = name + ".v" + o.Replaces
	}
	csv.Spec["icon"] = []any{map[string]string{"base64data": base64.StdEncoding.EncodeToString(icon), "mediatype": "image/svg+xml"}}
	csv.Spec["customresourcedefinitions"] = map[string]any{"owned": kinds}
	csv.Spec["install"] = strategy
	csv.Spec["relatedImages"] = []any{map[string]string{"name": "operator", "image": o.Image}}
	return yaml.Marshal(csv)
}

type metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Annotations map[string]string `json:"annotations"`
}

// account pairs the operator's service account, which OLM makes, with rights.
type account struct {
	Name  string              `json:"serviceAccountName"`
	Rules []rbacv1.PolicyRule `json:"rules"`
}

// strategy is how OLM runs the operator: the Deployment of config/manager, and the rights of config/rbac. OLM grants
// permissions in the namespaces of the OperatorGroup, or everywhere if it has none, and clusterPermissions always.
func strategy(root, image string) (map[string]any, error) {
	deployment, err := manifests.Deployment(root)
	if err != nil {
		return nil, err
	}
	rights, err := manifests.ReadRights(root)
	if err != nil {
		return nil, err
	}
	container := &deployment.Spec.Template.Spec.Containers[0]
	container.Image = image
	// OLM says on the pod which namespaces the OperatorGroup has.
	container.Env = append(container.Env, corev1.EnvVar{Name: "WATCH_NAMESPACES", ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.annotations['olm.targetNamespaces']"},
	}})
	container.Args = append(container.Args, "--watch-namespaces=$(WATCH_NAMESPACES)")
	return map[string]any{
		"strategy": "deployment",
		"spec": map[string]any{
			"deployments":        []any{map[string]any{"name": deployment.Name, "label": deployment.Labels, "spec": deployment.Spec}},
			"permissions":        []account{{name, slices.Concat(rights.Namespaced, rights.Own)}},
			"clusterPermissions": []account{{name, rights.Cluster}},
		},
	}, nil
}
