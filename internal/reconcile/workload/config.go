// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/catalog"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/internal/version"
)

// Config is where a server has properties from.
type Config struct {
	// Where stands before a property's name in messages.
	Where      string
	Properties map[string]string
}

// InSpec is a spec's config.
func InSpec(config map[string]v1alpha1.ConfigValue) Config {
	return Config{"spec.config.", desired.Properties(config)}
}

// CheckImage refuses what the operator cannot run. The field names the image.
func (p *Pass) CheckImage(field string) *kube.Waiting {
	image, said := desired.Image(p.Owner), p.Owner.GetAnnotations()[v1alpha1.AnnotationRelease]
	release, known := desired.Release(p.Owner)
	tell := fmt.Sprintf("kubectl annotate --overwrite -n %s %s.%s %s %s=5.4.0", p.Owner.GetNamespace(),
		strings.ToLower(v1alpha1.KindOf(p.Owner)), v1alpha1.GroupVersion.Group, p.Owner.GetName(), v1alpha1.AnnotationRelease)
	if said == "" {
		if why := version.Unsupported(image); why != "" {
			return p.Trouble(v1alpha1.ConditionUnsupportedImage, "%s: %s. Or, if RocketMQ 5 is in it as in the official image, say which "+
				"release, such as: %s", field, why, tell)
		}
		if !known {
			p.Conditions.Raise(v1alpha1.ConditionUnknownRelease, "%s: the tag of %q is no release of RocketMQ, so it is run as 5.x, known "+
				"defects are not told, a downgrade is not noticed, and properties are checked against all known releases. Say which release "+
				"it is, such as: %s", field, image, tell)
		}
		return nil
	}
	if _, ok := version.Parse(said); !ok {
		return p.Trouble(v1alpha1.ConditionInvalidSpec, "the annotation %s is %q: give the release of RocketMQ in %s, three numbers such as 5.4.0",
			v1alpha1.AnnotationRelease, said, image)
	}
	if !release.Supported() {
		return p.Trouble(v1alpha1.ConditionUnsupportedImage, "%s: the annotation %s says that %q is RocketMQ %s, and 5.0.0 is the oldest that "+
			"is supported", field, v1alpha1.AnnotationRelease, image, release)
	}
	return nil
}

// RaiseDefects tells which defects the owner's release has that can hurt it.
func (p *Pass) RaiseDefects(topology version.Topology) {
	if release, known := desired.Release(p.Owner); known {
		for _, defect := range version.Known(release, topology) {
			p.Conditions.Raise(v1alpha1.ConditionKnownDefect, "%s", defect)
		}
	}
}

// options of java that a spec has.
func options(pod *v1alpha1.PodSettings) []string {
	var out []string
	for _, env := range pod.Env {
		if env.Name == "JAVA_OPT_EXT" {
			out = append(out, env.Value)
		}
	}
	if pod.JVM != nil {
		out = append(out, pod.JVM.ExtraOptions...)
	}
	return out
}

// CheckFrames tells if messages cannot be as long as brokers are told to take.
func (p *Pass) CheckFrames(config Config, pod *v1alpha1.PodSettings) {
	if why := settings.Beyond(config.Where, config.Properties, options(pod)); why != "" {
		p.Conditions.Raise(v1alpha1.ConditionIgnoredConfig, "%s", why)
	}
}

// CheckAccess raises what keeps the operator from talking to servers of this configuration.
func (p *Pass) CheckAccess(config Config, pod *v1alpha1.PodSettings, tls *v1alpha1.TLSSettings) {
	java := options(pod)
	if overruled := settings.TLSOptions(java); tls != nil && len(overruled) > 0 {
		p.Conditions.Raise(v1alpha1.ConditionIgnoredConfig, "jvm.extraOptions, env: %s: with spec.tls these options are the operator's: remove them", strings.Join(overruled, " "))
		java = nil
	}
	for _, why := range settings.Unsupported(config.Where, config.Properties, java) {
		p.Conditions.Raise(v1alpha1.ConditionUnsupportedConfig, "%s. Until that is removed, "+
			"masters stop without handing over, and replacing pods, scaling and saving metadata do not work", why)
	}
}

// CheckProperties tells which properties servers ignore.
func (p *Pass) CheckProperties(role settings.Role, config Config) {
	release := ""
	if v, known := desired.Release(p.Owner); known {
		release = v.String()
	}
	var ignored []string
	for _, problem := range catalog.Problems(role, release, config.Properties) {
		ignored = append(ignored, config.Where+problem.Key+": "+problem.Why)
	}
	p.raiseIgnored(ignored)
}

// CheckOwned tells which properties give way to the operator's. In spec.config the API server refuses them.
func (p *Pass) CheckOwned(role settings.Role, config Config) {
	var ignored []string
	for _, owned := range settings.OwnedKeys(role) {
		if value, given := config.Properties[owned.Key]; given && !owned.Permits(strings.TrimSpace(value)) {
			ignored = append(ignored, fmt.Sprintf("%s%s: it is the operator's, and is ignored there: %s", config.Where, owned.Key, owned.Reason))
		}
	}
	p.raiseIgnored(ignored)
}

// raiseIgnored raises the first of them, so that a long file does not drown what matters.
func (p *Pass) raiseIgnored(ignored []string) {
	const shown = 8
	if more := len(ignored) - shown; more > 0 {
		ignored = append(slices.Clip(ignored[:shown]), fmt.Sprintf("and %d more", more))
	}
	if len(ignored) > 0 {
		p.Conditions.Raise(v1alpha1.ConditionIgnoredConfig, "%s", strings.Join(ignored, "; "))
	}
}
