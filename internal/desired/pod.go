// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Container is the name of the RocketMQ container, AgentContainer that of the one which brings its agent.
const (
	Container      = "rocketmq"
	AgentContainer = "agent"
)

const (
	rocketmqID     = 3000 // uid and gid of the official image
	volumeAgent    = "rocketmq-agent"
	volumeRun      = "rocketmq-run"
	volumeSettings = "rocketmq-settings"
	volumeData     = "data"
	volumeTLS      = "rocketmq-tls"
	volumeAuth     = "rocketmq-auth"
	volumeTmp      = "tmp"
	agentBinary    = settings.AgentDir + "/rocketmq-agent"
)

// podSpec is what a pod template is made of.
type podSpec struct {
	component  Component
	role       settings.Role
	labels     map[string]string
	selector   map[string]string
	image      string
	agentImage string
	configMap  string
	hash       string
	// hostNetwork: the ports are the node's, so the scheduler never puts two pods of a component on one node.
	hostNetwork bool
	dnsPolicy   corev1.DNSPolicy
	graceSecond int64
	nameServers string
	ports       []corev1.ContainerPort
	agentPort   int32
	// data is the data volume; its name is empty for a server without one.
	data dataVolume
	// tls: its Secrets are mounted at settings.TLSDir. The flags tell the agent what to do with them.
	tls      TLS
	tlsFlags []string
	// auth: these accounts of its Secret are mounted at settings.AuthDir.
	auth     Auth
	accounts []settings.Account
	// volumes are the user's; the first may carry the base file.
	volumes  []corev1.Volume
	settings *v1alpha1.PodSettings
}

// template builds the pod template, the user's overlay last.
func (p podSpec) template() (corev1.PodTemplateSpec, error) {
	security, err := podSecurity(p.settings.SecurityContext)
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	server, err := p.rocketmqContainer()
	if err != nil {
		return corev1.PodTemplateSpec{}, err
	}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(p.labels), Annotations: maps.Clone(p.settings.PodAnnotations)},
		Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: new(p.graceSecond),
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			ServiceAccountName:            p.settings.ServiceAccountName,
			HostNetwork:                   p.hostNetwork,
			DNSPolicy:                     p.dns(),
			ImagePullSecrets:              p.settings.ImagePullSecrets,
			Affinity:                      p.settings.Affinity,
			Tolerations:                   p.settings.Tolerations,
			NodeSelector:                  p.settings.NodeSelector,
			PriorityClassName:             p.settings.PriorityClassName,
			TopologySpreadConstraints:     p.spread(),
			SecurityContext:               security,
			InitContainers:                []corev1.Container{p.agentContainer()},
			Containers:                    []corev1.Container{server},
			Volumes:                       p.podVolumes(),
		},
	}
	template, err = overlay(template, p.settings.PodTemplate)
	if err != nil {
		return template, err
	}
	p.tellGrace(&template.Spec)
	if err := p.checkVolumes(template.Spec.Volumes); err != nil {
		return template, err
	}
	// The overlay must not change what selectors and rollouts depend on.
	if template.Labels == nil {
		template.Labels = map[string]string{}
	}
	maps.Copy(template.Labels, p.labels)
	if template.Annotations == nil {
		template.Annotations = map[string]string{}
	}
	template.Annotations[v1alpha1.AnnotationHash] = p.hash
	return template, nil
}

// tellGrace gives the grace period to a broker's agent as a flag, because a container cannot see it. The overlay may have set it.
func (p podSpec) tellGrace(spec *corev1.PodSpec) {
	seconds := int64(corev1.DefaultTerminationGracePeriodSeconds)
	if spec.TerminationGracePeriodSeconds != nil {
		seconds = *spec.TerminationGracePeriodSeconds
	}
	for i := range spec.Containers {
		c := &spec.Containers[i]
		if p.role == settings.Broker && c.Name == Container && slices.Contains(c.Command, agentBinary) {
			c.Command = append(c.Command, fmt.Sprintf("--grace=%ds", seconds))
		}
	}
}

// checkVolumes refuses two volumes of one name: the API server would answer with an internal error, which nobody understands.
func (p podSpec) checkVolumes(volumes []corev1.Volume) error {
	taken := map[string]bool{}
	for _, claim := range p.data.claims {
		if taken[claim.Name] {
			return fmt.Errorf("spec.volumeClaimTemplates: two are named %q", claim.Name)
		}
		taken[claim.Name] = true
	}
	for _, volume := range volumes {
		if taken[volume.Name] {
			return fmt.Errorf("spec.volumes: the name %q is taken; give the volume another one", volume.Name)
		}
		taken[volume.Name] = true
	}
	return nil
}

func (p podSpec) dns() corev1.DNSPolicy {
	switch {
	case p.dnsPolicy != "" && !(p.hostNetwork && p.dnsPolicy == corev1.DNSClusterFirst):
		return p.dnsPolicy
	case p.hostNetwork:
		return corev1.DNSClusterFirstWithHostNet
	default:
		return corev1.DNSClusterFirst
	}
}

func (p podSpec) spread() []corev1.TopologySpreadConstraint {
	if len(p.settings.TopologySpreadConstraints) > 0 {
		return p.settings.TopologySpreadConstraints
	}
	var out []corev1.TopologySpreadConstraint
	for _, key := range []string{corev1.LabelHostname, corev1.LabelTopologyZone} {
		out = append(out, corev1.TopologySpreadConstraint{
			MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector: &metav1.LabelSelector{MatchLabels: p.selector},
		})
	}
	return out
}

// agentContainer copies the agent from the operator's image.
func (p podSpec) agentContainer() corev1.Container {
	security := noPrivileges()
	security.ReadOnlyRootFilesystem = new(true)
	return corev1.Container{
		Name:            AgentContainer,
		Image:           p.agentImage,
		ImagePullPolicy: p.settings.ImagePullPolicy,
		Command:         []string{"/rocketmq-agent", "install", agentBinary},
		SecurityContext: security,
		// Those of the server, which starts when this container has ended: the pod needs no more for it, and what a quota or a
		// LimitRange asks of containers is met by both or by none.
		Resources:    corev1.ResourceRequirements{Requests: p.settings.Resources.Requests, Limits: p.settings.Resources.Limits},
		VolumeMounts: []corev1.VolumeMount{{Name: volumeAgent, MountPath: settings.AgentDir}},
	}
}

func (p podSpec) rocketmqContainer() (corev1.Container, error) {
	security, err := containerSecurity(p.settings.ContainerSecurityContext)
	if err != nil {
		return corev1.Container{}, err
	}
	mounts := []corev1.VolumeMount{
		{Name: volumeAgent, MountPath: settings.AgentDir, ReadOnly: true},
		{Name: volumeRun, MountPath: settings.RunDir},
		{Name: volumeSettings, MountPath: settings.Dir, ReadOnly: true},
	}
	if p.data.name != "" {
		mounts = append(mounts, p.data.mount())
	}
	if p.tls.Secret != "" {
		mounts = append(mounts, corev1.VolumeMount{Name: volumeTLS, MountPath: settings.TLSDir, ReadOnly: true})
	}
	if p.auth.Secret != "" {
		mounts = append(mounts, corev1.VolumeMount{Name: volumeAuth, MountPath: settings.AuthDir, ReadOnly: true})
	}
	command := append([]string{agentBinary, "run", string(p.role)}, jvmFlags(p.role, p.settings)...)
	for _, name := range p.baseVolumes() {
		mounts = append(mounts, corev1.VolumeMount{Name: name, MountPath: path.Join(settings.BaseDir, name), ReadOnly: true})
		command = append(command, "--base-volume="+name)
	}
	if p.auth.permissive() {
		command = append(command, permissiveFlag)
	}
	command = append(command, p.tlsFlags...)
	if p.data.hostPath != "" {
		command = append(command, "--host-path="+p.data.hostPath+"/$(POD_NAME)")
	}
	const week = 7 * 24 * 60 * 60 // seconds
	probe := func(path string, period, timeout, failures int32) *corev1.Probe {
		return &corev1.Probe{
			ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(p.agentPort)}},
			PeriodSeconds: period, TimeoutSeconds: timeout, FailureThreshold: failures,
		}
	}
	return corev1.Container{
		Name:            Container,
		Image:           p.image,
		ImagePullPolicy: p.settings.ImagePullPolicy,
		Command:         command,
		// The agent writes a message when it ends. If java ends without one, the last lines of the log say most.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		Env:                      p.env(),
		Resources:                p.settings.Resources,
		SecurityContext:          security,
		Ports:                    append(p.ports, corev1.ContainerPort{Name: "agent", ContainerPort: p.agentPort, Protocol: corev1.ProtocolTCP}),
		// A broker that was killed reads its whole log first, which may take hours. The agent ends a start that makes no progress.
		StartupProbe:   probe("/startedz", 1, 4, week),
		ReadinessProbe: probe("/readyz", 2, 4, 2),
		LivenessProbe:  probe("/livez", 10, 4, 3),
		VolumeMounts:   mounts,
	}, nil
}

// baseVolumes are those of the user's volumes that may have the base file: the first one, whatever it is, and all ConfigMaps, Secrets
// and projected volumes.
func (p podSpec) baseVolumes() []string {
	var names []string
	for i, volume := range p.volumes {
		if i == 0 || volume.ConfigMap != nil || volume.Secret != nil || volume.Projected != nil {
			names = append(names, volume.Name)
		}
	}
	return names
}

// env is the pod's identity and the user's variables. No name is there twice, because the API server refuses to apply such a
// list. Users cannot change the identity; they can change NAMESRV_ADDR, which is for RocketMQ's command line tools.
func (p podSpec) env() []corev1.EnvVar {
	field := func(name, path string) corev1.EnvVar {
		return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}}
	}
	env := []corev1.EnvVar{
		field("POD_NAME", "metadata.name"),
		field("POD_NAMESPACE", "metadata.namespace"),
		field("POD_IP", "status.podIP"),
		field("HOST_IP", "status.hostIP"),
	}
	has := func(env []corev1.EnvVar, name string) bool {
		return slices.ContainsFunc(env, func(e corev1.EnvVar) bool { return e.Name == name })
	}
	const tools = "NAMESRV_ADDR"
	if p.nameServers != "" && !has(p.settings.Env, tools) {
		env = append(env, corev1.EnvVar{Name: tools, Value: p.nameServers})
	}
	for i, e := range p.settings.Env {
		if !has(env, e.Name) && !has(p.settings.Env[i+1:], e.Name) { // the last one wins, as in a container
			env = append(env, e)
		}
	}
	return env
}

func (p podSpec) podVolumes() []corev1.Volume {
	empty := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	volumes := []corev1.Volume{
		{Name: volumeAgent, VolumeSource: empty},
		{Name: volumeRun, VolumeSource: empty},
		{Name: volumeSettings, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: p.configMap}, DefaultMode: new(int32(0o444))}}},
	}
	if p.data.source != nil {
		volumes = append(volumes, corev1.Volume{Name: p.data.name, VolumeSource: *p.data.source})
	}
	if p.tls.Secret != "" {
		volumes = append(volumes, p.tls.volume())
	}
	if p.auth.Secret != "" {
		volumes = append(volumes, p.authVolume())
	}
	return append(volumes, p.volumes...)
}

// authVolume is optional like that of a certificate.
func (p podSpec) authVolume() corev1.Volume {
	source := &corev1.SecretVolumeSource{SecretName: p.auth.Secret, DefaultMode: new(int32(0o440)), Optional: new(true)}
	for _, account := range p.accounts {
		for _, key := range []string{account.UsernameKey(), account.PasswordKey()} {
			source.Items = append(source.Items, corev1.KeyToPath{Key: key, Path: key})
		}
	}
	return corev1.Volume{Name: volumeAuth, VolumeSource: corev1.VolumeSource{Secret: source}}
}

// overlay applies the user's strategic merge patch.
func overlay(template corev1.PodTemplateSpec, patch *runtime.RawExtension) (corev1.PodTemplateSpec, error) {
	if patch == nil || len(patch.Raw) == 0 {
		return template, nil
	}
	base, err := json.Marshal(template)
	if err != nil {
		return template, err
	}
	merged, err := strategicpatch.StrategicMergePatch(base, patch.Raw, corev1.PodTemplateSpec{})
	if err != nil {
		return template, fmt.Errorf("spec.podTemplate is no valid overlay of a pod template: %w", err)
	}
	var out corev1.PodTemplateSpec
	if err := json.Unmarshal(merged, &out); err != nil {
		return template, fmt.Errorf("spec.podTemplate does not fit a pod template: %w", err)
	}
	return out, nil
}
