// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/manifests"
)

// kind is one of spec.customresourcedefinitions.owned.
type kind struct {
	Name              string       `json:"name"`
	Kind              string       `json:"kind"`
	Version           string       `json:"version"`
	DisplayName       string       `json:"displayName"`
	Description       string       `json:"description"`
	SpecDescriptors   []descriptor `json:"specDescriptors,omitempty"`
	StatusDescriptors []descriptor `json:"statusDescriptors,omitempty"`
}

// descriptor tells a console how to show a field.
type descriptor struct {
	Path         string   `json:"path"`
	DisplayName  string   `json:"displayName"`
	Description  string   `json:"description"`
	XDescriptors []string `json:"x-descriptors"`
}

// shown are the fields that a console has a way to show or to ask for, whatever kind they belong to.
var (
	shownSpec = map[string]string{
		"size":      "urn:alm:descriptor:com.tectonic.ui:podCount",
		"replicas":  "urn:alm:descriptor:com.tectonic.ui:podCount",
		"paused":    "urn:alm:descriptor:com.tectonic.ui:booleanSwitch",
		"resources": "urn:alm:descriptor:com.tectonic.ui:resourceRequirements",
		"version":   "urn:alm:descriptor:text",
		"image":     "urn:alm:descriptor:text",
	}
	shownStatus = map[string]string{
		"conditions": "urn:alm:descriptor:io.kubernetes.conditions",
		"members":    "urn:alm:descriptor:text",
		"phase":      "urn:alm:descriptor:text",
	}
)

// owned are the operator's kinds.
func owned(root string) ([]kind, error) {
	crds, err := manifests.Kinds(root)
	if err != nil {
		return nil, err
	}
	kinds := make([]kind, len(crds))
	for i, crd := range crds {
		version := crd.Spec.Versions[0]
		schema := version.Schema.OpenAPIV3Schema
		kinds[i] = kind{
			Name: crd.Name, Kind: crd.Spec.Names.Kind, Version: version.Name,
			DisplayName: words(crd.Spec.Names.Kind), Description: schema.Description,
			SpecDescriptors:   descriptors(schema.Properties["spec"], shownSpec),
			StatusDescriptors: descriptors(schema.Properties["status"], shownStatus),
		}
	}
	return kinds, nil
}

func descriptors(schema apiextensionsv1.JSONSchemaProps, shown map[string]string) []descriptor {
	var out []descriptor
	for path, how := range shown {
		if property, has := schema.Properties[path]; has {
			out = append(out, descriptor{path, words(path), property.Description, []string{how}})
		}
	}
	slices.SortFunc(out, func(a, b descriptor) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// words are those of a name in camel case: "Topic Transfer".
func words(name string) string {
	var out strings.Builder
	letters := []rune(name)
	for i, letter := range letters {
		switch {
		case i == 0:
			letter = unicode.ToUpper(letter)
		case unicode.IsUpper(letter) && unicode.IsLower(letters[i-1]):
			out.WriteByte(' ')
		}
		out.WriteRune(letter)
	}
	return out.String()
}

// examples is an object of each kind, from examples/, as a list in JSON: the quickstart's, else the first.
func examples(root string, kinds []kind) (string, error) {
	quickstart, err := filepath.Glob(filepath.Join(root, "examples", "quickstart", "*.yaml"))
	if err != nil {
		return "", err
	}
	all, err := filepath.Glob(filepath.Join(root, "examples", "*", "*.yaml"))
	if err != nil {
		return "", err
	}
	found := map[string]map[string]any{}
	for _, path := range append(quickstart, all...) {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		for document := range strings.SplitSeq(string(content), "\n---\n") {
			var object map[string]any
			if err := yaml.Unmarshal([]byte(document), &object); err != nil {
				return "", fmt.Errorf("%s: %w", path, err)
			}
			name, _ := object["kind"].(string)
			if _, known := found[name]; !known {
				found[name] = object
			}
		}
	}
	list := make([]map[string]any, len(kinds))
	for i, k := range kinds {
		if list[i] = found[k.Kind]; list[i] == nil {
			return "", fmt.Errorf("examples/ has no %s: a console offers one of each kind to start with", k.Kind)
		}
	}
	out, err := json.MarshalIndent(list, "", "  ")
	return string(out), err
}
