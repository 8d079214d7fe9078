package rocketmq

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// A broker with listenPort p also listens on p-2 (its fast port) and, here, on p+1 (replication).
const (
	portBlock  = 4
	brokerPort = 2 // offset of listenPort in its block
)

// freePorts returns the first of portBlock consecutive ports that nobody listens on. They lie below the range that
// the kernel gives to outgoing connections, and are chosen at random, so that test binaries running at the same
// time hardly ever choose the same.
func freePorts() (int, error) {
	const lowest, highest = 12000, 32000
	for range 100 {
		first := lowest + rand.IntN((highest-lowest)/portBlock)*portBlock
		if allFree(first) {
			return first, nil
		}
	}
	return 0, errors.New("no free block of ports between 12000 and 32000")
}

func allFree(first int) bool {
	for port := first; port < first+portBlock; port++ {
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
