// SPDX-License-Identifier: Apache-2.0

// Package validation tests the built CRDs with the API server's own code, without an API server: that they can be
// installed, and what they accept and refuse.
package validation

import (
	"slices"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
)

// maxSize is what `kubectl apply` takes: it keeps the whole object in one annotation.
const maxSize = 262144

func TestCRDsCanBeInstalled(t *testing.T) {
	all := definitions(t)
	for kind, d := range all {
		t.Run(kind, func(t *testing.T) {
			// Among others: the schema is structural, and the estimated cost of each CEL rule is within its budget.
			for _, err := range crdvalidation.ValidateCustomResourceDefinition(t.Context(), d.crd) {
				t.Error(err)
			}
			if d.size >= maxSize {
				t.Errorf("%s has %d bytes, kubectl apply takes less than %d: let tools/crdtrim drop more descriptions", d.file, d.size, maxSize)
			}
		})
	}
}

// kubectl explain is the first place to look for what a field means.
func TestFieldsAreDescribed(t *testing.T) {
	for kind, d := range definitions(t) {
		t.Run(kind, func(t *testing.T) {
			described(t, "", *d.props(), 0)
		})
	}
}

// described checks descriptions to the depth that tools/crdtrim keeps: spec, its fields, and the fields of those.
func described(t *testing.T, path string, schema apiextensions.JSONSchemaProps, level int) {
	t.Helper()
	const kept = 3
	if level > 0 && schema.Description == "" && !slices.Contains([]string{".metadata", ".spec", ".status"}, path) {
		t.Errorf("%s has no description", path)
	}
	if level == kept {
		return
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		schema = *schema.Items.Schema
	}
	for name, property := range schema.Properties {
		described(t, path+"."+name, property, level+1)
	}
}
