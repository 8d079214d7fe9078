// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
)

func (o *options) clustersCommand() *cobra.Command {
	return o.chooses(&cobra.Command{
		Use:               "clusters",
		Aliases:           []string{"cluster"},
		Short:             "Show all brokers that a name server knows, with their version and load",
		Args:              arguments(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              o.run(o.clusters),
	})
}

// clustersReport is mqadmin's clusterList.
type clustersReport struct {
	At      time.Time   `json:"at"`
	Brokers []brokerRow `json:"brokers"`
}

type brokerRow struct {
	Cluster string `json:"cluster"`
	Broker  string `json:"broker"`
	// ID is 0 for the master.
	ID      int64          `json:"id"`
	Pod     string         `json:"pod,omitempty"`
	Address string         `json:"address"`
	Figures *brokerFigures `json:"figures,omitempty"` // nil if it does not answer
}

type brokerFigures struct {
	Version string `json:"version"`
	// Active is true for a master that serves.
	Active bool `json:"active"`
	// InTPS and OutTPS are messages a second over the last ten.
	InTPS  float64 `json:"inTPS"`
	OutTPS float64 `json:"outTPS"`
	// Disk is the used share of the commit log's disk, 0 to 1.
	Disk   float64   `json:"disk"`
	Booted time.Time `json:"booted"`
}

func (o *options) clusters(ctx context.Context, a *Access, _ []string) (report, error) {
	broker, err := a.chooseBroker(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	s, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.signIn(ctx, broker); err != nil {
		return nil, err
	}
	// Ask the brokers in the status while a name server is asked which brokers there are: each new connection takes time.
	asked := map[string]func() (admin.RuntimeInfo, error){}
	ask := func(addr string) {
		if addr == "" || asked[addr] != nil {
			return
		}
		answer := sync.OnceValues(func() (admin.RuntimeInfo, error) { return s.admin.BrokerRuntimeInfo(ctx, addr) })
		asked[addr] = answer
		go func() { _, _ = answer() }() // the error is returned again to whoever needs the answer
	}
	for _, group := range broker.Status.Groups {
		for _, member := range group.Members {
			ask(member.Address)
		}
	}
	info, err := s.clusterInfo(ctx, broker)
	if err != nil {
		return nil, err
	}
	r := &clustersReport{At: time.Now().UTC(), Brokers: s.registered(info)}
	if len(r.Brokers) == 0 {
		return nil, fmt.Errorf("no broker is registered: see kubectl rocketmq status %s", broker.Name)
	}
	for _, row := range r.Brokers {
		ask(row.Address)
	}
	err = addFigures(ctx, r.Brokers, func(_ context.Context, addr string) (admin.RuntimeInfo, error) { return asked[addr]() })
	return r, err
}

// registered are the brokers that a name server knows, in order.
func (s *session) registered(info *admin.ClusterInfo) []brokerRow {
	var rows []brokerRow
	for name, data := range info.Brokers {
		for id, addr := range data.Addrs {
			pod, _, _ := s.podAt(addr)
			rows = append(rows, brokerRow{Cluster: data.Cluster, Broker: name, ID: id, Pod: pod.Name, Address: addr})
		}
	}
	slices.SortFunc(rows, func(a, b brokerRow) int {
		return cmp.Or(strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.Broker, b.Broker), cmp.Compare(a.ID, b.ID))
	})
	return rows
}

// addFigures that brokers answer.
func addFigures(ctx context.Context, rows []brokerRow, ask func(ctx context.Context, addr string) (admin.RuntimeInfo, error)) error {
	var servers []server
	for _, row := range rows {
		servers = append(servers, server{fmt.Sprintf("%s (id %d)", row.Broker, row.ID), row.Address})
	}
	answers, err := each(ctx, servers, func(ctx context.Context, broker server) (admin.RuntimeInfo, error) { return ask(ctx, broker.addr) })
	for i, broker := range servers {
		if info, ok := answers[broker]; ok {
			rows[i].Figures = &brokerFigures{
				Version: release(info.Version()), Active: info.Active(), InTPS: info.InTPS(), OutTPS: info.OutTPS(),
				Disk: info.CommitLogDiskRatio(), Booted: info.BootTime().UTC(),
			}
		}
	}
	return err
}

// release is 5.4.0 for V5_4_0.
func release(version string) string {
	return strings.ReplaceAll(strings.TrimPrefix(version, "V"), "_", ".")
}

func (r *clustersReport) text() string {
	t := newTable("CLUSTER", "BROKER", "ID", "POD", "VERSION", "ACTIVE", "IN TPS", "OUT TPS", "DISK", "UP", "ADDRESS")
	for _, b := range r.Brokers {
		version, active, in, out, disk, up := "no answer", "-", "-", "-", "-", "-"
		if f := b.Figures; f != nil {
			version, active, up = or(f.Version), yesNo(f.Active), ago(r.At, f.Booted)
			in, out, disk = fmt.Sprintf("%.1f", f.InTPS), fmt.Sprintf("%.1f", f.OutTPS), fmt.Sprintf("%.0f%%", 100*f.Disk)
		}
		t.row(b.Cluster, b.Broker, b.ID, or(b.Pod), version, active, in, out, disk, up, b.Address)
	}
	return t.String()
}
