// SPDX-License-Identifier: Apache-2.0

// Package agent is the program rocketmq-agent. See Usage for its commands.
package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Usage is what the program prints when it is called wrongly.
const Usage = `rocketmq-agent install DEST
    copy this program to DEST, for an init container

rocketmq-agent run nameserver|controller|broker|proxy [flags]
    render the server's configuration, run it and serve /livez, /startedz and /readyz
`

// Exit codes of the agent itself. Otherwise it exits as java did.
const (
	exitFailure = 1
	exitUsage   = 2
)

// Main runs the command and returns the exit code. The end of ctx kills java; SIGTERM is the way to stop it in order.
func Main(ctx context.Context, args []string) int {
	switch {
	case len(args) == 2 && args[0] == "install":
		if err := install(args[1]); err != nil {
			fmt.Fprintln(os.Stderr, "rocketmq-agent install:", err)
			return exitFailure
		}
		return 0
	case len(args) >= 2 && args[0] == "run":
		config, err := parseFlags(args[1], args[2:], os.Stderr)
		if err != nil {
			if !errors.Is(err, flag.ErrHelp) {
				fmt.Fprintln(os.Stderr, "rocketmq-agent run:", err)
			}
			return exitUsage
		}
		return config.main(ctx)
	}
	fmt.Fprint(os.Stderr, Usage)
	return exitUsage
}

// config is the command line of run.
type config struct {
	role                             settings.Role
	defaultHeap, defaultDirectMemory string
	heap, directMemory               string
	javaOptions                      []string
	hostPath                         string
	grace                            time.Duration
	baseVolumes                      []string
	settingsDir, baseDir             string
	runDir, dataDir, terminationLog  string
	tlsDir, authDir                  string
	tls                              tlsFlags
	permissive                       bool
	http                             string
}

func parseFlags(role string, args []string, output io.Writer) (*config, error) {
	c := &config{role: settings.Role(role)}
	port, ok := map[settings.Role]int{
		settings.NameServer: settings.NameServerAgentPort,
		settings.Controller: settings.ControllerAgentPort,
		settings.Broker:     settings.BrokerAgentPort,
		settings.Proxy:      settings.ProxyAgentPort,
	}[c.role]
	if !ok {
		return nil, fmt.Errorf("unknown server %q: it is nameserver, controller, broker or proxy", role)
	}
	flags := flag.NewFlagSet("rocketmq-agent run "+role, flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&c.defaultHeap, "default-heap", "", "heap such as 512m, unless the environment sets one")
	flags.StringVar(&c.defaultDirectMemory, "default-direct-memory", "", "direct memory such as 256m, unless the environment sets it")
	flags.StringVar(&c.heap, "heap", "", "heap; wins over the environment")
	flags.StringVar(&c.directMemory, "direct-memory", "", "direct memory; wins over the environment")
	flags.Func("java-option", "further option for java, after all others (repeatable)", func(option string) error {
		c.javaOptions = append(c.javaOptions, option)
		return nil
	})
	flags.StringVar(&c.hostPath, "host-path", "", "directory on the node behind the data directory, to name it when it is not writable")
	flags.DurationVar(&c.grace, "grace", 0, "grace period of the pod's template, such as 155s")
	const baseVolume = "volume below the base directory that may have the user's " + settings.BaseFile + " (repeatable, the first that has it counts)"
	flags.Func("base-volume", baseVolume, func(volume string) error {
		c.baseVolumes = append(c.baseVolumes, volume)
		return nil
	})
	flags.StringVar(&c.settingsDir, "settings-dir", settings.Dir, "directory with "+settings.File)
	flags.StringVar(&c.baseDir, "base-dir", settings.BaseDir, "directory of the volumes that may have the user's "+settings.BaseFile)
	flags.StringVar(&c.runDir, "run-dir", settings.RunDir, "writable directory for the rendered configuration")
	flags.StringVar(&c.dataDir, "data-dir", settings.DataDir, "directory of the server's data")
	flags.StringVar(&c.tlsDir, "tls-dir", settings.TLSDir, "directory with "+settings.TLSCert+", "+settings.TLSKey+" and "+settings.TLSCA)
	c.tls.register(flags)
	flags.StringVar(&c.authDir, "auth-dir", settings.AuthDir, "directory of the cluster's own accounts, if it has authentication")
	flags.BoolVar(&c.permissive, "permissive-auth", false, "the server has accounts, and asks for no credentials")
	flags.StringVar(&c.terminationLog, "termination-log", "/dev/termination-log", "file for the reason of an exit; not created")
	flags.StringVar(&c.http, "http", fmt.Sprintf(":%d", port), "address to answer the probes on")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return c, c.tls.check(c.role)
}

// install copies the running program to dest, through a temporary file so that dest is never half written.
func install(dest string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	in, err := os.Open(self)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(dest), ".rocketmq-agent-*")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) // gone already when all went well
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("copy to %s: %w", dest, err)
	}
	if err := out.Chmod(0o555); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Rename(out.Name(), dest)
}
