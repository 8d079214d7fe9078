// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary be the ledger, so that the tests run the program as it is, signals included.
const asProgram = "LEDGER_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// The messages of a healthy broker all come back, from a topic that is created and from one that creates itself, and
// with producing and consuming apart.
func TestHealthyBroker(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 0)
	for _, args := range []string{"--topic created --create-topic --ordered", "--topic automatic"} {
		p := startLedger(t, c, append(strings.Fields(args), "--messages", "1000", "--group", "healthy", "--producers", "8")...)
		v := p.wait(t)
		if v.Acked != 1000 || v.Received < 1000 || v.Lost != 0 {
			t.Errorf("%s: %+v; want 1000 acknowledged and received", args, v)
		}
		if v.Disordered != 0 {
			t.Errorf("%s: %d messages came after later ones", args, v.Disordered)
		}
		if v.Groups["b-0"].Acked != 1000 || p.code != 0 {
			t.Errorf("%s: groups %+v, exit status %d; want all from b-0, 0", args, v.Groups, p.code)
		}
	}
	// The consumer leaves nothing that comes, counted on or not.
	sent := startLedger(t, c, "--only=produce", "--run=apart", "--messages=100", "--topic=apart").wait(t)
	came := startLedger(t, c, "--topic=apart", "--only=consume", "--run=apart", fmt.Sprintf("--messages=%d", sent.Acked-10), "--duration=60s").wait(t)
	if sent.Acked != 100 || sent.Received != 0 || came.Received != 100 || came.Lost != 0 {
		t.Errorf("apart: sent %+v, came %+v; want 100 each", sent, came)
	}
}

// A broker that is killed and comes back costs send errors and a gap, which the verdict shows, and no message.
func TestKilledBroker(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 1)
	p := startLedger(t, c, "--topic=killed", "--create-topic", "--duration=10m", "--rate=200", "--poll=1s", "--drain=90s")
	p.awaitAcked(t, 400)
	c.broker.kill(t)
	down := time.Now()
	time.Sleep(2 * time.Second)
	// A send that was under way is sent again after 3 s without an answer, and finds a broker that is back so soon.
	p.await(t, "a send error", func() bool { _, sendErrors := p.progress(); return sendErrors > 0 })
	c.startBroker(t)
	before, _ := p.progress()
	p.awaitAcked(t, before+400)
	outage := time.Since(down)
	p.end(t)
	v := p.wait(t)
	if v.Acked < 800 || v.Lost != 0 || v.SendErrors == 0 || v.LastSendError == "" || p.code != 0 {
		t.Errorf("%+v, exit status %d; want 800 or more acknowledged, none lost, some send errors, 0", v, p.code)
	}
	if gap := v.Groups["b-0"].LongestGapMillis; gap < 2000 || gap > outage.Milliseconds() || v.LongestGapMillis < gap {
		t.Errorf("gap of the group %d ms, of all %d ms; want 2000 to %d", gap, v.LongestGapMillis, outage.Milliseconds())
	}
}

// Messages that do not come back are lost: here, because their broker is gone for good.
func TestLostMessages(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 2)
	sent := startLedger(t, c, "--topic=lost", "--only=produce", "--run=lost", "--messages=10").wait(t)
	p := startLedger(t, c, "--topic=lost", "--only=consume", "--run=lost", "--messages=11", "--duration=3m")
	p.await(t, "10 messages", func() bool { return strings.Contains(p.stderr.String(), "received 10\n") })
	p.end(t)
	if v := p.wait(t); sent.Acked != 10 || v.Received != 10 || v.Lost != 1 || p.code != 1 {
		t.Errorf("%+v, exit status %d; want 1 of 11 lost, 1", v, p.code)
	}
	c.broker.kill(t)
	p = startLedger(t, c, "--topic=lost", "--messages=1", "--wait=3s")
	if v := p.wait(t); v.Acked != 0 || v.Lost != 0 || p.code != 1 {
		t.Errorf("without a broker: %+v, exit status %d; want nothing acknowledged, 1", v, p.code)
	}
}

// Every kind of message comes when it must, and is consumed by push and by POP.
func TestKinds(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, "timerWheelEnable=true", "transactionCheckInterval=2000", "transactionTimeOut=1000",
		"maxMessageSize=65536") // of which every thread that stores keeps a buffer, and POP has many
	var programs []*program
	kinds := []string{"--delay-level=1", "--delay=3s", "--transactions", "--pop", "--pop --delay=3s", "--pop --delay-level=2", "--pop --transactions"}
	for i, kind := range kinds {
		topic := fmt.Sprintf("kind-%d", i)
		args := append(strings.Fields(kind), "--topic="+topic, "--group="+topic, "--create-topic", "--messages=300", "--rate=100", "--drain=2m")
		programs = append(programs, startLedger(t, c, args...))
	}
	for i, p := range programs {
		v := p.wait(t)
		transactions := strings.Contains(kinds[i], "transactions")
		if p.code != 0 || v.Acked != 300 || v.Lost+v.Early+v.Unwanted != 0 || (v.RolledBack > 20) != transactions {
			t.Errorf("%s: %+v, exit status %d; want 300 acknowledged, all received, none too early", kinds[i], v, p.code)
		}
		if held := strings.Contains(kinds[i], "delay"); held && (v.FirstReceivedMillis-v.FirstAckedMillis < 0 || v.LongestLateMillis == 0) {
			t.Errorf("%s: %+v; want messages held back", kinds[i], v)
		}
	}
}

// testLimit bounds what a test waits for.
const testLimit = 5 * time.Minute

// cluster is a name server and one broker, b-0, on loopback.
type cluster struct {
	home, dir  string
	nameServer string
	brokerPort int
	properties []string // of the broker, key=value, over the others
	broker     *server
}

// startCluster starts the n-th of the clusters that run at the same time.
func startCluster(t *testing.T, n int, properties ...string) *cluster {
	t.Helper()
	c := &cluster{home: rocketmqHome(t), dir: t.TempDir(), properties: properties}
	ports := freePorts(t, n)
	c.nameServer, c.brokerPort = fmt.Sprintf("127.0.0.1:%d", ports), ports+3
	startServer(t, c, "mqnamesrv", "-Xmx96m", fmt.Sprintf("listenPort=%d\n", ports))
	awaitPort(t, c.nameServer)
	c.startBroker(t)
	return c
}

func (c *cluster) startBroker(t *testing.T) {
	t.Helper()
	c.broker = startServer(t, c, "mqbroker", "-Xmx256m -XX:MaxDirectMemorySize=128m", fmt.Sprintf(`
brokerClusterName=c
brokerName=b-0
brokerId=0
brokerIP1=127.0.0.1
listenPort=%d
haListenPort=%d
namesrvAddr=%s
mappedFileSizeCommitLog=16777216
mappedFileSizeConsumeQueue=60000
maxHashSlotNum=10000
maxIndexNum=40000
timerWheelEnable=false
transactionMetricFlushInterval=1000
diskMaxUsedSpaceRatio=95
waitTimeMillsInSendQueue=10000
%s
`, c.brokerPort, c.brokerPort+1, c.nameServer, strings.Join(c.properties, "\n")))
}

// rocketmqHome lets test/images make a RocketMQ that runs here.
func rocketmqHome(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "run", "./test/images", "rocketmq-home", "5.4.0")
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("make a ROCKETMQ_HOME: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// freePorts returns the first of five ports nobody listens on: name server, fast port, (gap), broker, replication. The
// n-th cluster looks elsewhere than the others, which may not listen yet.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	const each = 2000
	from := 20000 + os.Getpid()%each + n*each
	for first := from; first < from+each; first += 5 {
		free := true
		for port := first; port < first+5 && free; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free {
			return first
		}
	}
	t.Fatal("no five free ports")
	return 0
}

func awaitPort(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(testLimit); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return
		}
	}
	t.Fatalf("nobody listens on %s after %v", address, testLimit)
}

// server is a process of RocketMQ.
type server struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// startServer runs one of the scripts in the home's bin until the test ends.
func startServer(t *testing.T, c *cluster, script, memory, config string) *server {
	t.Helper()
	file, log := filepath.Join(c.dir, script+".conf"), filepath.Join(c.dir, script+".log")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	s := &server{cmd: exec.Command(filepath.Join(c.home, "bin", script), "-c", file), done: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), "HOME="+c.dir, "ROCKETMQ_HOME="+c.home, "NAMESRV_ADDR=", "JAVA_OPT=",
		"JAVA_OPT_EXT=-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dtls.server.mode=disabled", "HEAP_OPTS="+memory)
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // killed by us
	}()
	t.Cleanup(func() { s.kill(t) })
	return s
}

func (s *server) kill(t *testing.T) {
	t.Helper()
	_ = s.cmd.Process.Kill() // it may have ended
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
		t.Errorf("%s does not end after SIGKILL", s.cmd.Path)
	}
}

// program is a running ledger.
type program struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr progressLog
	done   chan struct{}
	code   int
}

func startLedger(t *testing.T, c *cluster, args ...string) *program {
	t.Helper()
	p := &program{done: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0], append([]string{"--wait=3m"}, args...)...)
	p.cmd.Env = append(os.Environ(), asProgram+"=1", "NAMESRV_ADDR="+c.nameServer)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
		p.code = p.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s: %s", strings.Join(args, " "), p.stderr.String())
		}
	})
	return p
}

// end lets a program come to its verdict.
func (p *program) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// wait returns the verdict of a program that ends by itself.
func (p *program) wait(t *testing.T) verdict {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(testLimit):
		t.Fatalf("the ledger has not ended after %v", testLimit)
	}
	var v verdict
	if err := json.Unmarshal(p.stdout.Bytes(), &v); err != nil {
		t.Fatalf("stdout is not one verdict: %v\n%s", err, p.stdout.Bytes())
	}
	return v
}

// progress is what the last line of progress says.
func (p *program) progress() (acked, sendErrors int) {
	for line := range strings.Lines(p.stderr.String()) {
		var seconds float64
		var a, received, missing, e int
		if _, err := fmt.Sscanf(line, "ledger %fs acked %d received %d missing %d send errors %d", &seconds, &a, &received, &missing, &e); err == nil {
			acked, sendErrors = a, e
		}
	}
	return acked, sendErrors
}

func (p *program) await(t *testing.T, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testLimit); !there(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no sign of %s after %v", what, testLimit)
		}
	}
}

func (p *program) awaitAcked(t *testing.T, n int) {
	t.Helper()
	p.await(t, fmt.Sprintf("%d acknowledged messages", n), func() bool { acked, _ := p.progress(); return acked >= n })
}

// progressLog is a buffer that can be read while the program writes.
type progressLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *progressLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *progressLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
