// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/probe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/render"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/supervise"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// server is java with what goes on beside it.
type server struct {
	child  *supervise.Child
	prober *probe.Prober
	// entry is what a proxy waits for before java starts, nil for others.
	entry *brokerWait
	// beside run as long as java does.
	beside []func(context.Context)
}

func (c *config) server(in render.Input, known accounts, client *admin.Client, child *supervise.Child) *server {
	s := &server{child: child, prober: c.prober(in, child, client)}
	switch c.role {
	case settings.Broker:
		grace := c.graceOf(in.Settings.Broker)
		s.prober.Grace = grace.tell
		child.BeforeStop = func(ctx context.Context) { c.handOver(ctx, in, client, grace) }
		if in.Settings.Broker.Mode == settings.ControllerMode {
			s.beside = append(s.beside, follower{
				admin: client, server: s.prober.Server, group: s.prober.Broker.Name,
				controllers: func() []string { return c.brokerNow(in).Controllers }, stopping: child.Stopping,
			}.run)
		}
		if known != nil {
			keeper := newKeeper(known, in.Settings.Broker.AuthSecret, in.PermissiveAuth, client)
			s.prober.Incomplete = keeper.is
			s.beside = append(s.beside, keeper.run)
		}
	case settings.Proxy:
		child.BeforeStop = func(ctx context.Context) { awaitUnlisted(ctx, settings.ProxyDrainSeconds*time.Second) }
		s.entry = newBrokerWait(in.Settings.Proxy, client)
		s.prober.Waiting = s.entry.is
	}
	return s
}

// serve answers the probes until stop is called.
func (s *server) serve(ctx context.Context, address string) (stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for probes: %w", err)
	}
	server := newServer(s.prober.Handler())
	go func() { _ = server.Serve(newBoundedListener(listener)) }()
	return func() { _ = server.Close() }, nil
}

// run java until it ends. A start that gets no further ends it.
func (s *server) run(ctx context.Context, signals <-chan os.Signal) (supervise.Result, error) {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	for _, run := range s.beside {
		go run(ctx)
	}
	stalled := make(chan bool, 1)
	go func() {
		watch := startWatch{started: s.prober.Started, done: func() (work, error) { return workOf(s.child.PID()) }}
		got := watch.stalled(ctx)
		stalled <- got
		if got {
			_ = syscall.Kill(s.child.PID(), syscall.SIGQUIT) // it prints what its threads do
			time.Sleep(time.Second)
			kill()
		}
	}()
	result, err := s.child.Run(ctx, signals)
	kill()
	if <-stalled && err == nil {
		err = fmt.Errorf("java has done nothing for %s and does not answer yet: its disk may not, or it waits for something; "+
			"its threads are in the log above", stallLimit)
	}
	return result, err
}

// address of the server in this container.
func (c *config) address(in render.Input) string {
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
	p := &probe.Prober{Role: c.role, Process: child, Admin: client, Server: c.address(in)}
	switch c.role {
	case settings.NameServer:
		p.NameServers = func(ctx context.Context) ([]string, error) { return nameServers(ctx, in.Settings.ServiceDomain) }
	case settings.Broker:
		group, ordinal, _ := render.SplitPodName(in.PodName) // checked by render.Properties
		p.Broker = probe.Broker{
			Name: group, Ordinal: int64(ordinal), Address: render.Address(in), Mode: in.Settings.Broker.Mode,
			NameServers: func() []string { return c.brokerNow(in).NameServers },
			Controllers: func() []string { return c.brokerNow(in).Controllers },
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
