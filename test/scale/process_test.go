// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

func TestUsage(t *testing.T) {
	before, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	ballast := make([]byte, 64*mebibyte)
	for i := range ballast {
		ballast[i] = 1
	}
	for began := time.Now(); time.Since(began) < 200*time.Millisecond; {
		continue // uses a CPU
	}
	after, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	runtime.KeepAlive(ballast)
	if busy, err := busyCPU(); err != nil || busy < after.CPU {
		t.Errorf("the whole machine used %.2f s, this process %.2f s: %v", busy, after.CPU, err)
	}
	if more := after.CPU - before.CPU; more <= 0 || more > 60 {
		t.Errorf("used %.2f s of CPU", more)
	}
	if more := after.Anonymous - before.Anonymous; more < 32 || after.RSS < after.Anonymous || after.Peak < after.RSS {
		t.Errorf("grew by %.1f MiB, from %+v to %+v", more, before, after)
	}
	if _, err := usageOf(0); err == nil {
		t.Error("there is a process 0")
	}
}

func TestChildren(t *testing.T) {
	child := exec.CommandContext(t.Context(), "sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Process.Kill()
		_ = child.Wait() // it was killed
	})
	got, err := children("sleep")
	if err != nil || got["sleep"] != child.Process.Pid {
		t.Errorf("%v, %v; want %d", got, err, child.Process.Pid)
	}
	if got, err := children("sleep", "etcd"); err == nil {
		t.Errorf("etcd is a child: %v", got)
	}
}
