// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/httpstream" //nolint:staticcheck // client-go's dialer returns its types
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
)

// Dial connects to a pod through the API server, as kubectl port-forward does, so it works wherever the API server
// can be reached. The host in addr is "<pod>.<namespace>", or the name a broker registers with
// ("<pod>.<service>.<namespace>.svc.<domain>").
func (c *Cluster) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	pod, port, err := podAt(addr)
	if err != nil {
		return nil, err
	}
	connection, err := c.forward(ctx, pod.Namespace, pod.Name)
	if err != nil {
		return nil, fmt.Errorf("port-forward to pod %s: %w", pod, err)
	}
	conn, err := openStreams(connection, port)
	if err != nil {
		connection.Close()
		return nil, fmt.Errorf("port-forward to pod %s:%s: %w", pod, port, err)
	}
	return conn, nil
}

// podAt is the pod in an address that Dial takes, and the port.
func podAt(addr string) (pod types.NamespacedName, port string, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return pod, "", err
	}
	labels := strings.Split(host, ".")
	switch {
	case len(labels) == 2:
		return types.NamespacedName{Namespace: labels[1], Name: labels[0]}, port, nil
	case len(labels) > 3 && labels[3] == "svc":
		return types.NamespacedName{Namespace: labels[2], Name: labels[0]}, port, nil
	}
	return pod, "", fmt.Errorf("dial %s: not the name of a pod", addr)
}

// tlsFor is for remoting.Options: servers with a certificate are spoken to with TLS, by the name that they have in DNS.
func (c *Cluster) tlsFor(addr string) (*tls.Config, error) {
	name, _, err := podAt(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var pod corev1.Pod
	if err := c.Client.Get(ctx, name, &pod); err != nil {
		return nil, err
	}
	host := desired.Installation{Domain: "cluster.local"}.PodHost(&pod, desired.Component(pod.Labels[desired.LabelComponent]))
	return reach.TLSTo(ctx, c.Client, &pod, host)
}

// forward opens the connection to the API server that carries the streams.
func (c *Cluster) forward(ctx context.Context, namespace, pod string) (httpstream.Connection, error) {
	transport, upgrader, err := spdy.RoundTripperFor(c.Config)
	if err != nil {
		return nil, err
	}
	url := c.Set.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL()
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)

	type result struct {
		connection httpstream.Connection
		err        error
	}
	opened := make(chan result, 1)
	go func() {
		connection, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
		opened <- result{connection, err}
	}()
	select {
	case r := <-opened:
		return r.connection, r.err
	case <-ctx.Done():
		go func() {
			if r := <-opened; r.connection != nil {
				r.connection.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// openStreams opens the error and the data stream to a port. The net.Conn is one end of a pipe, because streams know
// no deadlines; a port that refuses shows as the end of the connection.
func openStreams(connection httpstream.Connection, port string) (net.Conn, error) {
	headers := http.Header{}
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	headers.Set(corev1.PortHeader, port)
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	failure, err := connection.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	failure.Close() // only read from
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := connection.CreateStream(headers)
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	shut := func() {
		far.Close()
		connection.Close()
	}
	go func() {
		defer shut()
		_, _ = io.Copy(far, data)
	}()
	go func() {
		defer shut()
		_, _ = io.Copy(data, far)
	}()
	go func() {
		if message, _ := io.ReadAll(failure); len(message) > 0 {
			shut()
		}
	}()
	return near, nil
}
