// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/jvm"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/render"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/supervise"
	"github.com/rocketmq-operator/rocketmq-operator/internal/properties"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// logf writes a line in the format of the servers' own log, which goes to the same place.
func logf(level, format string, args ...any) {
	fmt.Printf("%s %-5s agent - %s\n", time.Now().Format("2006-01-02 15:04:05.000"), level, fmt.Sprintf(format, args...))
}

// main runs the server until it ends and returns the container's exit code.
func (c *config) main(ctx context.Context) int {
	result, err := c.run(ctx)
	switch {
	case err != nil:
		c.explain(err.Error())
		return exitFailure
	case result.Signal == syscall.SIGKILL:
		c.explain("java was killed; most likely the container ran out of memory: raise resources.limits.memory, or lower jvm.heap and jvm.directMemory")
	case result.Signal != 0:
		c.explain(fmt.Sprintf("java was ended by the signal %q", result.Signal))
	case result.ExitCode != 0:
		// Not into the termination log: the end of the container's log, which Kubernetes shows instead, says more.
		logf("ERROR", "java exited with code %d; its reason is above", result.ExitCode)
	default:
		logf("INFO", "java has stopped")
	}
	return result.ExitCode
}

// explain says why the container ends, in the log and where Kubernetes looks for it.
func (c *config) explain(reason string) {
	logf("ERROR", "%s", reason)
	if f, err := os.OpenFile(c.terminationLog, os.O_WRONLY|os.O_TRUNC, 0); err == nil {
		_, _ = f.WriteString(reason)
		_ = f.Close()
	}
}

func (c *config) run(ctx context.Context) (supervise.Result, error) {
	signals := supervise.Signals()
	defer signal.Stop(signals)

	home := os.Getenv("ROCKETMQ_HOME")
	if err := jvm.CheckHome(home); err != nil {
		return supervise.Result{}, err
	}
	if c.role != settings.Proxy { // which has no data
		if err := c.checkDataDir(); err != nil {
			return supervise.Result{}, err
		}
	}
	input, known, certificate, err := c.prepare(home)
	if err != nil {
		return supervise.Result{}, err
	}
	ended, err := c.markRunning()
	if err != nil {
		return supervise.Result{}, err
	}
	defer ended()
	java, err := jvm.Find(ctx, os.Getenv("JAVA_HOME"))
	if err != nil {
		return supervise.Result{}, err
	}
	args, err := c.javaArgs(java.Major, home, input)
	if err != nil {
		return supervise.Result{}, err
	}
	rc := c.client(input, certificate, known[settings.OperatorAccount])
	defer rc.Close()
	s := c.server(input, known, admin.New(rc), &supervise.Child{Path: java.Path, Args: args, Env: os.Environ()})
	if certificate != nil {
		s.beside = append(s.beside, certificate.follow)
	}
	stop, err := s.serve(ctx, c.http)
	if err != nil {
		return supervise.Result{}, err
	}
	defer stop()
	if s.entry != nil && !s.entry.wait(ctx, signals) {
		logf("INFO", "told to stop before there was a broker")
		return supervise.Result{}, nil
	}
	logf("INFO", "starting java %d: %s %q", java.Major, java.Path, jvm.Printable(args))
	return s.run(ctx, signals)
}

// prepare the server's files. It returns what they depend on, with the Secrets among it.
func (c *config) prepare(home string) (in render.Input, known accounts, certificate *certificate, err error) {
	if in, err = c.input(home); err != nil {
		return in, nil, nil, err
	}
	if known, err = c.accounts(in.Settings); err != nil {
		return in, nil, nil, err
	}
	in.Credentials, in.PermissiveAuth = known[signer(c.role)], c.permissive
	if certificate, err = c.certificate(in.Settings); err != nil {
		return in, nil, nil, err
	}
	in.TLS = certificate.tls()
	return in, known, certificate, c.write(in)
}

// input gathers what the configuration depends on, but for Secrets.
func (c *config) input(home string) (render.Input, error) {
	s, err := c.settings()
	if err != nil {
		return render.Input{}, err
	}
	in := render.Input{
		Role:       c.role,
		PodName:    os.Getenv("POD_NAME"),
		PodIP:      os.Getenv("POD_IP"),
		Settings:   s,
		DataDir:    c.dataDir,
		ConfigFile: filepath.Join(c.runDir, string(c.role)+".conf"),
		Release:    jvm.Release(home),
	}
	if s.HostNetwork {
		if ip := os.Getenv("HOST_IP"); ip != "" {
			in.PodIP = ip
		}
	}
	if c.role != settings.Broker {
		return in, nil
	}
	in.Base, err = c.baseFile()
	return in, err
}

func (c *config) settings() (settings.Settings, error) {
	path := filepath.Join(c.settingsDir, settings.File)
	data, err := os.ReadFile(path)
	if err != nil {
		return settings.Settings{}, fmt.Errorf("the operator's settings: %w", err)
	}
	var s settings.Settings
	if err := json.Unmarshal(data, &s); err != nil {
		return settings.Settings{}, fmt.Errorf("the operator's settings %s: %w", path, err)
	}
	return s, nil
}

// write renders the configuration into the run directory. RocketMQ rewrites its file when properties are changed at
// run time, so it must be writable, and is made anew at each start.
func (c *config) write(in render.Input) error {
	content, overrides, err := c.configuration(in)
	if err == nil && c.role == settings.Broker {
		err = checkFileSizes(c.dataDir, settings.Trimmed(in.Base, in.Settings.Config))
	}
	if err != nil {
		return err
	}
	for _, o := range overrides {
		logf("WARN", "property of the user overridden: %s", o)
	}
	// Of what the server unpacked for itself, one that was killed leaves all.
	if err := errors.Join(os.RemoveAll(c.tmpDir()), os.MkdirAll(c.tmpDir(), 0o755)); err != nil {
		return fmt.Errorf("the directory for the configuration: %w", err)
	}
	files := map[string]string{
		in.ConfigFile:        string(content),
		c.logbackFile():      render.Logback,
		c.javaSecurityFile(): render.JavaSecurity,
	}
	if c.tls.given() {
		files[c.tlsFile()] = string(render.TLSProperties(in.TLS))
	}
	for path, content := range files {
		if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	return nil
}

// configuration is the text of the server's file.
func (c *config) configuration(in render.Input) ([]byte, []render.Override, error) {
	if c.role == settings.Proxy {
		return render.Proxy(in)
	}
	props, overrides, err := render.Properties(in)
	return properties.Format(props), overrides, err
}

func (c *config) logbackFile() string      { return filepath.Join(c.runDir, "logback.xml") }
func (c *config) javaSecurityFile() string { return filepath.Join(c.runDir, "java.security") }
func (c *config) tlsFile() string          { return filepath.Join(c.runDir, "tls.properties") }
func (c *config) tmpDir() string           { return filepath.Join(c.runDir, "tmp") }

// markRunning leaves a mark until the agent ends, and says it if the container before left one. When a container runs out of
// memory, the kernel kills the agent with java (memory.oom.group), which cannot say why.
func (c *config) markRunning() (ended func(), err error) {
	mark := filepath.Join(c.runDir, "running")
	if _, err := os.Stat(mark); err == nil {
		logf("WARN", "the container before this one was killed together with its agent: it ran out of memory, or did not stop in "+
			"its grace period; `kubectl describe pod` shows which, as its last state")
	}
	if err := os.WriteFile(mark, nil, 0o640); err != nil {
		return nil, fmt.Errorf("write configuration: %w", err)
	}
	return func() { _ = os.Remove(mark) }, nil
}

func (c *config) javaArgs(major int, home string, in render.Input) ([]string, error) {
	limit := memoryLimit(os.DirFS("/"))
	heap, direct := c.defaultMemory(limit)
	options, err := jvm.Options{
		Role:                c.role,
		JavaMajor:           major,
		DefaultHeap:         heap,
		DefaultDirectMemory: direct,
		Getenv:              os.Getenv,
		Heap:                c.heap,
		DirectMemory:        c.directMemory,
		Extra:               c.javaOptions,
	}.Args()
	if err != nil {
		return nil, err
	}
	warnOfMemory(options, limit)
	classPath, err := jvm.ClassPath(home)
	if err != nil {
		return nil, err
	}
	args := []string{
		// RocketMQ writes small things below it (RocksDB's own log), and a uid that the image does not know has none.
		"-Duser.home=" + c.runDir,
		// RocksDB and Netty unpack their libraries here, and the root of a container may be read-only.
		"-Djava.io.tmpdir=" + c.tmpDir(),
		"-Drmq.logback.configurationFile=" + c.logbackFile(),
		"-Djava.security.properties=" + c.javaSecurityFile(),
	}
	defaults, fixed := c.tlsOptions(in.Settings)
	args = slices.Concat(args, defaults, options, fixed)
	return append(args, "-cp", classPath, jvm.MainClass(c.role), jvm.ConfigOption(c.role), in.ConfigFile), nil
}

// brokerNow is what the settings say of the broker. The file follows name servers and controllers while the broker runs; the
// broker is told by the operator.
func (c *config) brokerNow(in render.Input) *settings.BrokerSettings {
	if now, err := c.settings(); err == nil && now.Broker != nil {
		return now.Broker
	}
	return in.Settings.Broker
}

// checkDataDir tries to write. Kubernetes makes volumes writable through fsGroup, but never hostPath ones.
func (c *config) checkDataDir() error {
	err := os.MkdirAll(c.dataDir, 0o755)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(c.dataDir, ".rocketmq-agent-*"); err == nil {
			_ = f.Close()
			return os.Remove(f.Name())
		}
	}
	owner := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	if c.hostPath != "" {
		return fmt.Errorf("the data directory is not writable: run `chown -R %s %s` on node %s: %w", owner, c.hostPath, os.Getenv("HOST_IP"), err)
	}
	return fmt.Errorf("the data directory %s is not writable: give the pod the fsGroup %d, or run `chown -R %s` on the directory behind it: %w",
		c.dataDir, os.Getgid(), owner, err)
}
