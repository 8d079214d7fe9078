// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"cmp"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/json"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Part is a resource of our own kinds that a RocketMQCluster asks for.
type Part struct {
	// Field of the cluster's spec that it is made of.
	Field  string
	Kind   string
	Object v1alpha1.Resource
	// Image of the object; empty if the API server is to fill in the default.
	Image *string
	// OwnCertificate: it has another one than the cluster.
	OwnCertificate bool
	// Err says that the user's overrides do not fit: the object is not as the user wants it.
	Err error
}

// String is kind and name, which no other resource of the namespace has.
func (p Part) String() string { return p.Kind + " " + p.Object.GetName() }

// PartName is the name of a RocketMQCluster's part.
func PartName(cluster, part string) string { return cluster + "-" + part }

// The parts' names after the cluster's, pools of brokers aside.
const (
	PartNameServers    = "ns"
	PartControllers    = "ctl"
	PartProxy          = "proxy"
	PartConsole        = "console"
	PartExporter       = "exporter"
	PartSchemaRegistry = "schema"
)

// PoolName is the name of the Broker that a pool becomes.
func PoolName(cluster, pool string) string {
	if pool == "" {
		return PartName(cluster, "broker")
	}
	return PartName(cluster, "broker-"+pool)
}

// ConsoleLogin is the name of the Secret with the dashboard's users, unless the user gave one.
func ConsoleLogin(cluster string) string { return PartName(cluster, "console-login") }

// Parts are the resources that a cluster asks for, in the order in which they change their version.
func Parts(c *v1alpha1.RocketMQCluster) []Part {
	c = c.DeepCopy() // which the parts are made of
	spec := &c.Spec
	parts := []Part{nameServersPart(c)}
	if spec.Controllers != nil {
		parts = append(parts, controllersPart(c))
	}
	pools := spec.Brokers
	if len(pools) == 0 {
		pools = []v1alpha1.BrokerPool{{}}
	}
	for i := range pools {
		parts = append(parts, poolPart(c, &pools[i]))
	}
	if spec.Proxy != nil {
		parts = append(parts, proxyPart(c))
	}
	if spec.Console != nil {
		parts = append(parts, consolePart(c))
	}
	if spec.Exporter != nil {
		e := &v1alpha1.Exporter{ObjectMeta: partMeta(c, PartExporter), Spec: v1alpha1.ExporterSpec{
			Image: spec.Exporter.Image, Replicas: spec.Exporter.Replicas, Service: spec.Exporter.Service,
			NameServerSettings: askOwn(c), PodSettings: toolSettings(c, spec.Exporter), NetworkPolicySettings: networkSettings(c, nil),
		}}
		parts = append(parts, Part{Field: "exporter", Kind: "Exporter", Object: e, Image: &e.Spec.Image, Err: override(&e.Spec, spec.Exporter.Overrides)})
	}
	if spec.SchemaRegistry != nil {
		tool := &spec.SchemaRegistry.ClusterTool
		s := &v1alpha1.SchemaRegistry{ObjectMeta: partMeta(c, PartSchemaRegistry), Spec: v1alpha1.SchemaRegistrySpec{
			Image: tool.Image, Replicas: tool.Replicas, Service: tool.Service,
			NameServerSettings: askOwn(c), PodSettings: toolSettings(c, tool), NetworkPolicySettings: networkSettings(c, spec.AllowedClients),
		}}
		parts = append(parts, Part{Field: "schemaRegistry", Kind: "SchemaRegistry", Object: s, Image: &s.Spec.Image, Err: override(&s.Spec, tool.Overrides)})
	}
	return parts
}

func nameServersPart(c *v1alpha1.RocketMQCluster) Part {
	given := c.Spec.NameServers
	if given == nil {
		given = &v1alpha1.ClusterNameServers{}
	}
	ns := &v1alpha1.NameService{ObjectMeta: partMeta(c, PartNameServers), Spec: v1alpha1.NameServiceSpec{
		Size: new(size(given.Size, 1)), NameServiceImage: Image(c), HostNetwork: given.HostNetwork, Config: given.Config,
		NetworkPolicySettings: networkSettings(c, c.Spec.AllowedClients), TLS: c.Spec.TLS,
		StorageSettings: storageSettings(given.Storage), PodSettings: serverSettings(c, &given.ServerSettings),
	}}
	return Part{Field: "nameServers", Kind: "NameService", Object: ns, Image: &ns.Spec.NameServiceImage, Err: override(&ns.Spec, given.Overrides)}
}

func controllersPart(c *v1alpha1.RocketMQCluster) Part {
	given := c.Spec.Controllers
	ctl := &v1alpha1.Controller{ObjectMeta: partMeta(c, PartControllers), Spec: v1alpha1.ControllerSpec{
		Size: new(size(given.Size, 3)), ControllerImage: Image(c), Config: given.Config, NetworkPolicySettings: networkSettings(c, nil),
		StorageSettings: storageSettings(given.Storage), PodSettings: serverSettings(c, &given.ServerSettings), TLS: c.Spec.TLS,
	}}
	return Part{Field: "controllers", Kind: "Controller", Object: ctl, Image: &ctl.Spec.ControllerImage, Err: override(&ctl.Spec, given.Overrides)}
}

func poolPart(c *v1alpha1.RocketMQCluster, pool *v1alpha1.BrokerPool) Part {
	b := &v1alpha1.Broker{ObjectMeta: partMeta(c, ""), Spec: v1alpha1.BrokerSpec{
		Size: pool.Size, ReplicaPerGroup: new(size(pool.ReplicaPerGroup, 1)), ClusterMode: v1alpha1.Static,
		ClusterName: c.Name, NameServiceRef: &v1alpha1.ObjectReference{Name: PartName(c.Name, PartNameServers)},
		BrokerImage: Image(c), HostNetwork: pool.HostNetwork, Config: mergedConfig(c.Spec.Config, pool.Config),
		StorageSettings: storageSettings(pool.Storage), PodSettings: serverSettings(c, &pool.ServerSettings),
		NetworkPolicySettings: networkSettings(c, c.Spec.AllowedClients), Auth: clusterAuth(c), TLS: c.Spec.TLS,
	}}
	b.Name = PoolName(c.Name, pool.Name)
	if c.Spec.Controllers != nil {
		b.Spec.ClusterMode = v1alpha1.ControllerMode
		b.Spec.ControllerRef = &v1alpha1.ObjectReference{Name: PartName(c.Name, PartControllers)}
	}
	return Part{Field: fmt.Sprintf("brokers[%q]", pool.Name), Kind: "Broker", Object: b, Image: &b.Spec.BrokerImage, Err: override(&b.Spec, pool.Overrides)}
}

func proxyPart(c *v1alpha1.RocketMQCluster) Part {
	given := c.Spec.Proxy
	proxy := &v1alpha1.Proxy{ObjectMeta: partMeta(c, PartProxy), Spec: v1alpha1.ProxySpec{
		Replicas: given.Replicas, Image: Image(c), ClusterName: c.Name, NameServiceRef: askOwn(c).NameServiceRef,
		Service: given.Service, TLS: proxyTLS(c), Config: given.Config, PodSettings: serverSettings(c, &given.ServerSettings),
		NetworkPolicySettings: networkSettings(c, slices.Concat(c.Spec.AllowedClients, given.AllowedClients)), Auth: clusterAuth(c),
	}}
	return Part{
		Field: "proxy", Kind: "Proxy", Object: proxy, Image: &proxy.Spec.Image, OwnCertificate: given.TLS != nil, Err: override(&proxy.Spec, given.Overrides),
	}
}

// proxyTLS is the proxies' own certificate, or else the cluster's. To verify the other servers they need the cluster's CA in any case.
func proxyTLS(c *v1alpha1.RocketMQCluster) *v1alpha1.TLSSettings {
	own, shared := c.Spec.Proxy.TLS, c.Spec.TLS
	switch {
	case shared == nil:
		return own
	case own == nil:
		own = shared.DeepCopy()
		own.ClientAuth = "" // their gRPC server asks for none
	case own.CASecretName == "":
		own = own.DeepCopy()
		own.CASecretName = cmp.Or(shared.CASecretName, shared.SecretName)
	}
	return own
}

func consolePart(c *v1alpha1.RocketMQCluster) Part {
	given := c.Spec.Console
	console := &v1alpha1.Console{ObjectMeta: partMeta(c, PartConsole), Spec: v1alpha1.ConsoleSpec{
		Image: given.Image, Replicas: given.Replicas, Service: given.Service,
		Ingress: given.Ingress, Login: given.Login, NameServerSettings: askOwn(c), PodSettings: toolSettings(c, &given.ClusterTool),
		NetworkPolicySettings: networkSettings(c, given.AllowedClients),
	}}
	if console.Spec.Login == nil {
		console.Spec.Login = &v1alpha1.ConsoleLogin{SecretRef: v1alpha1.SecretReference{Name: ConsoleLogin(c.Name)}}
	}
	return Part{Field: "console", Kind: "Console", Object: console, Image: &console.Spec.Image, Err: override(&console.Spec, given.Overrides)}
}

// ConsoleLoginSecret has the dashboard's only user. The operator writes it once; later only users change it.
func ConsoleLoginSecret(c *v1alpha1.RocketMQCluster, password string) *corev1.Secret {
	const user = "admin"
	return &corev1.Secret{ObjectMeta: meta(c, ConsoleLogin(c.Name), partLabels(c)), Type: corev1.SecretTypeOpaque, Data: map[string][]byte{
		"username": []byte(user), "password": []byte(password),
		"users.properties": []byte(user + "=" + password + ",1\n"), // 1 is an administrator
	}}
}

// clusterAuth is that of the parts, which all have the same accounts.
func clusterAuth(c *v1alpha1.RocketMQCluster) *v1alpha1.AuthSettings {
	if !c.Spec.Auth.On() || c.Spec.Auth.CredentialsSecretRef != nil {
		return c.Spec.Auth
	}
	return &v1alpha1.AuthSettings{Enabled: true, Mode: c.Spec.Auth.Mode, CredentialsSecretRef: &v1alpha1.SecretReference{Name: AuthSecret(c.Name)}}
}

// partMeta is the metadata of a part. Namespaces that may refer to the cluster may refer to its parts.
func partMeta(c *v1alpha1.RocketMQCluster, part string) metav1.ObjectMeta {
	out := meta(c, PartName(c.Name, part), partLabels(c))
	for _, key := range []string{v1alpha1.AnnotationAllowFrom, v1alpha1.AnnotationRelease} {
		if value := c.Annotations[key]; value != "" {
			metav1.SetMetaDataAnnotation(&out, key, value)
		}
	}
	return out
}

// partLabels are the labels of a part. Labels copies the cluster's name from there to the part's own objects.
func partLabels(c *v1alpha1.RocketMQCluster) map[string]string {
	return map[string]string{LabelName: "rocketmq", LabelPartOf: c.Name, LabelManagedBy: ManagedBy, LabelCluster: c.Name}
}

// askOwn lets a tool ask the cluster's name servers.
func askOwn(c *v1alpha1.RocketMQCluster) v1alpha1.NameServerSettings {
	return v1alpha1.NameServerSettings{NameServiceRef: &v1alpha1.ObjectReference{Name: PartName(c.Name, PartNameServers)}}
}

func storageSettings(storage *v1alpha1.Storage) v1alpha1.StorageSettings {
	if storage == nil {
		return v1alpha1.StorageSettings{} // the kind's default
	}
	return v1alpha1.StorageSettings{StorageMode: v1alpha1.StorageClass, Storage: storage}
}

// serverSettings are the part's settings, and the cluster's where the part says nothing.
func serverSettings(c *v1alpha1.RocketMQCluster, part *v1alpha1.ServerSettings) v1alpha1.PodSettings {
	return v1alpha1.PodSettings{
		ImagePullSecrets: c.Spec.ImagePullSecrets, Resources: part.Resources, JVM: mergedJVM(c.Spec.JVM, part.JVM),
		PodTemplate: c.Spec.PodTemplate, Paused: c.Spec.Paused,
	}
}

func toolSettings(c *v1alpha1.RocketMQCluster, tool *v1alpha1.ClusterTool) v1alpha1.PodSettings {
	return v1alpha1.PodSettings{ImagePullSecrets: c.Spec.ImagePullSecrets, Resources: tool.Resources, Paused: c.Spec.Paused}
}

// networkSettings of a part are the cluster's, with clients of its own.
func networkSettings(c *v1alpha1.RocketMQCluster, clients v1alpha1.NetworkPeers) v1alpha1.NetworkPolicySettings {
	out := c.Spec.NetworkPolicySettings
	out.AllowedClients = clients
	if out.NetworkPolicy == "" && c.Spec.Auth.Enforced() {
		out.NetworkPolicy = v1alpha1.NetworkPolicyEnabled // also for parts without auth of their own
	}
	return out
}

func mergedConfig(shared, own map[string]v1alpha1.ConfigValue) map[string]v1alpha1.ConfigValue {
	if len(shared)+len(own) == 0 {
		return nil
	}
	out := maps.Clone(shared)
	if out == nil {
		out = map[string]v1alpha1.ConfigValue{}
	}
	maps.Copy(out, own)
	return out
}

// mergedJVM takes each field from the part that says something about it.
func mergedJVM(shared, own *v1alpha1.JVM) *v1alpha1.JVM {
	switch {
	case own == nil:
		return shared
	case shared == nil:
		return own
	}
	out := shared.DeepCopy()
	if own.Heap != nil {
		out.Heap = own.Heap
	}
	if own.DirectMemory != nil {
		out.DirectMemory = own.DirectMemory
	}
	if own.ExtraOptions != nil {
		out.ExtraOptions = own.ExtraOptions
	}
	return out
}

// override merges the user's patch into a spec. A field that the kind does not have is an error, and the spec stays as it was.
func override[T any](spec *T, patch *runtime.RawExtension) error {
	if patch == nil || len(patch.Raw) == 0 {
		return nil
	}
	before, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
	if err != nil {
		return err
	}
	var overrides map[string]any
	if err := json.UnmarshalCaseSensitivePreserveInts(patch.Raw, &overrides); err != nil {
		return fmt.Errorf("overrides are no merge patch: %w", err)
	}
	after, err := stdjson.Marshal(merge(before, overrides))
	if err != nil {
		return err
	}
	out := new(T)
	unknown, err := json.UnmarshalStrict(after, out)
	if err = errors.Join(append(unknown, err)...); err != nil {
		return fmt.Errorf("overrides do not fit: %w", err)
	}
	*spec = *out
	return nil
}

// merge is a JSON merge patch (RFC 7386).
func merge(value, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out, ok := value.(map[string]any)
	if !ok {
		out = map[string]any{}
	}
	for key, change := range changes {
		if change == nil {
			delete(out, key)
			continue
		}
		out[key] = merge(out[key], change)
	}
	return out
}

// ExternalAddresses are those of name servers that use their nodes' addresses, "" for others.
func ExternalAddresses(ns *v1alpha1.NameService) string {
	if !ns.Spec.HostNetwork {
		return ""
	}
	var out []string
	for _, ip := range ns.Status.NameServers {
		if strings.Contains(ip, ":") {
			ip = "[" + ip + "]" // IPv6
		}
		out = append(out, ip+":"+strconv.Itoa(settings.NameServerPort))
	}
	return strings.Join(out, ";")
}
