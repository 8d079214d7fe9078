// SPDX-License-Identifier: Apache-2.0

// Package reach finds the addresses of a cluster's servers, and has the client that asks them.
//
// A server has up to three addresses. It registers with a name, <pod>.<service>.<namespace>.svc.<domain>:<port>, which DNS knows only
// after a while. The operator uses the IP of its pod. Under hostNetwork both are the address of the node.
package reach

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Reach finds servers and talks to them. It is safe for concurrent use.
type Reach struct {
	// Client sends requests to servers that do not ask for credentials: name servers and controllers never do. See For.
	Client *admin.Client

	installation desired.Installation
	reader       client.Reader
	secrets      client.Reader
	conn         *remoting.Client
}

// New finds the servers by their pods, for which the reader has IndexIP, and talks to them with these options. Secrets are read one by
// one, by their names: the reader of those must not be a cache, which would hold all that there are.
func New(installation desired.Installation, reader, secrets client.Reader, options remoting.Options) *Reach {
	r := &Reach{installation: installation, reader: reader, secrets: secrets}
	options.TLSFor = r.tlsFor
	r.conn = remoting.NewClient(options)
	r.Client = admin.New(r.conn)
	return r
}

// Close ends all connections.
func (r *Reach) Close() error { return r.conn.Close() }

// NameServers are where the name servers of a NameService answer, in order; without one, the given addresses.
func (r *Reach) NameServers(ctx context.Context, of *v1alpha1.ObjectReference, given []string) ([]string, error) {
	if of == nil {
		return given, nil
	}
	addrs, err := r.find(ctx, *of, desired.NameServer, pods.NameServerAddr)
	return slices.Sorted(maps.Values(addrs)), err
}

// Controllers are where the controllers of a Controller answer, in order; none without one.
func (r *Reach) Controllers(ctx context.Context, of *v1alpha1.ObjectReference) ([]string, error) {
	if of == nil {
		return nil, nil
	}
	addrs, err := r.find(ctx, *of, desired.Controller, pods.ControllerAddr)
	return slices.Sorted(maps.Values(addrs)), err
}

// Masters are the addresses of the masters of a Broker's groups, by brokerName: "" for a group that has no master now. Groups without
// members are left out.
func (r *Reach) Masters(ctx context.Context, b *v1alpha1.Broker) (map[string]string, error) {
	addrs, err := r.find(ctx, v1alpha1.ObjectReference{Namespace: b.Namespace, Name: b.Name}, desired.Broker, pods.BrokerAddr)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, group := range b.Status.Groups {
		if len(group.Members) > 0 {
			out[group.Name] = addrs[group.Master]
		}
	}
	return out, nil
}

// Slaves are the addresses of the other members of a Broker's groups that run, by brokerName.
func (r *Reach) Slaves(ctx context.Context, b *v1alpha1.Broker) (map[string][]string, error) {
	addrs, err := r.find(ctx, v1alpha1.ObjectReference{Namespace: b.Namespace, Name: b.Name}, desired.Broker, pods.BrokerAddr)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, group := range b.Status.Groups {
		for _, member := range group.Members {
			if addr := addrs[member.Pod]; addr != "" && member.Pod != group.Master {
				out[group.Name] = append(out[group.Name], addr)
			}
		}
	}
	return out, nil
}

// find where the running pods of a resource's component answer, by pod.
func (r *Reach) find(ctx context.Context, of v1alpha1.ObjectReference, component desired.Component, at func(*corev1.Pod) string) (map[string]string, error) {
	var list corev1.PodList
	err := r.reader.List(ctx, &list, client.InNamespace(of.Namespace), client.MatchingLabels(desired.Selector(of.Name, component, "")))
	if err != nil {
		return nil, fmt.Errorf("list pods of %s: %w", of.Name, err)
	}
	out := map[string]string{}
	for i := range list.Items {
		if pod := &list.Items[i]; pod.Status.PodIP != "" && pod.DeletionTimestamp == nil {
			out[pod.Name] = at(pod)
		}
	}
	return out, nil
}

// Dialable is the address at which the operator reaches a broker that registers with this one, the IP of its pod, and the client for
// it. Both are empty if the address is not of a broker in these namespaces: the operator must not connect to whatever a name server
// names.
func (r *Reach) Dialable(ctx context.Context, registered string, namespaces ...string) (addr string, asks *admin.Client, err error) {
	pod, addr, err := r.brokerAt(ctx, registered, namespaces)
	if pod == nil || err != nil {
		return "", nil, err
	}
	var b v1alpha1.Broker
	name := types.NamespacedName{Namespace: pod.Namespace, Name: pod.Labels[desired.LabelInstance]}
	switch err := r.reader.Get(ctx, name, &b); {
	case apierrors.IsNotFound(err):
		return "", nil, nil
	case err != nil:
		return "", nil, fmt.Errorf("read Broker %s: %w", name, err)
	}
	asks, err = r.For(ctx, &b)
	return addr, asks, err
}

// brokerAt finds the pod of the broker that registers with an address, and where it answers; nil if there is none in these namespaces.
func (r *Reach) brokerAt(ctx context.Context, registered string, namespaces []string) (*corev1.Pod, string, error) {
	name, port, ok := PodOf(registered)
	if !ok {
		pod, err := r.onNode(ctx, registered, namespaces)
		return pod, registered, err
	}
	if !slices.Contains(namespaces, name.Namespace) {
		return nil, "", nil
	}
	var pod corev1.Pod
	err := r.reader.Get(ctx, name, &pod)
	switch {
	case client.IgnoreNotFound(err) != nil:
		return nil, "", fmt.Errorf("read pod %s: %w", name, err)
	case err != nil, pod.Status.PodIP == "", pod.Labels[desired.LabelComponent] != string(desired.Broker):
		return nil, "", nil
	}
	return &pod, net.JoinHostPort(pod.Status.PodIP, port), nil
}

// onNode finds the pod of a broker of these namespaces that answers at the address itself: under hostNetwork brokers register with it.
func (r *Reach) onNode(ctx context.Context, registered string, namespaces []string) (*corev1.Pod, error) {
	for _, namespace := range namespaces {
		var list corev1.PodList
		err := r.reader.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{desired.LabelComponent: string(desired.Broker)})
		if err != nil {
			return nil, fmt.Errorf("list pods: %w", err)
		}
		for i := range list.Items {
			if pod := &list.Items[i]; pod.Spec.HostNetwork && pods.BrokerAddr(pod) == registered {
				return pod, nil
			}
		}
	}
	return nil, nil
}

// PodOf finds the pod and the port in an address of the form <pod>.<service>.<namespace>.svc[.<domain>]:<port>, false if it
// has another form.
func PodOf(registered string) (pod types.NamespacedName, port string, ok bool) {
	host, port, err := net.SplitHostPort(registered)
	if err != nil {
		return pod, "", false
	}
	labels := strings.Split(host, ".")
	if len(labels) < 4 || labels[3] != "svc" {
		return pod, "", false
	}
	return types.NamespacedName{Namespace: labels[2], Name: labels[0]}, port, true
}
