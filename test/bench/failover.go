// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	failoverRate  = 200 // messages a second
	failoverPoll  = time.Second
	failoverWarm  = 10 * time.Second // for messages to flow
	failoverLasts = 40 * time.Second
	lossyDrain    = 10 * time.Second
	killBar       = 1.10 // times as long as by hand
	syncLimit     = 4 * time.Minute
	// delayedRate is how many delayed messages a second come due while a busy master hands over, which writes them meanwhile.
	delayedRate  = 500
	delayedLevel = 3   // 10 s
	busyBar      = 1.0 // seconds that it may take longer
)

// outcome of one change of master.
type outcome struct {
	gap    time.Duration // the longest time without an acknowledged send
	lost   int
	failed int // sends
}

// failover compares changes of master with and without the operator, in interleaved pairs: a planned one (a pod is deleted,
// and its agent hands over) with a bare CONTROLLER_ELECT_MASTER, and a java that is killed with the same servers as
// hand-written manifests. Both sides are one group of a master and a slave that replicates asynchronously. Then it rolls two
// groups.
func (b *bench) failover(ctx context.Context, pairs int) error {
	managed, err := b.launch(ctx, "bench-failover-operator", "test/e2e/testdata/small.yaml")
	if err != nil {
		return err
	}
	byHand, err := b.startByHand(ctx)
	if err != nil {
		return err
	}
	deletePod := func(ctx context.Context, c *kit.Installation, master string) error {
		return c.DeletePod(ctx, master, false)
	}
	var of failovers
	for pair := range pairs {
		for _, m := range []struct {
			on   *kit.Installation
			what string
			to   *[]outcome
			act  func(context.Context, *kit.Installation, string) error
			// drain is how long to wait for missing messages: where some are lost for certain, and none is promised, not for long.
			drain time.Duration
		}{
			{managed, "handover", &of.handover, deletePod, 0},
			{managed, busy, &of.busy, deletePod, 0},
			{byHand, "bare", &of.bare, electOther, lossyDrain},
			{managed, "kill", &of.killed, killJava, lossyDrain},
			{byHand, "kill", &of.killedByHand, killJava, lossyDrain},
		} {
			o, err := b.changeMaster(ctx, m.on, m.what, pair, m.drain, m.act)
			if err != nil {
				return fmt.Errorf("%s in %s: %w", m.what, m.on.Name, err)
			}
			*m.to = append(*m.to, o)
		}
	}
	missed := of.judge(b.out, pairs)
	if err := errors.Join(managed.Delete(ctx, deleteLimit), byHand.Delete(ctx, deleteLimit)); err != nil {
		return errors.Join(missed, err)
	}
	return errors.Join(missed, b.roll(ctx))
}

// busy is a handover while delayed messages come due.
const busy = "busy"

// failovers are the outcomes of each way to change a master.
type failovers struct {
	handover, busy, killed []outcome // with the operator
	bare, killedByHand     []outcome // without
}

// judge prints both sides, and returns what misses its bar.
func (f failovers) judge(out io.Writer, pairs int) error {
	ratio := middleGap(f.killed).Seconds() / middleGap(f.killedByHand).Seconds()
	fmt.Fprintf(out, "\ntime without an acknowledged send, one group, clients look for routes every %s, median of %d:\n"+
		"  planned change   the operator's handover %s (bar: not longer than bare, none lost)\n"+
		"                   the same, while %d delayed messages a second come due %s (bar: %.0f s longer, none lost)\n"+
		"                   bare electMaster        %s\n"+
		"  kill -9          with the operator       %s, ratio %.2f (bar %.2f)\n"+
		"                   by hand                 %s\n",
		failoverPoll, pairs, tell(f.handover), delayedRate, tell(f.busy), busyBar, tell(f.bare),
		tell(f.killed), ratio, killBar, tell(f.killedByHand))
	var missed []error
	if middleGap(f.handover) > middleGap(f.bare) {
		missed = append(missed, errors.New("a handover takes longer than a bare election"))
	}
	if middleGap(f.busy).Seconds() > middleGap(f.handover).Seconds()+busyBar {
		missed = append(missed, errors.New("a handover takes longer while delayed messages come due"))
	}
	if slices.ContainsFunc(slices.Concat(f.handover, f.busy), func(o outcome) bool { return o.lost > 0 }) {
		missed = append(missed, errors.New("a handover lost acknowledged messages"))
	}
	if ratio > killBar {
		missed = append(missed, errors.New("after a kill it takes longer with the operator than without"))
	}
	return errors.Join(missed...)
}

func middleGap(all []outcome) time.Duration {
	var gaps []time.Duration
	for _, o := range all {
		gaps = append(gaps, o.gap)
	}
	return median(gaps)
}

func tell(all []outcome) string {
	var gaps []time.Duration
	var lost, failed []int
	for _, o := range all {
		gaps, lost, failed = append(gaps, o.gap), append(lost, o.lost), append(failed, o.failed)
	}
	return fmt.Sprintf("%.1f s %v, lost %v, sends failed %v", median(gaps).Seconds(), seconds(gaps), lost, failed)
}

// smaller turns the quickstart by hand into the same cluster: one name server, one controller, one group, asynchronous.
// Its java is not the container's first process, which nothing inside of the container could kill.
func smaller() []string {
	return []string{
		"for i in 0 1 2;", "for i in 0;",
		";n1-quickstart-ctl-1.$domain:9878;n2-quickstart-ctl-2.$domain:9878", "",
		"replicas: 3", "replicas: 1",
		"{name: quickstart-1}\nspec:\n  serviceName: quickstart-broker-headless\n  replicas: 2", "{name: quickstart-1}\nspec:\n  serviceName: quickstart-broker-headless\n  replicas: 0",
		"allAckInSyncStateSet=true", "allAckInSyncStateSet=false",
		"exec java ", "java ",
		"terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 5", // the shell does not pass the signal on
	}
}

func (b *bench) startByHand(ctx context.Context) (*kit.Installation, error) {
	n, err := b.cluster.CreateNamespace(ctx, "bench-failover-by-hand", kit.Restricted, b.log)
	if err != nil {
		return nil, err
	}
	return startedByHand(ctx, n, smaller())
}

// startedByHand are the servers of by-hand.yaml with these edits, pairs of old and new text, which leave one name server and one group.
func startedByHand(ctx context.Context, n *kit.Namespace, edits []string) (*kit.Installation, error) {
	root, err := kit.Root()
	if err != nil {
		return nil, err
	}
	manifest, err := os.ReadFile(filepath.Join(root, "test/bench/testdata/by-hand.yaml"))
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(string(manifest), edits[i]) {
			return nil, fmt.Errorf("by-hand.yaml does not hold %q", edits[i])
		}
	}
	c := &kit.Installation{Namespace: n, NameService: "quickstart-ns", Controller: "quickstart-ctl", Broker: "quickstart"}
	if err := c.Apply(ctx, string(manifest), edits...); err != nil {
		return nil, err
	}
	return c, c.AwaitRegistered(ctx, c.NameServers(1), c.Topology(1, groupMembers), startLimit)
}

// changeMaster lets messages flow, changes the master of the group, and tells what the senders saw.
func (b *bench) changeMaster(
	ctx context.Context, c *kit.Installation, what string, pair int, drain time.Duration,
	act func(context.Context, *kit.Installation, string) error,
) (outcome, error) {
	name := fmt.Sprintf("%s-%d", what, pair)
	if _, err := awaitBoth(ctx, c); err != nil {
		return outcome{}, err
	}
	info, err := c.ClusterInfo(ctx, c.NameServers(1)[0])
	if err != nil {
		return outcome{}, err
	}
	before, _, _ := strings.Cut(info.Brokers[c.Group(0)].Addrs[admin.MasterID], ".")
	options := []kit.LedgerOptions{{
		NameServers: c.NameServerAddresses(1), Topic: name, Rate: failoverRate, Duration: failoverWarm + failoverLasts, Poll: failoverPoll, Drain: drain,
	}}
	if what == busy {
		options = append(options, kit.LedgerOptions{
			NameServers: c.NameServerAddresses(1), Topic: name + "-delayed", Rate: delayedRate, DelayLevel: delayedLevel,
			Duration: 2*failoverWarm + failoverLasts, Poll: failoverPoll,
		})
	}
	var ledgers []*kit.Ledger
	for _, o := range options {
		ledger, err := c.StartLedger(ctx, o)
		if err != nil {
			return outcome{}, err
		}
		ledgers = append(ledgers, ledger)
	}
	select {
	case <-time.After(time.Duration(len(ledgers)) * failoverWarm): // delayed messages come due after the time of one
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
	if err := act(ctx, c, before); err != nil {
		return outcome{}, err
	}
	if _, err := c.AwaitNewMaster(ctx, 0, before, 3*failoverLasts); err != nil { // a starved machine needs its time
		return outcome{}, err
	}
	var out outcome
	for i, ledger := range ledgers {
		verdict, err := ledger.Verdict(ctx, failoverLasts+3*time.Minute)
		if err != nil {
			return outcome{}, err
		}
		b.log.Printf("%s in %s: %s", options[i].Topic, c.Name, verdict)
		out.lost += verdict.Lost
		if i == 0 {
			out.gap, out.failed = time.Duration(verdict.LongestGapMillis)*time.Millisecond, verdict.SendErrors
		}
	}
	return out, nil
}

func controllerOf(c *kit.Installation) string { return c.Controllers(1)[0] + "." + c.Name + ":9878" }

// awaitBoth waits until both members of the group are in sync.
func awaitBoth(ctx context.Context, c *kit.Installation) (admin.SyncState, error) {
	var state admin.SyncState
	err := c.Await(ctx, "both members to be in sync", syncLimit, func(ctx context.Context) error {
		states, err := c.Admin.SyncStateData(ctx, controllerOf(c), c.Group(0))
		if err != nil {
			return err
		}
		if state = states[c.Group(0)]; len(state.InSync) != groupMembers || state.MasterID == 0 {
			return fmt.Errorf("in sync are %+v", state.InSync)
		}
		return c.Topology(1, groupMembers).Registered(ctx, c.Namespace, c.NameServers(1))
	})
	return state, err
}

// electOther makes the slave master, and does nothing else.
func electOther(ctx context.Context, c *kit.Installation, _ string) error {
	state, err := awaitBoth(ctx, c)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(state.InSync, func(r admin.Replica) bool { return r.ID != state.MasterID })
	_, err = c.Admin.ElectMaster(ctx, controllerOf(c), admin.ElectMasterRequest{ClusterName: c.Broker, BrokerName: c.Group(0), BrokerID: state.InSync[i].ID})
	return err
}

// killJava kills a broker at once: kill -9.
func killJava(ctx context.Context, c *kit.Installation, pod string) error {
	_, err := c.Exec(ctx, pod, kit.RocketMQContainer, "sh", "-c",
		`for p in /proc/[0-9]*; do if [ "$(cat $p/comm 2>/dev/null)" = java ]; then kill -9 "${p#/proc/}"; fi; done`)
	return err
}
