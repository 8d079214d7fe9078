// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/yaml"
)

// report is the result of a command. Its fields are the JSON and YAML.
type report interface {
	// text is the form for people.
	text() string
}

func write(w io.Writer, r report, format string) error {
	var out []byte
	var err error
	switch format {
	case "json":
		out, err = json.MarshalIndent(r, "", "  ")
		out = append(out, '\n')
	case "yaml":
		out, err = yaml.Marshal(r)
	default:
		out = []byte(r.text())
	}
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

// table aligns columns.
type table struct {
	text    strings.Builder
	tabs    *tabwriter.Writer
	columns int
}

func newTable(header ...any) *table {
	t := &table{columns: len(header)}
	t.tabs = tabwriter.NewWriter(&t.text, 0, 0, 3, ' ', 0)
	t.row(header...)
	return t
}

// row may be shorter than the header. Every row gets all its tabs: a column ends where they do.
func (t *table) row(cells ...any) {
	for i := range t.columns {
		if i < len(cells) {
			fmt.Fprint(t.tabs, cells[i])
		}
		fmt.Fprint(t.tabs, "\t")
	}
	fmt.Fprintln(t.tabs)
}

// String is the whole table; no line ends with spaces.
func (t *table) String() string {
	_ = t.tabs.Flush() // a Builder takes everything
	var out strings.Builder
	for line := range strings.Lines(t.text.String()) {
		out.WriteString(strings.TrimRight(line, " \n"))
		out.WriteByte('\n')
	}
	return out.String()
}

// or is text, or a dash where there is none.
func or(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// ago is the time since then, a dash if there was no then.
func ago(now, then time.Time) string {
	if then.IsZero() {
		return "-"
	}
	return duration.HumanDuration(max(0, now.Sub(then)))
}

// millis is a time of RocketMQ; 0 and less stand for none.
func millis(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
