// SPDX-License-Identifier: Apache-2.0

// Package probe answers the kubelet over HTTP:
//
//	/livez    the java process is alive, nothing else: a server that is slow or waits for others must not be killed
//	/startedz the server's port speaks RocketMQ's protocol, so log recovery is over (for the startup probe)
//	/readyz   the server does its work, see Prober.Ready
//
// All three answer 200 or 503 and a JSON body, a Report. The latter two hold their verdict for a second and take at
// most three to reach it, so the kubelet's timeoutSeconds must be above three.
//
// The operator asks a broker's /livez whether it is being stopped, and tells it with PUT /grace?seconds=<n> how much time it has.
package probe

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

const (
	holdFor = time.Second
	timeout = 3 * time.Second
)

// Report is the body of an answer.
type Report struct {
	Ready bool `json:"ready"`
	// Reason says in one sentence why the server is not well, or how that was found out.
	Reason string `json:"reason"`
	// Role is master or slave for a broker, leader or follower for a controller.
	Role string `json:"role,omitempty"`
	// Stopping: the server was told to stop, and its agent is handing over or stopping it. Only /livez says so.
	Stopping bool `json:"stopping,omitempty"`
}

// Admin are the questions that the probes ask servers. Outside of tests it is an *admin.Client.
type Admin interface {
	ClusterInfo(ctx context.Context, nameServer string) (*admin.ClusterInfo, error)
	ControllerMetadata(ctx context.Context, controller string) (*admin.ControllerMetadata, error)
	HAStatus(ctx context.Context, broker string) (*admin.HAStatus, error)
	TakesMessages(ctx context.Context, broker, group string) (bool, error)
	FindLeader(ctx context.Context, controllers []string) (string, error)
	SyncStateData(ctx context.Context, controller string, groups ...string) (map[string]admin.SyncState, error)
}

// Process is the server's process.
type Process interface {
	Running() bool
	Stopping() bool
}

// Broker is who a broker is supposed to be.
type Broker struct {
	// Name is the brokerName, Address the host:port that it registers, Ordinal its pod's.
	Name, Address string
	Ordinal       int64
	Mode          settings.Mode
	// NameServers and Controllers return the current addresses; they may change while the broker runs.
	NameServers, Controllers func() []string
}

// Prober looks at one server.
type Prober struct {
	Role    settings.Role
	Process Process
	Admin   Admin
	// Waiting says what the agent waits for before it starts the server, "" when it has started it. It is nil for servers that wait for
	// nothing.
	Waiting func() string
	// Incomplete says what the agent has yet to do at a server that answers, "" for nothing. It is nil for servers at which there is
	// nothing to do.
	Incomplete func() string
	// Server is the host:port of the server itself. It is the pod's IP, because that is what others use.
	Server string
	// NameServers returns the addresses of all name servers, this one among them; for name servers.
	NameServers func(context.Context) ([]string, error)
	// Broker is set for brokers.
	Broker Broker
	// Grace is called with the time until the container is killed; nil for servers that do not need to know.
	Grace func(left time.Duration)

	// What Ready remembers of a broker. settled: as a master it takes messages, or is no longer waited for. refusesSince: since when it
	// has refused messages. caughtUp: it has been in sync. No lock is needed, because the handler calls Ready once at a time.
	settled      bool
	refusesSince time.Time
	caughtUp     bool
	// What Ready remembers of a name server.
	behindSince      time.Time // when it started without brokers
	filled, complete bool      // it had brokers at the last look; it had all of them since behindSince
}

// Handler serves the paths.
func (p *Prober) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { write(w, p.alive()) })
	mux.Handle("GET /startedz", held(p.Started))
	mux.Handle("GET /readyz", held(p.Ready))
	if p.Grace != nil {
		mux.Handle("PUT "+gracePath, graceHandler(p.Grace))
	}
	return mux
}

func (p *Prober) alive() Report {
	if why := p.waiting(); why != "" {
		return Report{Ready: true, Reason: "the agent has not started java yet: " + why}
	}
	if !p.Process.Running() {
		return Report{Reason: "java is not running"}
	}
	return Report{Ready: true, Reason: "java is running", Stopping: p.Process.Stopping()}
}

// waiting says why the server has not been started yet. It waits for something outside, for as long as that takes, so it counts as
// alive and started, but not as ready.
func (p *Prober) waiting() string {
	if p.Waiting == nil {
		return ""
	}
	return p.Waiting()
}

// Started says whether the server speaks its protocol.
func (p *Prober) Started(ctx context.Context) Report {
	if r := p.alive(); !r.Ready || p.waiting() != "" {
		return r
	}
	var err error
	switch p.Role {
	case settings.NameServer:
		_, err = p.Admin.ClusterInfo(ctx, p.Server)
	case settings.Controller:
		_, err = p.Admin.ControllerMetadata(ctx, p.Server)
	case settings.Proxy:
		err = accepts(ctx, p.Server)
	default:
		_, err = p.Admin.HAStatus(ctx, p.Server)
	}
	if err != nil && !answered(err) && !mistrusts(err) {
		return Report{Reason: "the server does not answer: " + err.Error()}
	}
	return Report{Ready: true, Reason: "the server answers"}
}

// mistrusts says whether the server runs, and it or the agent did not accept the other's certificate. It stays as it is until there is a
// better certificate; a restart would not mend it.
func mistrusts(err error) bool {
	unverified, alert := new(tls.CertificateVerificationError), new(net.OpError)
	return errors.As(err, &unverified) || errors.As(err, &alert) && alert.Op == "remote error" // that of the package tls
}

// answered says whether the server has answered, if only with an error.
func answered(err error) bool {
	var response *remoting.ResponseError
	return errors.As(err, &response)
}

// Ready says whether the server does its work: a name server knows the brokers that the others know; a controller sees a
// leader; a broker is registered at one or more name servers under its own address and in the role that it really has, an
// elected master takes messages, and a slave has once had all of its master's; a proxy accepts gRPC clients, which it does once
// it knows the cluster's brokers.
func (p *Prober) Ready(ctx context.Context) Report {
	if why := p.waiting(); why != "" {
		return Report{Reason: why}
	}
	if r := p.alive(); !r.Ready {
		return r
	}
	if p.Process.Stopping() {
		return Report{Reason: "the server is being stopped"}
	}
	if p.Incomplete != nil {
		if why := p.Incomplete(); why != "" {
			return Report{Reason: why}
		}
	}
	switch p.Role {
	case settings.NameServer:
		return p.nameServer(ctx)
	case settings.Controller:
		return p.controller(ctx)
	case settings.Proxy:
		return p.proxy(ctx)
	default:
		return p.broker(ctx)
	}
}

func (p *Prober) controller(ctx context.Context) Report {
	metadata, err := p.Admin.ControllerMetadata(ctx, p.Server)
	switch {
	case err != nil:
		return Report{Reason: "the controller does not answer: " + err.Error()}
	case metadata.LeaderID == "":
		return Report{Reason: "the controllers have no leader: more than half of them must run and reach each other"}
	case metadata.IsLeader:
		return Report{Ready: true, Reason: "this controller leads", Role: "leader"}
	}
	return Report{Ready: true, Reason: fmt.Sprintf("controller %s at %s leads", metadata.LeaderID, metadata.LeaderAddr), Role: "follower"}
}

func (p *Prober) proxy(ctx context.Context) Report {
	if err := accepts(ctx, p.Server); err != nil {
		return Report{Reason: "the proxy does not accept gRPC clients: " + err.Error()}
	}
	return Report{Ready: true, Reason: "the proxy accepts gRPC clients"}
}

// accepts tries to connect.
func accepts(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// held repeats the last report while that is fresh. Requests that come at the same time share one report.
func held(check func(context.Context) Report) http.Handler {
	var mu sync.Mutex
	var last Report
	var at time.Time
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if at.IsZero() || time.Since(at) >= holdFor {
			// Other requests wait for the same report, so it does not end with this request.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), timeout)
			last, at = check(ctx), time.Now()
			cancel()
		}
		write(w, last)
	})
}

func write(w http.ResponseWriter, r Report) {
	w.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r)
}
