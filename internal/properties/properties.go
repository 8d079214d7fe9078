// SPDX-License-Identifier: Apache-2.0

// Package properties reads and writes java.util.Properties files, the format of every RocketMQ configuration.
//
// RocketMQ loads them with Properties.load(InputStream), which reads ISO 8859-1: Format therefore writes ASCII only, with
// \uXXXX for the rest.
package properties

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Parse reads a properties file as java.util.Properties.load does: comments (# and !), the separators =, : and white
// space, continuation lines, escapes; the last of several equal keys wins. A file that is valid UTF-8 is taken as such
// (people write UTF-8), anything else as ISO 8859-1.
func Parse(data []byte) (map[string]string, error) {
	props := make(map[string]string)
	lines := naturalLines(decode(data))
	for i := 0; i < len(lines); i++ {
		line, number := trimLeft(lines[i]), i+1
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for continues(line) {
			line = line[:len(line)-1]
			if i+1 == len(lines) {
				break
			}
			i++
			line += trimLeft(lines[i])
		}
		rawKey, rawValue := split(line)
		key, err := unescape(rawKey)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		value, err := unescape(rawValue)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if key == "" && value == "" { // a lone backslash
			continue
		}
		props[key] = value
	}
	return props, nil
}

// Format writes the properties sorted by key, one per line, so that equal properties give equal bytes.
func Format(props map[string]string) []byte {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(props)) {
		escape(&b, key, true)
		b.WriteByte('=')
		escape(&b, props[key], false)
		b.WriteByte('\n')
	}
	return []byte(b.String())
}

func decode(data []byte) string {
	if utf8.Valid(data) {
		return string(data)
	}
	runes := make([]rune, len(data))
	for i, c := range data {
		runes[i] = rune(c)
	}
	return string(runes)
}

// naturalLines splits at \n, \r and \r\n.
func naturalLines(text string) []string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")
}

func trimLeft(line string) string { return strings.TrimLeft(line, " \t\f") }

// continues says whether the line ends in an odd number of backslashes.
func continues(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// split cuts a logical line into its still escaped key and value.
func split(line string) (key, value string) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
		} else if strings.IndexByte("=: \t\f", line[i]) >= 0 {
			end = i
			break
		}
	}
	value = trimLeft(line[end:])
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = trimLeft(value[1:])
	}
	return line[:end], value
}

func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			unit, err := unicodeEscape(s[i+1:])
			if err != nil {
				return "", err
			}
			i += 4
			// Java writes a character beyond U+FFFF as two escapes.
			if rest := s[i+1:]; utf16.IsSurrogate(unit) && strings.HasPrefix(rest, `\u`) {
				if low, err := unicodeEscape(rest[2:]); err == nil {
					if r := utf16.DecodeRune(unit, low); r != utf8.RuneError {
						unit = r
						i += 6
					}
				}
			}
			b.WriteRune(unit)
		default: // the escaped character itself, whose further bytes follow
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}

func unicodeEscape(s string) (rune, error) {
	if len(s) >= 4 {
		if unit, err := strconv.ParseUint(s[:4], 16, 16); err == nil {
			return rune(unit), nil
		}
	}
	return 0, fmt.Errorf(`malformed escape \u%.4s: four hexadecimal digits must follow, a literal backslash is written \\`, s)
}

// escape writes what Parse and java read back as s. In a value only leading white space and backslashes need it.
func escape(b *strings.Builder, s string, key bool) {
	leading := true
	for _, r := range s {
		switch {
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\f':
			b.WriteString(`\f`)
		case r == '\\', r == ' ' && (key || leading), key && strings.ContainsRune("=:#!", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r > 0x7e:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(b, `\u%04X`, unit)
			}
		default:
			b.WriteRune(r)
		}
		leading = false
	}
}
