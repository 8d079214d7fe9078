// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// A schema of a kind, as CRDs have it.
type props = apiextensionsv1.JSONSchemaProps

// tightened says what of the resources that the earlier definition of a kind took is refused, dropped or understood otherwise by the
// later one. Nothing: whoever has such resources, or manifests of them, may upgrade.
func tightened(earlier, later *apiextensionsv1.CustomResourceDefinition) []string {
	var found []string
	if earlier.Spec.Scope != later.Spec.Scope {
		found = append(found, fmt.Sprintf("the scope %s became %s", earlier.Spec.Scope, later.Spec.Scope))
	}
	if earlier.Spec.Names.Plural != later.Spec.Names.Plural {
		found = append(found, fmt.Sprintf("the resource %s became %s", earlier.Spec.Names.Plural, later.Spec.Names.Plural))
	}
	for _, name := range earlier.Spec.Names.ShortNames {
		if !slices.Contains(later.Spec.Names.ShortNames, name) {
			found = append(found, "the short name "+name+" is gone")
		}
	}
	for _, old := range earlier.Spec.Versions {
		if !old.Served {
			continue
		}
		at := slices.IndexFunc(later.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
			return v.Name == old.Name && v.Served
		})
		if at < 0 {
			found = append(found, "the version "+old.Name+" is not served any more")
			continue
		}
		now := later.Spec.Versions[at]
		found = append(found, subresourcesGone(old.Subresources, now.Subresources)...)
		c := comparison{}
		c.compare("", old.Schema.OpenAPIV3Schema, now.Schema.OpenAPIV3Schema)
		found = append(found, c.found...)
	}
	return found
}

func subresourcesGone(old, now *apiextensionsv1.CustomResourceSubresources) []string {
	if old == nil {
		return nil
	}
	if now == nil {
		now = &apiextensionsv1.CustomResourceSubresources{}
	}
	var found []string
	if old.Status != nil && now.Status == nil {
		found = append(found, "the subresource status is gone")
	}
	if old.Scale != nil && !gocmp.Equal(old.Scale, now.Scale) {
		found = append(found, "the subresource scale is gone or another")
	}
	return found
}

// comparison of two schemas.
type comparison struct{ found []string }

func (c *comparison) tell(path, format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf("%s: %s", cmp.Or(path, "."), fmt.Sprintf(format, args...)))
}

func (c *comparison) compare(path string, old, now *props) {
	c.kinds(path, old, now)
	c.bounds(path, old, now)
	c.values(path, old, now)
	c.rules(path, old, now)

	for _, name := range slices.Sorted(maps.Keys(old.Properties)) {
		was, field := old.Properties[name], path+"."+name
		if is, ok := now.Properties[name]; ok {
			c.compare(field, &was, &is)
		} else if !kept(now) {
			c.tell(field, "the field is gone")
		}
	}
	switch {
	case old.Items == nil || old.Items.Schema == nil:
	case now.Items == nil || now.Items.Schema == nil:
		c.tell(path, "nothing is said of the items any more")
	default:
		c.compare(path+"[]", old.Items.Schema, now.Items.Schema)
	}
	switch {
	case old.AdditionalProperties == nil || kept(now):
	case now.AdditionalProperties == nil:
		c.tell(path, "keys of one's own are dropped")
	case old.AdditionalProperties.Schema != nil && now.AdditionalProperties.Schema != nil:
		c.compare(path+"{}", old.AdditionalProperties.Schema, now.AdditionalProperties.Schema)
	}
}

// kept: fields that the schema does not name are stored.
func kept(s *props) bool { return s.XPreserveUnknownFields != nil && *s.XPreserveUnknownFields }

func (c *comparison) kinds(path string, old, now *props) {
	for _, of := range []struct {
		what     string
		old, now any
	}{
		{"type", old.Type, now.Type},
		{"format", old.Format, now.Format},
		{"int-or-string", old.XIntOrString, now.XIntOrString},
		{"list type", old.XListType, now.XListType},
		{"list keys", old.XListMapKeys, now.XListMapKeys},
		{"map type", old.XMapType, now.XMapType},
		{"embedded resource", old.XEmbeddedResource, now.XEmbeddedResource},
		{"anyOf", old.AnyOf, now.AnyOf},
		{"allOf", old.AllOf, now.AllOf},
		{"oneOf", old.OneOf, now.OneOf},
		{"not", old.Not, now.Not},
	} {
		if !gocmp.Equal(of.old, of.now) {
			c.tell(path, "its %s changed", of.what)
		}
	}
	if kept(old) && !kept(now) {
		c.tell(path, "unknown fields are dropped")
	}
	if old.Nullable && !now.Nullable {
		c.tell(path, "null is refused")
	}
}

func (c *comparison) bounds(path string, old, now *props) {
	highest(c, path, "maximum", old.Maximum, now.Maximum)
	highest(c, path, "maxLength", old.MaxLength, now.MaxLength)
	highest(c, path, "maxItems", old.MaxItems, now.MaxItems)
	highest(c, path, "maxProperties", old.MaxProperties, now.MaxProperties)
	lowest(c, path, "minimum", old.Minimum, now.Minimum)
	lowest(c, path, "minLength", old.MinLength, now.MinLength)
	lowest(c, path, "minItems", old.MinItems, now.MinItems)
	lowest(c, path, "minProperties", old.MinProperties, now.MinProperties)
	if !old.ExclusiveMaximum && now.ExclusiveMaximum || !old.ExclusiveMinimum && now.ExclusiveMinimum {
		c.tell(path, "its bound is not allowed itself any more")
	}
	if now.MultipleOf != nil && !gocmp.Equal(old.MultipleOf, now.MultipleOf) {
		c.tell(path, "only multiples of %v are taken", *now.MultipleOf)
	}
	if now.UniqueItems && !old.UniqueItems {
		c.tell(path, "items must differ")
	}
	if now.Pattern != "" && now.Pattern != old.Pattern {
		c.tell(path, "its pattern became %s", now.Pattern)
	}
}

// highest tells of an upper bound that is new or lower.
func highest[N int64 | float64](c *comparison, path, what string, old, now *N) {
	if now != nil && (old == nil || *now < *old) {
		c.tell(path, "its %s became %v", what, *now)
	}
}

// lowest tells of a lower bound that is new or higher.
func lowest[N int64 | float64](c *comparison, path, what string, old, now *N) {
	if now != nil && (old == nil || *now > *old) {
		c.tell(path, "its %s became %v", what, *now)
	}
}

func (c *comparison) values(path string, old, now *props) {
	has := func(list []apiextensionsv1.JSON, value apiextensionsv1.JSON) bool {
		return slices.ContainsFunc(list, func(v apiextensionsv1.JSON) bool { return bytes.Equal(v.Raw, value.Raw) })
	}
	if len(old.Enum) == 0 && len(now.Enum) > 0 {
		var values []string
		for _, value := range now.Enum {
			values = append(values, string(value.Raw))
		}
		c.tell(path, "only %s is taken", strings.Join(values, " or "))
	}
	for _, value := range old.Enum {
		if len(now.Enum) > 0 && !has(now.Enum, value) {
			c.tell(path, "the value %s is refused", value.Raw)
		}
	}
	if !gocmp.Equal(old.Default, now.Default) {
		text := func(v *apiextensionsv1.JSON) string {
			if v == nil {
				return "none"
			}
			return string(v.Raw)
		}
		c.tell(path, "its default %s became %s", text(old.Default), text(now.Default))
	}
	for _, name := range now.Required {
		if !slices.Contains(old.Required, name) && now.Properties[name].Default == nil {
			c.tell(path+"."+name, "it became required")
		}
	}
}

func (c *comparison) rules(path string, old, now *props) {
	for _, rule := range now.XValidations {
		same := func(r apiextensionsv1.ValidationRule) bool { return r.Rule == rule.Rule }
		if !slices.ContainsFunc(old.XValidations, same) {
			c.tell(path, "a new rule: %s", cmp.Or(rule.Message, rule.MessageExpression, rule.Rule))
		}
	}
}

func TestTightenedSchemasAreFound(t *testing.T) {
	for _, test := range []struct{ name, old, now, want string }{
		{"nothing changed", "{type: string, maxLength: 3}", "{type: string, maxLength: 3}", ""},
		{"a description", "{type: string, description: a}", "{type: string, description: b}", ""},
		{"a new field", "{type: object}", "{type: object, properties: {a: {type: string, maxLength: 1}}}", ""},
		{"a field gone", "{properties: {a: {type: string}}}", "{properties: {}}", ".spec.a: the field is gone"},
		{
			"a field gone that is stored as before", "{properties: {a: {type: string}}}", "{x-kubernetes-preserve-unknown-fields: true}", "",
		},
		{
			"a field of the items of a list of a map", "{additionalProperties: {items: {properties: {a: {type: string}}}}}",
			"{additionalProperties: {items: {properties: {a: {type: integer}}}}}", ".spec{}[].a: its type changed",
		},
		{"another format", "{type: integer, format: int64}", "{type: integer, format: int32}", ".spec: its format changed"},
		{"a set", "{type: array}", "{type: array, x-kubernetes-list-type: set}", ".spec: its list type changed"},
		{"another choice", "{anyOf: [{type: string}]}", "{anyOf: [{type: integer}]}", ".spec: its anyOf changed"},
		{"keys of one's own", "{additionalProperties: {type: string}}", "{type: ''}", ".spec: keys of one's own are dropped"},
		{"unknown fields", "{x-kubernetes-preserve-unknown-fields: true}", "{type: ''}", ".spec: unknown fields are dropped"},
		{"null", "{nullable: true}", "{type: ''}", ".spec: null is refused"},
		{"a lower maximum", "{maximum: 3}", "{maximum: 2}", ".spec: its maximum became 2"},
		{"a higher maximum", "{maximum: 3}", "{maximum: 4}", ""},
		{"no maximum", "{maximum: 3}", "{type: ''}", ""},
		{"a new maximum", "{type: ''}", "{maximum: 3}", ".spec: its maximum became 3"},
		{"a higher minimum", "{minimum: 3}", "{minimum: 4}", ".spec: its minimum became 4"},
		{"a lower minimum", "{minimum: 3}", "{minimum: 2}", ""},
		{"a shorter text", "{maxLength: 3}", "{maxLength: 2}", ".spec: its maxLength became 2"},
		{"fewer items", "{maxItems: 3}", "{maxItems: 2}", ".spec: its maxItems became 2"},
		{"a bound beside the values", "{maximum: 3}", "{maximum: 3, exclusiveMaximum: true}", ".spec: its bound is not allowed itself any more"},
		{"multiples", "{type: integer}", "{type: integer, multipleOf: 4}", ".spec: only multiples of 4 are taken"},
		{"a new pattern", "{type: ''}", "{pattern: ^a$}", ".spec: its pattern became ^a$"},
		{"another pattern", "{pattern: ^b$}", "{pattern: ^a$}", ".spec: its pattern became ^a$"},
		{"no pattern", "{pattern: ^b$}", "{type: ''}", ""},
		{"a value gone", "{enum: [a, b]}", "{enum: [b, c]}", `.spec: the value "a" is refused`},
		{"all values", "{enum: [a, b]}", "{type: ''}", ""},
		{"a new enum", "{type: string}", "{type: string, enum: [a]}", `.spec: only "a" is taken`},
		{"a default gone", "{default: 1}", "{type: ''}", ".spec: its default 1 became none"},
		{"another default", "{default: 1}", "{default: 2}", ".spec: its default 1 became 2"},
		{"a field that is required", "{properties: {a: {}}}", "{properties: {a: {}}, required: [a]}", ".spec.a: it became required"},
		{
			"a field that is required, and has a default",
			"{properties: {a: {default: x}}}", "{properties: {a: {default: x}}, required: [a]}", "",
		},
		{
			"a new rule", "{x-kubernetes-validations: [{rule: a}]}", "{x-kubernetes-validations: [{rule: a}, {rule: b, message: never}]}",
			".spec: a new rule: never",
		},
		{
			"a rule that says something else with the same words", "{x-kubernetes-validations: [{rule: a, message: never}]}",
			"{x-kubernetes-validations: [{rule: b, message: never}]}", ".spec: a new rule: never",
		},
		{"a rule gone", "{x-kubernetes-validations: [{rule: a}]}", "{type: ''}", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := tightened(crdOf(t, withSpec(test.old)), crdOf(t, withSpec(test.now)))
			if first(got) != test.want || len(got) > 1 {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTightenedDefinitionsAreFound(t *testing.T) {
	const (
		schema = "schema: {openAPIV3Schema: {}}"
		both   = "subresources: {status: {}, scale: {specReplicasPath: .a}}"
		served = "versions: [{name: v1, served: true, " + schema + ", " + both + "}]"
		before = "{scope: Namespaced, names: {plural: its, shortNames: [i]}, " + served + "}"
	)
	for _, test := range []struct{ name, old, now, want string }{
		{"the scope", "Namespaced", "Cluster", "the scope Namespaced became Cluster"},
		{"the plural", "plural: its", "plural: others", "the resource its became others"},
		{"a short name", "shortNames: [i]", "shortNames: [j]", "the short name i is gone"},
		{"another short name", "shortNames: [i]", "shortNames: [i, j]", ""},
		{"the status", "status: {}, ", "", "the subresource status is gone"},
		{"the scale", "specReplicasPath: .a", "specReplicasPath: .b", "the subresource scale is gone or another"},
		{"the subresources", ", " + both, "", "the subresource status is gone"},
		{"the version", "served: true", "served: false", "the version v1 is not served any more"},
		{"another version", "versions: [", "versions: [{name: v2, served: true}, ", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			now := strings.Replace(before, test.old, test.now, 1)
			if got := first(tightened(crdOf(t, before), crdOf(t, now))); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// first of some texts, "" of none.
func first(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	return texts[0]
}

// withSpec is the spec of a definition whose resources have a spec of a schema.
func withSpec(schema string) string {
	return "{versions: [{name: v1, served: true, schema: {openAPIV3Schema: {properties: {spec: " + schema + "}}}}]}"
}

func crdOf(t *testing.T, spec string) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict([]byte("spec: "+spec), crd); err != nil {
		t.Fatalf("%v in %s", err, spec)
	}
	return crd
}
