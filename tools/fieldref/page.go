// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

type schema = apiextensionsv1.JSONSchemaProps

// page is the documentation of one kind.
func page(kind apiextensionsv1.CustomResourceDefinition) []byte {
	names, version := kind.Spec.Names, kind.Spec.Versions[0]
	top := version.Schema.OpenAPIV3Schema
	out := bytes.NewBufferString(generated)
	fmt.Fprintf(out, "# %s\n\n%s\n\n", names.Kind, paragraphs(top.Description))
	fmt.Fprintf(out, "`apiVersion: %s/%s`, `kubectl get %s`.\n", kind.Spec.Group, version.Name, slices.Concat(names.ShortNames, []string{names.Singular})[0])
	for _, part := range []string{"spec", "status"} {
		properties := top.Properties[part]
		fmt.Fprintf(out, "\n## %s\n\n", part)
		if properties.Description != "" {
			fmt.Fprintf(out, "%s\n\n", paragraphs(properties.Description))
		}
		rules(out, properties)
		fmt.Fprint(out, "| field | type | default | what it says |\n|---|---|---|---|\n")
		rows(out, "", properties)
	}
	return out.Bytes()
}

// rules lists what the API server checks of several fields together.
func rules(out *bytes.Buffer, s schema) {
	for _, rule := range s.XValidations {
		if rule.Message != "" {
			fmt.Fprintf(out, "- %s.\n", strings.TrimSuffix(cell(rule.Message), "."))
		}
	}
	if len(s.XValidations) > 0 {
		out.WriteByte('\n')
	}
}

// kubernetes names the fields whose types are Kubernetes' own, which its documentation tells.
var kubernetes = map[string]string{
	"affinity":                  "Affinity",
	"conditions":                "list of Condition",
	"containerSecurityContext":  "SecurityContext",
	"env":                       "list of EnvVar",
	"envFrom":                   "list of EnvFromSource",
	"imagePullSecrets":          "list of LocalObjectReference",
	"livenessProbe":             "Probe",
	"readinessProbe":            "Probe",
	"resources":                 "ResourceRequirements",
	"securityContext":           "PodSecurityContext",
	"startupProbe":              "Probe",
	"tolerations":               "list of Toleration",
	"topologySpreadConstraints": "list of TopologySpreadConstraint",
	"volumeClaimTemplates":      "list of PersistentVolumeClaim",
	"volumeMounts":              "list of VolumeMount",
	"volumes":                   "list of Volume",
}

// rows writes a row for each field that has a description, and for those below it. Fields without one lie deep in types of
// Kubernetes.
func rows(out *bytes.Buffer, prefix string, s schema) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := s.Properties[name]
		if property.Description == "" {
			continue
		}
		path := prefix + name
		if own, is := kubernetes[name]; is {
			fmt.Fprintf(out, "| `%s` | Kubernetes' %s | %s | %s |\n", path, own, byDefault(property), says(s, name))
			continue
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", path, kindOf(property), byDefault(property), says(s, name))
		switch {
		case property.Items != nil && property.Items.Schema != nil:
			rows(out, path+"[].", *property.Items.Schema)
		case property.AdditionalProperties != nil && property.AdditionalProperties.Schema != nil:
			rows(out, path+".*.", *property.AdditionalProperties.Schema)
		default:
			rows(out, path+".", property)
		}
	}
}

func kindOf(s schema) string {
	switch {
	case s.XIntOrString:
		return "integer or string"
	case s.Items != nil && s.Items.Schema != nil:
		return "list of " + kindOf(*s.Items.Schema)
	case s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil:
		return "map of " + kindOf(*s.AdditionalProperties.Schema)
	case len(s.Enum) > 0:
		var values []string
		for _, value := range s.Enum {
			values = append(values, "`"+strings.Trim(string(value.Raw), `"`)+"`")
		}
		return strings.Join(values, ", ")
	}
	return s.Type
}

func byDefault(s schema) string {
	if s.Default == nil {
		return ""
	}
	return "`" + string(s.Default.Raw) + "`"
}

// says is the description of a field, with what the API server asks of it.
func says(parent schema, name string) string {
	s := parent.Properties[name]
	parts := []string{cell(s.Description)}
	if slices.Contains(parent.Required, name) {
		parts = append(parts, "Required.")
	}
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		parts = append(parts, fmt.Sprintf("From %v to %v.", *s.Minimum, *s.Maximum))
	case s.Minimum != nil:
		parts = append(parts, fmt.Sprintf("At least %v.", *s.Minimum))
	case s.Maximum != nil:
		parts = append(parts, fmt.Sprintf("At most %v.", *s.Maximum))
	}
	for _, rule := range s.XValidations {
		if rule.Message != "" {
			parts = append(parts, strings.TrimSuffix(cell(rule.Message), ".")+".")
		}
	}
	return strings.Join(parts, " ")
}

// cell is text for one cell of a table.
func cell(text string) string {
	return escape.Replace(strings.Join(strings.Fields(text), " "))
}

// paragraphs is text for a page.
func paragraphs(text string) string { return escape.Replace(strings.TrimSpace(text)) }

// escape keeps a placeholder such as <cluster> from being taken for markup.
var escape = strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`)
