// SPDX-License-Identifier: Apache-2.0

// Command scale measures the operator with many RocketMQ clusters on one machine. See README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/rocketmq-operator/rocketmq-operator/test/measured"
)

// options are the command line.
type options struct {
	clusters                     []int
	topology, namespaces         string
	phases                       []string
	environment                  []string
	program, assets, root, dir   string
	out                          string
	steady, settle, limit, stuck time.Duration
	hung, hungCopies, changes    int
	profiles, bodies, write      bool
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctrl.SetLogger(logr.Discard())
		klog.SetLogger(logr.Discard())
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err = run(ctx, o)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func parse(args []string) (o options, err error) {
	var clusters, phases, environment string
	f := flag.NewFlagSet("scale", flag.ContinueOnError)
	f.StringVar(&clusters, "clusters", "100", "numbers of clusters, comma separated; each is measured on a new control plane")
	f.StringVar(&o.topology, "topology", small, small+" (1 name server, 1 controller, 1 group of 2) or "+quickstart+" (3, 3, 2 groups of 2)")
	f.StringVar(&o.namespaces, "namespaces", each, each+": every cluster has a namespace of its own; "+one+": all are in one")
	f.StringVar(&phases, "phases", strings.Join(optionalPhases(), ","), "what is measured after the start and the steady state")
	f.StringVar(&environment, "env", "", "variables that are added to those of the operator's Deployment, such as GOGC=100,GOMAXPROCS=2")
	f.StringVar(&o.program, "operator", "bin/scale-operator", "the operator's program")
	f.StringVar(&o.assets, "assets", os.Getenv("KUBEBUILDER_ASSETS"), "directory with etcd, kube-apiserver and kube-controller-manager")
	f.StringVar(&o.root, "root", ".", "the repository")
	f.StringVar(&o.dir, "dir", "", "directory for logs, profiles and state; a new one if empty")
	f.BoolVar(&o.write, "write", false, "write the report into docs/measured.md")
	f.StringVar(&o.out, "out", "", "file to append everything that was measured to, as a line of JSON for each number of clusters")
	f.DurationVar(&o.steady, "steady", time.Minute, "how long an operator that has nothing to do is watched")
	f.DurationVar(&o.settle, "settle", 10*time.Second, "how long nothing must be reconciled for the operator to be quiet")
	f.DurationVar(&o.limit, "limit", time.Hour, "for every wait but that for a change beside hung clusters")
	f.DurationVar(&o.stuck, "stuck", 4*time.Minute, "for a change beside hung clusters")
	f.IntVar(&o.hung, "hung", 100, "how many clusters hang in phase "+hangPhase+", half of all at most")
	f.IntVar(&o.hungCopies, "hung-copies", 75, "how many clusters hang in phase "+copiesPhase+", a quarter of all at most")
	f.IntVar(&o.changes, "changes", 3, "how many clusters are changed in a phase, one after the other")
	f.BoolVar(&o.profiles, "profiles", false, "save CPU, heap and goroutine profiles")
	f.BoolVar(&o.bodies, "bodies", false, "audit requests with their bodies, which slows the API server, to count writes that changed nothing")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q: see -h", f.Arg(0))
	}
	for number := range strings.SplitSeq(clusters, ",") {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-clusters: %q is no number of clusters", number)
		}
		o.clusters = append(o.clusters, n)
	}
	slices.Sort(o.clusters)
	o.phases, o.environment = split(phases), split(environment)
	for _, phase := range o.phases {
		if !slices.Contains(optionalPhases(), phase) {
			return o, fmt.Errorf("-phases: %q is none of %s", phase, strings.Join(optionalPhases(), ", "))
		}
	}
	switch {
	case o.topology != small && o.topology != quickstart:
		return o, fmt.Errorf("-topology: %q is neither %s nor %s", o.topology, small, quickstart)
	case o.namespaces != each && o.namespaces != one:
		return o, fmt.Errorf("-namespaces: %q is neither %s nor %s", o.namespaces, each, one)
	case o.assets == "":
		return o, errors.New("-assets is not set: run hack/bench-scale, which builds what it needs")
	}
	return o, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// run measures each number of clusters, and prints what that was. An error tells what could not be measured, and which
// bars were missed.
func run(ctx context.Context, o options) (err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "scale-"); err != nil {
			return err
		}
	}
	var all []*result
	var errs []error
	for _, n := range o.clusters {
		r, err := measure(ctx, o, n)
		if err != nil {
			err = fmt.Errorf("%d clusters: %w", n, err)
			r.Error = err.Error()
		}
		all = append(all, r)
		errs = append(errs, err, r.save(o.out))
		if ctx.Err() != nil {
			break
		}
	}
	text := report(all)
	fmt.Printf("\n%s", text)
	err = errors.Join(append(errs, missed(all)...)...)
	if o.write {
		m := measured.Measurement{Command: "make bench-scale", Printed: text, Err: err, When: time.Now()}
		err = errors.Join(err, measured.Write(o.root, m))
	}
	return err
}

// save the result as a line of JSON.
func (r *result) save(file string) error {
	if file == "" {
		return nil
	}
	out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(out).Encode(r), out.Close())
}
