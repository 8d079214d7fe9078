// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// fakeServer accepts connections and hands each to serve, which may misbehave. serve must return when its
// connection is closed.
type fakeServer struct {
	addr     string
	accepted atomic.Int32
}

func newFakeServer(t *testing.T, serve func(conn net.Conn)) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeServer{addr: l.Addr().String()}
	var mu sync.Mutex
	var conns []net.Conn
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			serving.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, conn := range conns {
			_ = conn.Close()
		}
		mu.Unlock()
		serving.Wait()
	})
	return s
}

// answering reads requests and answers each by reply; a nil answer is none.
func answering(reply func(h header, body []byte) (*header, []byte)) func(net.Conn) {
	return func(conn net.Conn) {
		r := bufio.NewReader(conn)
		for {
			h, body, err := readFrame(r, DefaultMaxFrame)
			if err != nil {
				return
			}
			answer, body := reply(h, body)
			if answer == nil {
				continue
			}
			answer.Opaque, answer.Flag = h.Opaque, flagResponse
			frame, err := encodeFrame(*answer, body)
			if err != nil {
				panic(err)
			}
			if _, err := conn.Write(frame); err != nil {
				return
			}
		}
	}
}

func echo(h header, body []byte) (*header, []byte) { return &header{ExtFields: h.ExtFields}, body }

func newTestClient(t *testing.T, opts Options) *Client {
	t.Helper()
	c := NewClient(opts)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func TestInvoke(t *testing.T) {
	s := newFakeServer(t, answering(echo))
	c := newTestClient(t, Options{})
	resp, err := c.Invoke(t.Context(), s.addr, Request{Code: GetBrokerConfig, Fields: map[string]string{"k": "v"}, Body: []byte("b")})
	if err != nil {
		t.Fatal(err)
	}
	if resp.Fields["k"] != "v" || string(resp.Body) != "b" || resp.Code != Success {
		t.Errorf("response %+v", resp)
	}
}

func TestInvokeRefused(t *testing.T) {
	s := newFakeServer(t, answering(func(header, []byte) (*header, []byte) {
		return &header{Code: 2007, Remark: "not in leader state\n\tat java.lang.Thread"}, nil
	}))
	c := newTestClient(t, Options{})
	_, err := c.Invoke(t.Context(), s.addr, Request{Code: ControllerElectMaster})
	err = fmt.Errorf("switch master: %w", err)

	var refused *ResponseError
	if !errors.As(err, &refused) {
		t.Fatalf("error %v is no ResponseError", err)
	}
	want := ResponseError{Code: ControllerNotLeader, Remark: "not in leader state\n\tat java.lang.Thread", Request: ControllerElectMaster, Addr: s.addr}
	if *refused != want {
		t.Errorf("got %+v, want %+v", *refused, want)
	}
	if !IsCode(err, SystemBusy, ControllerNotLeader) || IsCode(err, SystemBusy) || IsCode(nil, Success) || IsCode(io.EOF, Success) {
		t.Error("IsCode is wrong")
	}
	wantText := "switch master: CONTROLLER_ELECT_MASTER to " + s.addr + ": CONTROLLER_NOT_LEADER (2007): not in leader state"
	if err.Error() != wantText {
		t.Errorf("text  %s\nwant  %s", err, wantText)
	}
	if _, err := c.Invoke(t.Context(), s.addr, Request{Code: 1002}); s.accepted.Load() != 1 {
		t.Errorf("a refusal cost the connection: %v", err)
	}
}

// TestInvokeTroubledServers: whatever the other side does, the call ends with its context or before, names the
// server, and takes little memory.
func TestInvokeTroubledServers(t *testing.T) {
	write := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			_, _ = conn.Write([]byte(text))
			_, _ = io.Copy(io.Discard, conn)
		}
	}
	for _, tc := range []struct {
		name  string
		serve func(net.Conn)
		is    error
		want  string
	}{
		{"never answers", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, context.DeadlineExceeded, "no answer"},
		{"closes at once", func(net.Conn) {}, nil, ""}, // EOF, reset or broken pipe, as it comes
		{"garbage", write("\x00\x00\x00\x10garbage garbage garbage"), nil, "only JSON"},
		{"HTTP", write("HTTP/1.1 400 Bad Request\r\n\r\n"), nil, "is this a RocketMQ port?"},
		{"huge length", write("\x7f\xff\xff\xff and more"), nil, "frame of 2147483647 bytes"},
		{"long frame that never comes", write("\x00\xff\xff\xff\x00\x00\xff\xff and more"), context.DeadlineExceeded, "no answer"},
		{"long header", write("\x00\xff\xff\xff\x00\xff\x00\x00 and more"), nil, "header of 16711680 bytes"},
		{"long body that never comes", write(longAnswer(1, 1<<20-100)), context.DeadlineExceeded, "the answer is not complete"},
		{"long body that ends early", func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 1000))
			_, _ = conn.Write([]byte(longAnswer(1, 1<<20-100) + "a part of it"))
		}, io.ErrUnexpectedEOF, "frame cut off after 12 of"},
		{"body longer than accepted", write(longAnswer(1, 15<<20)), nil, "bytes, at most 1048576 are accepted"},
		{"slow drip", func(conn net.Conn) {
			frame, _ := encodeFrame(header{Flag: flagResponse, Opaque: 1}, make([]byte, 1000))
			for _, b := range frame {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}, context.DeadlineExceeded, "no answer"},
		{"answers to nobody", func(conn net.Conn) {
			frame, _ := encodeFrame(header{Flag: flagResponse, Opaque: 4711}, nil)
			for err := error(nil); err == nil; _, err = conn.Write(frame) {
				time.Sleep(time.Millisecond)
			}
		}, context.DeadlineExceeded, "no answer"},
		{"requests of its own", func(conn net.Conn) {
			frame, _ := encodeFrame(header{Code: 40, Opaque: 1}, nil)
			for err := error(nil); err == nil; _, err = conn.Write(frame) {
				time.Sleep(time.Millisecond)
			}
		}, context.DeadlineExceeded, "no answer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newFakeServer(t, tc.serve)
			c := newTestClient(t, Options{Timeout: time.Hour}) // the context is to end it
			limit := time.Minute
			if errors.Is(tc.is, context.DeadlineExceeded) {
				limit = time.Second
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := c.Invoke(within(t, limit), s.addr, Request{Code: GetBrokerClusterInfo})
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			runtime.ReadMemStats(&after)
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 2<<20 {
				t.Errorf("%d bytes allocated", allocated)
			}
			if err == nil {
				t.Fatal("no error")
			}
			if tc.is != nil && !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %v with %q", err, tc.is, tc.want)
			}
			if !strings.HasPrefix(err.Error(), "GET_BROKER_CLUSTER_INFO to "+s.addr+": ") {
				t.Errorf("error does not name request and server: %v", err)
			}
		})
	}
}

// longAnswer is the beginning of a successful answer: its body of so many bytes is to follow.
func longAnswer(opaque int32, body int) string {
	head, err := json.Marshal(header{Flag: flagResponse, Opaque: opaque})
	if err != nil {
		panic(err)
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(4+len(head)+body))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(head)))
	return string(append(frame, head...))
}

func TestInvokeClosedPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	c := newTestClient(t, Options{})
	for range 3 { // a failed connection is not kept
		if _, err := c.Invoke(t.Context(), addr, Request{Code: 28}); !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), addr) {
			t.Errorf("error %v, want connection refused by %s", err, addr)
		}
	}
}

func TestInvokeDefaultTimeout(t *testing.T) {
	s := newFakeServer(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	c := newTestClient(t, Options{Timeout: 100 * time.Millisecond})
	start := time.Now()
	_, err := c.Invoke(context.Background(), s.addr, Request{Code: 28})
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 30*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
}

// TestInvokeUnreachable: a dial that hangs holds up neither its own call nor calls to other servers.
func TestInvokeUnreachable(t *testing.T) {
	s := newFakeServer(t, answering(echo))
	c := newTestClient(t, Options{Timeout: time.Minute, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == "unreachable:1" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}})
	unreachable := make(chan error, 1)
	go func() {
		_, err := c.Invoke(within(t, 500*time.Millisecond), "unreachable:1", Request{Code: 28})
		unreachable <- err
	}()
	if _, err := c.Invoke(within(t, 30*time.Second), s.addr, Request{Code: 28}); err != nil {
		t.Errorf("other server: %v", err)
	}
	if err := <-unreachable; !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connection not ready") {
		t.Errorf("unreachable server: %v", err)
	}
}

// TestInvokeConcurrent sends 100 calls over one connection; the server answers them in reverse order.
func TestInvokeConcurrent(t *testing.T) {
	const calls = 100
	s := newFakeServer(t, func(conn net.Conn) {
		r := bufio.NewReader(conn)
		var frames [][]byte
		for range calls {
			h, body, err := readFrame(r, DefaultMaxFrame)
			if err != nil {
				return
			}
			frame, _ := encodeFrame(header{Opaque: h.Opaque, Flag: flagResponse}, body)
			frames = append(frames, frame)
		}
		for i := range frames {
			_, _ = conn.Write(frames[calls-1-i])
		}
		_, _ = io.Copy(io.Discard, conn)
	})
	c := newTestClient(t, Options{})
	ctx := within(t, 10*time.Second)
	var calling sync.WaitGroup
	for i := range calls {
		calling.Go(func() {
			want := fmt.Sprintf("body %d", i)
			resp, err := c.Invoke(ctx, s.addr, Request{Code: 28, Body: []byte(want)})
			if err != nil {
				t.Error(err)
			} else if string(resp.Body) != want {
				t.Errorf("got %q, want %q", resp.Body, want)
			}
		})
	}
	calling.Wait()
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// TestInvokeAfterSilence: a connection on which a call got no answer is not used again, for TCP may take many
// minutes to notice that the other side has gone.
func TestInvokeAfterSilence(t *testing.T) {
	var connections atomic.Int32
	s := newFakeServer(t, func(conn net.Conn) {
		if connections.Add(1) == 1 {
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		answering(echo)(conn)
	})
	c := newTestClient(t, Options{})
	if _, err := c.Invoke(within(t, 100*time.Millisecond), s.addr, Request{Code: 28}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v, want deadline exceeded", err)
	}
	if _, err := c.Invoke(within(t, 5*time.Second), s.addr, Request{Code: 28}); err != nil {
		t.Errorf("second call: %v", err)
	}
}

// TestInvokeSlowRequest: one slow request among answered ones does not cost the connection.
func TestInvokeSlowRequest(t *testing.T) {
	s := newFakeServer(t, answering(func(h header, body []byte) (*header, []byte) {
		if h.Code == int(GetBrokerConfig) {
			return nil, nil
		}
		return echo(h, body)
	}))
	c := newTestClient(t, Options{})
	slow := make(chan error, 1)
	ctx := within(t, 300*time.Millisecond)
	go func() {
		_, err := c.Invoke(ctx, s.addr, Request{Code: GetBrokerConfig})
		slow <- err
	}()
	for ctx.Err() == nil {
		if _, err := c.Invoke(t.Context(), s.addr, Request{Code: 28}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if err := <-slow; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow call: %v", err)
	}
	if _, err := c.Invoke(t.Context(), s.addr, Request{Code: 28}); err != nil || s.accepted.Load() != 1 {
		t.Errorf("%v after %d connections, want 1", err, s.accepted.Load())
	}
}

// TestInvokeAfterRestart: when the server closes the connection, or says that it will, the next call gets a new one.
func TestInvokeAfterRestart(t *testing.T) {
	for _, tc := range []struct {
		name string
		code int
	}{{"closed", int(Success)}, {"going away", int(GoAway)}} {
		t.Run(tc.name, func(t *testing.T) {
			closed := make(chan struct{}, 10)
			s := newFakeServer(t, func(conn net.Conn) {
				h, _, err := readFrame(conn, DefaultMaxFrame)
				if err != nil {
					return
				}
				frame, _ := encodeFrame(header{Opaque: h.Opaque, Flag: flagResponse, Code: tc.code}, nil)
				_, _ = conn.Write(frame)
				if tc.code == int(GoAway) {
					_, _ = io.Copy(io.Discard, conn) // the client is the one that closes
				}
				_ = conn.Close()
				closed <- struct{}{}
			})
			c := newTestClient(t, Options{})
			for i := range 3 {
				_, err := c.Invoke(within(t, 5*time.Second), s.addr, Request{Code: 28})
				if err != nil && !IsCode(err, GoAway) {
					t.Errorf("call %d: %v", i, err)
				}
				<-closed
				waitFor(t, "the client noticed", func() bool { return c.openLinks() == 0 })
			}
		})
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	closed := make(chan struct{}, 1)
	s := newFakeServer(t, func(conn net.Conn) {
		answering(echo)(conn)
		closed <- struct{}{}
	})
	c := newTestClient(t, Options{IdleTimeout: 50 * time.Millisecond})
	for i := range 2 {
		if _, err := c.Invoke(t.Context(), s.addr, Request{Code: 28}); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		select {
		case <-closed:
		case <-time.After(5 * time.Second):
			t.Fatal("the connection stays open")
		}
	}
	waitFor(t, "the client forgot the connection", func() bool { return c.openLinks() == 0 })
}

func TestClose(t *testing.T) {
	received := make(chan struct{}, 1)
	s := newFakeServer(t, answering(func(header, []byte) (*header, []byte) {
		received <- struct{}{}
		return nil, nil
	}))
	c := NewClient(Options{Timeout: time.Minute})
	pending := make(chan error, 1)
	go func() {
		_, err := c.Invoke(context.Background(), s.addr, Request{Code: 28})
		pending <- err
	}()
	<-received
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-pending; !errors.Is(err, ErrClosed) {
		t.Errorf("pending call: %v, want ErrClosed", err)
	}
	if _, err := c.Invoke(context.Background(), s.addr, Request{Code: 28}); !errors.Is(err, ErrClosed) {
		t.Errorf("later call: %v, want ErrClosed", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func (c *Client) openLinks() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.links)
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}
