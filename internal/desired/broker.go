// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Dependencies of a Broker, resolved.
type Dependencies struct {
	// NameServers and Controllers are host:port, every member.
	NameServers []string
	Controllers []string
	// NameServerService is the client address for tools in the pods.
	NameServerService string
	References        References
	// Groups are the permission and fence of each group's brokers, by brokerName.
	Groups map[string]settings.GroupSettings
	// Auth is what the brokers are to do about credentials now.
	Auth Auth
	// TLS is what the brokers are to do about TLS now.
	TLS TLS
}

// GroupState is what is recorded of a broker group at its StatefulSet.
type GroupState struct {
	// Members is the number of its pods.
	Members int32
	State   scale.State
	Since   metav1.Time
	// StaleForce: the annotation that forces the group out was set before the group began to leave, so it does not count.
	StaleForce bool
	// Unclean is the stage of the unclean election that the user allowed, "" if there is none.
	Unclean scale.Unclean
}

// Broker objects that all groups share: headless Service and settings.
func (in Installation) Broker(b *v1alpha1.Broker, deps Dependencies) ([]client.Object, error) {
	config, err := configMap(b, Broker, settings.Settings{
		ServiceDomain: in.serviceDomain(b, Broker), HostNetwork: b.Spec.HostNetwork, Config: Properties(b.Spec.Config),
		Broker: &settings.BrokerSettings{
			ClusterName: ClusterName(b), Mode: Mode(b), NameServers: deps.NameServers, Controllers: deps.Controllers,
			DrainSeconds: DrainSeconds(b), Groups: deps.Groups, AuthSecret: deps.Auth.Secret,
		},
	})
	if err != nil {
		return nil, err
	}
	return []client.Object{
		headless(b, Broker, ports(
			corev1.ServicePort{Name: "broker", Port: settings.BrokerPort},
			corev1.ServicePort{Name: "broker-fast", Port: settings.BrokerFastPort},
			corev1.ServicePort{Name: "broker-ha", Port: settings.BrokerHAPort},
			corev1.ServicePort{Name: "metrics", Port: settings.MetricsPort})),
		config,
	}, nil
}

// BrokerGroup objects: PodDisruptionBudget and StatefulSet of group g in its state.
func (in Installation) BrokerGroup(b *v1alpha1.Broker, g int32, state GroupState, deps Dependencies) (*policyv1.PodDisruptionBudget, *appsv1.StatefulSet, error) {
	group := GroupName(b.Name, g)
	labels := Labels(b, Broker)
	labels[LabelGroup] = group
	selector := Selector(b.Name, Broker, group)
	restarts := []any{
		Image(b), b.Spec.HostNetwork, restartConfig(b), b.Spec.HostPath, b.Spec.Volumes, DrainSeconds(b),
		restartRelevant(&b.Spec.PodSettings), deps.References,
	}
	sum, err := hash(slices.Concat(restarts, deps.Auth.restarts(), deps.TLS.restarts())...)
	if err != nil {
		return nil, nil, err
	}
	set, err := statefulSet(b, group, HeadlessService(b.Name, Broker), state.Members, podSpec{
		component: Broker, role: settings.Broker, labels: maps.Clone(labels), selector: selector,
		image: Image(b), agentImage: in.AgentImage, configMap: ConfigMap(b.Name, Broker), hash: sum,
		hostNetwork: b.Spec.HostNetwork, graceSecond: settings.BrokerSettings{DrainSeconds: DrainSeconds(b)}.GraceSeconds(), nameServers: deps.NameServerService,
		ports: []corev1.ContainerPort{
			{Name: "broker", ContainerPort: settings.BrokerPort, Protocol: corev1.ProtocolTCP},
			{Name: "broker-fast", ContainerPort: settings.BrokerFastPort, Protocol: corev1.ProtocolTCP},
			{Name: "broker-ha", ContainerPort: settings.BrokerHAPort, Protocol: corev1.ProtocolTCP},
			{Name: "metrics", ContainerPort: settings.MetricsPort, Protocol: corev1.ProtocolTCP},
		},
		agentPort: settings.BrokerAgentPort,
		data:      data(b.Namespace, &b.Spec.StorageSettings, v1alpha1.StorageClass, "10Gi"),
		volumes:   b.Spec.Volumes,
		settings:  &b.Spec.PodSettings,

		tls: deps.TLS, tlsFlags: deps.TLS.flags(),
		auth: deps.Auth, accounts: settings.Accounts(),
	})
	if err != nil {
		return nil, nil, err
	}
	set.Annotations = map[string]string{
		v1alpha1.AnnotationState: string(state.State), v1alpha1.AnnotationStateSince: state.Since.UTC().Format(time.RFC3339),
	}
	if state.StaleForce {
		set.Annotations[v1alpha1.AnnotationForceStale] = "true"
	}
	if state.Unclean != "" {
		set.Annotations[v1alpha1.AnnotationUncleanElection] = string(state.Unclean)
	}
	set.Spec.PersistentVolumeClaimRetentionPolicy = retention(b)
	if state.State.Leaving() {
		// Scaling a group in ends with the deletion of its StatefulSet, so what the user wants for whenScaled counts for whenDeleted.
		set.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted = set.Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled
	}
	return disruptionBudget(b, group, labels, selector, policyv1.IfHealthyBudget), set, nil
}

// Recoverable reports whether the resource's status has everything that the StatefulSet's annotations record, so that the
// StatefulSet may be deleted and created again.
func Recoverable(set *appsv1.StatefulSet) bool {
	state, isGroup := set.Annotations[v1alpha1.AnnotationState]
	_, unclean := set.Annotations[v1alpha1.AnnotationUncleanElection]
	return !unclean && (!isGroup || state == string(scale.Open))
}

// retention keeps volumes unless the user says otherwise.
func retention(b *v1alpha1.Broker) *appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy {
	out := &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
		WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
		WhenScaled:  appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
	}
	if given := b.Spec.PersistentVolumeClaimRetentionPolicy; given != nil {
		if given.WhenDeleted != "" {
			out.WhenDeleted = given.WhenDeleted
		}
		if given.WhenScaled != "" {
			out.WhenScaled = given.WhenScaled
		}
	}
	return out
}

// DisksGo reports whether a pod's disk goes with it when its group or slave is scaled in.
func DisksGo(b *v1alpha1.Broker) bool {
	switch b.Spec.StorageMode {
	case v1alpha1.EmptyDir:
		return true
	case v1alpha1.HostPath:
		return false
	}
	return retention(b).WhenScaled == appsv1.DeletePersistentVolumeClaimRetentionPolicyType
}

// ExternalNameServers are the addresses in spec.nameServers.
func ExternalNameServers(b *v1alpha1.Broker) []string {
	return strings.FieldsFunc(b.Spec.NameServers, func(r rune) bool { return r == ';' || r == ' ' })
}

// Metadata is the ConfigMap in which a group's topics and consumer groups are saved (see package guard).
func Metadata(b *v1alpha1.Broker, group string, data map[string]string, binary map[string][]byte) *corev1.ConfigMap {
	labels := Labels(b, Broker)
	labels[LabelGroup] = group
	return &corev1.ConfigMap{
		ObjectMeta: meta(b, MetadataConfigMap(group), labels),
		Data:       data, BinaryData: binary,
	}
}

// MetadataGuarded reports whether topics and consumer groups are saved and restored.
func MetadataGuarded(b *v1alpha1.Broker) bool {
	return b.Spec.MetadataGuard != v1alpha1.MetadataGuardDisabled
}
