// Package fakemq stands in for RocketMQ servers where a test needs them to be silent, dead or in a state that real ones
// cannot be brought into quickly. It speaks the wire protocol in memory.
package fakemq

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"syscall"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Answer of a server.
type Answer struct {
	Code   remoting.ResponseCode
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
	// Answer a request; false for none. It is called concurrently.
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
		go func() {
			defer theirs.Close()
			if state == Silent {
				_, _ = io.Copy(io.Discard, theirs)
				return
			}
			serve(theirs, func(request remoting.Request) (Answer, bool) { return servers.Answer(addr, request) })
		}()
		return ours, nil
	}
}

// serve reads frames: length, length of the JSON header, header, body.
func serve(conn net.Conn, answer func(remoting.Request) (Answer, bool)) {
	for {
		var lengths [2]uint32
		if err := binary.Read(conn, binary.BigEndian, &lengths); err != nil {
			return
		}
		frame := make([]byte, lengths[0]-4)
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		var request struct {
			Code   remoting.RequestCode
			Opaque int32
			Fields map[string]string `json:"extFields"`
		}
		if err := json.Unmarshal(frame[:lengths[1]], &request); err != nil {
			return
		}
		a, ok := answer(remoting.Request{Code: request.Code, Fields: request.Fields, Body: frame[lengths[1]:]})
		if !ok {
			continue
		}
		header, err := json.Marshal(map[string]any{"code": a.Code, "opaque": request.Opaque, "flag": 1, "extFields": a.Fields})
		if err != nil {
			return
		}
		out := binary.BigEndian.AppendUint32(nil, uint32(4+len(header)+len(a.Body)))
		out = binary.BigEndian.AppendUint32(out, uint32(len(header)))
		if _, err := conn.Write(append(append(out, header...), a.Body...)); err != nil {
			return
		}
	}
}
