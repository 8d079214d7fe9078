// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/manifests"
)

// writeClusterSchema writes the schema of the values of the chart rocketmq-cluster: a few of the chart's own, and the spec of
// a RocketMQCluster as its CRD has it. So Helm names a wrong field before anything is sent.
func writeClusterSchema(root string) error {
	spec, err := clusterSpec(root)
	if err != nil {
		return err
	}
	closeObjects(spec)
	words := map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}
	schema := map[string]any{
		"$schema":              "http://json-schema.org/draft-07/schema#",
		"$comment":             "Generated from the CRD by make generate.",
		"type":                 "object",
		"additionalProperties": false,
		"properties": map[string]any{
			"name":        map[string]any{"type": "string", "maxLength": 24},
			"labels":      words,
			"annotations": words,
			"cluster":     spec,
			"global":      map[string]any{"type": "object"},
		},
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(schema); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "charts", "rocketmq-cluster", "values.schema.json"), out.Bytes(), 0o644)
}

// clusterSpec is the schema of a RocketMQCluster's spec.
func clusterSpec(root string) (map[string]any, error) {
	kinds, err := manifests.Kinds(root)
	if err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		if kind.Spec.Names.Kind != "RocketMQCluster" {
			continue
		}
		content, err := json.Marshal(kind.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"])
		if err != nil {
			return nil, err
		}
		var spec map[string]any
		return spec, json.Unmarshal(content, &spec)
	}
	return nil, errors.New("config/crd holds no RocketMQCluster: run make generate")
}

// closeObjects turns a structural schema of Kubernetes into a JSON schema: what only an API server understands goes, and
// fields that no schema names, which an API server drops, are refused.
func closeObjects(schema map[string]any) {
	open := schema["x-kubernetes-preserve-unknown-fields"] == true
	_, named := schema["properties"]
	_, more := schema["additionalProperties"]
	if schema["type"] == "object" && named && !more && !open {
		schema["additionalProperties"] = false
	}
	if schema["nullable"] == true {
		schema["type"] = []any{schema["type"], "null"}
	}
	delete(schema, "nullable")
	for key := range schema {
		if strings.HasPrefix(key, "x-kubernetes-") {
			delete(schema, key)
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for _, property := range properties {
		closeNested(property)
	}
	closeNested(schema["items"])
	closeNested(schema["additionalProperties"])
}

func closeNested(schema any) {
	if nested, ok := schema.(map[string]any); ok {
		closeObjects(nested)
	}
}
