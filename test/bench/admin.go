// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	rounds      = 5
	calls       = 100 // of one round through admin/
	copyTopics  = 10_000
	copyGroups  = 1_000
	byHandCount = 20

	commandBar = 20  // times less wall time and CPU than mqadmin
	callBar    = 100 // times less CPU than mqadmin
	copyBar    = 5 * time.Second
	growthBar  = 64 << 20 // bytes
	scaleLimit = 5 * time.Minute
	// compileTime is what brokers that have just started need to compile what they do all the time.
	compileTime = time.Minute
)

// cost of something that was run.
type cost struct{ wall, cpu time.Duration }

// admin compares the plugin and the packages under it with mqadmin, on the same clusters.
func (b *bench) admin(ctx context.Context) error {
	// Both sides ask for runtime information, for which brokers walk over their timer wheels: with their code compiled as in
	// production, not as the quickstart's for a small machine.
	listed, err := b.launch(ctx, "bench-admin-list", quickstart, ", -XX:TieredStopAtLevel=1", "")
	if err != nil {
		return err
	}
	b.log.Printf("letting the brokers settle for %s", compileTime)
	select {
	case <-time.After(compileTime):
	case <-ctx.Done():
		return ctx.Err()
	}
	missed, err := b.compareClusters(ctx, listed)
	if err != nil {
		return err
	}
	if err := listed.Delete(ctx, deleteLimit); err != nil {
		return errors.Join(missed, err)
	}
	copied, err := b.launch(ctx, "bench-admin-copy", quickstart)
	if err != nil {
		return errors.Join(missed, err)
	}
	alsoMissed, err := b.compareCopies(ctx, copied)
	if err != nil {
		return errors.Join(missed, err)
	}
	return errors.Join(missed, alsoMissed, copied.Delete(ctx, deleteLimit))
}

// compareClusters lists the cluster with the plugin, with mqadmin in a broker's pod, and with the calls that both make.
func (b *bench) compareClusters(ctx context.Context, c *kit.Installation) (missed, err error) {
	plugin, remove, err := buildPlugin(ctx)
	if err != nil {
		return nil, err
	}
	defer remove()
	var byPlugin, byTool, byCall []cost
	for range rounds {
		took, err := runPlugin(ctx, plugin, c.Name)
		if err != nil {
			return nil, err
		}
		byPlugin = append(byPlugin, took)
		if took, err = runMQAdmin(ctx, c, `sh "$ROCKETMQ_HOME/bin/mqadmin" clusterList`); err != nil {
			return nil, err
		}
		byTool = append(byTool, took)
		if took, err = callAdmin(ctx, c); err != nil {
			return nil, err
		}
		byCall = append(byCall, took)
	}
	command, tool, call := middle(byPlugin), middle(byTool), middle(byCall)
	wall, cpu, callCPU := tool.wall.Seconds()/command.wall.Seconds(), tool.cpu.Seconds()/command.cpu.Seconds(), tool.cpu.Seconds()/call.cpu.Seconds()
	fmt.Fprintf(b.out, "\nlist a cluster of %d brokers, median of %d:\n  mqadmin clusterList       %6.2f s, %7.1f ms of CPU\n"+
		"  kubectl rocketmq clusters %6.2f s, %7.1f ms of CPU: %.0f x less time, %.0f x less CPU (bar %d x)\n"+
		"  through admin/            %6.3f s, %7.1f ms of CPU: %.0f x less CPU (bar %d x)\n", groups*groupMembers, rounds,
		tool.wall.Seconds(), milliseconds(tool.cpu), command.wall.Seconds(), milliseconds(command.cpu), wall, cpu, commandBar,
		call.wall.Seconds(), milliseconds(call.cpu), callCPU, callBar)
	if min(wall, cpu) < commandBar || callCPU < callBar {
		missed = errors.New("listing a cluster costs too much")
	}
	return missed, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func middle(all []cost) cost {
	var walls, cpus []time.Duration
	for _, c := range all {
		walls, cpus = append(walls, c.wall), append(cpus, c.cpu)
	}
	return cost{median(walls), median(cpus)}
}

func buildPlugin(ctx context.Context) (path string, remove func(), err error) {
	root, err := kit.Root()
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "kubectl-rocketmq")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/kubectl-rocketmq")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("build the plugin: %w: %s", err, out)
	}
	return path, func() { _ = os.RemoveAll(dir) }, nil
}

func runPlugin(ctx context.Context, path, namespace string) (cost, error) {
	command := exec.CommandContext(ctx, path, "clusters", "-n", namespace)
	began := time.Now()
	out, err := command.CombinedOutput()
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w: %s", command, err, out)
	}
	return cost{time.Since(began), command.ProcessState.UserTime() + command.ProcessState.SystemTime()}, nil
}

// childTimes is the second line that the shell's times prints: the CPU of the processes it waited for.
var childTimes = regexp.MustCompile(`(?m)^(\d+)m([\d.]+)s (\d+)m([\d.]+)s\s*\z`)

// runMQAdmin runs a script that calls mqadmin in a broker's pod.
func runMQAdmin(ctx context.Context, c *kit.Installation, script string) (cost, error) {
	began := time.Now()
	out, err := c.Exec(ctx, c.Member(0, 0), kit.RocketMQContainer, "sh", "-c", "set -e; "+script+"; times")
	if err != nil {
		return cost{}, err
	}
	took := cost{wall: time.Since(began)}
	fields := childTimes.FindStringSubmatch(out)
	if fields == nil {
		return cost{}, fmt.Errorf("no CPU time in %q", out)
	}
	for i := 1; i < len(fields); i += 2 {
		d, err := time.ParseDuration(fields[i] + "m" + fields[i+1] + "s")
		if err != nil {
			return cost{}, err
		}
		took.cpu += d
	}
	return took, nil
}

// callAdmin makes the requests of clusterList again and again, and tells what one round costs.
func callAdmin(ctx context.Context, c *kit.Installation) (cost, error) {
	before, began := cpuTime(), time.Now()
	for range calls {
		info, err := c.ClusterInfo(ctx, c.NameServers(1)[0])
		if err != nil {
			return cost{}, err
		}
		for _, group := range info.Brokers {
			for _, addr := range group.Addrs {
				if _, err := c.Admin.BrokerRuntimeInfo(ctx, addr); err != nil {
					return cost{}, err
				}
			}
		}
	}
	return cost{time.Since(began) / calls, (cpuTime() - before) / calls}, nil
}

// cpuTime that this process has used.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// compareCopies copies the metadata of one group to another, by the functions that the operator uses, then lets the
// operator itself make a new group, and makes some topics with mqadmin.
func (b *bench) compareCopies(ctx context.Context, c *kit.Installation) (missed, err error) {
	idle, err := b.memory(ctx)
	if err != nil {
		return nil, err
	}
	from, to, err := masters(ctx, c)
	if err != nil {
		return nil, err
	}
	b.log.Printf("making %d topics, %d consumer groups and %d offsets", copyTopics, copyGroups, copyTopics)
	if err := makeTables(ctx, c, from.Addr); err != nil {
		return nil, err
	}
	names, offsets, err := copyTables(ctx, c.Admin, from, to)
	if err != nil {
		return nil, err
	}
	byHand, err := runMQAdmin(ctx, c, fmt.Sprintf(`i=0; while [ $i -lt %d ]; do sh "$ROCKETMQ_HOME/bin/mqadmin" updateTopic -b 127.0.0.1:10911 -t by-hand-$i -r 1 -w 1 >/dev/null; `+
		`i=$((i+1)); done`, byHandCount))
	if err != nil {
		return nil, err
	}
	most, took, err := b.scaleOut(ctx, c)
	if err != nil {
		return nil, err
	}
	growth := most - idle
	fmt.Fprintf(b.out, "\ncopy to another group:\n  %d topics and %d consumer groups   %6.1f s (bar %.0f s)\n  %d offsets                            %6.1f s (bar %.0f s)\n"+
		"  mqadmin: %d topics                    %6.1f s, so %d would take %.1f h\n"+
		"  operator, from scale to open group: %.1f s; its memory grew by %.1f MiB to %.1f MiB (bar %d MiB more)\n",
		copyTopics, copyGroups, names.Seconds(), copyBar.Seconds(), copyTopics, offsets.Seconds(), copyBar.Seconds(),
		byHandCount, byHand.wall.Seconds(), copyTopics, byHand.wall.Hours()/byHandCount*copyTopics,
		took.Seconds(), growth/(1<<20), most/(1<<20), growthBar>>20)
	if names > copyBar || offsets > copyBar || growth > growthBar {
		missed = errors.New("copying metadata costs too much")
	}
	return missed, nil
}

// masters of the first two groups.
func masters(ctx context.Context, c *kit.Installation) (from, to metadata.Broker, err error) {
	var found []metadata.Broker
	for group := range groups {
		pod, err := c.Master(ctx, group)
		if err != nil {
			return from, to, err
		}
		found = append(found, metadata.Broker{Addr: pod + "." + c.Name + ":10911", Cluster: c.Broker, Group: c.Group(group)})
	}
	return found[0], found[1], nil
}

func makeTables(ctx context.Context, c *kit.Installation, broker string) error {
	var topics []admin.TopicConfig
	var consumers []admin.SubscriptionGroup
	var offsets []admin.ConsumerOffset
	for i := range copyGroups {
		consumers = append(consumers, admin.NewSubscriptionGroup(fmt.Sprintf("group-%04d", i)))
	}
	for i := range copyTopics {
		name := fmt.Sprintf("topic-%05d", i)
		topics = append(topics, admin.TopicConfig{Name: name, ReadQueues: 1, WriteQueues: 1, Perm: admin.PermRead | admin.PermWrite,
			Attributes: map[string]string{"message.type": "NORMAL"}})
		offsets = append(offsets, admin.ConsumerOffset{Topic: name, Group: consumers[i%copyGroups].Name})
	}
	if _, err := c.Admin.PutGroups(ctx, broker, nil, consumers); err != nil {
		return err
	}
	if _, err := c.Admin.PutTopics(ctx, broker, nil, topics); err != nil {
		return err
	}
	_, err := c.Admin.PutOffsets(ctx, broker, offsets)
	return err
}

// copyTables times topics and groups apart from offsets; both include reading and comparing.
func copyTables(ctx context.Context, c *admin.Client, from, to metadata.Broker) (names, offsets time.Duration, err error) {
	part := func(choose func(*metadata.Plan)) (time.Duration, error) {
		began := time.Now()
		source, err := metadata.Read(ctx, c, from)
		if err != nil {
			return 0, err
		}
		target, err := metadata.Read(ctx, c, to)
		if err != nil {
			return 0, err
		}
		plan := metadata.ForNewGroup(source, target, nil)
		choose(&plan)
		if plan.Empty() {
			return 0, errors.New("there was nothing to copy")
		}
		err = plan.Apply(ctx, c, to.Addr, target, metadata.Limits{})
		return time.Since(began), err
	}
	if names, err = part(func(p *metadata.Plan) { p.Offsets = nil }); err != nil {
		return 0, 0, err
	}
	offsets, err = part(func(p *metadata.Plan) {
		if len(p.Topics)+len(p.Groups) > 0 {
			p.Offsets = nil // not all was taken: then there is nothing to time
		}
	})
	return names, offsets, err
}

// scaleOut adds a group, and tells how much memory the operator needed at most until it was open.
func (b *bench) scaleOut(ctx context.Context, c *kit.Installation) (most float64, took time.Duration, err error) {
	began := time.Now()
	if _, err := b.place.Kubectl(ctx, "-n", c.Name, "scale", "broker", c.Broker, fmt.Sprintf("--replicas=%d", groups+1)); err != nil {
		return 0, 0, err
	}
	var said string
	err = c.Await(ctx, "the new group to be open", scaleLimit, func(ctx context.Context) error {
		memory, err := b.memory(ctx)
		if err != nil {
			return err
		}
		most = max(most, memory)
		broker, err := c.Status(ctx)
		if err != nil {
			return err
		}
		for _, condition := range broker.Status.Conditions {
			if condition.Type == "MetadataCopy" && condition.Message != said {
				said = condition.Message
				b.log.Printf("%s", said)
			}
		}
		if all := broker.Status.Groups; len(all) != groups+1 || all[groups].State != "open" {
			return fmt.Errorf("groups %s", strings.TrimSpace(broker.Status.Masters))
		}
		return nil
	})
	return most, time.Since(began), err
}
