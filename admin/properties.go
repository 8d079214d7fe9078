// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
)

// parseProperties reads the text of GET_*_CONFIG: one key=value on a line, without escapes (MixAll.properties2String), so that
// the rules of java.util.Properties do not apply. Each string has memory of its own, because callers keep a few of hundreds.
func parseProperties(text []byte) map[string]string {
	props := map[string]string{}
	for line := range bytes.Lines(text) {
		if key, value, ok := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte("=")); ok {
			props[string(key)] = string(value)
		}
	}
	return props
}

// formatProperties writes the text of UPDATE_*_CONFIG. Here the rules of java.util.Properties do apply
// (MixAll.string2Properties): ISO 8859-1 with escapes.
func formatProperties(props map[string]string) []byte {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(props)) {
		escapeProperty(&text, key, true)
		text.WriteByte('=')
		escapeProperty(&text, props[key], false)
		text.WriteByte('\n')
	}
	return []byte(text.String())
}

func escapeProperty(text *strings.Builder, s string, isKey bool) {
	for i, r := range s {
		switch {
		case r == '\\':
			text.WriteString(`\\`)
		case r == '\n':
			text.WriteString(`\n`)
		case r == '\r':
			text.WriteString(`\r`)
		case r == '\t':
			text.WriteString(`\t`)
		case r == ' ' && (isKey || i == 0), isKey && strings.ContainsRune("=:#!", r):
			text.WriteByte('\\')
			text.WriteRune(r)
		case r < ' ' || r > '~':
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(text, `\u%04x`, unit)
			}
		default:
			text.WriteRune(r)
		}
	}
}
