// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fieldOwner stands for the user in server-side apply.
const fieldOwner = client.FieldOwner("user")

// Apply applies the YAML documents of manifest to the namespace, in their order. edits are pairs of old and new text.
func (n *Namespace) Apply(ctx context.Context, manifest string, edits ...string) error {
	objects, err := Decode([]byte(strings.NewReplacer(edits...).Replace(manifest)))
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := n.ApplyObject(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// ApplyObject applies one object. Without a namespace of its own it goes to n.
func (n *Namespace) ApplyObject(ctx context.Context, object *unstructured.Unstructured) error {
	namespaced, err := n.Client.IsObjectNamespaced(object)
	if err != nil {
		return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	if namespaced && object.GetNamespace() == "" {
		object.SetNamespace(n.Name)
	}
	err = n.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), fieldOwner, client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// ApplyPath applies a file, or every YAML file of a directory in the order of their names, as kubectl apply -f does.
// path is relative to the root of the repository.
func (n *Namespace) ApplyPath(ctx context.Context, path string, edits ...string) error {
	files, err := manifestFiles(path)
	if err != nil {
		return err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := n.Apply(ctx, string(content), edits...); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func manifestFiles(path string) ([]string, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	path = filepath.Join(root, path)
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return []string{path}, err
	}
	files, err := filepath.Glob(filepath.Join(path, "*.yaml"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s holds no YAML file", path)
	}
	return files, err
}

// Decode reads YAML documents.
func Decode(manifest []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	for {
		object := &unstructured.Unstructured{}
		switch err := decoder.Decode(&object.Object); {
		case errors.Is(err, io.EOF):
			return objects, nil
		case err != nil:
			return nil, fmt.Errorf("decode YAML: %w", err)
		case len(object.Object) > 0:
			objects = append(objects, object)
		}
	}
}

// Root is the directory that holds the project's go.mod, at or above the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(content), "module github.com/rocketmq-operator/rocketmq-operator\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not inside the repository: no go.mod of the project above the working directory")
		}
		dir = parent
	}
}
