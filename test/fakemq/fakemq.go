// SPDX-License-Identifier: Apache-2.0

// Package fakemq stands in for RocketMQ servers where a test needs them to be silent, dead or in a state that real ones
// cannot be brought into quickly, or in great numbers. It speaks the wire protocol, in memory and over TCP.
package fakemq

import (
	"context"
	"fmt"
	"net"
	"syscall"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Answer of a server.
type Answer struct {
	Code   remoting.ResponseCode
	Remark string
	Fields map[string]string
	Body   string
}

// State of a server's address.
type State int

// The states.
const (
	// Refused: nobody listens.
	Refused State = iota
	// Unroutable: connecting never ends.
	Unroutable
	// Silent: it takes connections and never answers.
	Silent
	// Serving: it answers.
	Serving
)

// Servers are all that can be dialled.
type Servers interface {
	State(addr string) State
	// Answer a request; false for none, which ends the connection if the server is Refused by then. It is called concurrently.
	Answer(addr string, request remoting.Request) (Answer, bool)
}

// Dialer for remoting.Options.
func Dialer(servers Servers) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		state := servers.State(addr)
		switch state {
		case Refused:
			return nil, fmt.Errorf("dial %s: %w", addr, syscall.ECONNREFUSED)
		case Unroutable:
			<-ctx.Done()
			return nil, ctx.Err()
		}
		ours, theirs := net.Pipe()
		go serve(theirs, servers, addr)
		return ours, nil
	}
}
