// SPDX-License-Identifier: Apache-2.0

// Package blank takes credentials out of what leaves a user's machine.
//
// It goes by names: a value whose name says that it is a credential is blanked, wherever it is. It rather blanks too much.
package blank

import "regexp"

// Blanked stands where a credential was.
const Blanked = "(blanked)"

// words in a name that make its value a credential.
const words = `passw(?:or)?d|passphrase|pwd|[-_.]pass|secret[-_]?key|access[-_]?key|private[-_]?key|api[-_]?key|` +
	`client[-_]?secret|[-_.]secret|credential|token|authentication[-_]?user|(?:key|trust)store[-_]?pass`

var (
	credential = regexp.MustCompile(`(?i)` + words)
	// lines of properties files and of YAML: all of the line is the value.
	lines = regexp.MustCompile(`(?im)^([ \t]*(?:-[ \t]+)?[\w.-]*(?:` + words + `)[\w.-]*[ \t]*[:=][ \t]*)[^\s{].*$`)
	// pairs are name=value and name: value elsewhere, such as in JSON, in JSON within JSON, in a log, and as an argument of java.
	pairs = regexp.MustCompile(`(?i)([\w.-]*(?:` + words + `)[\w.-]*\\*["']?[ \t]*[:=][ \t]*)` +
		`(\\+"[^"\\\n]*\\+"|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\{[^{}\n]*\}|[^\s{]\S*)`)
	bearer   = regexp.MustCompile(`(?i)\b(bearer|basic)[ \t]+[\w.~+/=-]{8,}`)
	userInfo = regexp.MustCompile(`(://[^\s/:@]*:)[^\s/@]+@`)
	pem      = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`)
)

// IsCredential reports whether a name says that its value is one.
func IsCredential(name string) bool { return credential.MatchString(name) }

// Text without the credentials in it.
func Text(text string) string {
	text = pem.ReplaceAllString(text, Blanked)
	text = bearer.ReplaceAllString(text, "${1} "+Blanked)
	text = userInfo.ReplaceAllString(text, "${1}"+Blanked+"@")
	text = lines.ReplaceAllString(text, "${1}"+Blanked)
	return pairs.ReplaceAllString(text, "${1}"+Blanked)
}

// Object is a Kubernetes object, or any part of one, without the credentials in it, without what only repeats it, and
// without the packed data of ConfigMaps.
func Object(value any) any {
	switch value := value.(type) {
	case map[string]any:
		return object(value)
	case []any:
		out := make([]any, len(value))
		for i, item := range value {
			out[i] = Object(item)
		}
		return out
	case string:
		return Text(value)
	}
	return value
}

func object(fields map[string]any) map[string]any {
	out := map[string]any{}
	name, _ := fields["name"].(string)
	for key, value := range fields {
		text, isText := value.(string)
		switch {
		case key == "managedFields" || key == "kubectl.kubernetes.io/last-applied-configuration":
		case key == "binaryData": // what is packed cannot be looked through
			out[key] = "(left out)"
		case isText && text != "" && (IsCredential(key) || (key == "value" && IsCredential(name))): // an environment variable has both
			out[key] = Blanked
		default:
			out[key] = Object(value)
		}
	}
	return out
}

// Map is a table of properties without the values that are credentials.
func Map(properties map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range properties {
		if value != "" && IsCredential(key) {
			value = Blanked
		}
		out[key] = Text(value)
	}
	return out
}
