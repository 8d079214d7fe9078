// SPDX-License-Identifier: Apache-2.0

package validation

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"sigs.k8s.io/yaml"
)

// root of the repository, seen from this package.
const root = "../.."

// resource does to an object of one kind what an API server that has the CRD does on create and update.
type resource struct {
	schema     *schema.Structural
	schemaTest validation.SchemaValidator
	rules      *cel.Validator
}

// newResource takes the schema of a CRD's only version.
func newResource(t *testing.T, props *apiextensions.JSONSchemaProps) *resource {
	t.Helper()
	structural, err := schema.NewStructural(props)
	if err != nil {
		t.Fatal(err)
	}
	if err := defaulting.PruneDefaults(structural); err != nil {
		t.Fatal(err)
	}
	schemaTest, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		t.Fatal(err)
	}
	return &resource{
		schema:     structural,
		schemaTest: schemaTest,
		rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
	}
}

// admit prunes and defaults obj in place. It returns the paths of the fields that it dropped.
func (r *resource) admit(obj map[string]any) (unknown []string) {
	options := schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	unknown = pruning.PruneWithOptions(obj, r.schema, true, options)
	defaulting.PruneNonNullableNullsWithoutDefaults(obj, r.schema)
	defaulting.Default(obj, r.schema)
	return unknown
}

// create validates an object that went through admit.
func (r *resource) create(ctx context.Context, obj map[string]any) []string {
	errs := validation.ValidateCustomResource(nil, obj, r.schemaTest)
	errs = append(errs, objectmeta.Validate(ctx, nil, obj, r.schema, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, r.schema, obj)...)
	if !blocking(errs) {
		ruleErrs, _ := r.rules.Validate(ctx, nil, r.schema, obj, nil, celconfig.RuntimeCELCostBudget)
		errs = append(errs, ruleErrs...)
	}
	return texts(errs)
}

// update validates obj as the successor of old; both went through admit. As in an API server, what was wrong before
// and did not change is let through.
func (r *resource) update(ctx context.Context, old, obj map[string]any) []string {
	correlated := common.NewCorrelatedObject(obj, old, &model.Structural{Structural: r.schema})
	errs := validation.ValidateCustomResourceUpdate(nil, obj, old, r.schemaTest, validation.WithRatcheting(correlated))
	errs = append(errs, objectmeta.Validate(ctx, nil, obj, r.schema, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, r.schema, obj)...)
	if !blocking(errs) {
		ruleErrs, _ := r.rules.Validate(ctx, nil, r.schema, obj, old, celconfig.RuntimeCELCostBudget, cel.WithRatcheting(correlated))
		errs = append(errs, ruleErrs...)
	}
	return texts(errs)
}

// blocking says whether there are errors that keep an API server from looking at CEL rules at all.
func blocking(errs field.ErrorList) bool {
	for _, err := range errs {
		switch err.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return true
		}
	}
	return false
}

func texts(errs field.ErrorList) []string {
	var list []string
	for _, err := range errs {
		list = append(list, err.Error())
	}
	return list
}

// definition is a CRD as it stands in a file.
type definition struct {
	file string
	size int
	crd  *apiextensions.CustomResourceDefinition
}

// props is the schema of the only version.
func (d definition) props() *apiextensions.JSONSchemaProps {
	if v := d.crd.Spec.Versions[0].Schema; v != nil {
		return v.OpenAPIV3Schema
	}
	return d.crd.Spec.Validation.OpenAPIV3Schema
}

// definitions reads the built CRDs, by kind.
func definitions(t *testing.T) map[string]definition {
	t.Helper()
	scheme := runtime.NewScheme()
	install.Install(scheme)
	files, err := filepath.Glob(filepath.Join(root, "config/crd/*_*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no CRDs in config/crd (run make generate): %v", err)
	}
	all := map[string]definition{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(data, &crd); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		apiextensionsv1.SetDefaults_CustomResourceDefinition(&crd)
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&crd.Spec)
		var internal apiextensions.CustomResourceDefinition
		if err := scheme.Convert(&crd, &internal, nil); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if n := len(internal.Spec.Versions); n != 1 {
			t.Fatalf("%s: %d versions, want 1", file, n)
		}
		internal.Status.StoredVersions = []string{internal.Spec.Versions[0].Name}
		all[internal.Spec.Names.Kind] = definition{file: filepath.Base(file), size: len(data), crd: &internal}
	}
	return all
}

// resources reads the built CRDs, by kind.
func resources(t *testing.T) map[string]*resource {
	t.Helper()
	all := map[string]*resource{}
	for kind, d := range definitions(t) {
		all[kind] = newResource(t, d.props())
	}
	return all
}

// decode reads one YAML document as an API server does: whole numbers are int64.
func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	data, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	var obj map[string]any
	if err := json.Unmarshal(data, &obj); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return obj
}

// documents reads the documents of a YAML file, without those that hold only comments.
func documents(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(decode(t, string(document))) > 0 {
			list = append(list, string(document))
		}
	}
}
