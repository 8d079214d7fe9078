// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
)

// IndexIP is the index of pods by their addresses.
const IndexIP = "index.ip"

// IPOf a pod, for IndexIP.
func IPOf(object client.Object) []string {
	if ip := object.(*corev1.Pod).Status.PodIP; ip != "" {
		return []string{ip}
	}
	return nil
}

// secretTimeout bounds how long the certificate for a new connection is looked for.
const secretTimeout = 3 * time.Second

// tlsFor says how to open a connection: with TLS to a server whose pod has a certificate, whatever else it takes.
func (r *Reach) tlsFor(addr string) (*tls.Config, error) {
	ctx, cancel := context.WithTimeout(context.Background(), secretTimeout)
	defer cancel()
	pod, component, err := r.serverAt(ctx, addr)
	if pod == nil || err != nil {
		return nil, err
	}
	return TLSTo(ctx, r.secrets, pod, r.installation.PodHost(pod, component))
}

// TLSTo says how to open a connection to the server in a pod, whose certificate must be for that host name; nil for plain text.
func TLSTo(ctx context.Context, secrets client.Reader, pod *corev1.Pod, host string) (*tls.Config, error) {
	does := desired.TLSOf(&pod.Spec)
	if does.Mode == v1alpha1.TLSDisabled {
		return nil, nil
	}
	bundle, err := Certificate(ctx, secrets, pod.Namespace, does.Secret, does.CASecret)
	if err != nil {
		return nil, err
	}
	return bundle.Client(host), nil
}

// serverAt finds the pod of the server that answers at an address, nil if it is not one of ours.
func (r *Reach) serverAt(ctx context.Context, addr string) (*corev1.Pod, desired.Component, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", nil
	}
	var list corev1.PodList
	if err := r.reader.List(ctx, &list, client.MatchingFields{IndexIP: host}, client.UnsafeDisableDeepCopy); err != nil { // they are only read
		return nil, "", fmt.Errorf("find the pod at %s: %w", addr, err)
	}
	answersAt := map[desired.Component]func(*corev1.Pod) string{
		desired.NameServer: pods.NameServerAddr, desired.Controller: pods.ControllerAddr, desired.Broker: pods.BrokerAddr,
	}
	for i := range list.Items {
		pod := &list.Items[i]
		component := desired.Component(pod.Labels[desired.LabelComponent])
		if at := answersAt[component]; at != nil && at(pod) == addr && !pods.Ended(*pod) {
			return pod, component, nil
		}
	}
	return nil, "", nil
}
