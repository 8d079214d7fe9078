// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream" //nolint:staticcheck // client-go's dialer returns its types
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// Dial connects to a pod through the API server, as kubectl port-forward does, so it works wherever the API server
// can be reached. The host in addr is "<pod>.<namespace>", or the name a broker registers with
// ("<pod>.<service>.<namespace>.svc.<domain>").
func (c *Cluster) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	labels := strings.Split(host, ".")
	var namespace string
	switch {
	case len(labels) == 2:
		namespace = labels[1]
	case len(labels) > 3 && labels[3] == "svc":
		namespace = labels[2]
	default:
		return nil, fmt.Errorf("dial %s: not the name of a pod", addr)
	}
	connection, err := c.forward(ctx, namespace, labels[0])
	if err != nil {
		return nil, fmt.Errorf("port-forward to pod %s/%s: %w", namespace, labels[0], err)
	}
	conn, err := openStreams(connection, port)
	if err != nil {
		connection.Close()
		return nil, fmt.Errorf("port-forward to pod %s/%s:%s: %w", namespace, labels[0], port, err)
	}
	return conn, nil
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
