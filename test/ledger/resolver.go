// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// resolver turns the name servers' host names into the IP addresses that the client insists on
// (primitive.NamesrvAddr.Check), and follows them when they change. It is the client's primitive.NsResolver.
type resolver struct {
	servers []string // host:port
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error)

	mu        sync.Mutex
	addresses []string // ip:port
}

// lookupLimit bounds one round of look-ups.
const lookupLimit = 5 * time.Second

// newResolver takes a list as in NAMESRV_ADDR: host:port, separated by semicolons or commas.
func newResolver(list string) (*resolver, error) {
	r := &resolver{lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	}}
	for server := range strings.FieldsFuncSeq(list, func(c rune) bool { return c == ';' || c == ',' }) {
		server = strings.TrimSpace(server)
		if _, _, err := net.SplitHostPort(server); err != nil {
			return nil, fmt.Errorf("name server %q is not host:port: %w", server, err)
		}
		r.servers = append(r.servers, server)
	}
	if len(r.servers) == 0 {
		return nil, errors.New("no name servers: give --name-servers or set NAMESRV_ADDR")
	}
	return r, nil
}

// refresh looks all names up. Those that resolve count; the last known addresses stay if none does.
func (r *resolver) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookupLimit)
	defer cancel()
	var found []string
	var failed error
	for _, server := range r.servers {
		host, port, err := net.SplitHostPort(server)
		if err != nil {
			return err
		}
		ips, err := r.lookup(ctx, host)
		if err != nil {
			failed = errors.Join(failed, err)
		}
		for _, ip := range ips {
			found = append(found, net.JoinHostPort(ip.Unmap().String(), port))
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("resolve the name servers: %w", failed)
	}
	// Sorted, because the client compares lists and DNS answers in any order.
	slices.Sort(found)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addresses = slices.Compact(found)
	return nil
}

// Resolve returns the addresses found last. The caller may keep and sort the slice, as the client does.
func (r *resolver) Resolve() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.addresses)
}

// Description is part of the client's interface.
func (r *resolver) Description() string { return "name servers " + strings.Join(r.servers, ";") }
