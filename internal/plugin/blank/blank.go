// SPDX-License-Identifier: Apache-2.0

// Package blank takes credentials out of what leaves a user's machine.
//
// It goes by names and by forms: a value whose name says that it is a credential is blanked wherever it is, and so is what looks like
// one (private keys, JSON web tokens, passwords in addresses). It rather blanks too much.
package blank

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"strings"
)

// Blanked stands where a credential was.
const Blanked = "(blanked)"

const (
	// words anywhere in a name make its value a credential.
	words = `passw(?:or)?d|passphrase|passcode|pwd|[-_.]pass|(?:key|trust)store[-_.]?pass|[-_.]secret|client[-_.]?secret|credential|token|cookie|` +
		`(?:secret|access|private|api|auth|client|account|master|encryption|sign|signing)[-_.]?key|key[-_.]?data|` +
		`authentication[-_.]?user|connection[-_.]?string`
	// endings of a name do so, too: secretName is the name of a Secret.
	endings = `secret|pass`
	// abbreviations of accessKey and secretKey that RocketMQ's tools use.
	abbreviations = `ak|sk`
)

var (
	credential = regexp.MustCompile(`(?i)(?:` + words + `)|(?:` + endings + `)$|^(?:` + abbreviations + `)$`)
	// references name a credential's place, and are needed to find out why it is not found.
	references = regexp.MustCompile(`(?i)(?:refs?|secrets?|selector)$`)
	// accounts are files with a user and a password in each line, such as users.properties of the RocketMQ dashboard.
	accounts = regexp.MustCompile(`(?i)^(?:.*[._-])?(?:users?|htpasswd|shadow|netrc|pgpass)(?:[._-](?:properties|conf|cfg|txt|ini|db|csv|ya?ml))?$`)
	// account is a line of such a file.
	account = regexp.MustCompile(`(?m)^([ \t]*[^\s#:=,][^\s:=,]*[ \t]*[:=, \t][ \t]*)\S.*$`)
	// option is an argument whose value is the next one.
	option = regexp.MustCompile(`^--?[\w.-]+$`)
	// userAndPassword are in one argument, as curl --user takes them.
	userAndPassword = regexp.MustCompile(`^[^\s:]*:\S+$`)
)

// IsCredential reports whether a name says that its value is one.
func IsCredential(name string) bool { return credential.MatchString(name) }

// Object is a Kubernetes object, or any part of one, without the credentials in it, without what only repeats it, and
// without the packed data of ConfigMaps.
func Object(value any) any {
	switch value := value.(type) {
	case map[string]any:
		return object(value)
	case []any:
		return list(value)
	case string:
		return text(value)
	}
	return value
}

// list blanks what follows an option such as --password.
func list(items []any) []any {
	out := make([]any, len(items))
	before := ""
	for i, item := range items {
		value, isText := item.(string)
		switch {
		case isText && (before == "-p" || option.MatchString(before) && IsCredential(before)),
			isText && (before == "-u" || before == "--user") && userAndPassword.MatchString(value):
			out[i] = Blanked
		default:
			out[i] = Object(item)
		}
		before = value
	}
	return out
}

func object(fields map[string]any) map[string]any {
	out := map[string]any{}
	secret := fields["kind"] == "Secret"
	for key, value := range fields {
		text, isText := value.(string)
		switch {
		case key == "managedFields" || key == "kubectl.kubernetes.io/last-applied-configuration":
		case key == "binaryData": // what is packed cannot be looked through
			out[key] = "(left out)"
		case secret && (key == "data" || key == "stringData"), key == "value" && namesCredential(fields), isText && (key == "auth" || key == "_auth"):
			out[key] = all(value)
		case IsCredential(key):
			out[key] = named(key, value)
		case isText && accounts.MatchString(key):
			out[key] = account.ReplaceAllString(text, "${1}"+Blanked)
		default:
			out[key] = Object(value)
		}
	}
	return out
}

// namesCredential reports whether an entry, such as an environment variable, says that its value is a credential.
func namesCredential(entry map[string]any) bool {
	for _, field := range []string{"name", "key"} {
		if name, isText := entry[field].(string); isText && IsCredential(name) {
			return true
		}
	}
	return false
}

// named is the value of a name that says that it is a credential. What only refers to one is kept.
func named(key string, value any) any {
	if _, isMap := value.(map[string]any); isMap && references.MatchString(key) {
		return Object(value)
	}
	if _, isList := value.([]any); isList && references.MatchString(key) {
		return Object(value)
	}
	return all(value)
}

// all of a value is blanked, but for what is no text and no number.
func all(value any) any {
	switch value := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, item := range value {
			out[key] = all(item)
		}
		return out
	case []any:
		out := make([]any, len(value))
		for i, item := range value {
			out[i] = all(item)
		}
		return out
	case bool, nil:
		return value
	case string:
		if value == "" {
			return ""
		}
	}
	return Blanked
}

// text within an object, which may be an object itself, as JSON.
func text(value string) string {
	if trimmed := strings.TrimSpace(value); strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
		if out, ok := packed(trimmed); ok {
			return out
		}
	}
	return Text(value)
}

// packed is text that is JSON as a whole.
func packed(text string) (out string, ok bool) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return "", false
	}
	if _, err := decoder.Token(); err != io.EOF {
		return "", false
	}
	var encoded bytes.Buffer
	encoder := json.NewEncoder(&encoded)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(Object(value)); err != nil {
		return "", false
	}
	return strings.TrimSuffix(encoded.String(), "\n"), true
}

// Map is a table of properties without the values that are credentials.
func Map(properties map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range properties {
		if value != "" && IsCredential(key) {
			value = Blanked
		}
		out[key] = text(value)
	}
	return out
}
