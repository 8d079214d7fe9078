// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// ledgerLimit is how long the ledger may take to consume what is left, after it has stopped sending.
const ledgerLimit = 4 * time.Minute

// ledgerRate is in messages a second.
const ledgerRate = 50

// mixedRate is that of each ledger of a mix.
const mixedRate = 20

// afterwards is for how long the ledger sends when all has been done.
const afterwards = 10 * time.Second

// smallLimit is how long the cluster of testdata/small.yaml may take to start.
const smallLimit = 6 * time.Minute

// manifest reads a file of testdata.
func manifest(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	ok(t, err)
	return string(content)
}

// small is the cluster of testdata/small.yaml.
func small(n *kit.Namespace) *kit.Installation {
	return &kit.Installation{Namespace: n, NameService: "names", Controller: "quorum", Broker: "broker"}
}

// show prints what a user sees.
func show(t *testing.T, w *world, n *kit.Namespace) {
	t.Helper()
	for _, what := range []string{"pods", "rocketmq"} {
		out, err := w.place.Kubectl(t.Context(), "-n", n.Name, "get", what)
		ok(t, err)
		n.Log.Printf("kubectl get %s:", what)
		n.Log.Block(out)
	}
}

// brokerIDs counts the rows of mqadmin clusterList for a group by broker id. Its columns are cluster, broker, id, …
func brokerIDs(clusterList, group string) map[string]int {
	ids := map[string]int{}
	for line := range strings.Lines(clusterList) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[1] == group {
			ids[fields[2]]++
		}
	}
	return ids
}

// sendAndReceive lets the ledger send messages and expects each of them back exactly as acknowledged.
func sendAndReceive(t *testing.T, c *kit.Installation, name string, messages int) *kit.Verdict {
	t.Helper()
	c.Log.Printf("sending %d messages through %s", messages, c.Address())
	l, err := c.StartLedger(t.Context(), kit.LedgerOptions{NameServers: c.Address(), Topic: name, Messages: messages})
	ok(t, err)
	v, err := l.Verdict(t.Context(), ledgerLimit)
	ok(t, err)
	c.Log.Printf("ledger: %s", v)
	if v.Acked != messages || v.Lost != 0 {
		t.Errorf("of %d messages %d were acknowledged, %d of them lost", messages, v.Acked, v.Lost)
	}
	return v
}

// mqadmin runs a command in a broker's pod, as a user would, until what it prints is right: where its own requests time out,
// as on a busy machine, it leaves out what it did not learn.
func mqadmin(t *testing.T, n *kit.Namespace, pod, command string, right func(output string) error) (output string) {
	t.Helper()
	ok(t, n.Await(t.Context(), "mqadmin "+command+" in "+pod, 3*time.Minute, func(ctx context.Context) (err error) {
		if output, err = n.MQAdmin(ctx, pod, command); err != nil {
			return err
		}
		return right(output)
	}))
	return output
}

// during lets the ledger send while do runs; no acknowledged message may be lost.
func during(t *testing.T, c *kit.Installation, options kit.LedgerOptions, do func()) {
	t.Helper()
	if v := meanwhile(t, c, options, do); v.Acked == 0 || v.Lost != 0 {
		t.Errorf("of %d acknowledged messages %d were lost", v.Acked, v.Lost)
	}
}

// meanwhile lets the ledger send while do runs and a little longer, and leaves the judgement to the caller.
func meanwhile(t *testing.T, c *kit.Installation, options kit.LedgerOptions, do func()) *kit.Verdict {
	t.Helper()
	options.Rate = ledgerRate
	return meanwhileAll(t, c, []kit.LedgerOptions{options}, do)[0]
}

// meanwhileAll is meanwhile with several ledgers.
func meanwhileAll(t *testing.T, c *kit.Installation, all []kit.LedgerOptions, do func()) []*kit.Verdict {
	t.Helper()
	var ledgers []*kit.Ledger
	for _, options := range all {
		options.Duration = time.Hour
		if options.NameServers == "" {
			options.NameServers = c.Address()
		}
		l, err := c.StartLedger(t.Context(), options)
		ok(t, err)
		c.Log.Printf("a ledger sends %d messages a second to %s", options.Rate, options.Topic)
		ledgers = append(ledgers, l)
	}
	do()
	time.Sleep(afterwards)

	verdicts := make([]*kit.Verdict, len(ledgers))
	ending, ctx := errgroup.WithContext(t.Context())
	for i, l := range ledgers {
		ending.Go(func() (err error) {
			verdicts[i], err = l.End(ctx, ledgerLimit)
			return err
		})
	}
	ok(t, ending.Wait())
	for i, v := range verdicts {
		c.Log.Printf("ledger %s: %s", all[i].Topic, v)
	}
	return verdicts
}

// mix is a load of every kind of message, and of consumers of both kinds. The transactions need a broker that asks soon how one
// ended (transactionCheckInterval).
func mix(topic string, poll time.Duration) []kit.LedgerOptions {
	var all []kit.LedgerOptions
	for _, kind := range []struct {
		name string
		is   kit.LedgerOptions
	}{
		{"normal", kit.LedgerOptions{}},
		{"fifo", kit.LedgerOptions{Ordered: true}},
		{"pop", kit.LedgerOptions{POP: true}},
		{"level", kit.LedgerOptions{DelayLevel: 2}},
		{"timer", kit.LedgerOptions{Delay: 5 * time.Second, POP: true}},
		{"transaction", kit.LedgerOptions{Transactions: true}},
	} {
		options := kind.is
		options.Topic, options.Rate, options.Poll = topic+"-"+kind.name, mixedRate, poll
		all = append(all, options)
	}
	return all
}

// mixUndisturbed: every message of a mix came once it was due, and none that was rolled back. (That ordered ones come in their order
// is not promised while a group leaves: its keys go to the queues of another one.)
func mixUndisturbed(t *testing.T, c *kit.Installation, verdicts []*kit.Verdict) {
	t.Helper()
	for _, v := range verdicts {
		undisturbed(t, c, v)
		if v.Early != 0 || v.Unwanted != 0 {
			t.Errorf("of run %s %d messages came too early, and %d that were rolled back", v.Run, v.Early, v.Unwanted)
		}
	}
}

// undisturbed expects that no message was lost and no producer saw an error. A machine that is too slow for its brokers is
// not the operator's doing.
func undisturbed(t *testing.T, c *kit.Installation, v *kit.Verdict) {
	t.Helper()
	if v.Acked == 0 || v.Lost != 0 {
		t.Errorf("of %d acknowledged messages %d were lost", v.Acked, v.Lost)
	}
	if v.Failed() != 0 {
		t.Errorf("%d sends failed, the last one with: %s", v.Failed(), v.LastSendError)
	}
	if !t.Failed() {
		return
	}
	// Controllers that get no CPU elect masters though nobody died.
	events, err := c.Events(t.Context())
	ok(t, err)
	for _, event := range events {
		if event.Reason == "MasterChanged" {
			c.Log.Printf("event of %s: %s", event.Time.Format(time.TimeOnly), event.Message)
		}
	}
}

// killOperator ends the operator without a word. Its Deployment starts another one, which begins with nothing.
func killOperator(ctx context.Context, c *kit.Installation) error {
	c.Log.Printf("killing the operator")
	return c.Client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(kit.OperatorNamespace), client.GracePeriodSeconds(0))
}

// rolesFollowStatus checks that each broker pod's role label is the role that the resource's status gives it, and
// that each group has a master.
func rolesFollowStatus(t *testing.T, c *kit.Installation) {
	t.Helper()
	ok(t, c.Await(t.Context(), "the pods' role labels to follow the status", time.Minute, func(ctx context.Context) error {
		b, err := c.Status(ctx)
		if err != nil {
			return err
		}
		pods, err := c.OwnPods(ctx)
		if err != nil {
			return err
		}
		for _, group := range b.Status.Groups {
			if err := checkRoles(group, pods); err != nil {
				return fmt.Errorf("group %s: %w", group.Name, err)
			}
		}
		if want := int(*b.Spec.Size); len(b.Status.Groups) != want {
			return fmt.Errorf("status shows %d of %d groups", len(b.Status.Groups), want)
		}
		return nil
	}))
}

func checkRoles(group v1alpha1.BrokerGroupStatus, pods map[string]*corev1.Pod) error {
	if group.Master == "" {
		return errors.New("it has no master")
	}
	for _, member := range group.Members {
		want := v1alpha1.RoleSlave
		if member.Pod == group.Master {
			want = v1alpha1.RoleMaster
		}
		if member.Role != want {
			return fmt.Errorf("status gives %s the role %q, want %q", member.Pod, member.Role, want)
		}
		pod, ok := pods[member.Pod]
		if !ok {
			return fmt.Errorf("pod %s does not exist", member.Pod)
		}
		if got := pod.Labels[kit.RoleLabel]; got != string(want) {
			return fmt.Errorf("pod %s has the label %s=%q, want %q", member.Pod, kit.RoleLabel, got, want)
		}
	}
	return nil
}

// handsOver expects the master of the first group to hand over to the heir when it is made to stop.
func handsOver(t *testing.T, c *kit.Installation, master, heir string, stop func()) {
	t.Helper()
	ctx := t.Context()
	log := followLog(ctx, t, c, master)
	stop()
	said := <-log
	tellHandover(c, said)
	if !strings.Contains(said, "handed over") {
		t.Errorf("%s did not hand over", master)
	}
	now, err := c.AwaitNewMaster(ctx, 0, master, time.Minute)
	ok(t, err)
	if now != heir {
		t.Errorf("%s is master, want %s", now, heir)
	}
}
