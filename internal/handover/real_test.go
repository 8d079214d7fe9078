// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/test/rocketmq"
)

// TestRealMaster hands over a real master, the only one there is, while delayed messages come due, timers run out, transactions
// end, and consumers work off a backlog by POP: messages are refused for a moment, and none that was acknowledged is lost.
func TestRealMaster(t *testing.T) {
	t.Parallel()
	const (
		settled = 15 * time.Second // of load before, and after
		// mostRefusedHere allows for a machine that does something else as well.
		mostRefusedHere = 3 * time.Second
		backlog         = "--messages=16000"
	)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	g := startGroup(ctx, t, nil)
	program := buildLedger(ctx, t)
	rate := 500
	if text := os.Getenv("HANDOVER_RATE"); text != "" { // of delayed messages a second
		rate, _ = strconv.Atoi(text)
	}
	var ledgers []*ledgerProcess
	begin := func(name string, args ...string) {
		ledgers = append(ledgers, program.start(t, name, g.nameServer.Addr, args...))
	}
	begin("backlog", "--only=produce", "--run=backlog", backlog, "--rate=4000")
	ledgers[0].wait(t)
	begin("delayed", "--delay-level=3", fmt.Sprintf("--rate=%d", rate), "--producers=8")
	begin("timer", "--delay=8s", "--rate=60")
	begin("transaction", "--transactions", "--rate=40")
	begin("ordered", "--ordered", "--rate=60")
	begin("pop", "--pop", "--rate=60")
	time.Sleep(settled)
	ledgers = append(ledgers, program.start(t, "backlog", g.nameServer.Addr, "--only=consume", "--run=backlog", backlog, "--pop", "--rate=800", "--invisible=20s"))
	time.Sleep(time.Second)

	log, err := g.handOver(ctx)
	t.Log("\n" + strings.Join(log, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	g.master.Stop(ctx)
	refused := regexp.MustCompile(`after ([0-9.]+)s without messages`).FindStringSubmatch(strings.Join(log, "\n"))
	if refused == nil {
		t.Fatal("the log does not tell how long messages were refused")
	}
	if seconds, err := strconv.ParseFloat(refused[1], 64); err != nil || seconds > mostRefusedHere.Seconds() {
		t.Errorf("messages were refused for %s s (%v)", refused[1], err)
	}
	if !said(log, "nothing of a client's was stored after") {
		t.Error("the log does not say that nothing of a client's is lost")
	}
	time.Sleep(settled)
	for _, l := range ledgers[1:] {
		l.end(t)
	}
	for _, l := range ledgers[1:] {
		v := l.wait(t)
		t.Logf("%-12s %+v", l.name, v)
		if v.Acked == 0 || v.Lost != 0 || v.Unwanted != 0 || v.Early != 0 {
			t.Errorf("%s: %+v; want none lost, none too early, none that was rolled back", l.name, v)
		}
	}
}

// group is a real one: a name server, a controller, and two brokers of which one is master.
type group struct {
	servers       *rocketmq.Servers
	admin         *admin.Client
	secured       bool
	nameServer    *rocketmq.Server
	controllers   []*rocketmq.Server
	master, slave *rocketmq.Server
}

func startGroup(ctx context.Context, t *testing.T, more map[string]string) *group {
	t.Helper()
	g := &group{servers: rocketmq.New(t)}
	g.admin = g.servers.Admin
	properties := map[string]string{
		"timerWheelEnable": "true", "maxMessageSize": "65536", // each thread that stores keeps such a buffer
		"transactionCheckInterval": "2000", "transactionTimeOut": "1000",
	}
	maps.Copy(properties, more)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	g.nameServer, err = g.servers.NameServer()
	must(err)
	g.controllers, err = g.servers.Controllers(1)
	must(err)
	must(rocketmq.AllReady(ctx, g.nameServer, g.controllers[0]))
	for _, into := range []**rocketmq.Server{&g.master, &g.slave} {
		*into, err = g.servers.Broker(rocketmq.Broker{
			Cluster: "c", Name: "a", NameServers: []*rocketmq.Server{g.nameServer}, Controllers: g.controllers,
			Properties: properties,
			Flags:      []string{"-Xms384m", "-Xmx384m", "-XX:MaxDirectMemorySize=256m"},
		})
		must(err)
		must((*into).Ready(ctx))
	}
	for {
		states, err := g.servers.Admin.SyncStateData(ctx, g.controllers[0].Addr, "a")
		must(err)
		if state := states["a"]; len(state.InSync) == 2 {
			if state.MasterAddr == g.slave.Addr {
				g.master, g.slave = g.slave, g.master
			}
			return g
		}
		must(sleep(ctx, slowPoll))
	}
}

func (g *group) handOver(ctx context.Context) (log []string, err error) {
	began := time.Now()
	err = Master{
		Admin: g.admin, Tell: g.secured, Addr: g.master.Addr, Address: g.master.Addr, Cluster: "c", Group: "a", Mode: settings.ControllerMode,
		NameServers: []string{g.nameServer.Addr}, Controllers: []string{g.controllers[0].Addr}, Drain: 35 * time.Second,
		Until:    func() time.Time { return began.Add(wholeTime) },
		Stopping: func(context.Context, string) bool { return false },
		Log:      func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) },
	}.Run(ctx)
	return log, err
}

// ledgerProgram is test/ledger.
type ledgerProgram struct {
	path string
	env  []string
}

func buildLedger(ctx context.Context, t *testing.T) ledgerProgram {
	t.Helper()
	out := filepath.Join(t.TempDir(), "ledger")
	cmd := exec.CommandContext(ctx, "go", "build", "-C", "../../test/ledger", "-o", out, ".")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the ledger: %v\n%s", err, text)
	}
	return ledgerProgram{path: out}
}

// ledgerProcess is one running ledger, with a topic of its own.
type ledgerProcess struct {
	name  string
	cmd   *exec.Cmd
	out   bytes.Buffer
	said  lastLines
	ended chan struct{}
}

// verdict is what is asked of a ledger's.
type verdict struct {
	Acked, Received, Duplicates, Disordered, Lost, Early, Unwanted, RolledBack, SendErrors int
	LongestGapMillis, LongestLateMillis                                                    int64
	LostMessages                                                                           []map[string]any
}

func (p ledgerProgram) start(t *testing.T, topic, nameServer string, args ...string) *ledgerProcess {
	t.Helper()
	l := &ledgerProcess{name: topic, ended: make(chan struct{})}
	args = append([]string{"--name-servers=" + nameServer, "--topic=" + topic, "--group=" + topic, "--create-topic",
		"--duration=10m", "--poll=1s", "--drain=90s"}, args...)
	l.cmd = exec.Command(p.path, args...)
	l.cmd.Env = append(os.Environ(), p.env...)
	l.cmd.Stdout, l.cmd.Stderr = &l.out, &l.said
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(l.ended)
		_ = l.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = l.cmd.Process.Kill() // it may have ended
		<-l.ended
		if t.Failed() {
			t.Logf("%s said at last:\n%s", l.name, l.said.String())
		}
	})
	return l
}

func (l *ledgerProcess) end(t *testing.T) {
	t.Helper()
	select {
	case <-l.ended:
	default:
		if err := l.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
}

func (l *ledgerProcess) wait(t *testing.T) verdict {
	t.Helper()
	select {
	case <-l.ended:
	case <-time.After(4 * time.Minute):
		t.Fatalf("the ledger of %s does not end", l.name)
	}
	var v verdict
	if err := json.Unmarshal(l.out.Bytes(), &v); err != nil {
		t.Fatalf("the ledger of %s has no verdict: %v\n%s", l.name, err, l.said.String())
	}
	return v
}

// lastLines keeps the end of what is written.
type lastLines struct {
	mu   sync.Mutex
	text []byte
}

func (l *lastLines) Write(b []byte) (int, error) {
	const most = 2 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	l.text = l.text[max(0, len(l.text)-most):]
	return len(b), nil
}

func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
