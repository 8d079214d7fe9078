// SPDX-License-Identifier: Apache-2.0

// Package glass is what a person sees of all that was written to a terminal.
package glass

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// sequence goes some lines up, or wipes all from the cursor on (ECMA-48).
var sequence = regexp.MustCompile(`^\x1b\[(\d*)([AJ])`)

// Shows is the text on a terminal of any height, as far as the sequences of package terminal go. It fails where the cursor would leave
// the top, or for another sequence.
func Shows(written string) (string, error) {
	lines, at := []string{""}, 0
	for written != "" {
		if found := sequence.FindStringSubmatch(written); found != nil {
			switch found[2] {
			case "A":
				n, err := strconv.Atoi(found[1])
				if err != nil {
					return "", err
				}
				if at -= n; at < 0 {
					return "", fmt.Errorf("the cursor is %d lines above the top", -at)
				}
			case "J":
				lines = append(lines[:at], "")
			}
			written = written[len(found[0]):]
			continue
		}
		switch c := written[:1]; c {
		case "\x1b":
			return "", fmt.Errorf("an unknown sequence: %.10q", written)
		case "\n":
			if at++; at == len(lines) {
				lines = append(lines, "")
			}
		case "\r": // lines are only written over after a wipe
		default:
			lines[at] += c
		}
		written = written[1:]
	}
	return strings.Join(lines, "\n"), nil
}
