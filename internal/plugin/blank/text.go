// SPDX-License-Identifier: Apache-2.0

package blank

import (
	"regexp"
	"strings"
)

const (
	name   = `(?:[\w.$-]*(?:` + words + `)[\w.$-]*|[\w.$-]*(?:` + endings + `)|(?:` + abbreviations + `))`
	quote  = `\\*["']?`
	equals = quote + `[ \t]*(?:=>|:=|->|[:=])[ \t]*`
)

// What may stand between a name that says that its value is a credential, and the value.
var (
	sign    = regexp.MustCompile(`^` + equals)                                                          // name=value, name: value, in JSON too
	apart   = regexp.MustCompile(`^` + quote + `(?:[ \t]*,[ \t]*|[ \t]+)`)                              // --name value, also in a list
	ofEntry = regexp.MustCompile(`(?i)^` + quote + `[ \t]*[,;][ \t]*` + quote + `value` + equals)       // name: NAME, value: value
	entry   = regexp.MustCompile(`(?i)(?:^|[^\w])(?:name|key)` + equals + quote + `$`)                  // what is before the name there
	tag     = regexp.MustCompile(`^(?:[ \t][^<>]*)?>`)                                                  // <name>value
	tags    = regexp.MustCompile(`^[ \t]*</name>[ \t]*<value>`)                                         // XML as Hadoop has it
	verb    = regexp.MustCompile(`^[ \t]+(?:is|was)[ \t]+`)                                             // password is value
	mark    = regexp.MustCompile(`^[ \t]+["']`)                                                         // password "value"
	login   = regexp.MustCompile(`^(?:` + quote + `(?:[ \t]*,[ \t]*|[ \t]+)|=)` + quote + `[^\s:"']+:`) // --user name:value
	spoken  = regexp.MustCompile(`(?i)(?:passw(?:or)?d|passphrase)$`)                                   // names in sentences
	options = regexp.MustCompile(`(?:^|[\s"'\[,(])$`)                                                   // what is before an option
)

var (
	// turned is an environment variable whose value comes first.
	turned = regexp.MustCompile(`(?i)(\bvalue` + equals + `)(?:\\+"[^"\n]*"|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[^\s,{}"']+)` +
		`([ \t]*,[ \t]*` + quote + `(?:name|key)` + equals + quote + name + `)`)
	// otherwise: names that are no credentials, of conditions and exceptions.
	otherwise = regexp.MustCompile(`^(?:Missing|Refused)Credentials$|(?:Exception|Error)$`)

	// stamp is the time at the beginning of a line of a pod's log.
	stamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) `)
	// leading is what may stand before the name of a value that is as long as the line.
	leading = regexp.MustCompile(`^[ \t]*(?:(?:[-*#;!]+|export|set|setenv)[ \t]+)*$`)
	// later is in the place of a value that stands in the next lines.
	later = regexp.MustCompile(`^(?:[|>][-+\d]*|[&!]\S*|"|'|\\|[{\[])?[ \t]*(?:#.*)?$`)
	// trace is a line of an exception's.
	trace = regexp.MustCompile(`^[ \t]+(?:at |\.\.\. )`)
)

// Text without the credentials in it.
func Text(text string) string {
	for _, f := range keys {
		text = f.in(text, lowered(text))
	}
	p := newPage(text)
	for p.next < len(p.lines) {
		p.take()
	}
	return strings.Join(p.out, "\n")
}

// page is a text on its way through.
type page struct {
	lines  []string // without their stamps
	lower  []string // the same in lower case
	stamps []string
	// told are the lines whose value has its name in another line, with what stands before the value.
	told map[int]string

	next int
	out  []string
}

func newPage(text string) *page {
	p := &page{lines: strings.Split(text, "\n")}
	p.stamps, p.lower = make([]string, len(p.lines)), make([]string, len(p.lines))
	for i, line := range p.lines {
		p.stamps[i] = stamp.FindString(line)
		p.lines[i] = line[len(p.stamps[i]):]
		p.lower[i] = lowered(p.lines[i])
	}
	p.told = told(p.lines, p.lower)
	return p
}

// take the next line, and those that its last value goes on in.
func (p *page) take() {
	number, line := p.next, p.lines[p.next]
	p.next++
	if before, is := p.told[number]; is {
		v := value{text: line[len(before):], whole: true}
		if strings.HasSuffix(before, ">") {
			v.before = '<'
		}
		p.put(number, before+v.blanked())
		p.skip(line, v, true)
		return
	}
	for _, f := range forms {
		line = f.in(line, p.lower[number])
	}
	blanked, last := inLine(line)
	p.put(number, blanked)
	if last != nil {
		p.skip(line, *last, last.whole && strings.HasSuffix(blanked, ": "+Blanked))
	}
}

func (p *page) put(number int, line string) { p.out = append(p.out, p.stamps[number]+line) }

// blanked is the value as it is shown, with what follows it in the line.
func (v value) blanked() string {
	length := v.length()
	if length == 0 || later.MatchString(v.text) {
		return v.text
	}
	return Blanked + v.text[length:]
}

// inLine blanks the values in a line. The last one is returned if it may go on in the next lines.
func inLine(line string) (blanked string, last *value) {
	if strings.Contains(line, "alue") {
		line = turned.ReplaceAllString(line, "${1}"+Blanked+"${2}")
	}
	var out strings.Builder
	done := 0 // how much of the line is in out
	for at := 0; at < len(line); {
		begin, end := wordAt(line, at)
		at = max(end, at+1)
		v, from, is := introduced(line, begin, end)
		if !is {
			continue
		}
		out.WriteString(line[done:from])
		done, at = from, from
		if later.MatchString(v.text) {
			return out.String() + line[done:], &v
		}
		if length := v.length(); length > 0 {
			out.WriteString(Blanked)
			done, at = from+length, from+length
		}
		if v.whole {
			last = &v
		}
	}
	return out.String() + line[done:], last
}

// wordAt is the next word that may be a name.
func wordAt(line string, at int) (begin, end int) {
	for at < len(line) && !inName(line[at]) {
		at++
	}
	begin = at
	for at < len(line) && inName(line[at]) {
		at++
	}
	if at < len(line) && line[at] == '>' { // the hyphen of an arrow
		return begin, begin + len(strings.TrimRight(line[begin:at], "-"))
	}
	return begin, at
}

func inName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '$' || c == '-'
}

// introduced is the value of a word, if the word is the name of a credential, and where it begins.
func introduced(line string, begin, end int) (v value, at int, is bool) {
	word, rest := line[begin:end], line[end:]
	option := strings.HasPrefix(word, "-") && options.MatchString(line[:begin])
	if option && (word == "-u" || word == "--user") {
		at = end + len(login.FindString(rest))
		return value{text: line[at:], before: '-'}, at, at > end
	}
	short := option && word == "-p"
	if !short && (!hinted(word) || !IsCredential(word) || otherwise.MatchString(word)) {
		return v, 0, false
	}
	v.name = word
	switch {
	case option:
		v.before = '-'
	case begin > 0:
		v.before = line[begin-1]
	}
	between := sign.FindString(rest)
	switch {
	case between != "":
		v.whole = !option && leading.MatchString(line[:begin])
		if v.before == '/' && strings.HasSuffix(strings.TrimSpace(between), ":") { // a path
			return v, 0, false
		}
	case option:
		between = apart.FindString(rest)
	case v.before == '<':
		between = tag.FindString(rest)
	case v.before == '>':
		between, v.before = tags.FindString(rest), '<'
	case entry.MatchString(line[:begin]):
		between = ofEntry.FindString(rest)
	case spoken.MatchString(word):
		if between = verb.FindString(rest); between == "" {
			between = strings.TrimRight(mark.FindString(rest), `"'`) // the quote is the value's
		}
	}
	at = end + len(between)
	v.text = line[at:]
	return v, at, between != ""
}

// hinted reports whether a word may be the name of a credential. It is quick, and most words are not.
func hinted(word string) bool {
	if len(word) == 2 {
		return true
	}
	lower := lowered(word)
	for _, hint := range []string{"pass", "pwd", "secret", "token", "cookie", "credential", "key", "authentication", "connection"} {
		if strings.Contains(lower, hint) {
			return true
		}
	}
	return false
}

// skip the lines that a value goes on in: those that are further in than its name, as in YAML, and those after a backslash, as in
// properties files.
func (p *page) skip(line string, v value, nested bool) {
	begin := p.next
	for strings.HasSuffix(line, `\`) && p.next < len(p.lines) {
		line = p.lines[p.next]
		p.next++
	}
	column, _ := indent(line)
	open := later.MatchString(v.text)
	for i := p.next; i < len(p.lines) && (nested || open); i++ {
		if strings.TrimSpace(p.lines[i]) == "" {
			continue
		}
		at, item := indent(p.lines[i])
		if deeper := at > column || (open && item && at-2 >= column); !deeper || trace.MatchString(p.lines[i]) {
			break
		}
		p.next = i + 1
	}
	if p.next == begin && open && v.text == "" && p.next < len(p.lines) && lonely(p.lines[p.next]) {
		p.next++
	}
	if p.next > begin {
		p.put(begin, strings.Repeat(" ", column+2)+Blanked)
	}
}

// lonely is a line with one word, which may be the value of a name that ended the line before.
func lonely(line string) bool {
	word := strings.TrimSpace(line)
	return strings.ContainsFunc(word, func(c rune) bool { return c > ' ' && !strings.ContainsRune("-=*#{}[]", c) }) && !strings.ContainsAny(word, " \t:=")
}

// indent is the column of what a line says, and whether it is an item of a list.
func indent(line string) (column int, item bool) {
	text := strings.TrimLeft(line, " \t")
	for strings.HasPrefix(text, "- ") {
		item, text = true, strings.TrimLeft(text[1:], " \t")
	}
	return len(line) - len(text), item
}
