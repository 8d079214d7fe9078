package remoting

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

var (
	errIdle    = errors.New("connection was idle")
	errRetired = errors.New("connection was given up")
)

// link is one connection to one address, from before it is dialled until it is closed. It is never used again after
// an error: the client opens another one.
type link struct {
	client *Client
	addr   string

	life     context.Context // ends when the link does; its cause is the error that calls see
	fail     context.CancelCauseFunc
	outgoing chan []byte // taken by the writer once connected

	mu       sync.Mutex
	pending  map[int32]chan *Response // by opaque
	opaque   int32                    // of the last call
	answers  uint64                   // received so far
	retired  bool                     // takes no further calls, ends with the last one
	idleness *time.Timer
}

func newLink(c *Client, addr string) *link {
	l := &link{client: c, addr: addr, outgoing: make(chan []byte), pending: map[int32]chan *Response{}}
	l.life, l.fail = context.WithCancelCause(c.life)
	l.idleness = time.AfterFunc(c.opts.IdleTimeout, l.closeIfIdle)
	return l
}

// run connects and then reads until the link ends.
func (l *link) run() {
	defer l.client.forget(l)
	defer l.idleness.Stop()
	conn, err := l.dial()
	if err != nil {
		l.fail(fmt.Errorf("connect: %w", err))
		return
	}
	context.AfterFunc(l.life, func() { _ = conn.Close() }) // wakes the reader and the writer
	l.client.tasks.Go(func() { l.write(conn) })
	l.fail(l.read(conn))
}

func (l *link) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(l.life, l.client.opts.Timeout)
	defer cancel()
	conn, err := l.client.opts.Dialer(ctx, "tcp", l.addr)
	if err != nil || l.client.opts.TLS == nil {
		return conn, err
	}
	secured := tls.Client(conn, l.tlsConfig())
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secured, nil
}

func (l *link) tlsConfig() *tls.Config {
	config := l.client.opts.TLS
	if config.ServerName != "" {
		return config
	}
	config = config.Clone()
	config.ServerName = l.addr
	if host, _, err := net.SplitHostPort(l.addr); err == nil {
		config.ServerName = host
	}
	return config
}

// write has no deadline of its own: callers stop waiting when their contexts end, and when the last one has, the
// connection is closed.
func (l *link) write(conn net.Conn) {
	for {
		select {
		case frame := <-l.outgoing:
			if _, err := conn.Write(frame); err != nil {
				l.fail(err)
				return
			}
		case <-l.life.Done():
			return
		}
	}
}

func (l *link) read(conn net.Conn) error {
	r := bufio.NewReader(conn)
	for {
		h, body, err := readFrame(r, l.client.opts.MaxFrame)
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("connection closed by the server: %w", err)
		}
		if err != nil {
			return err
		}
		if h.Flag&flagResponse == 0 {
			continue // servers send requests of their own to clients; none concerns us
		}
		l.deliver(h, body)
	}
}

func (l *link) deliver(h header, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers++
	answer := l.pending[h.Opaque]
	if answer == nil {
		return // the caller has gone
	}
	delete(l.pending, h.Opaque) // so that a second answer does not block; finish looks after the rest
	answer <- &Response{Code: ResponseCode(h.Code), Remark: h.Remark, Fields: h.ExtFields, Body: body}
}

// begin registers a call; nil when the link takes none any more.
func (l *link) begin() *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.retired || l.life.Err() != nil {
		return nil
	}
	l.idleness.Stop()
	l.opaque++
	answer := make(chan *Response, 1)
	l.pending[l.opaque] = answer
	return &call{link: l, opaque: l.opaque, answer: answer, answersBefore: l.answers}
}

func (l *link) retire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.retired = true
	if len(l.pending) == 0 {
		l.fail(errRetired)
	}
}

func (l *link) closeIfIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pending) == 0 {
		l.retired = true
		l.fail(errIdle)
	}
}

// call is one request on a link, between begin and finish.
type call struct {
	link          *link
	opaque        int32
	answer        chan *Response
	answersBefore uint64
}

func (c *call) exchange(ctx context.Context, frame []byte) (*Response, error) {
	select {
	case c.link.outgoing <- frame:
	case <-ctx.Done():
		return nil, fmt.Errorf("not sent, connection not ready: %w", ctx.Err())
	case <-c.link.life.Done():
		return nil, context.Cause(c.link.life)
	}
	select {
	case resp := <-c.answer:
		return resp, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer: %w", ctx.Err())
	case <-c.link.life.Done():
		select {
		case resp := <-c.answer: // it came just before the connection ended
			return resp, nil
		default:
			return nil, context.Cause(c.link.life)
		}
	}
}

// silent reports whether the server has answered nothing, on this link, since the call began.
func (c *call) silent() bool {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.link.answers == c.answersBefore
}

func (c *call) finish() {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, c.opaque)
	switch {
	case len(l.pending) > 0 || l.life.Err() != nil:
	case l.retired:
		l.fail(errRetired)
	default:
		l.idleness.Reset(l.client.opts.IdleTimeout)
	}
}
