// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// build makes an object of a kind, as it is after pruning and defaulting.
func build(t *testing.T, r *resource, kind string, o object) map[string]any {
	t.Helper()
	name := o.name
	if name == "" {
		name = "it"
	}
	obj := map[string]any{
		"apiVersion": "rocketmq.apache.org/v1alpha1",
		"kind":       kind,
		"metadata":   map[string]any{"name": name, "namespace": "default"},
		"spec":       decode(t, o.spec),
	}
	if spec := decode(t, o.spec); kind == "SchemaRegistry" && o != absent && spec["image"] == nil { // it needs one in any case
		if spec == nil {
			spec = map[string]any{}
		}
		spec["image"] = "registry:1"
		obj["spec"] = spec
	} else if len(spec) == 0 {
		delete(obj, "spec")
	}
	if unknown := r.admit(obj); len(unknown) > 0 {
		t.Fatalf("the case has unknown fields: %v", unknown)
	}
	return obj
}

// errors returns what the resource says of one of the case's objects.
func (c ruleCase) errors(t *testing.T, r *resource, kind string, o object) []string {
	t.Helper()
	obj := build(t, r, kind, o)
	if c.old == nil {
		return r.create(t.Context(), obj)
	}
	return r.update(t.Context(), build(t, r, kind, *c.old), obj)
}

func TestRules(t *testing.T) {
	kinds := resources(t)
	for _, c := range everyCase() {
		for _, kind := range c.kinds {
			t.Run(kind+"/"+c.rule, func(t *testing.T) {
				r := kinds[kind]
				if errs := c.errors(t, r, kind, c.good); errs != nil {
					t.Errorf("refused:\n%s\n%s", c.good.spec, strings.Join(errs, "\n"))
				}
				if diff := cmp.Diff(c.want, strings.Join(c.errors(t, r, kind, c.bad), "\n")); diff != "" {
					t.Errorf("errors (-want +got) of:\n%s\n%s", c.bad.spec, diff)
				}
			})
		}
	}
}

// Every rule of the CRDs is taken away in turn: at least one case must miss it.
func TestEveryRuleIsTested(t *testing.T) {
	for kind, d := range definitions(t) {
		var cases []ruleCase
		for _, c := range everyCase() {
			if slices.Contains(c.kinds, kind) {
				cases = append(cases, c)
			}
		}
		count := 0
		visit("", d.props(), func(path string, s *apiextensions.JSONSchemaProps) {
			for _, rule := range rulesOf(s) {
				count++
				t.Run(fmt.Sprintf("%s%s/%s", kind, path, rule.name), func(t *testing.T) {
					props := d.props().DeepCopy()
					visit("", props, func(p string, s *apiextensions.JSONSchemaProps) {
						if p == path {
							rule.remove(s)
						}
					})
					r := newResource(t, props)
					for _, c := range cases {
						if strings.Join(c.errors(t, r, kind, c.bad), "\n") != c.want {
							return
						}
					}
					t.Error("no case breaks this rule: add one to ruleCases")
				})
			}
		})
		if count < 20 {
			t.Errorf("%s: only %d rules found: is visit right?", kind, count)
		}
	}
}

// rule is one constraint of a schema.
type rule struct {
	name   string
	remove func(*apiextensions.JSONSchemaProps)
}

// rulesOf lists the constraints of a schema itself, without those of its properties and items.
func rulesOf(s *apiextensions.JSONSchemaProps) []rule {
	var list []rule
	add := func(present bool, name string, remove func(*apiextensions.JSONSchemaProps)) {
		if present {
			list = append(list, rule{name, remove})
		}
	}
	add(s.Enum != nil, "enum", func(s *apiextensions.JSONSchemaProps) { s.Enum = nil })
	add(s.Minimum != nil, "minimum", func(s *apiextensions.JSONSchemaProps) { s.Minimum = nil })
	add(s.Maximum != nil, "maximum", func(s *apiextensions.JSONSchemaProps) { s.Maximum = nil })
	add(s.MinLength != nil, "minLength", func(s *apiextensions.JSONSchemaProps) { s.MinLength = nil })
	add(s.MaxLength != nil, "maxLength", func(s *apiextensions.JSONSchemaProps) { s.MaxLength = nil })
	add(s.Pattern != "", "pattern", func(s *apiextensions.JSONSchemaProps) { s.Pattern = "" })
	add(s.MinItems != nil, "minItems", func(s *apiextensions.JSONSchemaProps) { s.MinItems = nil })
	add(s.MaxItems != nil, "maxItems", func(s *apiextensions.JSONSchemaProps) { s.MaxItems = nil })
	add(s.MaxProperties != nil, "maxProperties", func(s *apiextensions.JSONSchemaProps) { s.MaxProperties = nil })
	add(len(s.Required) > 0, "required", func(s *apiextensions.JSONSchemaProps) { s.Required = nil })
	for i, r := range s.XValidations {
		text := r.Message
		if text == "" {
			text = r.Rule
		}
		add(true, text, func(s *apiextensions.JSONSchemaProps) { s.XValidations = slices.Delete(s.XValidations, i, i+1) })
	}
	return list
}

// visit calls f for each schema below s that is ours: not the status, which only the operator writes, and not what is
// inside of Kubernetes' own types. f may change the schema.
func visit(path string, s *apiextensions.JSONSchemaProps, f func(string, *apiextensions.JSONSchemaProps)) {
	f(path, s)
	switch path {
	case ".metadata", ".status", ".spec.affinity", ".spec.containerSecurityContext", ".spec.env", ".spec.imagePullSecrets",
		".spec.persistentVolumeClaimRetentionPolicy", ".spec.resources", ".spec.securityContext", ".spec.tolerations",
		".spec.topologySpreadConstraints", ".spec.volumeClaimTemplates", ".spec.volumes":
		return
	}
	if strings.HasSuffix(path, ".resources") {
		return // of a part of a RocketMQCluster
	}
	for name, property := range s.Properties {
		visit(path+"."+name, &property, f)
		s.Properties[name] = property
	}
	if s.Items != nil && s.Items.Schema != nil {
		visit(path+"[]", s.Items.Schema, f)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		visit(path+"{}", s.AdditionalProperties.Schema, f)
	}
}

// What the agent overrides, the CRD refuses: otherwise a user's value would be dropped in silence.
func TestOwnedKeysAreRefused(t *testing.T) {
	kinds := resources(t)
	for kind, role := range map[string]settings.Role{
		"Broker": settings.Broker, "Controller": settings.Controller, "NameService": settings.NameServer,
		"Proxy": settings.Proxy,
	} {
		for _, owned := range settings.OwnedKeys(role) {
			t.Run(kind+"/"+owned.Key, func(t *testing.T) {
				errs := kinds[kind].create(t.Context(), build(t, kinds[kind], kind, spec("config: {"+owned.Key+": x}")))
				if len(errs) != 1 || !strings.Contains(errs[0], owned.Key) {
					t.Errorf("errors %q, want one that names %s", errs, owned.Key)
				}
			})
		}
	}
}

// everyCase of all kinds.
func everyCase() []ruleCase {
	return slices.Concat(ruleCases(), clusterCases(), networkCases(), entityCases(), authCases(), tlsCases())
}
