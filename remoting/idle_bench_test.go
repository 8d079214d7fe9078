// SPDX-License-Identifier: Apache-2.0

package remoting_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

const parkedServer = "REMOTING_TEST_PARKED_SERVER"

// TestMain is also the program of BenchmarkIdleLinks' server, which runs as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv(parkedServer) != "" {
		parkConnections()
		return
	}
	os.Exit(m.Run())
}

// parkConnections answers the first request of each connection and keeps the connection, until standard input ends.
func parkConnections() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil {
					return
				}
				const head = `{"code":0,"flag":1,"opaque":1}`
				_, _ = conn.Write([]byte("\x00\x00\x00" + string(rune(4+len(head))) + "\x00\x00\x00" + string(rune(len(head))) + head))
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// BenchmarkIdleLinks prints what an open connection costs that carries no call: heap, stacks and goroutines, beside a bare
// net.Conn. The server is another process.
func BenchmarkIdleLinks(b *testing.B) {
	const links = 1000
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	server := exec.CommandContext(b.Context(), self)
	server.Env = append(os.Environ(), parkedServer+"=1")
	stdin, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = stdin.Close()
		_ = server.Wait()
	}()
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	addr = strings.TrimSpace(addr)

	for b.Loop() {
		empty := memory()
		var bare []net.Conn
		for range links {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			bare = append(bare, conn)
		}
		withConns := memory()
		for _, conn := range bare {
			_ = conn.Close()
		}
		bare = nil

		before := memory()
		dialer := net.Dialer{}
		c := remoting.NewClient(remoting.Options{IdleTimeout: time.Hour, Dialer: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, addr)
		}})
		for i := range links {
			if _, err := c.Invoke(b.Context(), fmt.Sprintf("server-%d:1", i), remoting.Request{Code: remoting.GetBrokerConfig}); err != nil {
				b.Fatal(err)
			}
		}
		withLinks := memory()
		b.ReportMetric((withConns.heap-empty.heap)/links/1024, "KB-heap/bare-conn")
		b.ReportMetric((withLinks.heap-before.heap)/links/1024, "KB-heap/link")
		b.ReportMetric((withLinks.stacks-before.stacks)/links/1024, "KB-stack/link")
		b.ReportMetric((withLinks.heap-before.heap+withLinks.stacks-before.stacks)/links/1024, "KB/link")
		b.ReportMetric((withLinks.goroutines-before.goroutines)/links, "goroutines/link")
		_ = c.Close()
	}
}

type usage struct{ heap, stacks, goroutines float64 }

// memory in use, after garbage is gone and stacks have shrunk.
func memory() usage {
	for range 4 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{float64(m.HeapAlloc), float64(m.StackInuse), float64(runtime.NumGoroutine())}
}
