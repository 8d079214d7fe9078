//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// A user scales name servers with kubectl. Brokers follow without a restart, and clients notice nothing.
func nameServersScaled(t *testing.T, w *world, c *kit.Installation) {
	ctx := t.Context()
	brokers := func() map[string]kit.Life {
		t.Helper()
		lives, err := c.Lives(ctx)
		ok(t, err)
		for _, pod := range c.NameServers(quickstartNameServers) { // the name servers themselves may come and go
			delete(lives, pod)
		}
		return lives
	}
	before := brokers()
	scale := func(size string) {
		t.Helper()
		c.Log.Printf("kubectl scale nameservice %s --replicas=%s", c.NameService, size)
		_, err := w.place.Kubectl(ctx, "-n", c.Name, "scale", "nameservice", c.NameService, "--replicas="+size)
		ok(t, err)
	}
	var pods []string
	for group := range quickstartGroups {
		for member := range groupMembers {
			pods = append(pods, c.Member(group, member))
		}
	}
	follow := func(nameServers int) {
		t.Helper()
		ok(t, c.AwaitNameServersUsed(ctx, pods, nameServers, 15*time.Second))
		c.Log.Printf("masters and slaves use the %d name servers", nameServers)
	}
	during(t, c, kit.LedgerOptions{Topic: "scaling", Duration: 75 * time.Second}, func() {
		scale("2")
		ok(t, c.AwaitReady(ctx, 2*time.Minute))
		follow(2)
		registered(t, c, 2)
		c.Log.Printf("two name servers, all brokers registered")
		scale("3")
		ok(t, c.AwaitReady(ctx, 2*time.Minute))
		follow(quickstartNameServers)
		registered(t, c, quickstartNameServers)
		c.Log.Printf("three name servers, all brokers registered at each")
	})
	if diff := cmp.Diff(before, brokers()); diff != "" {
		t.Errorf("controllers or brokers were restarted (-before +after):\n%s", diff)
	}
}
