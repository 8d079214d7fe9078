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
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	defaultTimeout     = 3 * time.Second
	defaultIdleTimeout = time.Minute // servers close after 120 s; closing first avoids losing a request to that
	defaultMaxInFlight = DefaultMaxFrame

	// DefaultMaxAnswer is how long an answer may be when neither the request nor Options.MaxAnswer says otherwise.
	DefaultMaxAnswer = 1 << 20 // bytes
)

// ErrClosed is returned by Invoke and Stream after Close.
var ErrClosed = errors.New("remoting client is closed")

// Options of a Client; the zero value is ready to use.
type Options struct {
	// Timeout bounds a call whose context has no deadline, and each attempt to connect. Default 3 s.
	Timeout time.Duration
	// IdleTimeout closes a connection that carries no calls. Default 1 min.
	IdleTimeout time.Duration
	// Dialer opens connections; default net.Dialer. It must return when its context ends. Addresses are in the form of
	// CanonicalAddr.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)

	// MaxAnswer is how long an answer may be, in bytes, unless its Request says otherwise. Default DefaultMaxAnswer.
	MaxAnswer int
	// MaxInFlight bounds the memory for long answers: it is how many bytes all answers over 32 KiB may have together while
	// their calls run. Further calls wait, within their contexts. An answer longer than that is read alone. Default 16 MiB.
	MaxInFlight int

	// TLS, if set, secures every connection. If it has no ServerName, the server's certificate must be for the name that
	// Options.ServerName gives.
	TLS *tls.Config
	// TLSFor, if set, is used instead of TLS. It is called before each new connection, so that its result may change, such as
	// for a renewed CA or client certificate, and may differ from server to server. With a nil result the connection has no
	// TLS. Open connections stay as they are: see Client.Reconnect.
	TLSFor func(addr string) (*tls.Config, error)
	// ServerName returns the name that the certificate of the server at addr must be for, if that is not the host in addr:
	// the DNS name of a server whose IP address is dialled. "" stands for the host.
	ServerName func(addr string) string

	// Credentials, if set, sign every request.
	Credentials *Credentials
}

// Request is one question to a server.
type Request struct {
	Code RequestCode
	// Fields are the header's extFields; the names are those of the Java header class.
	Fields map[string]string
	Body   []byte
	// MaxAnswer is how long the answer may be, in bytes, header included. A longer one is an *AnswerTooLongError. Default
	// Options.MaxAnswer.
	MaxAnswer int
	// Credentials sign this request, for a Client that talks to clusters with different users. Default Options.Credentials.
	Credentials *Credentials
}

// Response is a server's answer.
type Response struct {
	Code   ResponseCode
	Remark string
	// Fields are the header's extFields.
	Fields map[string]string
	// Body is empty in a response that Stream hands out.
	Body []byte
}

// Client talks to any number of servers. It is safe for concurrent use; its goroutines end with Close.
type Client struct {
	opts   Options
	budget *semaphore.Weighted // of MaxInFlight

	life  context.Context // ends with Close
	end   context.CancelFunc
	tasks sync.WaitGroup // goroutines of links

	mu     sync.Mutex
	closed bool
	links  map[string]*link   // those that new calls use, by address
	all    map[*link]struct{} // also those that only finish their calls
}

// NewClient returns a client. It connects to a server with the first call.
func NewClient(opts Options) *Client {
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.IdleTimeout <= 0 {
		opts.IdleTimeout = defaultIdleTimeout
	}
	if opts.MaxAnswer <= 0 {
		opts.MaxAnswer = DefaultMaxAnswer
	}
	if opts.MaxInFlight <= 0 {
		opts.MaxInFlight = defaultMaxInFlight
	}
	if opts.Dialer == nil {
		opts.Dialer = new(net.Dialer).DialContext
	}
	life, end := context.WithCancel(context.Background())
	return &Client{
		opts: opts, budget: semaphore.NewWeighted(int64(opts.MaxInFlight)), life: life, end: end,
		links: map[string]*link{}, all: map[*link]struct{}{},
	}
}

// Invoke sends req to addr and waits for the answer. It returns at the latest when ctx ends, or after Options.Timeout if
// ctx has no deadline. An answer other than Success is a *ResponseError; any other error names the address and means that
// no usable answer came, so it is unknown whether the server acted. Nothing is sent twice.
//
// The address is host:port; an IPv6 host may stand with or without brackets (see SplitAddr).
func (c *Client) Invoke(ctx context.Context, addr string, req Request) (*Response, error) {
	var resp *Response
	err := c.do(ctx, addr, req, func(ctx context.Context, r *reply) (err error) {
		resp = r.response()
		resp.Body, err = r.all(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// Stream is Invoke for an answer that may be long: read gets the body while it arrives, so that the whole is never in memory.
// It is called only if the server answers Success. It need not read everything; an error that it returns is returned as that
// of an unusable answer.
//
// While read runs, other calls to the same server wait, so read must not call the client.
func (c *Client) Stream(ctx context.Context, addr string, req Request, read func(resp *Response, body io.Reader) error) error {
	return c.do(ctx, addr, req, func(ctx context.Context, r *reply) error {
		body := r.reader(ctx)
		err := read(r.response(), body)
		if body.err != nil {
			return body.err
		}
		if err != nil {
			return fmt.Errorf("unusable answer: %w", err)
		}
		return nil
	})
}

// do makes one call and has its answer used.
func (c *Client) do(ctx context.Context, addr string, req Request, use func(context.Context, *reply) error) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.opts.Timeout)
		defer cancel()
	}
	code, err := c.call(ctx, CanonicalAddr(addr), req, use)
	if refused := new(ResponseError); errors.As(err, &refused) && code != Success {
		refused.Request, refused.Addr = req.Code, addr
		return refused
	}
	if err != nil {
		return fmt.Errorf("%s to %s: %w", req.Code, addr, err)
	}
	return nil
}

// call returns the answer's code, and a ResponseError if it is not Success.
func (c *Client) call(ctx context.Context, addr string, req Request, use func(context.Context, *reply) error) (ResponseCode, error) {
	if err := ctx.Err(); err != nil {
		return Success, err
	}
	call, err := c.begin(addr, req)
	if err != nil {
		return Success, err
	}
	defer call.finish()
	if call.frame, err = encodeRequest(cmp.Or(req.Credentials, c.opts.Credentials).sign(req), call.opaque); err != nil {
		return Success, err
	}
	r, err := call.exchange(ctx)
	code := Success
	if err == nil {
		code = ResponseCode(r.header.Code)
		err = c.use(ctx, r, use)
	}
	if err != nil && ctx.Err() != nil && call.silent() {
		// Nothing came back meanwhile: the connection may be half dead (a pod's address that is gone), and TCP
		// would take many minutes to say so.
		c.retire(call.link)
	}
	if code == GoAway {
		c.retire(call.link)
	}
	return code, err
}

// use hands out an answer, a long one when the budget allows it.
func (c *Client) use(ctx context.Context, r *reply, use func(context.Context, *reply) error) error {
	if code := ResponseCode(r.header.Code); code != Success {
		return &ResponseError{Code: code, Remark: r.header.Remark}
	}
	if r.stream == nil {
		return use(ctx, r)
	}
	size := min(r.size, int64(c.opts.MaxInFlight))
	if err := c.budget.Acquire(ctx, size); err != nil {
		return fmt.Errorf("waiting for other long answers: %w", err)
	}
	defer c.budget.Release(size)
	defer context.AfterFunc(ctx, func() { _ = r.stream.Close() })()
	return use(ctx, r)
}

// Reconnect makes later calls use new connections; calls under way may still be answered on the old ones. Call it after
// certificates have changed (see Options.TLSFor).
func (c *Client) Reconnect() {
	c.mu.Lock()
	links := make([]*link, 0, len(c.links))
	for _, l := range c.links {
		links = append(links, l)
	}
	c.mu.Unlock()
	for _, l := range links {
		c.retire(l)
	}
}

// Close ends every connection and call, and returns when the client's goroutines are gone.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	links := make([]*link, 0, len(c.all))
	for l := range c.all {
		links = append(links, l)
	}
	c.mu.Unlock()
	for _, l := range links {
		l.fail(ErrClosed)
	}
	c.end()
	c.tasks.Wait()
	return nil
}

// begin registers a call on the connection to addr, a new one if there is none that takes calls.
func (c *Client) begin(addr string, req Request) (*call, error) {
	maxAnswer := req.MaxAnswer
	if maxAnswer <= 0 {
		maxAnswer = c.opts.MaxAnswer
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if l := c.links[addr]; l != nil {
		if call := l.begin(maxAnswer); call != nil {
			return call, nil
		}
	}
	l := newLink(c, addr)
	c.links[addr] = l
	c.all[l] = struct{}{}
	call := l.begin(maxAnswer) // before it connects, which may fail at once
	c.tasks.Go(l.connect)
	return call, nil
}

// retire makes later calls use a new connection; calls that l carries may still be answered.
func (c *Client) retire(l *link) {
	c.mu.Lock()
	if c.links[l.addr] == l {
		delete(c.links, l.addr)
	}
	c.mu.Unlock()
	l.retire()
}

// forget drops a link that has ended.
func (c *Client) forget(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.all, l)
	if c.links[l.addr] == l {
		delete(c.links, l.addr)
	}
}
