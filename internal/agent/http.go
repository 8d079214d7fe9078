// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of the agent's HTTP server. Everybody in the cluster's network can reach it, and it shares the broker's memory.
const (
	headerTimeout = 5 * time.Second
	answerTimeout = 10 * time.Second // a report takes three at most
	headerBytes   = 4 << 10
	// connections in all, and from one address. The kubelet has an address of its own, so nobody else can use up its share.
	mostConnections     = 256
	mostConnectionsEach = 16
)

// newServer makes a server that closes each connection after its answer.
func newServer(handler http.Handler) *http.Server {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: answerTimeout,
		IdleTimeout: headerTimeout, MaxHeaderBytes: headerBytes,
	}
	server.SetKeepAlivesEnabled(false)
	return server
}

// boundedListener closes connections at once if there are too many.
type boundedListener struct {
	net.Listener

	mu   sync.Mutex
	open map[string]int // connections by the other end's host
	all  int
}

func newBoundedListener(l net.Listener) *boundedListener {
	return &boundedListener{Listener: l, open: map[string]int{}}
}

// Accept returns the next connection that is within the limits.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
		if err == nil && l.enter(host) {
			return &boundedConn{Conn: conn, leave: sync.OnceFunc(func() { l.leave(host) })}, nil
		}
		_ = conn.Close()
	}
}

func (l *boundedListener) enter(host string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= mostConnections || l.open[host] >= mostConnectionsEach {
		return false
	}
	l.all++
	l.open[host]++
	return true
}

func (l *boundedListener) leave(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if l.open[host]--; l.open[host] == 0 {
		delete(l.open, host)
	}
}

// boundedConn is a connection that no longer counts when it is closed.
type boundedConn struct {
	net.Conn
	leave func()
}

func (c *boundedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
