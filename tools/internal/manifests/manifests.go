// SPDX-License-Identifier: Apache-2.0

// Package manifests reads what config/ says of the operator, for those who say it in other forms.
package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// KindFiles are the paths of the kinds' CRDs, sorted.
func KindFiles(root string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(root, "config", "crd", "rocketmq.apache.org_*.yaml"))
	if err == nil && len(files) == 0 {
		err = errors.New("config/crd holds no kinds: run make generate")
	}
	return files, err
}

// Kinds are the CRDs, sorted by plural.
func Kinds(root string) ([]apiextensionsv1.CustomResourceDefinition, error) {
	files, err := KindFiles(root)
	if err != nil {
		return nil, err
	}
	kinds := make([]apiextensionsv1.CustomResourceDefinition, len(files))
	for i, file := range files {
		if err := read(file, &kinds[i]); err != nil {
			return nil, err
		}
		if len(kinds[i].Spec.Versions) != 1 {
			return nil, fmt.Errorf("%s has %d versions: only one is expected so far", file, len(kinds[i].Spec.Versions))
		}
	}
	return kinds, nil
}

// Deployment is the operator's.
func Deployment(root string) (*appsv1.Deployment, error) {
	var d appsv1.Deployment
	return &d, read(filepath.Join(root, "config", "manager", "deployment.yaml"), &d)
}

// Rights are the rules of the operator's roles.
type Rights struct {
	Namespaced []rbacv1.PolicyRule // where it runs RocketMQ
	Cluster    []rbacv1.PolicyRule // on what lies in no namespace: only a ClusterRole grants these
	Own        []rbacv1.PolicyRule // in its own namespace
}

// ReadRights reads them from config/rbac.
func ReadRights(root string) (Rights, error) {
	var everywhere, own rbacv1.ClusterRole // a Role has the same fields
	dir := filepath.Join(root, "config", "rbac")
	if err := errors.Join(
		read(filepath.Join(dir, "cluster-role.yaml"), &everywhere),
		read(filepath.Join(dir, "leader-election.yaml"), &own),
	); err != nil {
		return Rights{}, err
	}
	if len(everywhere.Rules) == 0 || len(own.Rules) == 0 {
		return Rights{}, fmt.Errorf("%s: a role has no rules: the first document of its file must be the role", dir)
	}
	r := Rights{Own: own.Rules}
	r.Namespaced, r.Cluster = split(everywhere.Rules)
	return r, nil
}

// clusterScoped are the resources that lie in no namespace, as far as the operator asks for them.
var clusterScoped = []string{"customresourcedefinitions", "namespaces", "nodes", "persistentvolumes", "storageclasses"}

func split(all []rbacv1.PolicyRule) (namespaced, cluster []rbacv1.PolicyRule) {
	for _, rule := range all {
		var below, above []string
		for _, resource := range rule.Resources {
			if slices.Contains(clusterScoped, resource) {
				above = append(above, resource)
			} else {
				below = append(below, resource)
			}
		}
		if len(below) > 0 {
			rule.Resources = below
			namespaced = append(namespaced, rule)
		}
		if len(above) > 0 {
			rule.Resources = above
			cluster = append(cluster, rule)
		}
	}
	return namespaced, cluster
}

// read reads the first document of a file, whose fields must all be known.
func read(path string, into any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	first, _, _ := bytes.Cut(content, []byte("\n---\n"))
	if err := yaml.UnmarshalStrict(first, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
