// SPDX-License-Identifier: Apache-2.0

// Command chart copies from the manifests and the CRDs what the Helm charts must not say in other words: the kinds, the
// operator's rights, its alerts and dashboards, and the fields of a RocketMQCluster.
//
// Usage: go run -C tools ./chart [ROOT]
//
// ROOT is the repository, the parent of the current directory if it is not given.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/manifests"
)

func main() {
	root := ".."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := errors.Join(copyKinds(root), copyRules(root), copyMonitoring(root), writeClusterSchema(root)); err != nil {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	}
}

// files is what the templates of the operator's chart read.
func files(root string) string { return filepath.Join(root, "charts", "rocketmq-operator", "files") }

// copyKinds replaces the chart's CRDs.
func copyKinds(root string) error {
	kinds, err := manifests.KindFiles(root)
	if err != nil {
		return err
	}
	target := filepath.Join(files(root), "crds")
	if err := errors.Join(os.RemoveAll(target), os.MkdirAll(target, 0o755)); err != nil {
		return err
	}
	for _, kind := range kinds {
		content, err := os.ReadFile(kind)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(target, filepath.Base(kind)), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// copyRules writes the operator's rights, split into what a Role can grant and what only a ClusterRole can.
func copyRules(root string) error {
	rights, err := manifests.ReadRights(root)
	if err != nil {
		return err
	}
	return errors.Join(
		writeRules(root, "rules.yaml", rights.Namespaced),
		writeRules(root, "cluster-rules.yaml", rights.Cluster),
		writeRules(root, "own-namespace-rules.yaml", rights.Own),
	)
}

func writeRules(root, name string, rules []rbacv1.PolicyRule) error {
	content, err := yaml.Marshal(rules)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(files(root), name), append([]byte(generated), content...), 0o644)
}

// generated is the first line of what this program writes as YAML.
const generated = "# Generated from config/ by make generate: change it there.\n"
