package agent

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds of the agent's HTTP server. Everybody in the cluster's network may reach it, and it lives on the broker's memory.
const (
	headerTimeout = 5 * time.Second
	answerTimeout = 10 * time.Second // a verdict takes three
	headerBytes   = 4 << 10
	// connections in all, and of one address: the kubelet has its own, so that nobody else can keep it out.
	mostConnections     = 256
	mostConnectionsEach = 16
)

// newServer closes each connection after its answer.
func newServer(handler http.Handler) *http.Server {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: answerTimeout,
		IdleTimeout: headerTimeout, MaxHeaderBytes: headerBytes,
	}
	server.SetKeepAlivesEnabled(false)
	return server
}

// boundedListener closes at once the connections that are too many.
type boundedListener struct {
	net.Listener

	mu   sync.Mutex
	open map[string]int // connections by the other end's host
	all  int
}

func newBoundedListener(l net.Listener) *boundedListener {
	return &boundedListener{Listener: l, open: map[string]int{}}
}

// Accept the next connection that is not too many.
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

// boundedConn makes room when it is closed.
type boundedConn struct {
	net.Conn
	leave func()
}

func (c *boundedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
