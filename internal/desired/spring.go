// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// springProperties are the defaults, what the user wants, and what the operator must own.
func springProperties(defaults map[string]any, config map[string]v1alpha1.ConfigValue, own map[string]any) map[string]any {
	out := maps.Clone(defaults)
	for key, value := range config {
		out[key] = string(value)
	}
	maps.Copy(out, own)
	return out
}

// contextPath is the property under whose value a Spring Boot application has all its pages.
const contextPath = "server.servlet.context-path"

// below returns an application's page below the context path that its user chose.
func below(config map[string]v1alpha1.ConfigValue, page string) string {
	return path.Join("/", springSetting(config, contextPath), page)
}

// springSetting is the value of a property, however its name is written: Spring Boot takes capitals and underscores too.
func springSetting(config map[string]v1alpha1.ConfigValue, name string) string {
	for key, value := range config {
		if canonical(key) == canonical(name) {
			return string(value)
		}
	}
	return ""
}

// canonical is the same for all ways to write the name of a Spring property.
func canonical(name string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
}

// checkSpring refuses properties that take away what probes and Services ask for.
func checkSpring(config map[string]v1alpha1.ConfigValue) error {
	moves := []string{"management.server.", "management.endpoints.web.base-path", "management.endpoints.web.path-mapping.",
		"management.endpoints.enabled-by-default", "management.endpoints.access.", "management.endpoints.web.exposure.exclude",
		"management.endpoint.health.enabled", "management.endpoint.health.access", "server.ssl.", "server.address"}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		if slices.ContainsFunc(moves, func(moved string) bool { return strings.HasPrefix(canonical(key), canonical(moved)) }) {
			return fmt.Errorf("spec.config.%s: remove it. Probes and Services ask for the program's pages, its health among them, at its own port "+
				"over HTTP; %s can move all of them", key, contextPath)
		}
	}
	exposed := strings.FieldsFunc(springSetting(config, "management.endpoints.web.exposure.include"), func(r rune) bool { return r == ',' || r == ' ' })
	if len(exposed) > 0 && !slices.Contains(exposed, "health") && !slices.Contains(exposed, "*") {
		return fmt.Errorf("spec.config.management.endpoints.web.exposure.include: add health, which the probes ask for")
	}
	return nil
}
