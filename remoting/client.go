// Package remoting speaks RocketMQ's remoting protocol: requests to name servers, brokers and controllers.
//
// A Client keeps one connection per address and pipelines concurrent calls on it. Every call ends with its context.
package remoting

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	defaultTimeout     = 3 * time.Second
	defaultIdleTimeout = time.Minute // servers close after 120 s; to be first avoids losing a request to that
)

// ErrClosed is returned by Invoke after Close.
var ErrClosed = errors.New("remoting client is closed")

// Options of a Client; the zero value is ready to use.
type Options struct {
	// Timeout bounds a call whose context has no deadline, and each attempt to connect. Default 3 s.
	Timeout time.Duration
	// Dialer opens connections; default net.Dialer. It must end with its context.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	// MaxFrame is the longest answer accepted, in bytes. Default DefaultMaxFrame.
	MaxFrame int
	// IdleTimeout closes a connection without calls. Default 1 min.
	IdleTimeout time.Duration
	// TLS, if set, secures every connection. Without a ServerName in it, the server's certificate must be for the
	// host in its address.
	TLS *tls.Config
	// Credentials, if set, sign every request.
	Credentials *Credentials
}

// Request is one question to a server.
type Request struct {
	Code RequestCode
	// Fields are the header's extFields; the names are those of the Java header class.
	Fields map[string]string
	Body   []byte
}

// Response is a server's answer.
type Response struct {
	Code   ResponseCode
	Remark string
	// Fields are the header's extFields.
	Fields map[string]string
	Body   []byte
}

// Client talks to any number of servers. It is safe for concurrent use; its goroutines end with Close.
type Client struct {
	opts Options

	life  context.Context // ends with Close
	end   context.CancelCauseFunc
	tasks sync.WaitGroup // readers and writers

	mu    sync.Mutex
	links map[string]*link // those that new calls use, by address
}

// NewClient returns a client that connects when first asked.
func NewClient(opts Options) *Client {
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.IdleTimeout <= 0 {
		opts.IdleTimeout = defaultIdleTimeout
	}
	if opts.MaxFrame <= 0 {
		opts.MaxFrame = DefaultMaxFrame
	}
	if opts.Dialer == nil {
		opts.Dialer = new(net.Dialer).DialContext
	}
	life, end := context.WithCancelCause(context.Background())
	return &Client{opts: opts, life: life, end: end, links: map[string]*link{}}
}

// Invoke sends req to addr (host:port) and waits for the answer. It returns at the latest when ctx ends, or after
// Options.Timeout if ctx has no deadline. An answer other than Success is a *ResponseError; any other error names
// the address and means that no answer came, so it is unknown whether the server acted. Nothing is sent twice.
func (c *Client) Invoke(ctx context.Context, addr string, req Request) (*Response, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.opts.Timeout)
		defer cancel()
	}
	resp, err := c.call(ctx, addr, req)
	if err != nil {
		return nil, fmt.Errorf("%s to %s: %w", req.Code, addr, err)
	}
	if resp.Code != Success {
		return nil, &ResponseError{Code: resp.Code, Remark: resp.Remark, Request: req.Code, Addr: addr}
	}
	return resp, nil
}

func (c *Client) call(ctx context.Context, addr string, req Request) (*Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	call, err := c.begin(addr)
	if err != nil {
		return nil, err
	}
	defer call.finish()
	frame, err := encodeRequest(c.opts.Credentials.sign(req), call.opaque)
	if err != nil {
		return nil, err
	}
	resp, err := call.exchange(ctx, frame)
	if err != nil && ctx.Err() != nil && call.silent() {
		// Nothing came back meanwhile: the connection may be half dead (a pod's address that is gone), and TCP
		// would take many minutes to say so.
		c.retire(call.link)
	}
	if err == nil && resp.Code == GoAway {
		c.retire(call.link)
	}
	return resp, err
}

// Close ends every connection and call, and returns when the client's goroutines are gone.
func (c *Client) Close() error {
	c.mu.Lock()
	c.end(ErrClosed)
	c.mu.Unlock()
	c.tasks.Wait()
	return nil
}

// begin registers a call on the connection to addr, a new one if there is none that takes calls.
func (c *Client) begin(addr string) (*call, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		return nil, ErrClosed
	}
	if l := c.links[addr]; l != nil {
		if call := l.begin(); call != nil {
			return call, nil
		}
	}
	l := newLink(c, addr)
	c.links[addr] = l
	call := l.begin() // before run, which may fail at once
	c.tasks.Go(l.run)
	return call, nil
}

// retire makes later calls use a new connection; calls that l carries may still be answered.
func (c *Client) retire(l *link) {
	c.forget(l)
	l.retire()
}

func (c *Client) forget(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.links[l.addr] == l {
		delete(c.links, l.addr)
	}
}
