// SPDX-License-Identifier: Apache-2.0

// Package forward connects to ports of pods through the API server, as kubectl port-forward does, without a local port.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// Forwarder opens connections with the rights of its configuration.
type Forwarder struct {
	config *rest.Config
	pods   rest.Interface
}

// New returns a Forwarder. The user needs the right to get and create pods/portforward.
func New(config *rest.Config) (*Forwarder, error) {
	core, err := typedcorev1.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Forwarder{config: config, pods: core.RESTClient()}, nil
}

// Dial connects to a port of a pod. A port that refuses shows at the first read or write.
func (f *Forwarder) Dial(ctx context.Context, pod types.NamespacedName, port int) (net.Conn, error) {
	target := f.pods.Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).SubResource("portforward").URL()
	dialer, err := f.dialer(target)
	if err != nil {
		return nil, err
	}
	type result struct {
		conn *conn
		err  error
	}
	opened := make(chan result, 1)
	go func() { // client-go's dialers take no context
		conn, err := open(dialer, port, address(fmt.Sprintf("%s:%d", pod, port)))
		opened <- result{conn, err}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			return nil, r.err
		}
		return r.conn, nil
	case <-ctx.Done():
		go func() {
			if r := <-opened; r.err == nil {
				_ = r.conn.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// dialer prefers WebSocket and falls back to SPDY for older API servers and proxies that know only that, as kubectl does.
func (f *Forwarder) dialer(target *url.URL) (httpstream.Dialer, error) {
	transport, upgrader, err := spdy.RoundTripperFor(f.config)
	if err != nil {
		return nil, err
	}
	overSPDY := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	overWebSocket, err := portforward.NewSPDYOverWebsocketDialerForStreaming(target, f.config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialerForStreaming(overWebSocket, overSPDY, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}), nil
}

func open(dialer httpstream.Dialer, port int, remote address) (*conn, error) {
	connection, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	c := &conn{connection: connection, remote: remote, ended: make(chan struct{})}
	headers := http.Header{}
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	failure, err := connection.CreateStream(headers)
	if err == nil {
		_ = failure.Close() // only read from
		headers.Set(corev1.StreamType, corev1.StreamTypeData)
		c.data, err = connection.CreateStream(headers)
	}
	if err != nil {
		_ = connection.Close()
		return nil, err
	}
	go c.watch(failure)
	return c, nil
}

// conn is one forwarded connection: a data stream, and an error stream on which the kubelet says why it failed.
type conn struct {
	connection httpstream.Connection
	data       httpstream.Stream
	remote     address

	ended   chan struct{} // closed with the error stream
	refusal error         // valid then
}

// maxRefusal is enough for what a person reads.
const maxRefusal = 4096 // bytes

func (c *conn) watch(failure io.Reader) {
	message, _ := io.ReadAll(io.LimitReader(failure, maxRefusal))
	if len(message) > 0 {
		c.refusal = errors.New(strings.TrimSpace(string(message)))
	}
	close(c.ended)
	if c.refusal != nil {
		_ = c.connection.Close() // wakes the reader
	}
}

// why is the kubelet's reason for the end of the data, if it gives one.
func (c *conn) why(err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-c.ended:
		if c.refusal != nil {
			return c.refusal
		}
	case <-time.After(time.Second): // both streams end at about the same time
	}
	return err
}

// Read returns the kubelet's message if the port refused.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.data.Read(p)
	return n, c.why(err)
}

// Write returns the kubelet's message if the port refused.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.data.Write(p)
	return n, c.why(err)
}

// Close ends both streams.
func (c *conn) Close() error { return c.connection.Close() }

// LocalAddr is the address of no port of this machine.
func (c *conn) LocalAddr() net.Addr { return address("port-forward") }

// RemoteAddr is the pod's name and the port.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline is not supported: streams have no deadlines.
func (c *conn) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is not supported.
func (c *conn) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline is not supported.
func (c *conn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

type address string

func (a address) Network() string { return "port-forward" }
func (a address) String() string  { return string(a) }
