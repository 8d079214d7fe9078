package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/jvm"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/probe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/properties"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/render"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/supervise"
	"github.com/rocketmq-operator/rocketmq-operator/internal/handover"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
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
	input, err := c.input(home)
	if err != nil {
		return supervise.Result{}, err
	}
	if err := c.write(input); err != nil {
		return supervise.Result{}, err
	}
	java, err := jvm.Find(ctx, os.Getenv("JAVA_HOME"))
	if err != nil {
		return supervise.Result{}, err
	}
	args, err := c.javaArgs(java.Major, home, input)
	if err != nil {
		return supervise.Result{}, err
	}

	child := &supervise.Child{Path: java.Path, Args: args, Env: os.Environ()}
	rc := remoting.NewClient(remoting.Options{})
	defer rc.Close()
	client := admin.New(rc)
	prober := c.prober(input, child, client)
	var entry *brokerWait
	switch c.role {
	case settings.Broker:
		child.BeforeStop = func(ctx context.Context) { c.handOver(ctx, input, client) }
		if input.Settings.Broker.Mode == settings.ControllerMode {
			following, stop := context.WithCancel(ctx)
			defer stop()
			go follower{client, prober.Server, prober.Broker.Name, func() []string { return c.brokerNow(input).Controllers }}.run(following)
		}
	case settings.Proxy:
		if err := c.checkCertificate(input); err != nil {
			return supervise.Result{}, err
		}
		child.BeforeStop = func(ctx context.Context) { awaitUnlisted(ctx, settings.ProxyDrainSeconds*time.Second) }
		entry = newBrokerWait(input.Settings.Proxy, client)
		prober.Waiting = entry.reason
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.http)
	if err != nil {
		return supervise.Result{}, fmt.Errorf("listen for probes: %w", err)
	}
	server := &http.Server{Handler: prober.Handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()

	if entry != nil && !entry.wait(ctx, signals) {
		logf("INFO", "told to stop before there was a broker")
		return supervise.Result{}, nil
	}
	logf("INFO", "starting java %d: %s %q", java.Major, java.Path, args)
	return child.Run(ctx, signals)
}

// input gathers what the configuration depends on.
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
	base := filepath.Join(c.baseDir, settings.BaseFile)
	data, err := os.ReadFile(base)
	if errors.Is(err, fs.ErrNotExist) {
		return in, nil
	}
	if err == nil {
		in.Base, err = properties.Parse(data)
	}
	if err != nil {
		return render.Input{}, fmt.Errorf("the file %s of spec.volumes: %w", base, err)
	}
	return in, nil
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
	if err != nil {
		return err
	}
	for _, o := range overrides {
		logf("WARN", "property of the user overridden: %s", o)
	}
	if err := os.MkdirAll(c.runDir, 0o755); err != nil {
		return fmt.Errorf("the directory for the configuration: %w", err)
	}
	for path, content := range map[string]string{
		in.ConfigFile:        string(content),
		c.logbackFile():      render.Logback,
		c.javaSecurityFile(): render.JavaSecurity,
	} {
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

func (c *config) javaArgs(major int, home string, in render.Input) ([]string, error) {
	options, err := jvm.Options{
		Role:                c.role,
		JavaMajor:           major,
		DefaultHeap:         c.defaultHeap,
		DefaultDirectMemory: c.defaultDirectMemory,
		Getenv:              os.Getenv,
		Heap:                c.heap,
		DirectMemory:        c.directMemory,
		Extra:               c.javaOptions,
	}.Args()
	if err != nil {
		return nil, err
	}
	classPath, err := jvm.ClassPath(home)
	if err != nil {
		return nil, err
	}
	args := []string{
		// RocketMQ writes small things below it (RocksDB's own log), and a uid that the image does not know has none.
		"-Duser.home=" + c.runDir,
		"-Drmq.logback.configurationFile=" + c.logbackFile(),
		"-Djava.security.properties=" + c.javaSecurityFile(),
		// RocketMQ's default, "permissive", makes a key and signs its own certificate at every start, which takes two
		// seconds of a core and proves nothing to a client. Who brings certificates sets the mode in the JVM's options.
		"-Dtls.server.mode=" + tlsMode(in.Settings),
	}
	if c.role == settings.Proxy {
		// Left alone, a proxy that enforces TLS speaks it to name servers and brokers too (NettyClientConfig).
		args = append(args, "-Dtls.enable=false")
	}
	args = append(args, options...)
	return append(args, "-cp", classPath, jvm.MainClass(c.role), jvm.ConfigOption(c.role), in.ConfigFile), nil
}

// tlsMode: gRPC clients speak TLS unless they are told not to, and do not check the certificate, so that a proxy takes
// both; with a certificate of the user's it takes nothing else.
func tlsMode(s settings.Settings) string {
	switch {
	case s.Proxy == nil:
		return "disabled"
	case s.Proxy.TLSSecret == "":
		return "permissive"
	default:
		return "enforcing"
	}
}

// brokerNow is what the settings say of the broker. The file follows name servers and controllers while the broker runs; the
// broker is told by the operator.
func (c *config) brokerNow(in render.Input) *settings.BrokerSettings {
	if now, err := c.settings(); err == nil && now.Broker != nil {
		return now.Broker
	}
	return in.Settings.Broker
}

// handOver gives a master's place to a slave before java is told to stop.
func (c *config) handOver(ctx context.Context, in render.Input, client *admin.Client) {
	now := c.brokerNow(in)
	group, _, _ := render.SplitPodName(in.PodName) // checked by render.Properties
	drain, limit := handoverTimes(in.Settings.Broker, now)
	err := handover.Master{
		Admin: client, Addr: c.server(in), Address: render.Address(in),
		Cluster: now.ClusterName, Group: group, Mode: now.Mode,
		NameServers: now.NameServers, Controllers: now.Controllers, Stopping: probe.Stopping,
		Drain: drain, Limit: limit,
		Log: func(format string, args ...any) { logf("INFO", format, args...) },
	}.Run(ctx)
	if err != nil {
		logf("WARN", "stopping without a handover: %s", err)
	}
}

// handoverTimes are how long clients get to leave, and how long all of it may take. A drain that was made longer since the
// pod began does not fit into its grace period, which stays what it was.
func handoverTimes(started, now *settings.BrokerSettings) (drain, limit time.Duration) {
	return time.Duration(min(started.DrainSeconds, now.DrainSeconds)) * time.Second,
		time.Duration(started.GraceSeconds()-settings.StopSeconds) * time.Second
}

// server is the address of the server in this container.
func (c *config) server(in render.Input) string {
	port := map[settings.Role]int{
		settings.NameServer: settings.NameServerPort,
		settings.Controller: settings.ControllerPort,
		settings.Broker:     settings.BrokerPort,
		settings.Proxy:      settings.ProxyGRPCPort,
	}[c.role]
	ip := in.PodIP
	if ip == "" {
		ip = "127.0.0.1"
	}
	return net.JoinHostPort(ip, strconv.Itoa(port))
}

func (c *config) prober(in render.Input, child *supervise.Child, client *admin.Client) *probe.Prober {
	p := &probe.Prober{Role: c.role, Process: child, Admin: client, Server: c.server(in)}
	switch c.role {
	case settings.NameServer:
		p.NameServers = func(ctx context.Context) ([]string, error) { return nameServers(ctx, in.Settings.ServiceDomain) }
	case settings.Broker:
		group, ordinal, _ := render.SplitPodName(in.PodName) // checked by render.Properties
		p.Broker = probe.Broker{
			Name: group, Ordinal: int64(ordinal), Address: render.Address(in), Mode: in.Settings.Broker.Mode,
			NameServers: func() []string { return c.brokerNow(in).NameServers },
		}
	}
	return p
}

// nameServers are the addresses of the name servers behind a headless Service, ready or not.
func nameServers(ctx context.Context, service string) ([]string, error) {
	ips, err := net.DefaultResolver.LookupHost(ctx, service)
	var unknown *net.DNSError
	if errors.As(err, &unknown) && unknown.IsNotFound { // this one is the first of them
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	addrs := make([]string, len(ips))
	for i, ip := range ips {
		addrs[i] = net.JoinHostPort(ip, strconv.Itoa(settings.NameServerPort))
	}
	return addrs, nil
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
