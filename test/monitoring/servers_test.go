// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

const startLimit = 3 * time.Minute // on a starved machine

// servers are real: a name server, two controllers, and a broker group of two that acknowledges what both members have.
type servers struct {
	*testing.T
	namespace     string
	rocketmq      *rocketmq.Servers
	nameServer    *rocketmq.Server
	controllers   []*rocketmq.Server
	master, slave *rocketmq.Server
	ledger        string // the program that sends and consumes
	consumers     map[string]*exec.Cmd
}

func startServers(t *testing.T, namespace string) *servers {
	t.Helper()
	s := &servers{T: t, namespace: namespace, rocketmq: rocketmq.New(t), consumers: map[string]*exec.Cmd{}}
	s.rocketmq.Metrics = true
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	var err error
	if s.nameServer, err = s.rocketmq.NameServer(); err != nil {
		t.Fatal(err)
	}
	if s.controllers, err = s.rocketmq.Controllers(2); err != nil {
		t.Fatal(err)
	}
	s.ledger = filepath.Join(t.TempDir(), "ledger")
	if out, err := exec.CommandContext(ctx, "go", "build", "-C", root+"/test/ledger", "-o", s.ledger, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the ledger: %v\n%s", err, out)
	}
	s.ready(ctx, append(s.controllers, s.nameServer)...)
	group := rocketmq.Broker{
		Cluster: "shop", Name: "shop-0", NameServers: []*rocketmq.Server{s.nameServer}, Controllers: s.controllers,
		Properties: map[string]string{"inSyncReplicas": "2"},
	}
	for _, member := range []**rocketmq.Server{&s.master, &s.slave} {
		if *member, err = s.rocketmq.Broker(group); err != nil {
			t.Fatal(err)
		}
		s.ready(ctx, *member)
	}
	return s
}

func (s *servers) ready(ctx context.Context, servers ...*rocketmq.Server) {
	s.Helper()
	if err := rocketmq.AllReady(ctx, servers...); err != nil {
		s.Fatal(err)
	}
}

func (s *servers) targets() []target {
	return []target{
		{"shop-broker", s.namespace, "shop-0-0", s.master.MetricsAddr},
		{"shop-broker", s.namespace, "shop-0-1", s.slave.MetricsAddr},
		{"shop-controller", s.namespace, "ctl-0", s.controllers[0].MetricsAddr},
		{"shop-controller", s.namespace, "ctl-1", s.controllers[1].MetricsAddr},
	}
}

// work: somebody sends orders, and two groups consume them.
func (s *servers) work() {
	s.Helper()
	for _, group := range []string{"billing", "mailing"} {
		s.consumers[group] = s.run("--only=consume", "--group="+group)
	}
	s.run("--only=produce", "--rate=200")
}

func (s *servers) run(args ...string) *exec.Cmd {
	s.Helper()
	var said bytes.Buffer
	args = append(args, "--name-servers="+s.nameServer.Addr, "--topic=orders", "--run=story", "--duration=30m", "--poll=1s")
	cmd := exec.Command(s.ledger, args...)
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		if s.Failed() {
			s.Logf("%q said: %s", args, said.Bytes()[max(0, said.Len()-2000):])
		}
	})
	return cmd
}

// fail in every way that clients can make brokers tell, and say what must fire then.
func (s *servers) fail() []string {
	s.Helper()
	s.signal("billing", syscall.SIGSTOP) // it stays connected
	s.signal("mailing", syscall.SIGKILL)
	s.giveUp("billing")
	return []string{
		"RocketMQConsumerLagGrows cluster=shop consumer_group=billing namespace=mq topic=orders",
		"RocketMQConsumersGone cluster=shop consumer_group=mailing namespace=mq",
		"RocketMQDeadLetters cluster=shop consumer_group=billing namespace=mq topic=orders",
	}
}

func (s *servers) signal(group string, signal os.Signal) {
	s.Helper()
	if err := s.consumers[group].Process.Signal(signal); err != nil {
		s.Fatal(err)
	}
}

// giveUp the first message of the broker for a group, as a consumer does whose attempts are used up
// (AbstractSendMessageProcessor.consumerSendMsgBack: a negative delayLevel means the dead letter queue).
func (s *servers) giveUp(group string) {
	s.Helper()
	client := remoting.NewClient(remoting.Options{})
	defer client.Close()
	const consumerSendMsgBack remoting.RequestCode = 36
	_, err := client.Invoke(s.Context(), s.master.Addr, remoting.Request{Code: consumerSendMsgBack, Fields: map[string]string{
		"offset": "0", "group": group, "delayLevel": "-1", "originTopic": "orders", "unitMode": "false", "maxReconsumeTimes": "0",
	}})
	if err != nil {
		s.Fatal(err)
	}
}

// loseSlave: no message is acknowledged any more.
func (s *servers) loseSlave() {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	s.slave.Stop(ctx)
}

// loseLeader and with it the majority of the controllers.
func (s *servers) loseLeader() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	s.controllers[0].Stop(ctx)
}
