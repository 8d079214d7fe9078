// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Tool is a program beside the RocketMQ servers, in the images of its own project: dashboard, exporter, schema registry.
// All three are Spring Boot applications that keep nothing (a little history aside) and ask the name servers.
type Tool struct {
	// Objects that must exist before the Deployment.
	Objects    []client.Object
	Deployment *appsv1.Deployment
	// Ingress is nil for none.
	Ingress client.Object
	// Address is host:port of its Service.
	Address string
}

// The variables of a tool's container. The application reads its properties from one JSON object, which wins over its packaged
// configuration and over other variables, and in which values need no quoting.
const (
	envProperties  = "SPRING_APPLICATION_JSON"
	envJVM         = "JAVA_TOOL_OPTIONS"
	envNameServers = "NAMESRV_ADDR"
)

// tmp is where the programs write: Tomcat's directories, and logs, because it is given to them as their home. It is a volume, so that
// the root of the container may be read-only.
const tmp = "/tmp"

// ToolBackend is what a tool works on.
type ToolBackend struct {
	NameServers []string
	// AuthSecret is the name of the Secret with the account as which it asks brokers, "" for none.
	AuthSecret string
	// TLS is nil for plain text.
	TLS        *ToolTLS
	References References
}

// toolSpec is what a tool's objects are made of.
type toolSpec struct {
	obj       client.Object
	component Component
	container string
	image     string
	port      int32
	portName  string
	// health is the path that answers when the tool serves. started is the path that answers when it has started, if that is another
	// one.
	health     string
	started    string
	replicas   *int32
	backend    ToolBackend
	properties map[string]any
	// jvm options that the container is given.
	jvm     []string
	service v1alpha1.ServiceSettings
	// sticky: a browser always reaches the same pod, because only that pod knows its session.
	sticky   bool
	volumes  []corev1.Volume
	mounts   []corev1.VolumeMount
	hash     string
	settings *v1alpha1.PodSettings
}

// deployment is the tool's Deployment.
func (t toolSpec) deployment() (*appsv1.Deployment, error) {
	labels, selector := Labels(t.obj, t.component), Selector(t.obj.GetName(), t.component, "")
	p := podSpec{component: t.component, labels: labels, selector: selector, hash: t.hash, settings: t.settings, volumes: t.volumes}
	t.jvm = jvmOptions(t.settings.JVM)
	env, err := t.env(t.settings.Env)
	if err != nil {
		return nil, err
	}
	podContext, err := podSecurity(t.settings.SecurityContext)
	if err != nil {
		return nil, err
	}
	containerContext, err := containerSecurity(t.settings.ContainerSecurityContext)
	if err != nil {
		return nil, err
	}
	template, err := overlay(corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(labels), Annotations: maps.Clone(t.settings.PodAnnotations)},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: new(false),
			EnableServiceLinks:           new(false),
			ServiceAccountName:           t.settings.ServiceAccountName,
			ImagePullSecrets:             t.settings.ImagePullSecrets,
			Affinity:                     t.settings.Affinity,
			Tolerations:                  t.settings.Tolerations,
			NodeSelector:                 t.settings.NodeSelector,
			PriorityClassName:            t.settings.PriorityClassName,
			TopologySpreadConstraints:    p.spread(),
			SecurityContext:              podContext,
			Volumes:                      append(t.volumes, corev1.Volume{Name: volumeTmp, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}),
			Containers: []corev1.Container{{
				Name:            t.container,
				Image:           t.image,
				ImagePullPolicy: t.settings.ImagePullPolicy,
				// The end of the log says why the program ended.
				TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
				Env:                      env,
				Resources:                t.settings.Resources,
				SecurityContext:          containerContext,
				Ports:                    []corev1.ContainerPort{{Name: t.portName, ContainerPort: t.port, Protocol: corev1.ProtocolTCP}},
				VolumeMounts:             append(t.mounts, corev1.VolumeMount{Name: volumeTmp, MountPath: tmp}),
				StartupProbe:             t.probe(t.get(cmp.Or(t.started, t.health)), 1, 300), // a JVM on a busy machine
				ReadinessProbe:           t.probe(t.get(t.health), 5, 3),
				LivenessProbe:            t.probe(t.connect(), 20, 6), // a slow answer is no reason to start anew
			}},
		},
	}, t.settings.PodTemplate)
	if err != nil {
		return nil, err
	}
	return t.finish(appsv1.DeploymentSpec{Template: template, Strategy: t.strategy()})
}

// finish completes a Deployment with what users cannot choose.
func (t toolSpec) finish(spec appsv1.DeploymentSpec) (*appsv1.Deployment, error) {
	if err := (podSpec{}).checkVolumes(spec.Template.Spec.Volumes); err != nil {
		return nil, err
	}
	if spec.Replicas == nil {
		spec.Replicas = new(size(t.replicas, 1))
	}
	if spec.Selector == nil {
		spec.Selector = &metav1.LabelSelector{MatchLabels: Selector(t.obj.GetName(), t.component, "")}
	}
	meta := &spec.Template.ObjectMeta
	meta.Labels = t.labels(meta.Labels)
	if meta.Annotations == nil {
		meta.Annotations = map[string]string{}
	}
	meta.Annotations[v1alpha1.AnnotationHash] = t.hash
	return &appsv1.Deployment{ObjectMeta: metaOf(t.obj, t.obj.GetName(), t.component), Spec: spec}, nil
}

// labels adds ours to the user's. Users cannot change those by which the operator finds its objects.
func (t toolSpec) labels(given map[string]string) map[string]string {
	out := Labels(t.obj, t.component)
	selector := Selector(t.obj.GetName(), t.component, "")
	for key, value := range given {
		if selector[key] == "" {
			out[key] = value
		}
	}
	return out
}

func metaOf(obj client.Object, name string, component Component) metav1.ObjectMeta {
	return meta(obj, name, Labels(obj, component))
}

// strategy starts a new pod before an old one ends, unless they share a volume. Then it is not Recreate, but a rolling update with other
// numbers: in a Deployment that somebody else made, the API server has filled in the numbers of a rolling update. The operator does not
// own those, so it could not remove them, and they must not stand beside Recreate.
func (t toolSpec) strategy() appsv1.DeploymentStrategy {
	surge, unavailable := intstr.FromInt32(1), intstr.FromInt32(0)
	if slices.ContainsFunc(t.volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil }) {
		surge, unavailable = unavailable, surge
	}
	return appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: &surge, MaxUnavailable: &unavailable}}
}

func (t toolSpec) get(path string) corev1.ProbeHandler {
	return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(t.port)}}
}

func (t toolSpec) connect() corev1.ProbeHandler {
	return corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(t.port)}}
}

func (t toolSpec) probe(how corev1.ProbeHandler, period, failures int32) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: how, PeriodSeconds: period, TimeoutSeconds: 5, FailureThreshold: failures}
}

// env completes the user's environment. No name is there twice: the API server refuses to apply such a list.
func (t toolSpec) env(given []corev1.EnvVar) ([]corev1.EnvVar, error) {
	properties, err := json.Marshal(t.properties)
	if err != nil {
		return nil, fmt.Errorf("spec.config: %w", err)
	}
	own := []corev1.EnvVar{{Name: envProperties, Value: string(properties)}}
	jvm := slices.Concat(t.backend.TLS.options(), t.jvm)
	var others []corev1.EnvVar
	for _, e := range lastOfEach(given) {
		switch {
		case e.Name == envProperties:
			return nil, fmt.Errorf("env: the operator sets %s; put the properties into spec.config", envProperties)
		case e.Name == envJVM && e.ValueFrom == nil && len(jvm) > 0:
			jvm = append([]string{e.Value}, jvm...) // the last option wins
		case e.Name == envJVM:
			jvm = nil
			fallthrough
		default:
			others = append(others, e)
		}
	}
	if len(jvm) > 0 {
		own = append(own, corev1.EnvVar{Name: envJVM, Value: strings.Join(jvm, " ")})
	}
	if !slices.ContainsFunc(others, func(e corev1.EnvVar) bool { return e.Name == envNameServers }) {
		own = append(own, corev1.EnvVar{Name: envNameServers, Value: strings.Join(t.backend.NameServers, ";")})
	}
	return append(own, others...), nil
}

// lastOfEach keeps the last variable of each name, as a container does.
func lastOfEach(env []corev1.EnvVar) []corev1.EnvVar {
	var out []corev1.EnvVar
	for i, e := range env {
		if !slices.ContainsFunc(env[i+1:], func(later corev1.EnvVar) bool { return later.Name == e.Name }) {
			out = append(out, e)
		}
	}
	return out
}

// jvmOptions are read by the JVM itself, whatever the image's command is. Without a heap it takes a quarter of the
// memory limit, as the servers do.
func jvmOptions(jvm *v1alpha1.JVM) []string {
	options := []string{"-Duser.home=" + tmp}
	if jvm == nil {
		return options
	}
	if jvm.Heap != nil {
		heap := javaSize(*jvm.Heap)
		options = append(options, "-Xms"+heap, "-Xmx"+heap)
	}
	if jvm.DirectMemory != nil {
		options = append(options, "-XX:MaxDirectMemorySize="+javaSize(*jvm.DirectMemory))
	}
	return append(options, jvm.ExtraOptions...)
}

// clientService is what users reach the tool through.
func (t toolSpec) clientService() *corev1.Service {
	service := &corev1.Service{
		ObjectMeta: metaOf(t.obj, t.obj.GetName(), t.component),
		Spec: corev1.ServiceSpec{
			Type:     t.service.Type,
			Selector: Selector(t.obj.GetName(), t.component, ""),
			Ports: []corev1.ServicePort{{
				Name: t.portName, Port: t.servicePort(), TargetPort: intstr.FromInt32(t.port), Protocol: corev1.ProtocolTCP}},
		},
	}
	if service.Spec.Type == "" {
		service.Spec.Type = corev1.ServiceTypeClusterIP
	}
	if t.service.NodePort != nil && service.Spec.Type != corev1.ServiceTypeClusterIP {
		service.Spec.Ports[0].NodePort = *t.service.NodePort
	}
	service.Annotations = maps.Clone(t.service.Annotations)
	if t.sticky {
		service.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
	}
	return service
}

// servicePort is the tool's own default, whatever its container listens on.
func (t toolSpec) servicePort() int32 {
	switch t.component {
	case Console:
		return settings.ConsolePort
	case Exporter:
		return settings.MetricsPort
	default:
		return settings.SchemaRegistryPort
	}
}

// tool puts the objects together.
func (in Installation) tool(t toolSpec, deployment *appsv1.Deployment, before ...client.Object) *Tool {
	return &Tool{
		Objects: append(before, t.clientService()), Deployment: deployment,
		Address: fmt.Sprintf("%s.%s.svc.%s:%d", t.obj.GetName(), t.obj.GetNamespace(), in.Domain, t.servicePort()),
	}
}

// GivenNameServers are those of the settings, given by hand.
func GivenNameServers(s *v1alpha1.NameServerSettings) []string { return nameServerList(s.NameServers) }

func nameServerList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == ' ' })
}

// toolVolume has a tool's data, all of which it could build again: in a claim if the user asked for storage, else in the pod.
func toolVolume(cr string, storage *v1alpha1.Storage) corev1.Volume {
	source := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
	if storage != nil {
		source = corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: cr + "-data"}}
	}
	return corev1.Volume{Name: volumeData, VolumeSource: source}
}

// toolClaim is a tool's claim, if it has storage. It stays when its resource is deleted, and a new resource of the same name uses it
// again. So it has only labels that cannot change.
func toolClaim(obj client.Object, component Component, storage *v1alpha1.Storage) []client.Object {
	if storage == nil {
		return nil
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: meta(obj, obj.GetName()+"-data", Selector(obj.GetName(), component, "")),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: storage.ClassName,
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
	if storage.Size != nil {
		claim.Spec.Resources.Requests[corev1.ResourceStorage] = *storage.Size
	}
	return []client.Object{claim}
}
