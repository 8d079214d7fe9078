//go:build e2e && long

package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// TestLong repeats what chance decides and tries what the stories leave out. It takes its time.
func TestLong(t *testing.T) {
	w := newWorld(t)
	for _, version := range []string{"5.2.0", "5.5.0"} {
		t.Run("RocketMQ/"+version, func(t *testing.T) { otherRelease(t, w, version) })
	}
	t.Run("MastersKilled", func(t *testing.T) { mastersKilled(t, w, 10) })
	t.Run("NodesCut", func(t *testing.T) { nodesCut(t, w, 3) })
	for _, s := range []story{
		{"OffsetsCarried", offsetsCarried},
		{"ManyTopics", manyTopics},
		{"ThreeMembers", threeMembers},
		{"OneGroup", oneGroup},
	} {
		t.Run(s.name, func(t *testing.T) { s.tell(t, w) })
	}
	t.Run("OperatorKilled", func(t *testing.T) { operatorKilled(t, w, 20) })
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
	n := w.namespace(t, "release", kit.Restricted)
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
