// SPDX-License-Identifier: Apache-2.0

//go:build e2e && long

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// TestLong repeats what chance decides and tries what the stories leave out. It takes its time.
func TestLong(t *testing.T) {
	w := newWorld(t)
	for _, version := range []string{"5.2.0", "5.5.0"} {
		t.Run("RocketMQ/"+version, func(t *testing.T) { otherRelease(t, w, version) })
	}
	t.Run("OperatorUpgraded", func(t *testing.T) { operatorUpgraded(t, w) })
	t.Run("MutatedResources", func(t *testing.T) { mutatedResources(t, w, 1000) })
	t.Run("AuthSwitched", func(t *testing.T) { authSwitched(t, w) })
	t.Run("TLSSwitched", func(t *testing.T) { tlsSwitched(t, w) })
	t.Run("SecuredLife", func(t *testing.T) { securedLife(t, w) })
	t.Run("MastersKilled", func(t *testing.T) { mastersKilled(t, w, 10) })
	t.Run("NodesCut", func(t *testing.T) { nodesCut(t, w, 3) })
	t.Run("OffsetsCarried", func(t *testing.T) { offsetsCarried(t, w) })
	t.Run("ManyTopics", func(t *testing.T) { manyTopics(t, w) })
	t.Run("ThreeMembers", func(t *testing.T) { threeMembers(t, w) })
	t.Run("OneGroup", func(t *testing.T) { oneGroup(t, w) })
	t.Run("OperatorKilled", func(t *testing.T) { operatorKilled(t, w, 20) })
	t.Run("TransfersKilled", func(t *testing.T) { transfersKilled(t, w, 20) })
}

// acknowledgedByAll makes the small cluster acknowledge what every in-sync member has.
func acknowledgedByAll() []string {
	return []string{`mappedFileSizeCommitLog: "67108864"`, "mappedFileSizeCommitLog: \"67108864\"\n    allAckInSyncStateSet: \"true\""}
}

// runAll makes every server of the small cluster one of a release.
func runAll(version string) []string {
	image := "apache/rocketmq:" + version
	return []string{
		"  clusterMode: CONTROLLER\n", "  clusterMode: CONTROLLER\n  brokerImage: " + image + "\n",
		"  size: 1\n", "  size: 1\n  controllerImage: " + image + "\n",
		"metadata: {name: names}\nspec:\n", "metadata: {name: names}\nspec:\n  nameServiceImage: " + image + "\n",
	}
}

// Further releases run, deliver, and replace a killed master.
func otherRelease(t *testing.T, w *world, version string) {
	ctx := t.Context()
	ok(t, w.place.LoadRocketMQ(ctx, version))
	n := w.namespace(t, "release-"+strings.ReplaceAll(version, ".", "-"), kit.Restricted)
	c := small(n)
	ok(t, c.Apply(ctx, manifest(t, "small.yaml"), append(acknowledgedByAll(), runAll(version)...)...))
	ok(t, c.AwaitReady(ctx, smallLimit))
	list, err := c.ClusterList(ctx, c.Member(0, 0))
	ok(t, err)
	c.Log.Block(list)
	sendAndReceive(t, c, "release", 1000)
	killMaster(t, c)
}

// Masters die again and again: no acknowledged message is lost.
func mastersKilled(t *testing.T, w *world, times int) {
	c := small(w.namespace(t, "kills", kit.Restricted))
	ok(t, c.Apply(t.Context(), manifest(t, "small.yaml"), acknowledgedByAll()...))
	ok(t, c.AwaitReady(t.Context(), smallLimit))
	for i := range times {
		c.Log.Printf("round %d of %d", i+1, times)
		killMaster(t, c)
	}
}

// killMaster kills the master's pod under load and waits until another one leads and all are back.
func killMaster(t *testing.T, c *kit.Installation) {
	t.Helper()
	ctx := t.Context()
	before, err := c.Master(ctx, 0)
	ok(t, err)
	topic := fmt.Sprintf("killing-%d", time.Now().Unix())
	during(t, c, kit.LedgerOptions{Topic: topic}, func() {
		time.Sleep(10 * time.Second)
		killed := time.Now()
		ok(t, c.DeletePod(ctx, before, true))
		master, err := c.AwaitNewMaster(ctx, 0, before, time.Minute)
		ok(t, err)
		c.Log.Printf("%s is master after %.1f s", master, time.Since(killed).Seconds())
	})
	ok(t, c.AwaitReady(ctx, 3*time.Minute))
	rolesFollowStatus(t, c)
}

// Nodes are cut off again and again, each time under a new cluster.
func nodesCut(t *testing.T, w *world, times int) {
	for i := range times {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			c := quickstartIn(t, w.namespace(t, fmt.Sprintf("cut-%d", i+1), kit.Restricted))
			ok(t, c.ApplyPath(t.Context(), quickstartPath))
			ok(t, c.AwaitReady(t.Context(), quickstartLimit))
			nodeCut(t, w, c)
		})
	}
}

// seedEnv repeats what chance decided in an earlier run.
const seedEnv = "E2E_SEED"

// chance decides anew in each run, unless a seed is given, and tells its seed.
func chance(t *testing.T, log *kit.Log) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv(seedEnv); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		ok(t, err)
	}
	log.Printf("%s=%d", seedEnv, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// transfersKilled: topics move between two clusters, to and fro under load, and the operator dies again and again at random
// moments along the way. No message is lost, and no producer sees an error.
func transfersKilled(t *testing.T, w *world, times int) {
	ctx := t.Context()
	one := &kit.Installation{Namespace: w.namespace(t, "killed", kit.Restricted), NameService: "names", Broker: "one"}
	two := &kit.Installation{Namespace: one.Namespace, NameService: "names", Broker: "two"}
	random := chance(t, one.Log)
	ok(t, one.Apply(ctx, manifest(t, "transfer.yaml")))
	ok(t, one.AwaitReady(ctx, smallLimit))
	out := &transfers{T: t, w: w, one: one, two: two, source: brokerOf(one, one.Member(0, 0)), target: brokerOf(two, two.Member(0, 0))}
	back := &transfers{T: t, w: w, one: two, two: one, source: out.target, target: out.source}
	topics := []string{"moving", "idle-0", "idle-1", "idle-2"}
	for _, topic := range topics {
		out.topic(topic)
		out.consumer(topic)
	}
	v := meanwhile(t, one, kit.LedgerOptions{Topic: topics[0], TopicExists: true, Poll: transferPoll}, func() {
		time.Sleep(10 * time.Second)
		for kills, s := 0, out; kills < times; {
			kills += s.killedOnTheWay(topics, random, times-kills)
			one.Log.Printf("the topics are at %s, after %d kills", s.two.Broker, kills)
			if s == out {
				s = back
			} else {
				s = out
			}
		}
	})
	undisturbed(t, one, v)
	if v.Groups[one.Group(0)].Acked == 0 || v.Groups[two.Group(0)].Acked == 0 {
		t.Errorf("the load was not on both clusters: %v", v.Groups)
	}
}

// killedOnTheWay moves topics, and kills the operator some time after each step of the first, at most so many times.
func (s *transfers) killedOnTheWay(topics []string, random *rand.Rand, most int) (kills int) {
	s.Helper()
	type settings struct {
		topic admin.TopicConfig
		group admin.SubscriptionGroup
	}
	want := map[string]settings{}
	for _, topic := range topics {
		config, group := s.settings(s.source, topic)
		want[topic] = settings{config, group}
		s.create(topic, "")
	}
	const short, long = 500 * time.Millisecond, 15 * time.Second
	for _, step := range []struct {
		phase v1alpha1.TransferPhase
		span  time.Duration
	}{{v1alpha1.TransferCreateTarget, short}, {v1alpha1.TransferForbidWrites, short}, {v1alpha1.TransferDrain, long}, {v1alpha1.TransferCleanSource, short}} {
		if kills == most {
			break
		}
		s.reaches(topics[0], step.phase)
		delay := time.Duration(random.Int64N(int64(step.span)))
		time.Sleep(delay)
		now, err := s.get(topics[0])
		ok(s.T, err)
		s.one.Log.Printf("%.1f s after %s, in %s", delay.Seconds(), step.phase, now.Status.Phase)
		s.replaceOperator()
		kills++
	}
	for _, topic := range topics {
		s.await(topic, v1alpha1.TransferCompleted, "")
		transfer, err := s.get(topic)
		ok(s.T, err)
		group := want[topic].group
		if !slices.Contains(transfer.Status.Target.Brokers[0].CreatedGroups, topic) {
			// A consumer that is still connected there made it anew after the last move, and such a group keeps its settings.
			s.one.Log.Printf("group %s was at %s already", topic, s.two.Broker)
			_, group = s.settings(s.target, topic)
		}
		s.moved(topic, want[topic].topic, group)
		ok(s.T, s.one.Client.Delete(s.Context(), transfer))
		ok(s.T, s.one.Await(s.Context(), "transfer "+topic+" to be gone", time.Minute, func(context.Context) error {
			_, err := s.get(topic)
			if err == nil {
				return fmt.Errorf("it is still there")
			}
			if apierrors.IsNotFound(err) {
				return nil
			}
			return err
		}))
	}
	return kills
}

// reaches waits, with short looks, until a transfer has begun a step.
func (s *transfers) reaches(name string, phase v1alpha1.TransferPhase) {
	s.Helper()
	for deadline := time.Now().Add(transferLimit); ; time.Sleep(50 * time.Millisecond) {
		transfer, err := s.get(name)
		ok(s.T, err)
		if slices.ContainsFunc(transfer.Status.Steps, func(step v1alpha1.TransferStep) bool { return step.Phase == phase }) {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("%s is %s and not yet %s: %+v", name, transfer.Status.Phase, phase, transfer.Status.Conditions)
		}
	}
}

// replaceOperator kills it and waits until another one works.
func (s *transfers) replaceOperator() {
	s.Helper()
	leader := func(ctx context.Context) (string, error) {
		lease, err := s.one.Set.CoordinationV1().Leases(kit.OperatorNamespace).Get(ctx, "rocketmq-operator.rocketmq.apache.org", metav1.GetOptions{})
		if err != nil || lease.Spec.HolderIdentity == nil {
			return "", err
		}
		return *lease.Spec.HolderIdentity, nil
	}
	before, err := leader(s.Context())
	ok(s.T, err)
	killed := time.Now()
	ok(s.T, killOperator(s.Context(), s.one))
	ok(s.T, s.one.Await(s.Context(), "another operator to lead", time.Minute, func(ctx context.Context) error {
		now, err := leader(ctx)
		if err == nil && (now == before || now == "") {
			err = fmt.Errorf("the leader is %q", now)
		}
		return err
	}))
	s.one.Log.Printf("another one leads after %.1f s", time.Since(killed).Seconds())
}

// A cluster that never had users is secured while it works, set free again, and secured once more: whoever has credentials notices
// nothing.
func authSwitched(t *testing.T, w *world) {
	ctx := t.Context()
	c := w.namespace(t, "switched", kit.Restricted).InstallationOfCluster("shop")
	certify(t, c, newAuthority(t))
	ok(t, c.Apply(ctx, manifest(t, "secured.yaml"), authMode[v1alpha1.AuthEnforcing], authMode[v1alpha1.AuthDisabled]))
	ok(t, c.AwaitReady(ctx, smallLimit))
	switchAuth(t, c, v1alpha1.AuthPermissive)
	application(t, c)

	options := kit.LedgerOptions{Topic: securedTopic, TopicExists: true, Poll: securedPoll, TLS: true, Credentials: kit.LedgerCredentials{
		Secret: securedSecret, NameKey: "username", PasswordKey: "password",
	}}
	admitted(t, meanwhile(t, c, options, func() {
		for _, mode := range []v1alpha1.AuthMode{v1alpha1.AuthEnforcing, v1alpha1.AuthDisabled, v1alpha1.AuthEnforcing} {
			switchAuth(t, c, mode)
		}
	}))
	throughProxy(t, w, c)
	passwordsAreHidden(t, c)
}

// A cluster that speaks plain text learns TLS while it works, refuses plain text, and goes all the way back. Clients notice nothing, as
// long as they speak what their servers take.
func tlsSwitched(t *testing.T, w *world) {
	ctx := t.Context()
	c := w.namespace(t, "tls", kit.Restricted).InstallationOfCluster("shop")
	certify(t, c, newAuthority(t))
	ok(t, c.Apply(ctx, manifest(t, "secured.yaml"), tlsMode[v1alpha1.TLSEnforcing], tlsMode[v1alpha1.TLSDisabled]))
	ok(t, c.AwaitReady(ctx, smallLimit))
	application(t, c)

	for _, part := range []struct {
		clients bool // speak TLS
		modes   []v1alpha1.TLSMode
	}{
		{false, []v1alpha1.TLSMode{v1alpha1.TLSPermissive}},
		{true, []v1alpha1.TLSMode{v1alpha1.TLSEnforcing, v1alpha1.TLSPermissive}},
		{false, []v1alpha1.TLSMode{v1alpha1.TLSDisabled}},
	} {
		options := kit.LedgerOptions{Topic: securedTopic, TopicExists: true, Poll: securedPoll, TLS: part.clients, Credentials: kit.LedgerCredentials{
			Secret: securedSecret, NameKey: "username", PasswordKey: "password",
		}}
		admitted(t, meanwhile(t, c, options, func() {
			for _, mode := range part.modes {
				switchTLS(t, c, mode)
			}
		}))
	}
}
