// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// properties of an application, as Spring Boot collects them.
type properties map[string]string

// load reads the places in Spring Boot's order, the later ones winning: packaged defaults, imported directories, environment variables,
// -D options of java, SPRING_APPLICATION_JSON, arguments. javaOptions are the variables that java or the image's command
// takes options from.
func load(defaults properties, environ, args []string, javaOptions ...string) (properties, error) {
	p := maps.Clone(defaults)
	env := map[string]string{}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	object := map[string]any{}
	if text := env["SPRING_APPLICATION_JSON"]; text != "" {
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			return nil, fmt.Errorf("SPRING_APPLICATION_JSON: %w", err)
		}
	}
	if imports, ok := object["spring.config.import"].(string); ok {
		if err := p.importAll(imports); err != nil {
			return nil, fmt.Errorf("spring.config.import: %w", err)
		}
	}
	// A property's variable is its name in capitals, dots as underscores, dashes left out, a[0] as A_0_.
	for name := range maps.Clone(p) {
		variable := strings.NewReplacer(".", "_", "[", "_", "]", "_", "-", "").Replace(strings.ToUpper(name))
		if value, ok := env[variable]; ok {
			p[name] = value
		}
	}
	for _, variable := range javaOptions {
		for _, option := range strings.Fields(env[variable]) {
			if name, value, ok := strings.Cut(strings.TrimPrefix(option, "-D"), "="); ok && strings.HasPrefix(option, "-D") {
				p[name] = value
			}
		}
	}
	p.flatten("", object)
	for _, arg := range args {
		if name, value, ok := strings.Cut(strings.TrimPrefix(arg, "--"), "="); ok && strings.HasPrefix(arg, "--") {
			p[name] = value
		}
	}
	return p, nil
}

// importAll reads directories in which each file is a property, as Kubernetes mounts a Secret. Other places are not played.
func (p properties) importAll(places string) error {
	for place := range strings.SplitSeq(places, ",") {
		directory, ok := strings.CutPrefix(place, "configtree:")
		if !ok {
			return fmt.Errorf("%s is not played", place)
		}
		entries, err := os.ReadDir(directory)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), "..") {
				continue // the versions that the links lead to
			}
			content, err := os.ReadFile(filepath.Join(directory, entry.Name()))
			if err != nil {
				return err
			}
			p[entry.Name()] = strings.TrimSuffix(string(content), "\n")
		}
	}
	return nil
}

// flatten names nested values as Spring Boot does: a.b, a[0].
func (p properties) flatten(name string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			if name != "" {
				key = name + "." + key
			}
			p.flatten(key, child)
		}
	case []any:
		for i, child := range v {
			p.flatten(fmt.Sprintf("%s[%d]", name, i), child)
		}
	default:
		p[name] = fmt.Sprint(v)
	}
}
