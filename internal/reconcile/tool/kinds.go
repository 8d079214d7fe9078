// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

// Kind is what differs between the kinds of tools.
type Kind struct {
	// New and List make an empty resource and an empty list.
	New  func() v1alpha1.Resource
	List func() client.ObjectList

	component desired.Component
	// owned objects besides Deployment and Service.
	owned []client.Object
	look  func(client.Object) resource
}

// resource is one tool as the reconciler sees it: pointers into its spec and status.
type resource struct {
	component   desired.Component
	nameServers *v1alpha1.NameServerSettings
	settings    *v1alpha1.PodSettings
	status      *v1alpha1.ToolStatus
	build       func(desired.Installation, desired.ToolBackend) (*desired.Tool, error)
	// ingress: the kind knows Ingresses.
	ingress bool
	// needs says what must be there before a pod starts.
	needs []string
	// signer is nil for a kind that signs nothing.
	signer *signer
	// configMaps that its pods read.
	configMaps func() []kube.ConfigMapRef
}

// Console reconciles dashboards.
func Console() Kind {
	return Kind{
		New:       func() v1alpha1.Resource { return &v1alpha1.Console{} },
		List:      func() client.ObjectList { return &v1alpha1.ConsoleList{} },
		component: desired.Console,
		owned:     []client.Object{&networkingv1.Ingress{}},
		look: func(object client.Object) resource {
			c := object.(*v1alpha1.Console)
			var needs []string
			if c.Spec.Login != nil {
				needs = append(needs, fmt.Sprintf("the Secret %q and its key users.properties (spec.login)", c.Spec.Login.SecretRef.Name))
			}
			return resource{
				needs: needs, signer: signerOfConsole(c),
				component: desired.Console, ingress: true,
				nameServers: &c.Spec.NameServerSettings, settings: &c.Spec.PodSettings, status: &c.Status,
				build: func(cluster desired.Installation, backend desired.ToolBackend) (*desired.Tool, error) {
					return cluster.Console(c, backend)
				},
				configMaps: func() []kube.ConfigMapRef { return consoleConfigMaps(c) },
			}
		},
	}
}

// consoleConfigMaps of both forms. A Deployment that cannot be read has none: its rendering says why.
func consoleConfigMaps(c *v1alpha1.Console) []kube.ConfigMapRef {
	if c.Spec.ConsoleDeployment == nil {
		return kube.ConfigMapRefs(&c.Spec.PodSettings, nil)
	}
	given, err := desired.ParseConsole(&c.Spec)
	if err != nil {
		return nil
	}
	pod := &given.Spec.Template.Spec
	var all v1alpha1.PodSettings
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			all.Env = append(all.Env, containers[i].Env...)
			for _, from := range containers[i].EnvFrom {
				if from.ConfigMapRef != nil {
					all.Env = append(all.Env, corev1.EnvVar{ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
						LocalObjectReference: from.ConfigMapRef.LocalObjectReference, Optional: from.ConfigMapRef.Optional}}})
				}
			}
		}
	}
	refs := kube.ConfigMapRefs(&all, pod.Volumes)
	for i := range refs {
		refs[i].Field = "spec.consoleDeployment" // where in it, its author will find
	}
	return refs
}

// Exporter reconciles exporters.
func Exporter() Kind {
	return Kind{
		New:       func() v1alpha1.Resource { return &v1alpha1.Exporter{} },
		List:      func() client.ObjectList { return &v1alpha1.ExporterList{} },
		component: desired.Exporter,
		look: func(object client.Object) resource {
			e := object.(*v1alpha1.Exporter)
			return resource{
				signer:      &signer{given: e.Spec.Auth, asAnother: desired.SignsAsAnother(e.Spec.Config, e.Spec.Env)},
				component:   desired.Exporter,
				nameServers: &e.Spec.NameServerSettings, settings: &e.Spec.PodSettings, status: &e.Status,
				build: func(cluster desired.Installation, backend desired.ToolBackend) (*desired.Tool, error) {
					return cluster.Exporter(e, backend)
				},
				configMaps: func() []kube.ConfigMapRef { return kube.ConfigMapRefs(&e.Spec.PodSettings, nil) },
			}
		},
	}
}

// SchemaRegistry reconciles schema registries.
func SchemaRegistry() Kind {
	return Kind{
		New:       func() v1alpha1.Resource { return &v1alpha1.SchemaRegistry{} },
		List:      func() client.ObjectList { return &v1alpha1.SchemaRegistryList{} },
		component: desired.SchemaRegistry,
		owned:     []client.Object{&corev1.ConfigMap{}},
		look: func(object client.Object) resource {
			sr := object.(*v1alpha1.SchemaRegistry)
			return resource{
				component:   desired.SchemaRegistry,
				nameServers: &sr.Spec.NameServerSettings, settings: &sr.Spec.PodSettings, status: &sr.Status,
				build: func(cluster desired.Installation, backend desired.ToolBackend) (*desired.Tool, error) {
					return cluster.SchemaRegistry(sr, backend)
				},
				configMaps: func() []kube.ConfigMapRef { return kube.ConfigMapRefs(&sr.Spec.PodSettings, nil) },
			}
		},
	}
}
