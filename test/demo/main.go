// SPDX-License-Identifier: Apache-2.0

// Command demo shows the operator at work: it starts a Kubernetes of three nodes on this machine (or uses the cluster
// of $KUBECONFIG), installs the operator, applies examples/cluster, passes messages through it, and kills a master.
//
//	go run ./test/demo          show it, and leave it running
//	go run ./test/demo -write   the same, and write how long it took into docs/measured.md
//	go run ./test/demo down     remove it
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
	"github.com/rocketmq-operator/rocketmq-operator/test/measured"
)

const (
	namespace = "rocketmq-demo"
	example   = "examples/cluster"
	name      = "shop" // of the RocketMQCluster there
	messages  = 1000

	nameServers  = 3
	groups       = 2
	groupMembers = 2

	readyLimit    = 8 * time.Minute // twelve servers, two cores
	failoverLimit = 2 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	log := kit.NewLog(os.Stdout)
	err := run(ctx, log, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, log *kit.Log, args []string) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	write := flags.Bool("write", false, "write how long it took into docs/measured.md")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case flags.NArg() == 0:
		return show(ctx, log, *write)
	case flags.NArg() == 1 && flags.Arg(0) == "down":
		return remove(ctx, log)
	}
	return errors.New("usage: go run ./test/demo [-write] | down")
}

func show(ctx context.Context, log *kit.Log, write bool) error {
	d := &demo{log: log}
	steps := []step{
		{"a Kubernetes on this machine, and the images", 8 * time.Minute, 20 * time.Second, d.provision},
		{"the operator", 5 * time.Second, 5 * time.Second, d.install},
		{"a whole RocketMQ cluster", 40 * time.Second, 30 * time.Second, d.start},
		{"a look at it", 5 * time.Second, 5 * time.Second, d.look},
		{"messages through it", 10 * time.Second, 10 * time.Second, d.send},
		{"the loss of a master", 15 * time.Second, 15 * time.Second, d.killMaster},
	}
	first := !kit.Built()
	took, err := carryOut(ctx, log, steps, first)
	if err != nil {
		return err
	}
	text := table(steps, took, first)
	fmt.Print("\n", text)
	d.farewell()
	if !write {
		return nil
	}

	root, err := kit.Root()
	if err != nil {
		return err
	}
	command := "make demo"
	if first {
		command += ", for the first time"
	}
	return measured.Write(root, measured.Measurement{Command: command, Printed: text, When: time.Now()})
}

// demo is the demo's cluster; its methods are the demo's steps.
type demo struct {
	log     *kit.Log
	place   *kit.Place
	cluster *kit.Cluster
	c       *kit.Installation
	// endpoints that clients use.
	endpoints v1alpha1.ClusterEndpoints
}

func (d *demo) provision(ctx context.Context) (err error) {
	if d.place, err = kit.Provision(ctx, d.log); err != nil {
		return err
	}
	d.cluster, err = kit.Connect()
	return err
}

func (d *demo) install(ctx context.Context) error {
	if _, err := d.place.InstallOperator(ctx, d.cluster); err != nil {
		return err
	}
	d.log.Printf("namespace %s, which admits only pods without privileges", namespace)
	n, err := d.cluster.CreateNamespace(ctx, namespace, kit.Restricted, d.log)
	if err != nil {
		return fmt.Errorf("%w (go run ./test/demo down removes an earlier demo)", err)
	}
	d.c, err = n.InstallationOf(example)
	return err
}

func (d *demo) start(ctx context.Context) error {
	edits, err := d.dashboard(ctx)
	if err != nil {
		return err
	}
	d.c.Log.Printf("kubectl apply -n %s -f %s", namespace, example)
	applied := time.Now()
	if err := d.c.ApplyPath(ctx, example, edits...); err != nil {
		return err
	}
	if err := d.c.AwaitReadyAloud(ctx, readyLimit); err != nil {
		return err
	}
	if err := d.c.AwaitRegistered(ctx, d.c.NameServers(nameServers), d.c.Topology(groups, groupMembers), time.Minute); err != nil {
		return err
	}
	d.c.Log.Printf("everything is Ready %.0f s after kubectl apply", time.Since(applied).Seconds())
	var cluster v1alpha1.RocketMQCluster
	if err := d.c.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &cluster); err != nil {
		return err
	}
	d.endpoints = cluster.Status.Endpoints
	return nil
}

// dashboard is the change to the example that gives it a dashboard whose image can be had: here that is a stand-in of our own,
// elsewhere the official one can be pulled.
func (d *demo) dashboard(ctx context.Context) ([]string, error) {
	if !d.place.Local {
		return nil, nil
	}
	tools, err := d.place.LoadTools(ctx)
	if err != nil {
		return nil, err
	}
	d.c.Log.Printf("the dashboard is %s: no registry is needed for it", tools.Dashboard)
	return []string{"console: {}", "console: {image: " + tools.Dashboard + "}"}, nil
}

func (d *demo) look(ctx context.Context) error {
	for _, what := range []string{"pods", "rocketmq"} {
		if err := d.kubectlGet(ctx, what); err != nil {
			return err
		}
	}
	list, err := d.c.ClusterList(ctx, d.c.Member(0, 0))
	if err != nil {
		return err
	}
	d.c.Log.Printf("mqadmin clusterList, in pod %s (BID 0 is a master):", d.c.Member(0, 0))
	d.c.Log.Block(list)
	return nil
}

func (d *demo) kubectlGet(ctx context.Context, what string) error {
	out, err := d.place.Kubectl(ctx, "get", "-n", namespace, what)
	if err != nil {
		return err
	}
	d.c.Log.Printf("kubectl get -n %s %s:", namespace, what)
	d.c.Log.Block(out)
	return nil
}

func (d *demo) send(ctx context.Context) error {
	d.c.Log.Printf("sending and consuming %d messages with the community's Go client", messages)
	ledger, err := d.c.StartLedger(ctx, kit.LedgerOptions{NameServers: d.c.Address(), Topic: "demo", Messages: messages})
	if err != nil {
		return err
	}
	verdict, err := ledger.Verdict(ctx, 4*time.Minute)
	if err != nil {
		return err
	}
	d.c.Log.Printf("%s", verdict)
	if verdict.Acked != messages || verdict.Lost > 0 {
		return errors.New("messages were lost")
	}
	return nil
}

func (d *demo) killMaster(ctx context.Context) error {
	const group = 0
	before, err := d.c.Master(ctx, group)
	if err != nil {
		return err
	}
	pod, err := d.c.Pod(ctx, before)
	if err != nil {
		return err
	}
	d.c.Log.Printf("killing pod %s, the master of %s", before, d.c.Group(group))
	killed := time.Now()
	if err := d.c.DeletePod(ctx, before, true); err != nil {
		return err
	}
	master, err := d.c.AwaitNewMaster(ctx, group, before, failoverLimit)
	if err != nil {
		return err
	}
	d.c.Log.Printf("%s is the master after %.1f s", master, time.Since(killed).Seconds())
	if err := d.c.AwaitPodReady(ctx, before, pod.UID, failoverLimit); err != nil {
		return err
	}
	if err := d.c.AwaitReady(ctx, failoverLimit); err != nil {
		return err
	}
	d.c.Log.Printf("%s is back as a slave, all Ready again after %.0f s", before, time.Since(killed).Seconds())
	return d.kubectlGet(ctx, "rocketmq")
}

func (d *demo) farewell() {
	fmt.Println("\nThe cluster goes on running. To use it:")
	if d.place.Local {
		fmt.Println(`  eval "$(go run -C test/localkube ./cmd/localkube env)"`)
	}
	fmt.Printf("  kubectl -n %s get rocketmq\n", namespace)
	fmt.Printf("  kubectl -n %s exec %s -c rocketmq -- sh -c '$ROCKETMQ_HOME/bin/mqadmin clusterList'\n", namespace, d.c.Member(0, 0))
	fmt.Printf("  kubectl -n %s delete pod %s\n", namespace, d.c.Member(1, 0))
	fmt.Println("\nClients in the cluster use")
	fmt.Println("  name servers  ", d.endpoints.NameServers)
	fmt.Println("  gRPC endpoint ", d.endpoints.GRPC)
	fmt.Println("  dashboard     ", d.endpoints.Console)
	fmt.Println("To see the dashboard at http://localhost:8082, as user admin:")
	fmt.Printf("  kubectl -n %s get secret %s -o jsonpath='{.data.password}' | base64 -d; echo\n", namespace, d.endpoints.ConsoleLogin)
	fmt.Printf("  kubectl -n %s port-forward service/%s-console 8082:8082\n", namespace, name)
	fmt.Println("To remove it: make demo-down")
}

// remove undoes show: in localkube, with the whole Kubernetes.
func remove(ctx context.Context, log *kit.Log) error {
	place, err := kit.FindPlace(ctx, log)
	if err != nil {
		return err
	}
	if place.Local {
		log.Printf("removing localkube")
		return place.RemoveLocalkube(ctx)
	}
	cluster, err := kit.Connect()
	if err != nil {
		return err
	}
	n := &kit.Namespace{Cluster: cluster, Name: namespace, Log: log}
	log.Printf("deleting namespace %s", namespace)
	if err := n.Delete(ctx, 5*time.Minute); err != nil {
		return err
	}
	return place.RemoveOperator(ctx)
}
