// SPDX-License-Identifier: Apache-2.0

package rocketmq

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
)

// A broker with listenPort p also listens on p-2 (its fast port) and, here, on p+1 (replication). Nobody listens on p-1: the
// test binary does, which takes the block from then on. A server may listen seconds later.
const (
	portBlock  = 4
	brokerPort = 2 // offset of listenPort in its block
	takenPort  = 1 // offset of the test binary's own
)

// freePorts returns the first of portBlock consecutive ports that nobody listens on, and what keeps others off them until
// it is closed. They lie below those of the ledger's tests, which run beside
// others, and below the range that the kernel gives to outgoing connections.
func freePorts() (first int, taken io.Closer, err error) {
	const lowest, highest = 12000, 20000
	for range 100 {
		first := lowest + rand.IntN((highest-lowest)/portBlock)*portBlock
		if taken, err := net.Listen("tcp", loopback(first+takenPort)); err == nil {
			if allFree(first, first+brokerPort, first+brokerPort+1) {
				return first, taken, nil
			}
			_ = taken.Close()
		}
	}
	return 0, nil, errors.New("no free block of ports between 12000 and 20000")
}

func allFree(ports ...int) bool {
	for _, port := range ports {
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
