// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// A user who wants no controllers applies examples/static. Pod 0 is the master for ever: killed, it comes back as the
// master with all its messages.
func static(t *testing.T, w *world) {
	ctx := t.Context()
	n := w.namespace(t, "static", kit.Restricted)
	c, err := n.InstallationOf("examples/static")
	ok(t, err)
	ok(t, c.ApplyPath(ctx, "examples/static"))
	ok(t, c.AwaitReady(ctx, smallLimit))
	c.Log.Printf("Ready")
	inTheirRoles := func() {
		t.Helper()
		ok(t, c.AwaitRegistered(ctx, c.NameServers(1), c.Topology(1, groupMembers), time.Minute))
		rolesFollowStatus(t, c)
		for ordinal, want := range []string{"ASYNC_MASTER", "SLAVE"} {
			pod := c.Member(0, ordinal)
			config, err := c.Admin.BrokerConfig(ctx, pod+"."+c.Name+":10911")
			ok(t, err)
			if got := config["brokerRole"]; got != want {
				t.Errorf("%s runs as %s, want %s", pod, got, want)
			}
		}
		status, err := c.Status(ctx)
		ok(t, err)
		for _, member := range status.Status.Groups[0].Members {
			if want := (map[v1alpha1.Role]int64{v1alpha1.RoleMaster: 0, v1alpha1.RoleSlave: 1})[member.Role]; member.BrokerID == nil || *member.BrokerID != want {
				t.Errorf("%s is %s with the broker id %v, want %d", member.Pod, member.Role, member.BrokerID, want)
			}
		}
	}
	inTheirRoles()

	master := c.Member(0, 0)
	pod, err := c.Pod(ctx, master)
	ok(t, err)
	during(t, c, kit.LedgerOptions{Topic: "killing"}, func() {
		time.Sleep(10 * time.Second)
		c.Log.Printf("killing pod %s, the master", master)
		ok(t, c.DeletePod(ctx, master, true))
		ok(t, c.AwaitPodReady(ctx, master, pod.UID, 2*time.Minute))
		c.Log.Printf("%s is back", master)
	})
	ok(t, c.AwaitReady(ctx, 2*time.Minute))
	inTheirRoles()
	onlyCopy(t, &kit.Installation{Namespace: c.Namespace, NameService: c.NameService, Broker: "only"})
}

// onlyCopy: a broker whose messages would go with its pod, because nobody else has them, is not replaced for a change.
func onlyCopy(t *testing.T, c *kit.Installation) {
	ctx := t.Context()
	const changed = "  storageMode: EmptyDir\n"
	ok(t, c.Apply(ctx, manifest(t, "only-copy.yaml")))
	ok(t, c.AwaitReady(ctx, smallLimit))
	sendAndReceive(t, c, "only-copy", 100)
	before, err := c.Lives(ctx)
	ok(t, err)
	ok(t, c.Apply(ctx, manifest(t, "only-copy.yaml"), changed, changed+"  podAnnotations: {changed: once}\n"))
	condition, err := c.AwaitCondition(ctx, "Broker", "only", v1alpha1.ConditionWouldLoseMessages, metav1.ConditionTrue, time.Minute)
	ok(t, err)
	c.Log.Printf("%s", condition.Message)
	if !strings.Contains(condition.Message, "kubectl annotate") {
		t.Error("the way out is not told")
	}
	sendAndReceive(t, c, "only-copy-still", 100)
	othersLive(t, c, before, "")
}
