// SPDX-License-Identifier: Apache-2.0

// crdtrim shortens the descriptions of generated CRDs, so that `kubectl apply` takes them (its annotation holds
// 262,144 bytes). It keeps those of our own fields and of their direct children, and drops the deeper ones, which
// are Kubernetes' own.
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

// depth of descriptions that stay: 1 is spec and status, 2 their fields, 3 the fields of those.
const depth = 3

func main() {
	for _, file := range os.Args[1:] {
		if err := trimFile(file); err != nil {
			fmt.Fprintln(os.Stderr, "crdtrim:", err)
			os.Exit(1)
		}
	}
}

func trimFile(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var crd map[string]any
	if err := yaml.Unmarshal(data, &crd); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	spec, _ := crd["spec"].(map[string]any)
	versions, _ := spec["versions"].([]any)
	if len(versions) == 0 {
		return fmt.Errorf("%s: no versions: not a CustomResourceDefinition", file)
	}
	for _, v := range versions {
		version, _ := v.(map[string]any)
		schema, _ := version["schema"].(map[string]any)
		root, _ := schema["openAPIV3Schema"].(map[string]any)
		trim(root, 0)
	}
	out, err := yaml.Marshal(crd)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, out, 0o644)
}

// trim walks a schema; level counts the properties above it.
func trim(schema map[string]any, level int) {
	if schema == nil {
		return
	}
	if level > depth {
		delete(schema, "description")
	}
	if items, ok := schema["items"].(map[string]any); ok {
		trim(items, level)
	}
	if additional, ok := schema["additionalProperties"].(map[string]any); ok {
		trim(additional, level+1)
	}
	properties, _ := schema["properties"].(map[string]any)
	for _, p := range properties {
		if property, ok := p.(map[string]any); ok {
			trim(property, level+1)
		}
	}
}
