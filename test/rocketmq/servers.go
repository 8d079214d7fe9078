// SPDX-License-Identifier: Apache-2.0

// Package rocketmq runs real RocketMQ servers for tests, as processes on the loopback interface with small heaps.
//
// Start returns at once with the server's address; Server.Ready waits for it. So that a test package can share
// servers between its tests, Open needs no testing.T; New is for a single test.
package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

const (
	openLimit = 15 * time.Minute // the first time, jars are downloaded
	stopLimit = 3 * time.Second  // then SIGKILL: nobody needs the data
)

// Servers is a set of server processes that end together.
type Servers struct {
	// Admin asks the servers.
	Admin *admin.Client
	// Metrics makes brokers and controllers that are started from now on serve metrics: Server.MetricsAddr.
	Metrics bool

	runtime Runtime
	dir     string
	client  *remoting.Client

	mu      sync.Mutex
	servers []*Server
	ports   []io.Closer
}

// Runtime is what servers are run with.
type Runtime struct {
	// Home is a ROCKETMQ_HOME, Java an executable.
	Home, Java string
	// Flags are for every JVM.
	Flags []string
}

// Open prepares servers that keep their files below dir, of what ROCKETMQ_HOME and JAVA_HOME name or else of what
// tests run on. The caller must Close it.
func Open(dir string) (*Servers, error) {
	ctx, cancel := context.WithTimeout(context.Background(), openLimit)
	defer cancel()
	home, err := findHome(ctx)
	if err != nil {
		return nil, err
	}
	return OpenRuntime(dir, Runtime{Home: home, Java: java()}), nil
}

// OpenRuntime is Open for a runtime that the caller has.
func OpenRuntime(dir string, r Runtime) *Servers {
	client := remoting.NewClient(remoting.Options{})
	return &Servers{Admin: admin.New(client), runtime: r, dir: dir, client: client}
}

// New is Open for one test, which closes it. Servers take long to start, so go test -short skips the test.
func New(t testing.TB) *Servers {
	t.Helper()
	if testing.Short() {
		t.Skip("needs RocketMQ's servers")
	}
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Close ends all servers.
func (s *Servers) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	var stopping sync.WaitGroup
	for _, server := range s.servers {
		stopping.Go(func() { server.Stop(ctx) })
	}
	stopping.Wait()
	for _, taken := range s.ports {
		_ = taken.Close()
	}
	_ = s.client.Close()
}

// Dir is where the servers keep their files.
func (s *Servers) Dir() string { return s.dir }

// NameServer starts a name server.
func (s *Servers) NameServer() (*Server, error) {
	port, err := s.freePorts()
	if err != nil {
		return nil, err
	}
	server := s.add("nameserver", loopback(port))
	server.ready = func(ctx context.Context) error {
		_, err := s.Admin.ClusterInfo(ctx, server.Addr)
		return err
	}
	return server, server.start(s.runtime, "org.apache.rocketmq.namesrv.NamesrvStartup",
		[]string{"-Xms96m", "-Xmx96m"}, map[string]string{"listenPort": strconv.Itoa(port)})
}

// Controllers starts n controllers, which are one DLedger quorum.
func (s *Servers) Controllers(n int) ([]*Server, error) {
	return s.quorum(n, n)
}

// LonelyController starts one controller of a quorum of two whose other member never comes, so there is no leader.
func (s *Servers) LonelyController() (*Server, error) {
	servers, err := s.quorum(2, 1)
	if err != nil {
		return nil, err
	}
	return servers[0], nil
}

// quorum starts the first n controllers of a quorum of size.
func (s *Servers) quorum(size, n int) ([]*Server, error) {
	var addrs, peers []string
	for i := range size {
		port, err := s.freePorts()
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, loopback(port))
		peers = append(peers, fmt.Sprintf("n%d-%s", i, loopback(port)))
	}
	var servers []*Server
	for i, addr := range addrs[:n] {
		server := s.add("controller", addr)
		server.ready = func(ctx context.Context) error {
			meta, err := s.Admin.ControllerMetadata(ctx, addr)
			if err == nil && meta.LeaderAddr == "" && n == size {
				err = errors.New("no leader")
			}
			return err
		}
		props := map[string]string{
			"controllerDLegerGroup":  "test",
			"controllerDLegerPeers":  strings.Join(peers, ";"),
			"controllerDLegerSelfId": fmt.Sprintf("n%d", i),
			"controllerStorePath":    filepath.Join(server.Dir, "store"),
			"mappedFileSize":         strconv.Itoa(16 << 20),
		}
		if err := s.serveMetrics(server, props); err != nil {
			return nil, err
		}
		err := server.start(s.runtime, "org.apache.rocketmq.controller.ControllerStartup", []string{"-Xms128m", "-Xmx128m"}, props)
		if err != nil {
			return nil, err
		}
		servers = append(servers, server)
	}
	return servers, nil
}

// Broker describes a broker to start.
type Broker struct {
	// Cluster is the brokerClusterName, Name the brokerName: the group that the broker belongs to.
	Cluster, Name string
	// ID is the broker's id when there are no controllers: 0 makes a master, others slaves.
	ID int64
	// NameServers and Controllers are those to register at; controllers switch controller mode on.
	NameServers, Controllers []*Server
	// Properties are added to or override the others.
	Properties map[string]string
	// Flags are for the JVM, after the others: the last one counts.
	Flags []string
}

// Broker starts a broker. In controller mode it becomes ready as master or slave, whichever the controller chooses.
func (s *Servers) Broker(b Broker) (*Server, error) {
	first, err := s.freePorts()
	if err != nil {
		return nil, err
	}
	port := first + brokerPort
	server := s.add("broker-"+b.Name, loopback(port))
	store := filepath.Join(server.Dir, "store")
	props := map[string]string{
		"brokerClusterName": b.Cluster, "brokerName": b.Name, "namesrvAddr": join(b.NameServers),
		"brokerIP1": "127.0.0.1", "brokerIP2": "127.0.0.1",
		"listenPort": strconv.Itoa(port), "haListenPort": strconv.Itoa(port + 1),
		"storePathRootDir": store, "storePathCommitLog": filepath.Join(store, "commitlog"),
		"mappedFileSizeCommitLog": strconv.Itoa(16 << 20), "mappedFileSizeConsumeQueue": "60000",
		"maxHashSlotNum": "10000", "maxIndexNum": "40000",
		"waitTimeMillsInSendQueue":       "10000", // a machine that tests may be slower than that
		"transactionMetricFlushInterval": "1000",  // until the first time a thread spins
		"timerWheelEnable":               "false", // its 37 MB in memory do not fit the heap
		"diskMaxUsedSpaceRatio":          "99",    // of the machine that tests
		"cleanFileForciblyEnable":        "false", // or messages are deleted where its disk is 85 % full
	}
	switch {
	case len(b.Controllers) > 0:
		maps.Copy(props, map[string]string{"enableControllerMode": "true", "controllerAddr": join(b.Controllers),
			"brokerId": "-1", "brokerRole": "SLAVE"})
	case b.ID > 0:
		maps.Copy(props, map[string]string{"brokerId": strconv.FormatInt(b.ID, 10), "brokerRole": "SLAVE"})
	default:
		maps.Copy(props, map[string]string{"brokerId": "0", "brokerRole": "ASYNC_MASTER"})
	}
	if err := s.serveMetrics(server, props); err != nil {
		return nil, err
	}
	maps.Copy(props, b.Properties)
	server.ready = func(ctx context.Context) error { return s.registered(ctx, b, server.Addr) }
	return server, server.start(s.runtime, "org.apache.rocketmq.broker.BrokerStartup",
		append([]string{"-Xms128m", "-Xmx128m", "-XX:MaxDirectMemorySize=64m"}, b.Flags...), props)
}

func (s *Servers) registered(ctx context.Context, b Broker, addr string) error {
	for _, nameServer := range b.NameServers {
		info, err := s.Admin.ClusterInfo(ctx, nameServer.Addr)
		if err != nil {
			return err
		}
		found := false
		for _, member := range info.Brokers[b.Name].Addrs {
			found = found || member == addr
		}
		if !found {
			return fmt.Errorf("not registered at %s", nameServer.Addr)
		}
	}
	return nil
}

// serveMetrics gives a server a port for its metrics, if they are wanted.
func (s *Servers) serveMetrics(server *Server, props map[string]string) error {
	if !s.Metrics {
		return nil
	}
	port, err := s.freePorts()
	if err != nil {
		return err
	}
	server.MetricsAddr = loopback(port)
	maps.Copy(props, map[string]string{
		"metricsExporterType": "PROM", "metricsPromExporterHost": "127.0.0.1", "metricsPromExporterPort": strconv.Itoa(port),
	})
	return nil
}

// freePorts returns the first port of a block that is the servers' until Close.
func (s *Servers) freePorts() (int, error) {
	first, taken, err := freePorts()
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ports = append(s.ports, taken)
	return first, nil
}

// add gives a server its name and makes Close end it. The name is the kind with a number.
func (s *Servers) add(kind, addr string) *Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := fmt.Sprintf("%s-%d", kind, len(s.servers))
	server := &Server{Name: name, Addr: addr, Dir: filepath.Join(s.dir, name)}
	s.servers = append(s.servers, server)
	return server
}

// AllReady waits for several servers.
func AllReady(ctx context.Context, servers ...*Server) error {
	for _, server := range servers {
		if err := server.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

func join(servers []*Server) string {
	var addrs []string
	for _, server := range servers {
		addrs = append(addrs, server.Addr)
	}
	return strings.Join(addrs, ";")
}
