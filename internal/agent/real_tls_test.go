// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/jvm"
	"github.com/rocketmq-operator/rocketmq-operator/internal/agent/render"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

// Where the servers of a test listen.
const (
	atNameServer = "127.0.0.1:9876"
	atController = "127.0.0.1:9878"
	atBroker     = "127.0.0.1:10911"
	atProxy      = "127.0.0.1:8080" // its remoting port
)

// TestRealTLS runs servers of every kind that take and open only connections with TLS, and verify both sides; beside them name servers
// and a broker in the modes that come before, as in a cluster that is being switched.
func TestRealTLS(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real servers")
	}
	lock := exclusive(t)
	defer lock.Close()
	ca, key := newAuthority(t), rsaKey(t)
	servers := secured{ca: ca, home: rocketmqHome(t), options: javaFlags(t)}
	pair := servers.pair(t, key, 1)

	off := servers.beside(t, nil)
	permissive := servers.beside(t, &tlsFlags{server: settings.TLSPermissive, client: true})
	nameServerPermissive := servers.nameServer(t, permissive)
	nameServers := []*rocketmq.Server{servers.nameServer(t, off), nameServerPermissive}
	offered, err := off.Broker(rocketmq.Broker{
		Cluster: "test", Name: "offered", NameServers: nameServers, Flags: servers.javaOptions(t, tlsFlags{server: settings.TLSPermissive}),
	})
	if err != nil {
		t.Fatal(err)
	}

	const enforcing = "--tls-server=enforcing"
	nameServer, nameServerFiles := servers.start(t, "nameserver", `{"serviceDomain": "h.test"}`, pair, enforcing, "--default-heap=96m")
	controller, _ := servers.start(t, "controller",
		`{"serviceDomain": "h.test", "config": {"mappedFileSize": "16777216"}, "controller": {"group": "test", "size": 1}}`,
		pair, enforcing, "--default-heap=128m")
	_, port, err := net.SplitHostPort(nameServerPermissive.Addr)
	if err != nil {
		t.Fatal(err)
	}
	broker, brokerFiles := servers.start(t, "broker", fmt.Sprintf(`{"serviceDomain": "h.test", "config": {
		"mappedFileSizeCommitLog": "16777216", "metricsExporterType": "DISABLE"}, "broker": {"clusterName": "test", "mode": "CONTROLLER",
		"nameServers": ["localhost:9876", "localhost:%s"], "controllers": ["x-0.h.test:9878"], "groups": {"x": {"permission": 6}}}}`, port),
		pair, enforcing, "--default-heap=256m", "--default-direct-memory=128m")
	proxy, _ := servers.start(t, "proxy",
		`{"config": {"metricsExporterType": "DISABLE"}, "proxy": {"clusterName": "test", "nameServers": ["localhost:9876"]}}`,
		pair, enforcing, "--default-heap=128m", "--default-direct-memory=64m")
	agents := []*agentProcess{nameServer, controller, broker, proxy}
	t.Cleanup(func() { // how they stop is for other tests, and takes long
		for _, agent := range agents {
			agent.killJava()
		}
	})
	for _, agent := range agents {
		agent.await(t, "/readyz", http.StatusOK)
	}
	client := servers.client(t, pair)

	t.Run("the broker has become master, and is listed by name servers one step apart", func(t *testing.T) {
		listed(t, client, atNameServer, "x", "x-0.h.test:10911")
		listed(t, client, nameServerPermissive.Addr, "x", "x-0.h.test:10911")
	})
	t.Run("a message goes through the proxy to the broker", func(t *testing.T) { sendsAMessage(t, client) })
	t.Run("whoever shows no certificate of the CA is refused", func(t *testing.T) { servers.refuse(t, key) })
	t.Run("renewed certificates are shown, and a broken one is not", func(t *testing.T) {
		servers.renew(t, key, nameServer, nameServerFiles, brokerFiles)
	})
	t.Run("a broker that offers TLS goes with servers without and with it", func(t *testing.T) {
		servers.takesBoth(t, offered, nameServers...)
	})
}

// secured runs servers with certificates of one CA.
type secured struct {
	ca      *authority
	home    string
	options []string
}

// pair is a certificate of that number, with its key as cert-manager writes one by default.
func (s secured) pair(t *testing.T, key *rsa.PrivateKey, number int64) secretFiles {
	t.Helper()
	return secretFiles{certificate: s.ca.issue(t, key, number, time.Now().Add(time.Hour)), key: pkcs1(t, key), ca: s.ca.PEM}
}

// start an agent whose server opens connections with TLS; one with a certificate to serve asks clients for theirs.
func (s secured) start(t *testing.T, role, settings string, pair secretFiles, flags ...string) (*agentProcess, sandbox) {
	t.Helper()
	box := newSandbox(t, settings)
	mount(t, box.path("tls"), pair)
	box.env = append(box.env, "ROCKETMQ_HOME="+s.home, "JAVA_HOME="+os.Getenv("JAVA_HOME"))
	flags = slices.Concat(flags, s.options, []string{"--tls-dir=" + box.path("tls"), "--tls-secret=pair", "--tls-client"})
	if role != "proxy" {
		flags = append(flags, "--tls-client-auth")
	}
	return box.run(t, role, flags...), box
}

// beside are servers without an agent, on other ports; java is told of TLS what an agent with these flags would tell it.
func (s secured) beside(t *testing.T, flags *tlsFlags) *rocketmq.Servers {
	t.Helper()
	java, err := jvm.Find(t.Context(), os.Getenv("JAVA_HOME"))
	if err != nil {
		t.Fatal(err)
	}
	runtime := rocketmq.Runtime{Home: s.home, Java: java.Path}
	if flags != nil {
		runtime.Flags = s.javaOptions(t, *flags)
	}
	servers := rocketmq.OpenRuntime(t.TempDir(), runtime)
	t.Cleanup(servers.Close)
	return servers
}

func (s secured) javaOptions(t *testing.T, flags tlsFlags) []string {
	t.Helper()
	c := &config{role: settings.Broker, tls: flags, tlsDir: t.TempDir(), runDir: t.TempDir()}
	mount(t, c.tlsDir, s.pair(t, rsaKey(t), 1))
	cert, err := c.certificate(settings.Settings{})
	if err == nil {
		err = os.WriteFile(c.tlsFile(), render.TLSProperties(cert.tls()), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, options := c.tlsOptions(settings.Settings{})
	return options
}

func (s secured) nameServer(t *testing.T, servers *rocketmq.Servers) *rocketmq.Server {
	t.Helper()
	server, err := servers.NameServer()
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// client verifies servers, and shows that pair.
func (s secured) client(t *testing.T, pair secretFiles) *remoting.Client {
	t.Helper()
	config, err := (&certificate{used: pair}).client(false)
	if err != nil {
		t.Fatal(err)
	}
	config.ServerName = "localhost"
	return newClient(t, config)
}

func newClient(t *testing.T, config *tls.Config) *remoting.Client {
	t.Helper()
	client := remoting.NewClient(remoting.Options{TLS: config, Timeout: 10 * time.Second})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// listed waits until a name server lists that master of a group.
func listed(t *testing.T, client *remoting.Client, nameServer, group, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		info, err := admin.New(client).ClusterInfo(ctx, nameServer)
		if err == nil && info.Brokers[group].Addrs[admin.MasterID] == want {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s lists %+v (%v)", nameServer, info, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// sendsAMessage through the proxy, and reads it from the broker.
func sendsAMessage(t *testing.T, client *remoting.Client) {
	const topic, text = "secured", "hello"
	c := admin.New(client)
	if err := c.PutTopic(t.Context(), atBroker, nil, admin.TopicConfig{Name: topic, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, err := client.Invoke(ctx, atProxy, remoting.Request{Code: remoting.SendMessage, Body: []byte(text), Fields: map[string]string{
			"bname": "x", "topic": topic, "queueId": "0", "producerGroup": "test", "defaultTopic": "", "defaultTopicQueueNums": "0", "sysFlag": "0",
			"bornTimestamp": "1", "flag": "0", "properties": "", "reconsumeTimes": "0", "unitMode": "false", "batch": "false",
		}})
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	messages, err := c.ReadMessages(t.Context(), atBroker, topic, 0, 0, 100)
	if err != nil || len(messages) != 1 || string(messages[0].Body) != text {
		t.Errorf("the broker has %+v (%v)", messages, err)
	}
}

// refuse those that have nothing to show, or something else.
func (s secured) refuse(t *testing.T, key *rsa.PrivateKey) {
	stranger := newAuthority(t)
	verified, err := (&certificate{used: secretFiles{ca: s.ca.PEM}}).client(false)
	if err != nil {
		t.Fatal(err)
	}
	verified.ServerName = "localhost"
	unknown := verified.Clone()
	of := secretFiles{certificate: stranger.issue(t, key, 1, time.Now().Add(time.Hour)), key: pkcs1(t, key)}
	pair, err := tls.X509KeyPair(of.certificate, of.key)
	if err != nil {
		t.Fatal(err)
	}
	unknown.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	for name, config := range map[string]*tls.Config{"plain text": nil, "no certificate": verified, "another CA's certificate": unknown} {
		c := admin.New(newClient(t, config))
		_, atNames := c.ClusterInfo(t.Context(), atNameServer)
		_, atControllers := c.ControllerMetadata(t.Context(), atController)
		_, atBrokers := c.HAStatus(t.Context(), atBroker)
		for server, err := range map[string]error{"the name server": atNames, "the controller": atControllers, "the broker": atBrokers} {
			if refusal := new(remoting.ResponseError); err == nil || errors.As(err, &refusal) {
				t.Errorf("%s: %s answers (%v)", name, server, err)
			}
		}
	}
}

// takesBoth plain text and TLS; and the broker has registered at all of these name servers.
func (s secured) takesBoth(t *testing.T, broker *rocketmq.Server, nameServers ...*rocketmq.Server) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := rocketmq.AllReady(ctx, append(nameServers, broker)...); err != nil {
		t.Fatal(err)
	}
	for _, client := range []*remoting.Client{newClient(t, nil), s.client(t, secretFiles{ca: s.ca.PEM})} {
		if _, err := admin.New(client).HAStatus(t.Context(), broker.Addr); err != nil {
			t.Error(err)
		}
	}
}

// renew the certificates of a name server and a broker: with the key that they have, and then with another. The name server is given a
// pair that is none in between.
func (s secured) renew(t *testing.T, key *rsa.PrivateKey, nameServer *agentProcess, nameServerFiles, brokerFiles sandbox) {
	const kept = "the certificate stays as it is: spec.tls.secretName: the Secret \"pair\": tls.key is not the key of the certificate"
	secrets := map[string]string{atNameServer: nameServerFiles.path("tls"), atBroker: brokerFiles.path("tls")}
	give := func(pair secretFiles, servers ...string) {
		for _, server := range servers {
			mount(t, secrets[server], pair)
		}
	}
	shows(t, 1, atNameServer, atBroker)
	give(s.pair(t, key, 2), atNameServer, atBroker)
	shows(t, 2, atNameServer, atBroker)

	other := rsaKey(t)
	broken := s.pair(t, other, 3)
	broken.key = pkcs1(t, key)
	give(broken, atNameServer)
	give(s.pair(t, other, 3), atBroker)
	shows(t, 3, atBroker)
	for deadline := time.Now().Add(time.Minute); !strings.Contains(nameServer.output.String(), kept); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nobody is told of a broken pair")
		}
	}
	shows(t, 2, atNameServer)
	give(s.pair(t, other, 4), atNameServer)
	shows(t, 4, atNameServer)

	if _, err := admin.New(s.client(t, s.pair(t, other, 5))).HAStatus(t.Context(), atBroker); err != nil {
		t.Error(err)
	}
}
