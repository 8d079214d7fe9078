// SPDX-License-Identifier: Apache-2.0

// Package supervise runs one child process in the way that PID 1 of a container must: it passes on the signal to stop, waits, and reaps
// orphaned processes.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// Child is the process to run. Its output goes to the agent's own.
type Child struct {
	Path string
	Args []string
	Env  []string
	// BeforeStop, if set, runs after the first SIGTERM or SIGINT and before the child is told to stop. Its context ends
	// when the child ends or a second signal arrives.
	BeforeStop func(context.Context)

	running, stopping atomic.Bool
	pid               atomic.Int64
}

// Running says whether the process is alive.
func (c *Child) Running() bool { return c.running.Load() }

// PID of the process, 0 before it is started.
func (c *Child) PID() int { return int(c.pid.Load()) }

// Stopping says whether the signal to stop has arrived.
func (c *Child) Stopping() bool { return c.stopping.Load() }

// Result is how the child ended.
type Result struct {
	// ExitCode is the child's own, 128 + signal when a signal ended it, and 0 when it ended by the SIGTERM that it was
	// sent (java exits with 143 after its shutdown hooks ran): the container was asked to stop, and did.
	ExitCode int
	// Signal is set when a signal that we did not send ended it.
	Signal syscall.Signal
}

// Signals returns a channel with the signals that Run handles, which must be registered before anything is started so
// that none is missed. The caller ends it with signal.Stop.
func Signals() chan os.Signal {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	return signals
}

// Run starts the child and waits for its end, however long that takes: the kubelet bounds it by SIGKILL, and the end of
// ctx is one. An error means that the child did not start.
func (c *Child) Run(ctx context.Context, signals <-chan os.Signal) (Result, error) {
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = c.Env, os.Stdout, os.Stderr
	// A process group of its own: a terminal's interrupt reaches it through us only.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return Result{}, fmt.Errorf("start %s: %w", c.Path, err)
	}
	c.pid.Store(int64(cmd.Process.Pid))
	c.running.Store(true)
	defer c.running.Store(false)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told := false
	stop := make(chan struct{}) // closed when BeforeStop is done
	terminate := func() {
		told = true
		// The child has not been reaped yet, so no other process can have its pid.
		_ = syscall.Kill(cmd.Process.Pid, syscall.SIGTERM)
	}
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGCHLD {
				if status, ended := reap(cmd.Process.Pid); ended {
					return result(status, told), nil
				}
				continue
			}
			if c.stopping.Swap(true) { // the second signal: whoever sends it is in a hurry
				cancel()
				continue
			}
			go func() {
				defer close(stop)
				if c.BeforeStop != nil {
					c.BeforeStop(ctx)
				}
			}()
		case <-stop:
			stop = nil
			terminate()
		}
	}
}

// reap collects every process that has ended: the child, and orphans that PID 1 has adopted. One SIGCHLD may stand for several, so reap
// goes on until there are none. os/exec must not wait at the same time.
func reap(child int) (status syscall.WaitStatus, ended bool) {
	for {
		var s syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &s, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil || pid <= 0:
			return status, ended
		case pid == child:
			status, ended = s, true
		}
	}
}

func result(status syscall.WaitStatus, told bool) Result {
	if status.Signaled() {
		if told && status.Signal() == syscall.SIGTERM {
			return Result{}
		}
		return Result{ExitCode: 128 + int(status.Signal()), Signal: status.Signal()}
	}
	if code := status.ExitStatus(); code != 128+int(syscall.SIGTERM) || !told {
		return Result{ExitCode: code}
	}
	return Result{}
}
