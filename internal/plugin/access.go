// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/plugin/forward"
)

// Access is a Kubernetes cluster as the user reaches it.
type Access struct {
	Client client.Client
	// Namespace is the one that the user has chosen.
	Namespace string
	// Forward connects to a port of a pod.
	Forward func(ctx context.Context, pod types.NamespacedName, port int) (net.Conn, error)
	// Logs are a container's.
	Logs func(ctx context.Context, pod types.NamespacedName, options *corev1.PodLogOptions) (io.ReadCloser, error)
}

// Connect takes cluster, user and namespace from the kubeconfig and the flags. It does not send anything yet.
func Connect(flags *genericclioptions.ConfigFlags) (*Access, error) {
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig (--kubeconfig, KUBECONFIG): %w", err)
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig (--kubeconfig, KUBECONFIG): %w", err)
	}
	if raw, err := flags.ToRawKubeConfigLoader().RawConfig(); err == nil && len(raw.Clusters) == 0 && config.Host == clientcmd.ClusterDefaults.Server {
		return nil, errors.New("no Kubernetes cluster is configured: set KUBECONFIG, or give --kubeconfig or --server")
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 50, 300 // as kubectl: with the default, a report waits most of its time
	config.WarningHandler = rest.NewWarningWriter(os.Stderr, rest.WarningWriterOptions{Deduplicate: true})
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: kinds()})
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", config.Host, err)
	}
	forwarder, err := forward.New(config)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", config.Host, err)
	}
	core, err := typedcorev1.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", config.Host, err)
	}
	logs := func(ctx context.Context, pod types.NamespacedName, options *corev1.PodLogOptions) (io.ReadCloser, error) {
		return core.Pods(pod.Namespace).GetLogs(pod.Name, options).Stream(ctx)
	}
	return &Access{Client: c, Namespace: namespace, Forward: forwarder.Dial, Logs: logs}, nil
}

// newScheme knows the types that the plugin reads and writes.
func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return scheme, nil
}

// kinds are the kinds that the plugin reads, and those of which the operator is installed. Asking the API server for its kinds would cost
// more requests, and those ignore the context.
func kinds() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range v1alpha1.Kinds() {
		mapper.Add(v1alpha1.GroupVersion.WithKind(kind.Name), meta.RESTScopeNamespace)
	}
	for version, names := range map[schema.GroupVersion][]string{
		corev1.SchemeGroupVersion:       {"ConfigMap", "Event", "PersistentVolumeClaim", "Pod", "Secret", "Service", "ServiceAccount"},
		appsv1.SchemeGroupVersion:       {"Deployment", "StatefulSet"},
		policyv1.SchemeGroupVersion:     {"PodDisruptionBudget"},
		networkingv1.SchemeGroupVersion: {"NetworkPolicy"},
		rbacv1.SchemeGroupVersion:       {"Role", "RoleBinding"},
	} {
		for _, name := range names {
			mapper.Add(version.WithKind(name), meta.RESTScopeNamespace)
		}
	}
	for version, names := range map[schema.GroupVersion][]string{
		corev1.SchemeGroupVersion:          {"Namespace", "Node"},
		rbacv1.SchemeGroupVersion:          {"ClusterRole", "ClusterRoleBinding"},
		apiextensionsv1.SchemeGroupVersion: {"CustomResourceDefinition"},
	} {
		for _, name := range names {
			mapper.Add(version.WithKind(name), meta.RESTScopeRoot)
		}
	}
	return mapper
}

// list reads RocketMQ resources of a namespace, or of all if it is "".
func (a *Access) list(ctx context.Context, namespace string, into client.ObjectList) error {
	err := a.Client.List(ctx, into, client.InNamespace(namespace))
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("this Kubernetes cluster has no RocketMQ resources: install the operator (kubectl rocketmq install, or install-operator.sh), or choose another --context: %w", err)
	case err != nil:
		return fmt.Errorf("list RocketMQ resources: %w", err)
	}
	return nil
}
