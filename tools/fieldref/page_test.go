// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/rocketmq-operator/rocketmq-operator/tools/internal/manifests"
)

func TestAFieldIsToldWithWhatTheAPIServerAsksOfIt(t *testing.T) {
	low, high := 1.0, 7.0
	property := schema{
		Type: "integer", Description: "Size of the <cluster>:\na | b.", Minimum: &low, Maximum: &high,
		Default:      &apiextensionsv1.JSON{Raw: []byte("3")},
		XValidations: apiextensionsv1.ValidationRules{{Rule: "self % 2 == 1", Message: "size must be odd"}},
	}
	text := string(page(apiextensionsv1.CustomResourceDefinition{Spec: apiextensionsv1.CustomResourceDefinitionSpec{
		Group: "example.com", Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: "Thing", Singular: "thing"},
		Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{Name: "v1", Schema: &apiextensionsv1.CustomResourceValidation{
			OpenAPIV3Schema: &schema{Properties: map[string]schema{
				"spec": {Properties: map[string]schema{"size": property, "affinity": {Type: "object"}}, Required: []string{"size"}},
			}},
		}}},
	}}))
	want := "| `size` | integer | `3` | Size of the &lt;cluster&gt;: a \\| b. Required. From 1 to 7. size must be odd. |\n"
	if !strings.Contains(text, want) {
		t.Errorf("want the row\n%sin\n%s", want, text)
	}
	if strings.Contains(text, "affinity") {
		t.Error("a field of Kubernetes' own, which has no description, is told")
	}
}

// Everybody's first question must have an answer: a page that lost its fields would say nothing.
func TestTheKindsOfThisRepositoryAreTold(t *testing.T) {
	kinds, err := manifests.Kinds("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		text := string(page(kind))
		for _, part := range []string{"spec", "status"} {
			for field, property := range kind.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties[part].Properties {
				if property.Description != "" && !strings.Contains(text, "\n| `"+field+"` |") {
					t.Errorf("%s.%s.%s is not told", kind.Spec.Names.Kind, part, field)
				}
			}
		}
	}
}
