// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestMisspeltCommands: every command that only has others refuses one that it does not have.
func TestMisspeltCommands(t *testing.T) {
	w := newWorld(t)
	w.fails([]string{`unknown command "stat" for kubectl rocketmq`, "did you mean kubectl rocketmq status"}, "stat")
	w.fails([]string{`unknown command "snd" for kubectl rocketmq message`, "did you mean kubectl rocketmq message send?"}, "message", "snd")
	w.fails([]string{"did you mean kubectl rocketmq brokers config get"}, "brokers", "config", "gt")

	parents := 0
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, child := range cmd.Commands() {
			visit(child)
		}
		if len(cmd.Commands()) == 0 || strings.Contains(cmd.Use, "[") { // the latter takes the name of a topic or group
			return
		}
		parents++
		words := strings.Fields(cmd.CommandPath())[2:]
		w.fails([]string{`unknown command "zzzzz"`, cmd.CommandPath() + " --help"}, append(words, "zzzzz")...)
		if out, err := w.run(words...); err != nil || !strings.Contains(out, "Usage:") {
			t.Errorf("%v alone: %v\n%s", words, err, out)
		}
	}
	visit(w.command())
	if parents < 5 {
		t.Errorf("only %d commands have others", parents)
	}
}

// TestWrongFlags: an error names the flag, what it says, and what to do.
func TestWrongFlags(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		words []string
		line  string
	}{
		{[]string{"--interval 0s", "such as 2s"}, "top --interval 0s"},
		{[]string{"--interval -1s", "such as 2s"}, "top --interval -1s"},
		{[]string{"--rows -1", "0 for all"}, "top --rows -1"},
		{[]string{"--interval 0s", "such as 2s"}, "status --interval 0s"},
		{[]string{"--interval -2s", "such as 2s"}, "transfer --watch --interval -2s"},
		{[]string{`"foo"`, "--interval", "top --help"}, "top --interval foo"},
		{[]string{"--foo", "status --help"}, "status --foo"},
		{[]string{"--output xml", "json or yaml"}, "status -o xml"},
		{[]string{"--output json", "leave out"}, "status --watch -o json"},
		{[]string{"neither --id, --key nor --offset", "by one of --id ID"}, "message query orders"},
		{[]string{"--id a and --key b exclude each other", "by one of"}, "message query orders --id a --key b"},
		{[]string{"--key b and --offset 1 exclude each other", "by one of"}, "message query orders --offset 1 --key b"},
		{[]string{`--id "" is empty`, "by one of"}, "message query orders --id="},
		{[]string{"--offset -3", "begin at 0"}, "message query orders --offset -3"},
		{[]string{"--queue -2", "begin at 0"}, "message query orders --offset 3 --queue -2"},
		{[]string{"--queue and --broker-group alone", "add --offset NUMBER"}, "message query orders --queue 2"},
		{[]string{"for --offset", "leave them out with --key b"}, "message query orders --queue 2 --key b"},
		{[]string{"--since 0s", "such as 72h"}, "message query orders --key b --since 0s"},
		{[]string{"--since 1h0m0s", "leave it out"}, "message query orders --offset 2 --since 1h"},
		{[]string{"--follow", "--oldest", "leave out one"}, "message consume orders --follow --oldest"},
		{[]string{"--wait 0s", "such as 30s"}, "message consume orders --follow --wait 0s"},
		{[]string{"--wait 3s is for --follow"}, "message consume orders --wait 3s"},
		{[]string{"--queue -2", "leave it out"}, "message send orders --queue -2"},
		{[]string{"--delay -1s", "1s or more"}, "message send orders --delay -1s"},
		{[]string{"--delay 100ms", "1s or more"}, "message send orders --delay 100ms"},
		{[]string{`"a" is not KEY=VALUE`, "flushIntervalCommitLog=400"}, "brokers config set quickstart-0-0 a"},
	} {
		began := time.Now()
		w.fails(c.words, strings.Fields(c.line)...)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %s", c.line, took)
		}
	}
}
