// SPDX-License-Identifier: Apache-2.0

package blank

import (
	"regexp"
	"strings"
)

var (
	// constants are no credentials.
	constants = regexp.MustCompile(`^(?:true|false|null|nil|<nil>)(?:[\s,;)}\]"]|$)`)
	// spaced are names of values that people may give spaces.
	spaced = regexp.MustCompile(`(?i)passw|passphrase|pwd|secret[-_.]?key`)
	// another is what ends a value with spaces in it: another name, an option, a bracket.
	another = regexp.MustCompile(`^[ \t]+(?:[\w.$-]+` + equals + `|[-(\[{<|&>]|$)`)
)

// value is what a name has in its line.
type value struct {
	text string // the line after the name
	name string
	// before is the character in front of the name, 0 at the beginning of the line.
	before byte
	// whole line: it ends where the line does.
	whole bool
}

// length of the value, with its quotes; 0 if there is none that must be blanked.
func (v value) length() int {
	if v.text == "" || strings.HasPrefix(v.text, Blanked) || constants.MatchString(v.text) {
		return 0
	}
	if escapes := len(v.text) - len(strings.TrimLeft(v.text, `\`)); escapes < len(v.text) {
		switch v.text[escapes] {
		case '"', '\'':
			return v.adjacent(inQuotes(v.text, escapes))
		}
	}
	switch {
	case v.before == '<': // a tag
		return upTo(v.text, "<")
	case v.text[0] == '{' || v.text[0] == '[':
		return inBrackets(v.text)
	case v.before == '"' || v.before == '\'':
		return upTo(v.text, string(v.before)+",}]")
	case v.whole:
		return len(v.text)
	}
	return v.words()
}

// words are the first one, and those after it where the value may have spaces.
func (v value) words() int {
	length := upTo(v.text, " \t")
	if !spaced.MatchString(v.name) || strings.IndexByte("-?&/", v.before) >= 0 {
		return length
	}
	for length < len(v.text) && !strings.ContainsRune(",;&)]}", rune(v.text[length-1])) && !another.MatchString(v.text[length:]) {
		rest := strings.TrimLeft(v.text[length:], " \t")
		length = len(v.text) - len(rest) + upTo(rest, " \t")
	}
	return length
}

// adjacent adds what follows a quote without a space.
func (v value) adjacent(length int) int { return length + upTo(v.text[length:], " \t,;)}]&\"'\\<") }

// inQuotes is how long a quoted text is; what is not closed is as long as the line. Within JSON within JSON a backslash, or several, is
// before each quote.
func inQuotes(text string, escapes int) int {
	quote := text[escapes]
	for i := escapes + 1; i < len(text); i++ {
		switch {
		case escapes == 0 && quote == '"' && text[i] == '\\':
			i++
		case text[i] != quote || escapes > 0 && !escapedBy(text[:i], escapes):
		case escapes == 0 && quote == '\'' && strings.HasPrefix(text[i+1:], "'"): // YAML's way to have one in it
			i++
		default:
			return i + 1
		}
	}
	return len(text)
}

func escapedBy(text string, escapes int) bool {
	return len(text)-len(strings.TrimRight(text, `\`)) == escapes
}

// inBrackets is how long a text in brackets is, or all of the line.
func inBrackets(text string) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(text)
}

// upTo the first of these characters, or the end.
func upTo(text, ends string) int {
	if i := strings.IndexAny(text, ends); i >= 0 {
		return i
	}
	return len(text)
}
