// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// A user with all rights, who stands in the configuration here: the test has no agent that makes him.
const userName, userPassword = "root", "swordfish"

// securedProperties are those of brokers with authentication, as agents render them.
func securedProperties() map[string]string {
	return map[string]string{
		"authenticationEnabled": "true", "authorizationEnabled": "true", "syncBrokerMetadataPeriod": "250",
		"authenticationMetadataProvider":       "org.apache.rocketmq.auth.authentication.provider.LocalAuthenticationMetadataProvider",
		"authorizationMetadataProvider":        "org.apache.rocketmq.auth.authorization.provider.LocalAuthorizationMetadataProvider",
		"innerClientAuthenticationCredentials": fmt.Sprintf(`{"accessKey":%q,"secretKey":%q}`, userName, userPassword),
	}
}

func startSecuredGroup(ctx context.Context, t *testing.T, more map[string]string) *group {
	t.Helper()
	g := startGroup(ctx, t, more)
	g.secured, g.admin = true, g.servers.Admin.As(&remoting.Credentials{AccessKey: userName, SecretKey: userPassword})
	return g
}

// TestRealSecuredMaster: brokers with authentication do not listen to the controllers, and the master that hands over tells them: the
// members here would not notice an election by themselves.
func TestRealSecuredMaster(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	properties := securedProperties()
	properties["syncBrokerMetadataPeriod"] = "600000"
	g := startSecuredGroup(ctx, t, properties)
	program := buildLedger(ctx, t)
	program.env = []string{"ACCESS_KEY=" + userName, "SECRET_KEY=" + userPassword}
	ledger := program.start(t, "secured", g.nameServer.Addr, "--rate=200")
	pop := program.start(t, "secured-pop", g.nameServer.Addr, "--rate=60", "--pop")
	time.Sleep(10 * time.Second)
	late := admin.User{Name: "late", Password: "herring", Type: admin.NormalUser, Status: admin.UserEnabled}
	if err := g.admin.CreateUser(ctx, g.master.Addr, late); err != nil {
		t.Fatal(err)
	}

	log, err := g.handOver(ctx)
	t.Log("\n" + strings.Join(log, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !said(log, "the name servers show the new master") || said(log, "was not told") {
		t.Error("the members did not take their roles")
	}
	if got, err := g.admin.User(ctx, g.slave.Addr, late.Name); err != nil || *got != late || !said(log, "gave 1 users") {
		t.Errorf("a user that only the master had is %v at the new one: %v", got, err)
	}
	g.master.Stop(ctx)
	time.Sleep(5 * time.Second)
	ledger.end(t)
	pop.end(t)
	for _, l := range []*ledgerProcess{ledger, pop} {
		v := l.wait(t)
		t.Logf("%-12s %+v", l.name, v)
		if v.Acked == 0 || v.Lost != 0 {
			t.Errorf("%s: %+v; want none lost", l.name, v)
		}
	}
}

// TestRealSecuredFailover: a master that is killed is replaced as fast with authentication as without.
func TestRealSecuredFailover(t *testing.T) {
	open, secured := failOver(t, false), failOver(t, true)
	t.Logf("time without an acknowledged message: %s, with authentication %s", open, secured)
	// A machine that does something else as well adds to either.
	if secured > open*3/2+500*time.Millisecond {
		t.Errorf("%s with authentication, %s without", secured, open)
	}
}

// failOver kills a master, and returns the longest time without an acknowledged message.
func failOver(t *testing.T, secured bool) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	program := buildLedger(ctx, t)
	var g *group
	if secured {
		g = startSecuredGroup(ctx, t, securedProperties())
		program.env = []string{"ACCESS_KEY=" + userName, "SECRET_KEY=" + userPassword}
	} else {
		g = startGroup(ctx, t, nil)
	}
	defer g.servers.Close()
	ledger := program.start(t, "failover", g.nameServer.Addr, "--rate=200", "--only=produce")
	time.Sleep(8 * time.Second)
	if err := g.master.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	time.Sleep(15 * time.Second)
	ledger.end(t)
	v := ledger.wait(t)
	if v.Acked < 2000 {
		t.Errorf("%+v; want the new master to take messages", v)
	}
	return time.Duration(v.LongestGapMillis) * time.Millisecond
}
