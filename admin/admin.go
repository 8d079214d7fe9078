// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Client runs operations; it is safe for concurrent use.
type Client struct {
	remoting    *remoting.Client
	credentials *remoting.Credentials // nil for those of remoting
}

// New returns a Client that sends through rc. Closing rc stays with the caller.
func New(rc *remoting.Client) *Client {
	return &Client{remoting: rc}
}

// As returns a Client that shares the connections of c, and signs with these credentials; with nil it is as c was made.
// Brokers check every request by itself, so that users may share a connection.
func (c *Client) As(credentials *remoting.Credentials) *Client {
	return &Client{remoting: c.remoting, credentials: credentials}
}

// How long answers may be, in bytes. A server that sends more is broken or hostile: what it sends is not read.
const (
	// shortAnswer is the limit of all answers about one thing.
	shortAnswer = 64 << 10
	// mediumAnswer is the limit of configurations and of lists about one topic or group.
	mediumAnswer = 1 << 20
	// longAnswer is the limit of tables and lists that grow with the number of topics, groups or clients.
	longAnswer = remoting.DefaultMaxFrame
)

// invoke sends req, whose answer is a short one unless it says otherwise.
func (c *Client) invoke(ctx context.Context, addr string, req remoting.Request) (*remoting.Response, error) {
	if req.MaxAnswer == 0 {
		req.MaxAnswer = shortAnswer
	}
	req.Credentials = c.credentials
	return c.remoting.Invoke(ctx, addr, req)
}

// invokeJSON is invoke, and decodes the answer's body into v.
func (c *Client) invokeJSON(ctx context.Context, addr string, req remoting.Request, v any) (*remoting.Response, error) {
	resp, err := c.invoke(ctx, addr, req)
	if err != nil {
		return nil, err
	}
	if err := remoting.UnmarshalBody(resp.Body, v); err != nil {
		return nil, answerError(req.Code, addr, err)
	}
	return resp, nil
}

func answerError(op remoting.RequestCode, addr string, err error) error {
	return fmt.Errorf("%s to %s: unusable answer: %w", op, addr, err)
}

// body reads an answer's body piece by piece and keeps account of the memory that the pieces take.
type body struct {
	*remoting.BodyDecoder
	kept int64 // bytes, estimated
}

// A body may hold so many small entries that they take many times its size in memory, which no server's does: real names
// and settings are longer.
const (
	keptAlways  = 2 << 20 // bytes
	keptPerByte = 10      // of the body
	keptAtMost  = 64 << 20
)

var (
	errTooManyEntries = errors.New("more entries than a server writes into so few bytes")
	errTooLarge       = fmt.Errorf("it would take more than %d bytes of memory", keptAtMost)
)

// keep accounts for an entry of about so many bytes.
func (b *body) keep(bytes int) error {
	b.kept += int64(bytes)
	switch {
	case b.kept > keptAlways+keptPerByte*b.Offset():
		return errTooManyEntries
	case b.kept > keptAtMost:
		return errTooLarge
	}
	return nil
}

// streamRaw sends req and has the answer's bytes read as they arrive.
func (c *Client) streamRaw(ctx context.Context, addr string, req remoting.Request,
	read func(resp *remoting.Response, r io.Reader) error) error {
	req.Credentials = c.credentials
	return c.remoting.Stream(ctx, addr, req, read)
}

// stream sends req and has the answer's body read as it arrives.
func (c *Client) stream(ctx context.Context, addr string, req remoting.Request, read func(resp *remoting.Response, b *body) error) error {
	return c.streamRaw(ctx, addr, req, func(resp *remoting.Response, r io.Reader) error {
		b := &body{BodyDecoder: remoting.NewBodyDecoder(r)}
		if err := read(resp, b); err != nil {
			return err
		}
		return b.End()
	})
}

// streamMember is stream for the one member of the body that matters.
func (c *Client) streamMember(ctx context.Context, addr string, req remoting.Request, name string, read func(b *body) error) error {
	return c.stream(ctx, addr, req, func(_ *remoting.Response, b *body) error {
		return b.Object(func(key string) error {
			if key != name {
				return nil
			}
			return read(b)
		})
	})
}

// list reads an array.
func list[T any](b *body, cost func(T) int) ([]T, error) {
	var all []T
	err := b.Array(func() error {
		var v T
		if err := b.Decode(&v); err != nil {
			return err
		}
		all = append(all, v)
		return b.keep(cost(v))
	})
	return all, err
}

// stringList asks for a body whose member name is a list of names.
func (c *Client) stringList(ctx context.Context, addr string, req remoting.Request, name string) ([]string, error) {
	var names []string
	err := c.streamMember(ctx, addr, req, name, func(b *body) error {
		return b.Array(func() error {
			s, err := b.Text()
			if err != nil {
				return err
			}
			names = append(names, s)
			return b.keep(32 + len(s))
		})
	})
	return names, err
}
