// SPDX-License-Identifier: Apache-2.0

package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/jvm"
)

// moduleFlags is what RocketMQ needs on Java 9 and later.
var moduleFlags = []string{
	"--add-opens=java.base/java.lang=ALL-UNNAMED",
	"--add-opens=java.base/java.nio=ALL-UNNAMED",
	"--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
	"--add-opens=java.base/java.util=ALL-UNNAMED",
	"--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
}

const logToStdout = `<configuration>
  <appender name="stdout" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{HH:mm:ss.SSS} %p %t - %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="stdout"/></root>
</configuration>
`

// Server is one running server process.
type Server struct {
	// Name is the name that the server got, unique among those of one Servers.
	Name string
	// Addr is where it answers, host:port.
	Addr string
	// MetricsAddr is where it serves /metrics, host:port; "" if it does not.
	MetricsAddr string
	// Dir holds its configuration, store and log.
	Dir string

	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has been waited for
	ready func(ctx context.Context) error
}

// Ready waits until the server does its work: a name server answers, a controller sees a leader, a broker is
// registered at a name server. It fails early when the process ends, and then shows the end of the log.
func (s *Server) Ready(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended: %s\n%s", s.Name, s.cmd.ProcessState, s.LogTail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready (%w): %w\n%s", s.Name, err, ctx.Err(), s.LogTail())
		case <-tick.C:
		}
	}
}

// Signal sends a signal to the process.
func (s *Server) Signal(signal os.Signal) error { return s.cmd.Process.Signal(signal) }

// Stop ends the process with SIGTERM, or with SIGKILL when ctx ends first, and returns when it is gone.
func (s *Server) Stop(ctx context.Context) {
	if s.ended == nil {
		return // never started
	}
	_ = s.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-ctx.Done():
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// LogTail is the end of what the server printed.
func (s *Server) LogTail() string {
	const size = 4 << 10
	log, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("--- end of %s's log ---\n%s", s.Name, log[max(0, len(log)-size):])
}

func (s *Server) logFile() string { return filepath.Join(s.Dir, "server.log") }

// start runs mainClass with the properties as its -c file.
func (s *Server) start(r Runtime, mainClass string, memory []string, props map[string]string) error {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	conf, logback := filepath.Join(s.Dir, "server.conf"), filepath.Join(s.Dir, "logback.xml")
	var text strings.Builder
	for key, value := range props {
		fmt.Fprintf(&text, "%s=%s\n", key, value)
	}
	classPath, err := jvm.ClassPath(r.Home)
	if err != nil {
		return err
	}
	err = errors.Join(os.WriteFile(conf, []byte(text.String()), 0o644), os.WriteFile(logback, []byte(logToStdout), 0o644))
	if err != nil {
		return err
	}
	log, err := os.Create(s.logFile())
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own

	// Without TLS a start is seconds shorter on a busy machine: no native OpenSSL, no test certificate.
	args := append([]string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dtls.server.mode=disabled", "-Dtls.test.mode.enable=false"}, memory...)
	args = slices.Concat(args, moduleFlags, r.Flags)
	args = append(args,
		// Java unpacks libraries into the latter, and leaves them there when it is killed.
		"-Drocketmq.home.dir="+r.Home, "-Duser.home="+s.Dir, "-Djava.io.tmpdir="+s.Dir, "-Drmq.logback.configurationFile="+logback,
		"-cp", classPath, mainClass, "-c", conf)
	s.cmd = exec.Command(r.Java, args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.Dir, log, log
	s.cmd.Env = append(os.Environ(), "ROCKETMQ_HOME="+r.Home, "NAMESRV_ADDR=")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test binary that is killed leaves nothing
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	s.ended = make(chan struct{})
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	return nil
}
