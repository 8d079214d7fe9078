// Package admin holds typed operations on RocketMQ's name servers, brokers and controllers, one file per kind of server
// or subject.
//
// Every operation asks one server, given as host:port, with one request unless its comment says otherwise. What changes
// topics, groups or offsets goes to a group's master. Errors are, or wrap, those of package remoting: a
// *remoting.ResponseError when the server refused (remoting.IsCode tells the codes apart), anything else when no
// usable answer came.
package admin

import (
	"context"
	"fmt"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Client runs operations; it is safe for concurrent use.
type Client struct {
	remoting *remoting.Client
}

// New returns a Client that sends through rc. Closing rc stays with the caller.
func New(rc *remoting.Client) *Client {
	return &Client{remoting: rc}
}

// invokeJSON sends req and decodes the answer's body into v.
func (c *Client) invokeJSON(ctx context.Context, addr string, req remoting.Request, v any) (*remoting.Response, error) {
	resp, err := c.remoting.Invoke(ctx, addr, req)
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
