// SPDX-License-Identifier: Apache-2.0

// Package catalog knows which properties RocketMQ's servers have, of which type they are, and since which release. A server
// ignores what it does not know, and what it cannot read, without a word.
package catalog

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

//go:embed properties.txt
var list string

// Problem is a property that does not have the effect that its user expects.
type Problem struct {
	Key string
	// Why says what is wrong, and how to mend it.
	Why string
}

// Problems of the properties of a server of that release, sorted by key. A release that the catalog does not know, or "", is taken
// for all that it knows. A build of somebody's own may have more properties, so a problem is a warning.
func Problems(role settings.Role, release string, properties map[string]string) []Problem {
	if !slices.Contains(releases(), release) {
		release = ""
	}
	var out []Problem
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		if why := problem(role, release, key, properties[key]); why != "" {
			out = append(out, Problem{key, why})
		}
	}
	return out
}

func problem(role settings.Role, release, key, value string) string {
	found := entries(role, key)
	for _, e := range found {
		if e.in(release) {
			return unreadable(e.kind, value)
		}
	}
	if len(found) > 0 {
		return fmt.Sprintf("RocketMQ %s does not know this property, only %s. It is ignored: remove it, or change the release",
			release, strings.Join(found[0].releases, ", "))
	}
	known := "no known release of RocketMQ has this property"
	if release != "" {
		known = fmt.Sprintf("RocketMQ %s does not know this property", release)
	}
	return known + ", and ignores it" + remedy(role, release, key)
}

// remedy for an unknown key.
func remedy(role settings.Role, release, key string) string {
	for _, other := range []settings.Role{settings.Broker, settings.NameServer, settings.Controller, settings.Proxy} {
		if len(entries(other, key)) > 0 {
			return fmt.Sprintf(". It is a property of a %s: set it there", other)
		}
	}
	near := nearest(role, release, key)
	if near == "" {
		return ". Remove it, unless your image is a build of your own that has it"
	}
	for _, owned := range settings.OwnedKeys(role) {
		if owned.Key == near {
			return fmt.Sprintf(". If you mean %s, that is the operator's: %s", near, owned.Reason)
		}
	}
	return fmt.Sprintf(". Did you mean %s?", near)
}

// unreadable says why RocketMQ cannot read a value, "" if it can (MixAll.properties2Object).
func unreadable(kind, value string) string {
	value = strings.TrimSpace(value)
	var err error
	wanted := "a number"
	switch kind {
	case "int":
		_, err = strconv.ParseInt(value, 10, 32)
		wanted = "a whole number of at most 2147483647"
	case "long":
		_, err = strconv.ParseInt(value, 10, 64)
		wanted = "a whole number"
	case "float", "double":
		_, err = strconv.ParseFloat(value, 64)
	case "boolean": // anything but true is false to Boolean.parseBoolean
		if strings.EqualFold(value, "true") || strings.EqualFold(value, "false") {
			return ""
		}
		return fmt.Sprintf("RocketMQ takes %q for false: write true or false", value)
	}
	if err == nil {
		return ""
	}
	return fmt.Sprintf("RocketMQ cannot read %q and goes on with its default: give %s, without a unit", value, wanted)
}

// entry of the list: what some releases know about a property.
type entry struct {
	kind     string
	releases []string // none for all
}

func (e entry) in(release string) bool {
	return release == "" || len(e.releases) == 0 || slices.Contains(e.releases, release)
}

// entries of a property. The list is searched rather than read, because it is asked for few keys, but in every reconcile.
func entries(role settings.Role, key string) []entry {
	if strings.ContainsAny(key, " \n") {
		return nil
	}
	var out []entry
	prefix := "\n" + string(role) + " " + key + " "
	for _, rest := range strings.Split(list, prefix)[1:] {
		line, _, _ := strings.Cut(rest, "\n")
		words := strings.Fields(line)
		out = append(out, entry{words[0], words[1:]})
	}
	return out
}

// releases that the catalog knows.
func releases() []string {
	_, rest, _ := strings.Cut(list, "\nreleases ")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.Fields(line)
}

// nearest known key to an unknown one, "" if none is like it.
func nearest(role settings.Role, release, key string) string {
	best, distance := "", max(2, len(key)/6)+1
	for line := range strings.Lines(list) {
		words := strings.Fields(line)
		if words[0] != string(role) || !(entry{releases: words[3:]}).in(release) {
			continue
		}
		if d := edits(strings.ToLower(key), strings.ToLower(words[1])); d < distance {
			best, distance = words[1], d
		}
	}
	return best
}

// edits is how many characters must be inserted, removed or replaced to make one text of the other (Levenshtein).
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
