// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"github.com/prometheus/procfs"
)

const mebibyte = 1 << 20

// usage of a process so far.
type usage struct {
	CPU float64 // seconds
	// RSS is what is resident, Anonymous the part of it that is no file's, Peak the most that RSS has been; MiB.
	RSS, Anonymous, Peak float64
}

func usageOf(pid int) (usage, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return usage{}, fmt.Errorf("process %d: %w", pid, err)
	}
	stat, err := process.Stat()
	if err != nil {
		return usage{}, fmt.Errorf("process %d: %w", pid, err)
	}
	status, err := process.NewStatus()
	if err != nil {
		return usage{}, fmt.Errorf("process %d: %w", pid, err)
	}
	return usage{
		CPU: stat.CPUTime(),
		RSS: float64(status.VmRSS) / mebibyte, Anonymous: float64(status.RssAnon) / mebibyte, Peak: float64(status.VmHWM) / mebibyte,
	}, nil
}

// busyCPU is what all processes of the machine have used, in seconds, and what its host took away.
func busyCPU() (float64, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, err
	}
	stat, err := fs.Stat()
	if err != nil {
		return 0, err
	}
	c := stat.CPUTotal // User and Nice have the time of guests in them
	return c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ + c.Steal, nil
}

// children of this process that run one of the programs: their ids by program.
func children(programs ...string) (map[string]int, error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, process := range all {
		stat, err := process.Stat()
		if err != nil || stat.PPID != os.Getpid() {
			continue // another's, or ended meanwhile
		}
		for _, program := range programs {
			if stat.Comm == program {
				out[program] = process.PID
			}
		}
	}
	if len(out) < len(programs) {
		return nil, fmt.Errorf("of the programs %v only %v run", programs, out)
	}
	return out, nil
}
