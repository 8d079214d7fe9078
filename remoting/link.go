// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

var (
	errIdle    = errors.New("connection was idle")
	errRetired = errors.New("connection was given up")
)

// link is one connection to one address, from before it is dialled until it is closed. It is never used again after
// an error: the client opens another one.
//
// There may be thousands of idle links, so one costs little: a goroutine that reads, and no buffers. A second goroutine
// writes while there is something to write.
type link struct {
	client *Client
	addr   string

	prefix [prefixLength]byte // of the frame that is being read

	mu       sync.Mutex
	conn     net.Conn           // nil until connected
	hangUp   context.CancelFunc // ends dialling
	err      error              // why the link has ended
	retired  bool               // takes no further calls, ends with the last one
	calls    int                // begun and not finished
	pending  map[int32]*call    // those without reply, by opaque; nil without calls
	queue    []*call            // to be written
	writing  bool
	opaque   int32  // of the last call
	answers  uint64 // complete ones received so far
	idleness *time.Timer
}

func newLink(c *Client, addr string) *link {
	l := &link{client: c, addr: addr}
	l.idleness = time.AfterFunc(c.opts.IdleTimeout, l.closeIfIdle)
	return l
}

// connect dials, and has the link's goroutines started.
func (l *link) connect() {
	ctx, cancel := context.WithTimeout(l.client.life, l.client.opts.Timeout)
	defer cancel()
	if !l.begins(cancel) {
		return
	}
	conn, err := l.dial(ctx)
	if err != nil {
		l.fail(fmt.Errorf("connect: %w", err))
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		_ = conn.Close()
		return
	}
	l.conn, l.hangUp = conn, nil
	l.client.tasks.Go(func() { l.fail(l.read(conn)) })
	l.wakeWriter()
}

// begins tells how to end dialling; false if the link has ended already.
func (l *link) begins(hangUp context.CancelFunc) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hangUp = hangUp
	return l.err == nil
}

func (l *link) dial(ctx context.Context) (net.Conn, error) {
	config, err := l.client.opts.tlsConfig(l.addr)
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	conn, err := l.client.opts.Dialer(ctx, "tcp", l.addr)
	if err != nil || config == nil {
		return conn, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secured, nil
}

// send puts a call's frame into the queue.
func (l *link) send(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return // the reply says so
	}
	l.queue = append(l.queue, c)
	l.wakeWriter()
}

func (l *link) wakeWriter() {
	if l.conn == nil || l.writing || len(l.queue) == 0 {
		return
	}
	l.writing = true
	conn := l.conn
	l.client.tasks.Go(func() { l.write(conn) })
}

// write sends what is in the queue. It has no deadline of its own: callers stop waiting when their contexts end, and when
// the last one has, the connection is closed.
func (l *link) write(conn net.Conn) {
	for {
		frame := l.next()
		if frame == nil {
			return
		}
		if _, err := conn.Write(frame); err != nil {
			l.fail(err)
			return
		}
	}
}

// next frame to be written; nil if there is none, which ends the writer.
func (l *link) next() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 || l.err != nil {
		l.queue, l.writing = nil, false
		return nil
	}
	c := l.queue[0]
	l.queue = l.queue[1:]
	frame := c.frame
	c.frame, c.written = nil, true
	return frame
}

func (l *link) hasWritten(c *call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return c.written
}

func (l *link) read(conn net.Conn) error {
	for {
		n, err := io.ReadFull(conn, l.prefix[:])
		switch {
		case n == 0 && errors.Is(err, io.EOF):
			return fmt.Errorf("connection closed by the server: %w", err)
		case n > 0 && err != nil:
			return cutOff(int64(n), prefixLength, err)
		case err != nil:
			return err
		}
		size, err := parsePrefix(l.prefix, l.longest())
		if err != nil {
			return err
		}
		if err := l.readFrame(conn, size); err != nil {
			return err
		}
	}
}

// longest is how long a frame may be: what some call accepts, or what some server may send.
func (l *link) longest() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	longest := maxFrame
	for _, c := range l.pending {
		longest = max(longest, c.maxAnswer)
	}
	return longest
}

// readFrame reads what follows a frame's prefix. A long body is read as fast as its call takes it.
func (l *link) readFrame(conn net.Conn, size lengths) error {
	now := size.body
	if size.frame > smallFrame {
		now = 0
	}
	h, body, err := readHeader(conn, size.header, now)
	if err != nil {
		return err
	}
	var out *io.PipeWriter
	if h.Flag&flagResponse != 0 { // servers send requests of their own to clients; none concerns us
		out = l.deliver(h, body, size)
	}
	if now == size.body {
		return nil
	}
	rest := &io.LimitedReader{R: conn, N: size.body}
	if out != nil {
		_, _ = io.Copy(out, rest)
	}
	if err := discard(rest, size.body); err != nil {
		l.fail(err)
		if out != nil {
			_ = out.CloseWithError(l.cause())
		}
		return err
	}
	if out != nil {
		_ = out.Close()
	}
	l.answered()
	return nil
}

// discard reads over what is left of a body because no call wants it, for the sake of other calls on the link. It fails if
// that is not worth the time, and if the rest does not come.
func discard(rest *io.LimitedReader, size int64) error {
	if rest.N > DefaultMaxFrame {
		return fmt.Errorf("the connection carries an answer of %d bytes that nobody wants", size)
	}
	if _, err := io.Copy(io.Discard, rest); err != nil || rest.N > 0 {
		return cutOff(size-rest.N, size, cmp.Or(err, io.EOF))
	}
	return nil
}

// deliver replies to the call that an answer is for. It returns where to write the rest of a long body, nil if nobody
// wants it.
func (l *link) deliver(h header, body []byte, size lengths) *io.PipeWriter {
	l.mu.Lock()
	defer l.mu.Unlock()
	long := int64(len(body)) < size.body
	if !long {
		l.answers++
	}
	c := l.pending[h.Opaque]
	if c == nil {
		return nil // the caller has gone
	}
	delete(l.pending, h.Opaque)
	if size.frame > int64(c.maxAnswer) {
		c.replied <- &reply{err: &AnswerTooLongError{Length: size.frame, Max: c.maxAnswer}}
		return nil
	}
	if !long {
		c.replied <- &reply{header: h, body: body}
		return nil
	}
	in, out := io.Pipe()
	c.replied <- &reply{header: h, stream: in, size: size.body}
	return out
}

func (l *link) answered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers++
}

// begin registers a call; nil when the link takes none any more.
func (l *link) begin(maxAnswer int) *call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.retired || l.err != nil {
		return nil
	}
	l.idleness.Stop()
	l.calls++
	l.opaque++
	c := &call{link: l, opaque: l.opaque, maxAnswer: maxAnswer, replied: make(chan *reply, 1), answersBefore: l.answers}
	if l.pending == nil {
		l.pending = map[int32]*call{}
	}
	l.pending[l.opaque] = c
	return c
}

// drop takes a call out that waits for nothing any more.
func (l *link) drop(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, c.opaque)
	if !c.written {
		if i := slices.Index(l.queue, c); i >= 0 {
			l.queue = slices.Delete(l.queue, i, i+1)
		}
	}
}

// release ends a call.
func (l *link) release() {
	l.mu.Lock()
	l.calls--
	idle := l.calls == 0
	retired := l.retired
	if idle && l.err == nil {
		l.pending = nil
		l.idleness.Reset(l.client.opts.IdleTimeout)
	}
	l.mu.Unlock()
	if idle && retired {
		l.fail(errRetired)
	}
}

func (l *link) retire() {
	l.mu.Lock()
	l.retired = true
	idle := l.calls == 0
	l.mu.Unlock()
	if idle {
		l.fail(errRetired)
	}
}

func (l *link) closeIfIdle() {
	l.mu.Lock()
	idle := l.calls == 0
	l.retired = l.retired || idle
	l.mu.Unlock()
	if idle {
		l.fail(errIdle)
	}
}

func (l *link) cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// fail ends the link and its calls, with the first error that it gets.
func (l *link) fail(err error) {
	l.mu.Lock()
	if l.err != nil {
		l.mu.Unlock()
		return
	}
	l.err = err
	l.idleness.Stop()
	for _, c := range l.pending {
		c.replied <- &reply{err: err}
	}
	l.pending, l.queue = nil, nil
	conn, hangUp := l.conn, l.hangUp
	l.mu.Unlock()
	if hangUp != nil {
		hangUp()
	}
	if conn != nil {
		_ = conn.Close()
	}
	l.client.forget(l)
}
