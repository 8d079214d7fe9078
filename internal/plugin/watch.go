// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rocketmq-operator/rocketmq-operator/internal/terminal"
)

// defaultInterval is short enough to see a failover, which takes seconds.
const defaultInterval = 2 * time.Second

// changing is a report that can also be told by what has changed in it.
type changing interface {
	report
	// lines are its parts.
	lines() []line
	// ended reports whether nothing more will change, and why that is a failure if it is one.
	ended() (bool, error)
}

// line is one part of a report, such as a resource.
type line struct{ key, text string }

// watches adds the flags of commands that can go on.
func (o *options) watches(cmd *cobra.Command, usage string) {
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, usage)
	o.refreshes(cmd)
}

func (o *options) refreshes(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&o.interval, "interval", defaultInterval, "how long to wait between two looks")
}

func (o *options) checkInterval() error {
	if o.interval <= 0 {
		return fmt.Errorf("--interval %s is no time to wait: use one above 0, such as 2s", o.interval)
	}
	return nil
}

// runWatched is run, or with --watch goes on until the user ends it: in place on a terminal, else with one line for each change.
func (o *options) runWatched(collect collector) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := o.checkInterval(); err != nil {
			return err
		}
		if !o.watch {
			return o.run(collect)(cmd, args)
		}
		if o.output != "" {
			return fmt.Errorf("--watch shows text only: leave out --output %s, or --watch", o.output)
		}
		if screen := o.screen(cmd.OutOrStdout()); screen != nil {
			return o.refresh(cmd, args, collect, onScreen(screen))
		}
		return o.refresh(cmd, args, collect, onPaper(cmd.OutOrStdout()))
	}
}

// refresh collects and shows until the user or the report ends it. A later look that fails is shown, and may succeed when repeated.
func (o *options) refresh(cmd *cobra.Command, args []string, collect collector, show func(report, error) error) error {
	a, err := o.access()
	if err != nil {
		return err
	}
	tick := time.NewTicker(o.interval)
	defer tick.Stop()
	for first := true; ; first = false {
		found, err := o.look(cmd.Context(), a, args, collect)
		if cmd.Context().Err() != nil {
			return nil //nolint:nilerr // the user ended it, which is no failure
		}
		if first && found == nil {
			return err
		}
		if err := show(found, err); err != nil {
			return err
		}
		if c, ok := found.(changing); ok {
			if ended, why := c.ended(); ended {
				return why
			}
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

func (o *options) look(ctx context.Context, a *Access, args []string, collect collector) (report, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	found, err := collect(ctx, a, args)
	return found, o.explain(ctx, err)
}

// onScreen shows reports in one place. After a failed look the last report stays.
func onScreen(screen *terminal.Screen) func(report, error) error {
	last := ""
	return func(found report, err error) error {
		if found != nil {
			last = found.text()
		}
		text := last
		if err != nil {
			text += "\nerror: " + err.Error() + "\n"
		}
		return screen.Show(text)
	}
}

// onPaper prints what has changed.
func onPaper(w io.Writer) func(report, error) error {
	said := map[string]string{}
	return func(found report, err error) error {
		var lines []line
		if c, ok := found.(changing); ok {
			lines = c.lines()
		}
		if err != nil {
			lines = append(lines, line{"error", "error: " + err.Error()})
		} else {
			delete(said, "error")
		}
		var failed error
		for _, l := range lines {
			if said[l.key] == l.text {
				continue
			}
			said[l.key] = l.text
			_, err := fmt.Fprintf(w, "%s %s\n", time.Now().Format(time.TimeOnly), l.text)
			failed = errors.Join(failed, err)
		}
		return failed
	}
}

func (r *statusReport) ended() (bool, error) { return false, nil }

// lines are the resources with the first problem of each, and the broker groups.
func (r *statusReport) lines() []line {
	var lines []line
	resource := func(of resourceStatus) {
		text := fmt.Sprintf("%s: %s %s", of, of.State, of.Members)
		if len(of.Problems) > 0 {
			text += ": " + of.Problems[0].Message
		}
		lines = append(lines, line{of.String(), text})
	}
	broker := func(b brokerStatus) {
		resource(b.resourceStatus)
		for _, g := range b.Groups {
			n := g.node()
			text := fmt.Sprintf("%s %s: %v %v", b.resourceStatus, n.name, n.cells[0], n.cells[1])
			if g.Master != "" {
				text += ", master " + g.Master
			}
			lines = append(lines, line{b.String() + n.name, text})
		}
	}
	for _, c := range r.Clusters {
		resource(c.resourceStatus)
		for _, part := range c.Parts {
			resource(part)
		}
		for _, b := range c.Brokers {
			broker(b)
		}
	}
	for _, b := range r.Brokers {
		for _, of := range []*resourceStatus{b.NameService, b.Controller} {
			if of != nil {
				resource(*of)
			}
		}
		broker(b)
	}
	for _, other := range r.Others {
		resource(other)
	}
	return lines
}
