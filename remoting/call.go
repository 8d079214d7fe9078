// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// AnswerTooLongError means that an answer was longer than Request.MaxAnswer allows.
type AnswerTooLongError struct {
	// Length is the answer's, Max what was allowed, in bytes.
	Length int64
	Max    int
}

func (e *AnswerTooLongError) Error() string {
	return fmt.Sprintf("the answer has %d bytes, at most %d are accepted", e.Length, e.Max)
}

// call is one request on a link, between begin and finish.
type call struct {
	link          *link
	opaque        int32
	maxAnswer     int
	frame         []byte // until it is written
	written       bool   // guarded by link.mu
	replied       chan *reply
	stream        *io.PipeReader // of the reply that exchange returned
	answersBefore uint64
}

// reply is what a call gets: an error, a short answer, or a long one that is still arriving.
type reply struct {
	err    error
	header header
	body   []byte
	stream *io.PipeReader
	size   int64 // of the stream
}

// exchange sends the call's frame and waits for the reply.
func (c *call) exchange(ctx context.Context) (*reply, error) {
	c.link.send(c)
	select {
	case r := <-c.replied:
		c.stream = r.stream
		return r, r.err
	case <-ctx.Done():
		if !c.link.hasWritten(c) {
			return nil, fmt.Errorf("not sent, connection not ready: %w", ctx.Err())
		}
		return nil, fmt.Errorf("no answer: %w", ctx.Err())
	}
}

// silent reports whether the server has answered nothing, on this link, since the call began.
func (c *call) silent() bool {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.link.answers == c.answersBefore
}

// finish lets the link go on without the call.
func (c *call) finish() {
	if c.stream != nil {
		_ = c.stream.Close()
	}
	c.link.drop(c)
	select {
	case r := <-c.replied: // too late
		if r.stream != nil {
			_ = r.stream.Close()
		}
	default:
	}
	c.link.release()
}

func (r *reply) response() *Response {
	return &Response{Code: ResponseCode(r.header.Code), Remark: r.header.Remark, Fields: r.header.ExtFields}
}

// reader of the body.
func (r *reply) reader(ctx context.Context) *bodyReader {
	if r.stream == nil {
		return &bodyReader{ctx: ctx, r: bytes.NewReader(r.body)}
	}
	return &bodyReader{ctx: ctx, r: r.stream}
}

// all is the whole body. Its memory grows with the bytes that arrive.
func (r *reply) all(ctx context.Context) ([]byte, error) {
	if r.stream == nil {
		return r.body, nil
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(r.reader(ctx)); err != nil {
		return nil, err
	}
	return slices.Clip(body.Bytes()), nil
}

// bodyReader remembers why it could not go on.
type bodyReader struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	if b.ctx.Err() != nil {
		err = fmt.Errorf("the answer is not complete: %w", b.ctx.Err())
	}
	b.err = err
	return n, err
}
