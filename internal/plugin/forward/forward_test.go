// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/proxy"
	apiserverproxy "k8s.io/apiserver/pkg/util/proxy"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

var pod = types.NamespacedName{Namespace: "mq", Name: "broker-0-0"}

const (
	podPath = "/api/v1/namespaces/mq/pods/broker-0-0/portforward"
	refusal = "error forwarding port 1 to pod x: connection refused"
)

// kubelet answers for pod mq/broker-0-0: its port 10911 returns what it gets, the others refuse.
func kubelet(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != podPath {
		http.Error(w, "pods is forbidden", http.StatusForbidden)
		return
	}
	if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
		return
	}
	opened := make(chan httpstream.Stream, 2)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		opened <- s
		return nil
	})
	if connection == nil {
		return
	}
	defer connection.Close()
	var failure, data httpstream.Stream
	for range 2 {
		stream := <-opened
		if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
			failure = stream
		} else {
			data = stream
		}
	}
	if data.Headers().Get(corev1.PortHeader) == "10911" {
		go func() { _, _ = io.Copy(data, data) }()
	} else {
		_, _ = io.WriteString(failure, refusal)
		_ = failure.Close()
		_ = data.Close()
	}
	<-connection.CloseChan()
}

func dialer(t *testing.T, handler http.Handler) *Forwarder {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.CloseClientConnections)
	f, err := New(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// apiServer passes requests on to the kubelet, WebSocket ones too if it can.
func apiServer(t *testing.T, webSocket bool) http.Handler {
	t.Helper()
	node := httptest.NewServer(http.HandlerFunc(kubelet))
	t.Cleanup(node.CloseClientConnections)
	location, err := url.Parse(node.URL)
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := *location
		target.Path = r.URL.Path
		var pass http.Handler = proxy.NewUpgradeAwareHandler(&target, nil, false, true, failing{})
		switch tunnel := wsstream.IsWebSocketRequestWithTunnelingProtocol(r); {
		case tunnel && webSocket:
			pass = apiserverproxy.NewTunnelingHandler(pass)
		case tunnel:
			http.Error(w, "no WebSocket here", http.StatusBadRequest)
			return
		case webSocket && r.URL.Path == podPath:
			t.Error("WebSocket was not enough")
		}
		pass.ServeHTTP(w, r)
	})
}

// failing answers when the kubelet cannot be reached.
type failing struct{}

func (failing) Error(w http.ResponseWriter, _ *http.Request, err error) {
	http.Error(w, err.Error(), http.StatusBadGateway)
}

func TestDial(t *testing.T) {
	for name, webSocket := range map[string]bool{"WebSocket": true, "SPDY": false} {
		t.Run(name, func(t *testing.T) {
			f := dialer(t, apiServer(t, webSocket))
			conn, err := f.Dial(t.Context(), pod, 10911)
			if err != nil {
				t.Fatal(err)
			}
			sent := make([]byte, 1<<20)
			_, _ = rand.Read(sent)
			go func() { _, _ = conn.Write(sent) }()
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(sent, got) {
				t.Errorf("what came back differs, error: %v", err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			if _, err := conn.Read(got); err == nil {
				t.Error("a closed connection can be read")
			}

			refused, err := f.Dial(t.Context(), pod, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer refused.Close()
			if _, err := refused.Read(got); err == nil || err.Error() != refusal {
				t.Errorf("a refused port says: %v", err)
			}
			if _, err := f.Dial(t.Context(), types.NamespacedName{Namespace: "other", Name: "x"}, 1); err == nil || !strings.Contains(err.Error(), "forbidden") {
				t.Errorf("a forbidden pod says: %v", err)
			}
		})
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	f := dialer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Dial(ctx, pod, 10911); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
