// SPDX-License-Identifier: Apache-2.0

// Command suite runs the parts of a test run one after the other and ends with one line, "N passed, N failed".
//
// Usage: suite NAME COMMAND [NAME COMMAND]...
//
// A part whose name begins with + runs beside the one before it.
//
// Each command is run by sh, without standard input. What it prints is shown as it comes, apart from the events of
// `go test -json`: these become progress (packages, end-to-end stories), failures in full, and the count. A part that
// fails without a failed test counts as one failure, one without tests that succeeds as one pass.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopLimit is how long an interrupted part has to clean up.
const stopLimit = 2 * time.Minute

// heartbeat is how often a silent part says what it is busy with.
const heartbeat = time.Minute

func main() {
	parts := os.Args[1:]
	if len(parts) == 0 || len(parts)%2 != 0 {
		fmt.Fprintln(os.Stderr, "usage: suite NAME COMMAND [NAME COMMAND]...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	r := newReport(os.Stdout, time.Now)
	var running sync.WaitGroup
	for i := 0; i < len(parts); i += 2 {
		name, beside := strings.CutPrefix(parts[i], "+")
		if !beside {
			running.Wait()
		}
		running.Go(func() { run(ctx, r, name, parts[i+1]) })
	}
	running.Wait()
	stop()
	if !r.finish() {
		os.Exit(1)
	}
}

// run runs one part and puts its events into the report.
func run(ctx context.Context, r *report, name, command string) {
	p := r.begin(name)
	if ctx.Err() != nil {
		p.end(errors.New("not run: interrupted"))
		return
	}
	read, write := io.Pipe()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Stdout, cmd.Stderr = write, write
	// A group of its own, so that an interrupt reaches the part once and all of it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = stopLimit

	lines := make(chan string)
	go func() {
		defer close(lines)
		reader := bufio.NewReader(read)
		for {
			line, err := reader.ReadString('\n')
			if line != "" {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	done := make(chan error, 1)
	go func() {
		err := cmd.Run()
		write.Close()
		done <- err
	}()
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for open := true; open; {
		var line string
		select {
		case line, open = <-lines:
			if open {
				p.line(line)
			}
		case <-ticker.C:
			p.heartbeat(heartbeat)
		}
	}
	err := <-done
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	p.end(err)
}
