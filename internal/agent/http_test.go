// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestManyConnections: who opens too many is turned away, others are not, and room is made again.
func TestManyConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bounded := newBoundedListener(listener)
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "well") }))
	go func() { _ = server.Serve(bounded) }()
	defer server.Close()
	dial := func(from string) net.Conn {
		t.Helper()
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	answered := func(conn net.Conn) bool {
		t.Helper()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			return false
		}
		text, _ := io.ReadAll(conn)
		return strings.HasSuffix(string(text), "well")
	}
	var idle []net.Conn
	for range mostConnectionsEach {
		idle = append(idle, dial("127.0.0.1"))
	}
	for bounded.count("127.0.0.1") < mostConnectionsEach {
		time.Sleep(time.Millisecond)
	}
	if answered(dial("127.0.0.1")) {
		t.Error("one connection too many is served")
	}
	if !answered(dial("127.0.0.2")) {
		t.Error("another address is turned away")
	}
	idle[0].Close()
	for bounded.count("127.0.0.1") == mostConnectionsEach {
		time.Sleep(time.Millisecond)
	}
	if !answered(dial("127.0.0.1")) {
		t.Error("no room is made")
	}
}

func (l *boundedListener) count(host string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open[host]
}

// TestSilentClients: connections that say nothing, or not all, do not stay.
func TestSilentClients(t *testing.T) {
	s := newServer(nil)
	for name, bound := range map[string]time.Duration{"header": s.ReadHeaderTimeout, "body": s.ReadTimeout, "answer": s.WriteTimeout, "idle": s.IdleTimeout} {
		if bound <= 0 || bound > 10*time.Second {
			t.Errorf("%s: %s", name, bound)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ReadHeaderTimeout, s.ReadTimeout = 50*time.Millisecond, 50*time.Millisecond
	go func() { _ = s.Serve(newBoundedListener(listener)) }()
	defer s.Close()
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("%v, want the end of the connection", err)
	}
}
