// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// Listen serves over TCP on the given ports of every loopback address: a connection is to the server whose address it was
// made to, so each server is given an IP of its own below 127.0.0.0/8. An unroutable server is a silent one here. After
// stop, no further connections are taken.
func Listen(ctx context.Context, servers Servers, ports ...int) (stop func(), err error) {
	listeners := make([]net.Listener, 0, len(ports))
	stop = func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}
	for _, port := range ports {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp4", fmt.Sprintf("0.0.0.0:%d", port))
		if err != nil {
			stop()
			return nil, err
		}
		listeners = append(listeners, l)
	}
	for _, l := range listeners {
		go accept(l, servers)
	}
	return stop, nil
}

func accept(l net.Listener, servers Servers) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if !netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr().IsLoopback() { // no port but all addresses can be bound
			_ = conn.Close()
			continue
		}
		go serve(conn, servers, conn.LocalAddr().String())
	}
}

// serve one connection to the server at an address.
func serve(raw net.Conn, servers Servers, addr string) {
	defer raw.Close()
	conn := raw
	switch servers.State(addr) {
	case Refused:
		return
	case Unroutable, Silent:
		_, _ = io.Copy(io.Discard, conn)
		return
	case Serving:
	}
	if conn = secured(conn, servers, addr); conn == nil {
		return
	}
	in := bufio.NewReaderSize(conn, 2<<10)
	for {
		request, opaque, err := readRequest(in)
		if err != nil {
			return
		}
		answer, ok := servers.Answer(addr, request)
		if !ok {
			if servers.State(addr) == Refused {
				return
			}
			continue
		}
		frame, err := answer.frame(opaque)
		if err != nil {
			return
		}
		if _, err := conn.Write(frame); err != nil {
			return
		}
	}
}

// readRequest reads a frame: its length, the length of the JSON header, header, body (RocketMQ's RemotingCommand).
func readRequest(in io.Reader) (request remoting.Request, opaque int32, err error) {
	var lengths [8]byte
	if _, err := io.ReadFull(in, lengths[:]); err != nil {
		return request, 0, err
	}
	const maxFrame = 16 << 20 // bytes
	length, head := binary.BigEndian.Uint32(lengths[:]), binary.BigEndian.Uint32(lengths[4:])
	if length < 4+head || length > maxFrame {
		return request, 0, fmt.Errorf("a frame of %d bytes with a header of %d", length, head)
	}
	frame := make([]byte, length-4)
	if _, err := io.ReadFull(in, frame); err != nil {
		return request, 0, err
	}
	var header struct {
		Code   remoting.RequestCode
		Opaque int32
		Fields map[string]string `json:"extFields"`
	}
	if err := json.Unmarshal(frame[:head], &header); err != nil {
		return request, 0, err
	}
	return remoting.Request{Code: header.Code, Fields: header.Fields, Body: frame[head:]}, header.Opaque, nil
}

func (a Answer) frame(opaque int32) ([]byte, error) {
	header, err := json.Marshal(struct {
		Code   remoting.ResponseCode `json:"code"`
		Flag   int                   `json:"flag"` // an answer
		Opaque int32                 `json:"opaque"`
		Remark string                `json:"remark,omitempty"`
		Fields map[string]string     `json:"extFields,omitempty"`
	}{a.Code, 1, opaque, a.Remark, a.Fields})
	if err != nil {
		return nil, err
	}
	frame := make([]byte, 0, 8+len(header)+len(a.Body))
	frame = binary.BigEndian.AppendUint32(frame, uint32(4+len(header)+len(a.Body)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(header)))
	return append(append(frame, header...), a.Body...), nil
}
