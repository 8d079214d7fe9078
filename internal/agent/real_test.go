// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestRealServers runs a name server, a controller, a proxy and a broker under agents on the loopback, with the ports that
// containers use. ROCKETMQ_HOME and JAVA_HOME choose what runs; without the former test/images makes one.
func TestRealServers(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real servers")
	}
	lock := exclusive(t)
	defer lock.Close()
	start := realServers(t)
	nameServer, _ := start("nameserver", `{"serviceDomain": "h.test"}`, "--default-heap=96m")
	controller, _ := start("controller",
		`{"serviceDomain": "h.test", "config": {"mappedFileSize": "16777216"}, "controller": {"group": "test", "size": 1}}`, "--default-heap=128m")
	// A proxy that comes before its broker waits.
	proxy, proxyFiles := start("proxy", `{"config": {"tlsCertWatchIntervalMs": "500"},
		"proxy": {"clusterName": "test", "nameServers": ["127.0.0.1:9876"], "tlsSecret": "cert"}}`, "--default-heap=128m", "--default-direct-memory=64m")
	nameServer.await(t, "/readyz", http.StatusOK)
	proxy.await(t, "/livez", http.StatusOK)
	if got := proxy.await(t, "/readyz", http.StatusServiceUnavailable); strings.Contains(got, "gRPC clients") {
		t.Errorf("the proxy was started without a broker: %s", got)
	}
	broker, files := start("broker",
		`{"serviceDomain": "h.test", "config": {"mappedFileSizeCommitLog": "16777216", "metricsExporterType": "DISABLE"}, "broker": {
			"clusterName": "test", "mode": "CONTROLLER", "nameServers": ["127.0.0.1:9876"], "controllers": ["x-0.h.test:9878"]}}`,
		"--default-heap=256m", "--default-direct-memory=128m")

	for _, server := range []struct {
		agent *agentProcess
		want  string
	}{
		{nameServer, `{"ready":true,"reason":"the name server answers"}`},
		{controller, `{"ready":true,"reason":"this controller leads","role":"leader"}`},
		{broker, `{"ready":true,"reason":"registered at name server 127.0.0.1:9876","role":"master"}`},
		{proxy, `{"ready":true,"reason":"the proxy accepts gRPC clients"}`},
	} {
		if got := strings.TrimSpace(server.agent.await(t, "/readyz", http.StatusOK)); got != server.want {
			t.Errorf("/readyz: %s, want %s", got, server.want)
		}
		server.agent.await(t, "/startedz", http.StatusOK)
		server.agent.await(t, "/livez", http.StatusOK)
	}

	t.Run("the proxy takes certificates with keys of every form", func(t *testing.T) { certificates(t, proxyFiles) })

	store := files.path("store")
	if _, err := os.Stat(filepath.Join(store, "abort")); err != nil {
		t.Errorf("a running broker has an abort file: %v", err)
	}
	for _, agent := range []*agentProcess{proxy, broker, controller, nameServer} {
		if code := agent.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	if _, err := os.Stat(filepath.Join(store, "abort")); !os.IsNotExist(err) {
		t.Errorf("the broker was not stopped in order: its abort file is still there (%v)", err)
	}
	if _, err := os.Stat(filepath.Join(store, "brokerIdentity")); err != nil {
		t.Errorf("the broker's identity must be on the volume: %v", err)
	}
	for agent, line := range map[*agentProcess]string{
		proxy: "INFO  RocketmqProxy ", nameServer: "INFO  RocketmqNamesrv ", controller: "INFO  RocketmqController ", broker: "INFO  RocketmqBroker ",
	} {
		if !strings.Contains(agent.output.String(), line) {
			t.Errorf("no %q in the log", line)
		}
	}
}

// realServers starts agents of real servers, each with the settings given.
func realServers(t *testing.T) func(role, settings string, flags ...string) (*agentProcess, sandbox) {
	t.Helper()
	home, options := rocketmqHome(t), javaFlags(t)
	return func(role, settings string, flags ...string) (*agentProcess, sandbox) {
		s := newSandbox(t, settings)
		if role == "proxy" {
			mountRSA(t, s)
			flags = append(flags, "--tls-dir="+s.path("tls"))
		}
		s.env = append(s.env, "ROCKETMQ_HOME="+home, "JAVA_HOME="+os.Getenv("JAVA_HOME"))
		return s.run(t, role, append(flags, options...)...), s
	}
}

// javaFlags let servers start fast, and find each other.
func javaFlags(t *testing.T) []string {
	t.Helper()
	hosts := filepath.Join(t.TempDir(), "hosts")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"localhost", host, "x-0.h.test"}
	if err := os.WriteFile(hosts, []byte("127.0.0.1 "+strings.Join(names, "\n127.0.0.1 ")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{"--java-option=-XX:+UseSerialGC", "--java-option=-XX:TieredStopAtLevel=1", "--java-option=-Djdk.net.hosts.file=" + hosts}
}

// exclusive waits for other runs of this test, which use the same ports.
func exclusive(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(os.TempDir(), fmt.Sprintf("rocketmq-agent-test-%d.lock", os.Getuid())), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return f
}

func rocketmqHome(t *testing.T) string {
	t.Helper()
	if home := os.Getenv("ROCKETMQ_HOME"); home != "" {
		return home
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "./test/images", "rocketmq-home", "5.4.0")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("make a ROCKETMQ_HOME: %v\n%s", err, stderr.Bytes())
	}
	return strings.TrimSpace(string(out))
}
