// SPDX-License-Identifier: Apache-2.0

package blank

import (
	"regexp"
	"strings"
)

// entryLines is how far the name of an entry and its value may be from each other.
const entryLines = 30

var (
	// nameLine and valueLine are an environment variable, or a property in XML.
	nameLine = regexp.MustCompile(`(?i)^[ \t]*(?:(?:-[ \t]+)*["']?(?:name|key)["']?[ \t]*:[ \t]*["']?` + name + `["']?,?|<name>[ \t]*` + name +
		`[ \t]*</name>)[ \t]*$`)
	valueLine = regexp.MustCompile(`(?i)^[ \t]*(?:(?:-[ \t]+)*["']?value["']?[ \t]*:[ \t]*|<value>)`)
	// optionLine and itemLine are an option and its value in a list.
	optionLine = regexp.MustCompile(`(?i)^[ \t]*-[ \t]+["']?(?:--?` + name + `|-p)["']?[ \t]*$`)
	itemLine   = regexp.MustCompile(`^[ \t]*-[ \t]+`)
	// secretLine is of a Secret's manifest, dataLine a field with what it holds.
	secretLine = regexp.MustCompile(`^[ \t]*["']?kind["']?[ \t]*:[ \t]*["']?Secret["']?,?[ \t]*$`)
	dataLine   = regexp.MustCompile(`^[ \t]*["']?(?:data|stringData)["']?[ \t]*:[ \t]*`)
	// accountsLine begins a file with users in a ConfigMap's manifest.
	accountsLine = regexp.MustCompile(`(?i)^[ \t]*["']?(?:[\w-]+[._-])?(?:users?|htpasswd)(?:[._-]\w+)?["']?[ \t]*:[ \t]*[|>]`)
)

// told finds the lines whose value has its name in another line, with what stands before the value.
func told(lines, lower []string) map[int]string {
	found := map[int]string{}
	secret := false
	for i, line := range lines {
		switch {
		case !strings.Contains(line, ":") && !strings.Contains(line, "<") && !strings.Contains(line, "- "):
		case strings.Contains(lower[i], "kind"):
			secret = secret || secretLine.MatchString(line)
		case strings.Contains(lower[i], "user") || strings.Contains(lower[i], "htpasswd"):
			if accountsLine.MatchString(line) {
				found[i] = strings.TrimRight(accountsLine.FindString(line), "|>")
			}
		}
		if !hinted(line) {
			continue
		}
		switch {
		case nameLine.MatchString(line):
			if j, is := valueOf(lines, i); is {
				found[j] = valueLine.FindString(lines[j])
			}
		case optionLine.MatchString(line) && i+1 < len(lines) && itemLine.MatchString(lines[i+1]):
			found[i+1] = itemLine.FindString(lines[i+1])
		}
	}
	for i, line := range lines {
		if secret && dataLine.MatchString(line) {
			found[i] = dataLine.FindString(line)
		}
	}
	return found
}

// valueOf is the line with the value of an entry whose name is in a line: one of the same column, before the entry ends.
func valueOf(lines []string, named int) (int, bool) {
	column, item := indent(lines[named])
	for i := named + 1; i < min(len(lines), named+entryLines); i++ {
		at, next := indent(lines[i])
		if strings.TrimSpace(lines[i]) != "" && (at < column || (at == column && next)) {
			break
		}
		if at == column && valueLine.MatchString(lines[i]) {
			return i, true
		}
	}
	for i := named - 1; i >= max(0, named-entryLines) && !item; i-- {
		at, first := indent(lines[i])
		if strings.TrimSpace(lines[i]) != "" && at < column {
			break
		}
		if at == column && valueLine.MatchString(lines[i]) {
			return i, true
		}
		if at == column && first {
			break
		}
	}
	return 0, false
}
