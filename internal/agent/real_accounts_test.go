// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// TestRealAccounts: a real broker begins with the accounts of its Secret while it asks for none, lets nobody else in when it does, and is
// ready only with them. A proxy signs in with its own.
func TestRealAccounts(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real servers")
	}
	lock := exclusive(t)
	defer lock.Close()
	start := realServers(t)
	secrets := t.TempDir()
	data := mountAccounts(t, secrets)
	const brokerSettings = `{"serviceDomain": "h.test", "config": {"mappedFileSizeCommitLog": "16777216", "metricsExporterType": "DISABLE"}, "broker": {
		"clusterName": "test", "mode": "STATIC", "nameServers": ["127.0.0.1:9876"], "authSecret": "shop-auth", "groups": {"x": {"permission": 6}}}}`
	flags := []string{"--auth-dir=" + secrets, "--default-heap=256m", "--default-direct-memory=128m"}

	nameServer, _ := start("nameserver", `{"serviceDomain": "h.test"}`, "--default-heap=96m")
	nameServer.await(t, "/readyz", http.StatusOK)
	broker, files := start("broker", brokerSettings, append(flags, "--permissive-auth")...)
	broker.await(t, "/readyz", http.StatusOK)
	const addr = "127.0.0.1:10911"
	rc := remoting.NewClient(remoting.Options{Timeout: 10 * time.Second})
	t.Cleanup(func() { _ = rc.Close() })
	as := func(account settings.Account) *admin.Client {
		username, password, err := account.In(data)
		if err != nil {
			t.Fatal(err)
		}
		return admin.New(rc).As(&remoting.Credentials{AccessKey: username, SecretKey: password})
	}
	check := func(nobody, inner error) {
		t.Helper()
		users, err := as(settings.OperatorAccount).Users(t.Context(), addr, "")
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]admin.User{}
		for _, user := range users {
			got[user.Name] = user
		}
		if diff := cmp.Diff(wholeTable(), got); diff != "" {
			t.Errorf("users (-want +got):\n%s", diff)
		}
		for name, test := range map[string]struct {
			client *admin.Client
			want   error
		}{
			"nobody": {admin.New(rc), nobody},
			"inner":  {as(settings.InnerAccount), inner},
			"proxy":  {as(settings.ProxyAccount), nil},
		} {
			if _, err := test.client.Users(t.Context(), addr, ""); !errors.Is(err, test.want) {
				t.Errorf("%s lists the users: %v, want %v", name, err, test.want)
			}
		}
	}
	check(nil, nil)

	// It starts again, and has them already.
	if code := broker.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	broker = files.run(t, "broker", append(flags, javaFlags(t)...)...)
	broker.await(t, "/readyz", http.StatusOK)
	check(remoting.ErrNotAuthenticated, remoting.ErrNotPermitted)

	proxy, proxyFiles := start("proxy", `{"proxy": {"clusterName": "test", "nameServers": ["127.0.0.1:9876"], "authSecret": "shop-auth", "tlsSecret": "cert"}}`,
		"--auth-dir="+secrets, "--default-heap=128m", "--default-direct-memory=64m")
	proxy.await(t, "/readyz", http.StatusOK)
	if code := proxy.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for what, output := range map[string]string{"broker": broker.output.String(), "proxy": proxy.output.String(), "its settings": proxyFiles.read(t, "settings/settings.json")} {
		for _, account := range settings.Accounts() {
			if strings.Contains(output, string(data[account.PasswordKey()])) {
				t.Errorf("%s: the password of %s is shown", what, account)
			}
		}
	}

	broker.stop(t)

	// With another Secret its disk is of no use.
	for _, account := range settings.Accounts() {
		if err := os.WriteFile(filepath.Join(secrets, account.PasswordKey()), []byte("lost"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	broker = files.run(t, "broker", append(flags, javaFlags(t)...)...)
	broker.await(t, "/startedz", http.StatusOK)
	deadline := time.Now().Add(time.Minute)
	for {
		said := broker.await(t, "/readyz", http.StatusServiceUnavailable)
		if strings.Contains(said, `other accounts than the Secret \"shop-auth\"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(said)
		}
	}
	broker.stop(t)

	// What the message recommends.
	for _, dir := range []string{"users", "acls"} {
		store := filepath.Join(files.path("store"), "config", dir)
		if _, err := os.Stat(store); err != nil && dir == "users" {
			t.Errorf("brokers keep users elsewhere: %v", err)
		}
		if err := os.RemoveAll(store); err != nil {
			t.Fatal(err)
		}
	}
	broker = files.run(t, "broker", append(flags, javaFlags(t)...)...)
	broker.await(t, "/readyz", http.StatusOK)
	broker.stop(t)
	nameServer.stop(t)
}
