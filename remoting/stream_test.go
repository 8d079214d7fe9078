// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// text is n bytes in which every position can be told from its neighbours.
func text(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.String()[:n]
}

// long answers each request with the text of as many bytes as its field "size" says.
func long(h header, _ []byte) (*header, []byte) {
	n := 0
	_, _ = fmt.Sscan(h.ExtFields["size"], &n)
	return &header{ExtFields: h.ExtFields}, []byte(text(n))
}

func sized(n int) Request {
	return Request{Code: GetAllConsumerOffset, Fields: map[string]string{"size": fmt.Sprint(n)}, MaxAnswer: DefaultMaxFrame}
}

func TestAnswersOfEverySize(t *testing.T) {
	s := newFakeServer(t, answering(long))
	c := newTestClient(t, Options{})
	for _, n := range []int{0, 1, 4096, smallFrame - 200, smallFrame - 60, smallFrame, smallFrame + 1, 100_000, 3 << 20} {
		resp, err := c.Invoke(t.Context(), s.addr, sized(n))
		if err != nil || string(resp.Body) != text(n) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		var streamed []byte
		err = c.Stream(t.Context(), s.addr, sized(n), func(resp *Response, body io.Reader) (err error) {
			if resp.Fields["size"] != fmt.Sprint(n) || resp.Body != nil {
				t.Errorf("response %+v", resp)
			}
			streamed, err = io.ReadAll(body)
			return err
		})
		if err != nil || string(streamed) != text(n) {
			t.Fatalf("%d bytes as a stream: %v", n, err)
		}
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// TestLongAnswersSideBySide: pipelined calls for long and short answers, some given up early, each get their own.
func TestLongAnswersSideBySide(t *testing.T) {
	s := newFakeServer(t, answering(long))
	c := newTestClient(t, Options{MaxInFlight: 300_000, Timeout: time.Minute})
	var calling sync.WaitGroup
	for i := range 60 {
		calling.Go(func() {
			n := []int{10, 200_000, 90_000}[i%3] + i
			err := c.Stream(t.Context(), s.addr, sized(n), func(_ *Response, body io.Reader) error {
				if i%5 == 0 {
					_, err := io.ReadFull(body, make([]byte, 5))
					return err // the rest is left
				}
				got, err := io.ReadAll(body)
				if string(got) != text(n) {
					t.Errorf("call %d: %d bytes, want %d", i, len(got), n)
				}
				return err
			})
			if err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	calling.Wait()
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestAnswerTooLong(t *testing.T) {
	s := newFakeServer(t, answering(long))
	c := newTestClient(t, Options{MaxAnswer: 5000})
	for _, tc := range []struct {
		name     string
		n, limit int
		fails    bool
	}{
		{"within the client's limit", 4000, 0, false},
		{"beyond the client's limit", 6000, 0, true},
		{"beyond the client's limit, and long", 600_000, 0, true},
		{"within the request's limit", 600_000, 1 << 20, false},
		{"beyond the request's limit", 4000, 1000, true},
	} {
		req := sized(tc.n)
		req.MaxAnswer = tc.limit
		_, err := c.Invoke(t.Context(), s.addr, req)
		tooLong := new(AnswerTooLongError)
		if errors.As(err, &tooLong) != tc.fails || !tc.fails && err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if tc.fails && (tooLong.Length < int64(tc.n) || tooLong.Max != max(tc.limit, 1000) && tooLong.Max != 5000) {
			t.Errorf("%s: %+v", tc.name, tooLong)
		}
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1: an answer that is too long costs the others nothing", n)
	}
}

// TestAnswerLongerThanAnyRequest: a broker sends tables longer than it would accept itself.
func TestAnswerLongerThanAnyRequest(t *testing.T) {
	const size = DefaultMaxFrame + 1<<20
	s := newFakeServer(t, func(conn net.Conn) {
		for i := int32(1); ; i++ {
			if _, _, err := readFrame(conn, 1000); err != nil {
				return
			}
			_, _ = conn.Write([]byte(longAnswer(i, size)))
			_, _ = io.Copy(conn, io.LimitReader(zeros{}, size))
		}
	})
	c := newTestClient(t, Options{Timeout: time.Minute})
	var got int64
	err := c.Stream(t.Context(), s.addr, Request{Code: GetAllConsumerOffset, MaxAnswer: 2 * size}, func(_ *Response, body io.Reader) (err error) {
		got, err = io.Copy(io.Discard, body)
		return err
	})
	if err != nil || got != size {
		t.Errorf("%d bytes, %v; want %d", got, err, size)
	}
	// One that nobody wants is not read: the connection ends.
	enough := errors.New("enough")
	err = c.Stream(t.Context(), s.addr, Request{Code: GetAllConsumerOffset, MaxAnswer: 2 * size}, func(*Response, io.Reader) error { return enough })
	if !errors.Is(err, enough) {
		t.Errorf("not read: %v", err)
	}
	waitFor(t, "the connection ended", func() bool { return c.openLinks() == 0 })
	if _, err := c.Invoke(t.Context(), s.addr, Request{Code: GetAllConsumerOffset}); !errors.As(err, new(*AnswerTooLongError)) {
		t.Errorf("not asked for: %v", err)
	}
	waitFor(t, "the connection ended", func() bool { return c.openLinks() == 0 })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestStreamErrors(t *testing.T) {
	s := newFakeServer(t, answering(func(h header, body []byte) (*header, []byte) {
		if h.Code == int(GetBrokerConfig) {
			return &header{Code: int(SystemError), Remark: "no"}, []byte(text(100_000))
		}
		return long(h, body)
	}))
	c := newTestClient(t, Options{})
	unreadable := errors.New("not what I wanted")
	err := c.Stream(t.Context(), s.addr, sized(200_000), func(*Response, io.Reader) error { return unreadable })
	want := "GET_ALL_CONSUMER_OFFSET to " + s.addr + ": unusable answer: not what I wanted"
	if !errors.Is(err, unreadable) || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	err = c.Stream(t.Context(), s.addr, Request{Code: GetBrokerConfig}, func(*Response, io.Reader) error {
		t.Error("a refusal was handed out as an answer")
		return nil
	})
	if !IsCode(err, SystemError) {
		t.Errorf("refusal: %v", err)
	}
	if _, err := c.Invoke(t.Context(), s.addr, sized(10)); err != nil || s.accepted.Load() != 1 {
		t.Errorf("%v after %d connections, want 1", err, s.accepted.Load())
	}
}

// TestStreamThatStalls: a body that does not come ends with the context, and later calls get another connection.
func TestStreamThatStalls(t *testing.T) {
	s := newFakeServer(t, func(conn net.Conn) {
		if _, _, err := readFrame(conn, 1000); err != nil {
			return
		}
		_, _ = conn.Write([]byte(longAnswer(1, 500_000) + text(1000)))
		_, _ = io.Copy(io.Discard, conn)
	})
	c := newTestClient(t, Options{})
	for range 2 {
		ctx, cancel := context.WithCancel(within(t, time.Minute))
		err := c.Stream(ctx, s.addr, sized(0), func(_ *Response, body io.Reader) error {
			if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
				return err
			}
			cancel() // the caller has waited long enough
			_, err := io.ReadAll(body)
			return err
		})
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the answer is not complete") {
			t.Errorf("error %v, want that of the context", err)
		}
	}
	if n := s.accepted.Load(); n != 2 {
		t.Errorf("%d connections, want one for each call", n)
	}
}

// TestStreamOnARetiredLink: that another call gets no answer costs a stream nothing.
func TestStreamOnARetiredLink(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	s := newFakeServer(t, func(conn net.Conn) {
		for range 2 {
			if _, _, err := readFrame(conn, 1000); err != nil {
				return
			}
		}
		close(asked)
		_, _ = conn.Write([]byte(longAnswer(1, 100_000) + text(1000)))
		<-goOn
		_, _ = conn.Write([]byte(text(100_000)[1000:]))
		_, _ = io.Copy(io.Discard, conn)
	})
	c := newTestClient(t, Options{Timeout: time.Minute})
	streaming := make(chan error, 1)
	go func() {
		streaming <- c.Stream(t.Context(), s.addr, sized(0), func(_ *Response, body io.Reader) error {
			got, err := io.ReadAll(body)
			if string(got) != text(100_000) {
				t.Errorf("%d bytes", len(got))
			}
			return err
		})
	}()
	waitFor(t, "the stream's request is the first", func() bool { return s.accepted.Load() == 1 })
	ctx, cancel := context.WithCancel(within(t, time.Minute))
	silent := make(chan error, 1)
	go func() {
		_, err := c.Invoke(ctx, s.addr, sized(0))
		silent <- err
	}()
	<-asked
	cancel()
	if err := <-silent; !errors.Is(err, context.Canceled) {
		t.Errorf("the call without answer: %v", err)
	}
	close(goOn)
	if err := <-streaming; err != nil {
		t.Error(err)
	}
}

// TestBudget: long answers together are no longer than the client's budget, short ones do not wait.
func TestBudget(t *testing.T) {
	s := newFakeServer(t, answering(long))
	other := newFakeServer(t, answering(long))
	c := newTestClient(t, Options{MaxInFlight: 150_000, Timeout: time.Minute})
	reading, goOn := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- c.Stream(t.Context(), s.addr, sized(100_000), func(_ *Response, body io.Reader) error {
			close(reading)
			<-goOn
			_, err := io.Copy(io.Discard, body)
			return err
		})
	}()
	<-reading
	_, err := c.Invoke(within(t, time.Second), other.addr, sized(100_000))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "waiting for other long answers") {
		t.Errorf("a second long answer: %v", err)
	}
	if _, err := c.Invoke(within(t, time.Minute), other.addr, sized(1000)); err != nil {
		t.Errorf("a short answer: %v", err)
	}
	close(goOn)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if _, err := c.Invoke(within(t, time.Minute), other.addr, sized(1_000_000)); err != nil {
		t.Errorf("an answer longer than the budget, alone: %v", err)
	}
}

func TestCloseDuringAStream(t *testing.T) {
	s := newFakeServer(t, func(conn net.Conn) {
		_, _, _ = readFrame(conn, 1000)
		_, _ = conn.Write([]byte(longAnswer(1, 100_000) + text(1000)))
		_, _ = io.Copy(io.Discard, conn)
	})
	c := NewClient(Options{Timeout: time.Minute})
	err := c.Stream(t.Context(), s.addr, sized(0), func(_ *Response, body io.Reader) error {
		if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
			return err
		}
		go func() { _ = c.Close() }()
		_, err := io.ReadAll(body)
		return err
	})
	if !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
	_ = c.Close()
}

// TestReconnect: later calls use a new connection, those under way get their answers.
func TestReconnect(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	s := newFakeServer(t, answering(func(h header, body []byte) (*header, []byte) {
		if h.Code == int(GetBrokerConfig) {
			close(asked)
			<-goOn
		}
		return echo(h, body)
	}))
	c := newTestClient(t, Options{Timeout: time.Minute})
	underWay := make(chan error, 1)
	go func() {
		_, err := c.Invoke(t.Context(), s.addr, Request{Code: GetBrokerConfig})
		underWay <- err
	}()
	<-asked
	c.Reconnect()
	if _, err := c.Invoke(t.Context(), s.addr, Request{Code: 28}); err != nil || s.accepted.Load() != 2 {
		t.Errorf("%v after %d connections, want 2", err, s.accepted.Load())
	}
	close(goOn)
	if err := <-underWay; err != nil {
		t.Errorf("call under way: %v", err)
	}
	waitFor(t, "only the new connection is left", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.all) == 1
	})
}
