// SPDX-License-Identifier: Apache-2.0

// Command suite runs the parts of a test run one after the other and ends with one line, "N passed, N failed".
//
// Usage: suite NAME COMMAND [NAME COMMAND]...
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
	for i := 0; i < len(parts); i += 2 {
		run(ctx, r, parts[i], parts[i+1])
	}
	stop()
	if !r.finish() {
		os.Exit(1)
	}
}

// run runs one part and puts its events into the report.
func run(ctx context.Context, r *report, name, command string) {
	r.begin(name)
	if ctx.Err() != nil {
		r.end(errors.New("not run: interrupted"))
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
				r.line(line)
			}
		case <-ticker.C:
			r.heartbeat(heartbeat)
		}
	}
	err := <-done
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	r.end(err)
}
