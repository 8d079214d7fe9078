// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

// real is a world whose only broker group is a real one, which the user's machine reaches.
func real(t *testing.T) (*world, *rocketmq.Servers, *rocketmq.Server) {
	t.Helper()
	servers, nameServer, broker := realBroker(t, nil)
	return worldOf(t, nameServer), servers, broker
}

// realBroker is one with these properties too, and the name server that knows it.
func realBroker(t *testing.T, properties map[string]string) (servers *rocketmq.Servers, nameServer, broker *rocketmq.Server) {
	t.Helper()
	servers = rocketmq.New(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	nameServer, err := servers.NameServer()
	must(err)
	must(nameServer.Ready(t.Context()))
	broker, err = servers.Broker(rocketmq.Broker{
		Cluster: "quickstart", Name: "quickstart-0", NameServers: []*rocketmq.Server{nameServer}, Properties: properties,
	})
	must(err)
	must(broker.Ready(t.Context()))
	return servers, nameServer, broker
}

// worldOf has one broker group, which a real name server knows.
func worldOf(t *testing.T, nameServer *rocketmq.Server) *world {
	t.Helper()
	w := newWorld(t)
	b := object[*v1alpha1.Broker](w, "quickstart")
	b.Status.NameServers, b.Status.Groups = []string{nameServer.Addr}, b.Status.Groups[:1]
	return w
}

func (w *world) createTopic(servers *rocketmq.Servers, broker *rocketmq.Server, config admin.TopicConfig) {
	w.t.Helper()
	config.FilterType = "SINGLE_TAG"
	if err := servers.Admin.PutTopic(w.t.Context(), broker.Addr, nil, config); err != nil {
		w.t.Fatal(err)
	}
}

// settled is a text without what differs from run to run.
func settled(text string) string {
	for pattern, by := range map[string]string{
		`\b[0-9A-F]{32}\b`:               "0A01020300002A9F0000000000001234",
		`\d{4}-\d\d-\d\dT[\d:]+\.\d{3}Z`: "2026-05-01T12:00:00.000Z",
		`kubectl rocketmq at \S+`:        "kubectl rocketmq at 2026-05-01T12:00:00Z",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, by)
	}
	return text
}

func TestMessages(t *testing.T) {
	w, servers, broker := real(t)
	t.Run("of a real broker are sent, read and found", func(t *testing.T) { sendAndFind(t, w, servers, broker) })
	t.Run("are followed", func(t *testing.T) { follow(t, w, servers, broker) })
}

func sendAndFind(t *testing.T, w *world, servers *rocketmq.Servers, broker *rocketmq.Server) {
	w.t = t
	w.createTopic(servers, broker, admin.TopicConfig{Name: "orders", ReadQueues: 2, WriteQueues: 2, Perm: admin.PermRead | admin.PermWrite})
	w.createTopic(servers, broker, admin.TopicConfig{Name: "closed", ReadQueues: 2, WriteQueues: 2, Perm: admin.PermRead})
	show := func(file string, args ...string) string {
		t.Helper()
		out, err := w.run(args...)
		if err != nil {
			t.Errorf("%v: %v", args, err)
		}
		golden(t, file, settled(out))
		return out
	}

	if out, err := w.run("message", "consume", "orders"); err != nil || !strings.Contains(out, "orders has no messages") {
		t.Errorf("an empty topic: %v\n%s", err, out)
	}
	w.typed = `{"order": 1}`
	show("message-send", "message", "send", "orders", "-", "--key", "order-1 customer-7", "--tag", "new", "--property", "colour=red", "--count", "3")
	sent, err := w.run("message", "send", "orders", "hello\x1b[2J", "--queue", "1", "-o", "json")
	var r sendReport
	if err := errors.Join(err, json.Unmarshal([]byte(sent), &r)); err != nil || len(r.Sent) != 1 || r.Sent[0].Queue != 1 || r.Sent[0].Offset != 1 {
		t.Fatalf("sent %v\n%s", err, sent)
	}

	w.eventually("all messages are in their queues", func() (string, error) {
		out, err := w.run("message", "consume", "orders")
		return out, unless(err, strings.Count(out, "\n") == 4)
	})
	show("message-consume", "message", "consume", "orders", "--count", "2")
	show("message-oldest", "message", "consume", "orders", "--count", "1", "--oldest")
	w.eventually("the index knows the message", func() (string, error) {
		out, err := w.run("message", "query", "orders", "--id", r.Sent[0].ID)
		return out, unless(err, strings.Contains(out, "hello·[2J"))
	})
	show("message-query", "message", "query", "orders", "--broker-group", "quickstart-0", "--queue", "0", "--offset", "1")
	if out, err := w.run("message", "query", "orders", "--key", "customer-7", "-o", "json"); err != nil || strings.Count(out, `"id"`) != 3 {
		t.Errorf("by key: %v\n%s", err, out)
	}

	w.fails([]string{"no message with the ID 00", "messageIndexEnable"}, "message", "query", "orders", "--id", strings.Repeat("0", 32))
	w.fails([]string{"no message with the key nobody"}, "message", "query", "orders", "--key", "nobody")
	w.fails([]string{"no message at offset 9 of queue 0", "topics orders"}, "message", "query", "orders", "--offset", "9")
	w.fails([]string{"--id xyz", "hexadecimal"}, "message", "query", "orders", "--id", "xyz")
	w.fails([]string{"neither --id"}, "message", "query", "orders")
	w.fails([]string{"takes no messages at quickstart-0", "topics closed"}, "message", "send", "closed", "x")
	w.fails([]string{"no topic nowhere"}, "message", "send", "nowhere", "x")
	w.fails([]string{"no topic nowhere"}, "message", "consume", "nowhere")
	w.fails([]string{"no write queue 7"}, "message", "send", "orders", "x", "--queue", "7")
	w.fails([]string{"broker group quickstart-9 does not have topic orders"}, "message", "send", "orders", "x", "--broker-group", "quickstart-9")
	w.fails([]string{"--count 0"}, "message", "send", "orders", "x", "--count", "0")
	w.fails([]string{"--count 1001"}, "message", "consume", "orders", "--count", "1001")
	w.fails([]string{"no message came to topic orders within --wait 700ms"}, "message", "consume", "orders", "--follow", "--wait", "700ms")
}

func follow(t *testing.T, w *world, servers *rocketmq.Servers, broker *rocketmq.Server) {
	w.t = t
	w.createTopic(servers, broker, admin.TopicConfig{Name: "followed", ReadQueues: 1, WriteQueues: 1, Perm: admin.PermRead | admin.PermWrite})
	w.keeps = true // two commands run at once
	if _, err := w.run("message", "send", "followed", "before"); err != nil {
		t.Fatal(err)
	}
	var out, sent bytes.Buffer
	followed := make(chan error)
	go func() {
		followed <- w.runOn(t.Context(), &out, new(bytes.Buffer), "message", "consume", "followed", "--follow", "--count", "2", "--wait", "1m")
	}()
	for range 30 { // it does not tell when it begins to look
		select {
		case err := <-followed:
			if err != nil || strings.Contains(out.String(), "before") || strings.Count(out.String(), ": after\n") != 2 {
				t.Errorf("%v\n%s", err, out.String())
			}
			return
		case <-time.After(time.Second / 2):
		}
		if err := w.runOn(t.Context(), &sent, new(bytes.Buffer), "message", "send", "followed", "after"); err != nil {
			t.Fatal(err)
		}
	}
	t.Error("it goes on for ever")
}

// unless is an error unless all is well.
func unless(err error, well bool) error {
	if err == nil && !well {
		return errors.New("not yet")
	}
	return err
}

func (w *world) eventually(what string, look func() (string, error)) {
	w.t.Helper()
	var out string
	var err error
	for range 50 {
		if out, err = look(); err == nil {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	w.t.Fatalf("%s: %v\n%s", what, err, out)
}

// TestRealSecured: all commands that ask brokers sign in at a real one that asks for credentials, and no others are let in.
func TestRealSecured(t *testing.T) {
	const user, password = "rocketmq-operator", "swordfish"
	servers, nameServer, broker := realBroker(t, map[string]string{
		"authenticationEnabled": "true", "authorizationEnabled": "true",
		"authenticationMetadataProvider":       "org.apache.rocketmq.auth.authentication.provider.LocalAuthenticationMetadataProvider",
		"authorizationMetadataProvider":        "org.apache.rocketmq.auth.authorization.provider.LocalAuthorizationMetadataProvider",
		"innerClientAuthenticationCredentials": fmt.Sprintf(`{"accessKey":%q,"secretKey":%q}`, user, password),
		"initAuthenticationUser":               fmt.Sprintf(`{"username":%q,"password":%q}`, user, password),
	})
	w := worldOf(t, nameServer)
	// The broker is a pod too, whose port leads to it.
	w.forward = map[string]string{"quickstart-0-0": broker.Addr}
	servers.Admin = servers.Admin.As(&remoting.Credentials{AccessKey: user, SecretKey: password})
	w.createTopic(servers, broker, admin.TopicConfig{Name: "orders", ReadQueues: 1, WriteQueues: 1, Perm: admin.PermRead | admin.PermWrite})
	file := filepath.Join(t.TempDir(), "report")
	commands := [][]string{
		{"topics"}, {"topics", "orders"}, {"groups"}, {"clusters"}, {"top", "--once"}, {"message", "send", "orders", "hello"},
		{"message", "consume", "orders"}, {"message", "query", "orders", "--offset", "0"}, {"brokers", "config", "get", "quickstart-0-0"},
	}

	for _, command := range commands {
		w.fails([]string{"the brokers refuse the credentials"}, command...)
	}
	b := object[*v1alpha1.Broker](w, "quickstart")
	b.Spec.Auth = &v1alpha1.AuthSettings{Enabled: true}
	w.add(desired.NewBrokerAuthSecret(b, func() string { return password }))
	for _, command := range commands {
		w.eventually(strings.Join(command, " "), func() (string, error) { return w.run(command...) })
	}
	if _, err := w.run("report", "--file", file); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, file)
	if config := files["rocketmq-report/servers/mq/quickstart-0-0/config.yaml"]; !strings.Contains(config, "brokerName: quickstart-0") {
		t.Errorf("the broker did not answer the report: %q", config)
	}
	for name, content := range files {
		if strings.Contains(content, password) {
			t.Errorf("the password is in %s:\n%s", name, content)
		}
	}
}
