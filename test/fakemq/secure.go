// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"bufio"
	"crypto/tls"
	"net"
)

// Securer are Servers some of which speak TLS.
type Securer interface {
	// Security of the server at an address: nil if it speaks no TLS. Enforced servers take nothing else.
	Security(addr string) (config *tls.Config, enforced bool)
}

// security of one server.
type security struct {
	config   *tls.Config
	enforced bool
}

// Secure lets a server speak TLS from now on, not any more without config. It takes nothing else if that is enforced.
func (c *Cluster) Secure(dialled string, config *tls.Config, enforced bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.secure == nil {
		c.secure = map[string]security{}
	}
	c.secure[dialled] = security{config, enforced}
}

// Security is part of Securer.
func (c *Cluster) Security(addr string) (config *tls.Config, enforced bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secure[addr].config, c.secure[addr].enforced
}

// handshake is the first byte of a connection with TLS.
const handshake = 0x16

// secured is a connection as the server at an address takes it, nil if it refuses it.
func secured(conn net.Conn, servers Servers, addr string) net.Conn {
	securer, is := servers.(Securer)
	if !is {
		return conn
	}
	config, enforced := securer.Security(addr)
	reader := bufio.NewReader(conn)
	first, err := reader.Peek(1)
	speaks := err == nil && first[0] == handshake
	conn = peeked{conn, reader}
	switch {
	case err != nil, speaks && config == nil, enforced && !speaks:
		return nil
	case speaks:
		return tls.Server(conn, config)
	}
	return conn
}

// peeked is a connection of which a part was read.
type peeked struct {
	net.Conn
	reader *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.reader.Read(b) }
