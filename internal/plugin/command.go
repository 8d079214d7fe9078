// SPDX-License-Identifier: Apache-2.0

// Package plugin is kubectl rocketmq: it shows RocketMQ clusters as their resources and their servers see them.
//
// A command collects a report and prints it as text, JSON or YAML, or shows it again and again. If something is missing, it prints the
// rest, and fails with an error that names what is missing.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/rocketmq-operator/rocketmq-operator/internal/terminal"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// defaultTimeout is long enough for thousands of consumer groups.
const defaultTimeout = 30 * time.Second

// options are the command line's.
type options struct {
	kubeconfig *genericclioptions.ConfigFlags
	connect    func(*genericclioptions.ConfigFlags) (*Access, error)

	// screen is terminal.Of, or a test's.
	screen func(io.Writer) *terminal.Screen

	output        string
	timeout       time.Duration
	broker        string
	allNamespaces bool
	system        bool
	watch         bool
	interval      time.Duration
}

// Command is kubectl rocketmq; connect is Connect, or a test's.
func Command(connect func(*genericclioptions.ConfigFlags) (*Access, error)) *cobra.Command {
	o := &options{kubeconfig: genericclioptions.NewConfigFlags(true), connect: connect, screen: terminal.Of}
	return o.root()
}

func (o *options) root() *cobra.Command {
	o.kubeconfig.CacheDir, o.kubeconfig.Timeout, o.kubeconfig.DisableCompression = nil, nil, nil // no use here

	root := &cobra.Command{
		Use:           "kubectl-rocketmq",
		Short:         "See what RocketMQ clusters do",
		Long:          "See what RocketMQ clusters do: their resources, brokers, topics, consumer groups, lags and messages.\nServers in pods are reached through the API server, so that it works wherever kubectl does.",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl rocketmq"},
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
	})
	flags := root.PersistentFlags()
	o.kubeconfig.AddFlags(flags)
	flags.StringVarP(&o.output, "output", "o", "", "json or yaml instead of text")
	flags.DurationVar(&o.timeout, "timeout", defaultTimeout, "how long a command may take")
	o.completeFlag(root, "output", func(context.Context, *Access) ([]string, error) { return []string{"json", "yaml"}, nil })
	o.completeFlag(root, "namespace", namespaceNames)
	o.completeFlag(root, "context", func(context.Context, *Access) ([]string, error) { return o.contextNames() })

	root.AddCommand(
		o.statusCommand(), o.topCommand(), o.clustersCommand(), o.topicsCommand(), o.groupsCommand(), o.lagCommand(), o.messageCommand(),
		o.brokersCommand(), o.transferCommand(), o.installCommand(), o.reportCommand(),
	)
	root.InitDefaultCompletionCmd() // else cobra adds it later
	for _, cmd := range root.Commands() {
		if cmd.HasSubCommands() && !cmd.Runnable() {
			parent(cmd)
		}
	}
	return parent(root)
}

// chooses adds the flag of commands that are about one Broker.
func (o *options) chooses(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&o.broker, "broker", "", "the Broker resource to ask, if the namespace has several")
	o.completeFlag(cmd, "broker", brokerNames)
	return cmd
}

// parent is a command that does nothing without one of its own. A misspelt one is refused: by itself, cobra would print the help and
// succeed.
func parent(cmd *cobra.Command) *cobra.Command {
	cmd.SuggestionsMinimumDistance = 2 // what cobra takes for the root
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := fmt.Sprintf("see %s --help", cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("did you mean %s %s?", cmd.CommandPath(), strings.Join(near, " or "))
		}
		return fmt.Errorf("unknown command %q for %s: %s", args[0], cmd.CommandPath(), hint)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// collector makes a report of a command's arguments.
type collector func(ctx context.Context, a *Access, args []string) (report, error)

// run makes a report and prints it.
func (o *options) run(collect collector) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a, err := o.access()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
		defer cancel()
		found, err := collect(ctx, a, args)
		if found != nil {
			if err := write(cmd.OutOrStdout(), found, o.output); err != nil {
				return err
			}
		}
		return o.explain(ctx, err)
	}
}

// access to Kubernetes, after a look at the flags that all commands have.
func (o *options) access() (*Access, error) {
	switch o.output {
	case "", "json", "yaml":
	default:
		return nil, fmt.Errorf("--output %s is unknown: use json or yaml, or leave it out for text", o.output)
	}
	if o.timeout <= 0 {
		return nil, fmt.Errorf("--timeout %s leaves no time: use something like 30s", o.timeout)
	}
	return o.connect(o.kubeconfig)
}

// explain an error that --timeout, the way to the API server or a broker's refusal has made.
func (o *options) explain(ctx context.Context, err error) error {
	unreachable := new(url.Error)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%w\nit took longer than --timeout %s: give it more if the servers are well", err, o.timeout)
	case errors.As(err, &unreachable), apierrors.IsUnauthorized(err):
		return fmt.Errorf("%w\nsee whether the API server answers you: kubectl get nodes; or choose another one with --context or --kubeconfig", err)
	case remoting.IsCode(err, remoting.NoPermission):
		return fmt.Errorf("%w\nthe brokers refuse the credentials, or ask for some without spec.auth of their Broker: see kubectl rocketmq status", err)
	}
	return err
}

// arguments bounds their number (most -1: any) and says what is missing.
func arguments(least, most int, missing string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("%s needs %s", cmd.CommandPath(), missing)
		case most >= 0 && len(args) > most:
			return fmt.Errorf("unexpected argument %q: see %s --help", args[most], cmd.CommandPath())
		}
		return nil
	}
}
