// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/probe"
)

// A broker that was killed reads its log again before it answers. That takes an hour where the log is large and the disk is slow, and
// killing the broker would only make it begin again. So Kubernetes waits (the startup probe), and the agent ends a start only if java
// does nothing.
const (
	startLook = 10 * time.Second
	// idleMinute is how often the agent checks whether java has done something.
	idleMinute = time.Minute
	// stallLimit is how long java may do nothing.
	stallLimit = 30 * time.Minute
	// The least CPU time, or bytes read, of a minute in which java makes progress. Java that waits for ever uses less.
	leastCPU  = 600 * time.Millisecond
	leastRead = 1 << 20
)

// work is what a process has done since it started.
type work struct {
	cpu  time.Duration
	read int64 // bytes from disks, mapped files included
}

// startWatch watches a server that has been started and does not answer yet.
type startWatch struct {
	// started says whether the server answers; done returns what java has done.
	started func(context.Context) probe.Report
	done    func() (work, error)
}

// stalled waits until the server answers or ctx ends, and then returns false. It returns true if java has stopped making progress.
func (w startWatch) stalled(ctx context.Context) bool {
	var last work
	began := time.Now()
	looked, moved, said := began, began, began
	ticker := time.NewTicker(startLook)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
		if w.started(ctx).Ready {
			return false
		}
		if time.Since(looked) < idleMinute {
			continue
		}
		now, err := w.done()
		if err != nil || now.cpu-last.cpu >= leastCPU || now.read-last.read >= leastRead {
			moved = time.Now() // progress cannot be measured, so assume there is some
		}
		last, looked = now, time.Now()
		if time.Since(said) >= 5*idleMinute {
			logf("INFO", "java has been starting for %s: it has used %s of CPU and read %d MiB; a broker that was killed reads its log first",
				time.Since(began).Round(time.Second), now.cpu.Round(time.Second), now.read>>20)
			said = time.Now()
		}
		if time.Since(moved) >= stallLimit {
			return true
		}
	}
}

// clockTick is the unit of times in /proc, 1/100 s on every Linux that Go runs on (USER_HZ).
const clockTick = 10 * time.Millisecond

// workOf a process, from /proc/<pid>/stat and io (man 5 proc).
func workOf(pid int) (work, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return work{}, err
	}
	// The second field is the program's name in parentheses, which may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const user, system = 14 - 3, 15 - 3 // utime, stime
	if len(fields) <= system {
		return work{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var w work
	for _, i := range []int{user, system} {
		ticks, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return work{}, err
		}
		w.cpu += time.Duration(ticks) * clockTick
	}
	io, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid)) // some kernels have none
	for line := range strings.Lines(string(io)) {
		if bytes, ok := strings.CutPrefix(line, "read_bytes: "); ok {
			w.read, _ = strconv.ParseInt(strings.TrimSpace(bytes), 10, 64)
		}
	}
	return w, nil
}
