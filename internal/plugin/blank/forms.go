// SPDX-License-Identifier: Apache-2.0

package blank

import (
	"regexp"
	"strings"
)

// form is what a credential looks like, whatever its name.
type form struct {
	// hints are quick to look for: without one of them, in lower case, the form is not there.
	hints   []string
	pattern *regexp.Regexp
	by      string
}

// keys are the forms that take several lines: private keys, and those whose beginning is cut off.
var keys = []form{ //nolint:gochecknoglobals // compiled once, never changed
	{[]string{"private key-----"}, regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`), Blanked},
	{[]string{"private key-----"}, regexp.MustCompile(`(?:[^\n]*[A-Za-z0-9+/]{40}[^\n]*\n)+[^\n]*-----END [A-Z ]*PRIVATE KEY-----`), Blanked},
}

// forms within a line, in the order in which they are looked for.
var forms = []form{ //nolint:gochecknoglobals // compiled once, never changed
	{[]string{"ls0tls1crudjti"}, regexp.MustCompile(`LS0tLS1CRUdJTi[A-Za-z0-9+/=]*`), Blanked}, // "-----BEGIN " in base64
	{[]string{"eyj"}, regexp.MustCompile(`eyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*){0,3}`), Blanked}, // JSON web tokens

	{[]string{"akia", "asia", "ltai"}, regexp.MustCompile(`\b(?:A[KS]IA[0-9A-Z]{16}|LTAI[0-9A-Za-z]{12,26})\b`), Blanked}, // AWS, Alibaba Cloud
	{[]string{"gh", "glpat-", "xox"}, regexp.MustCompile(`\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-)[\w-]{16,}`), Blanked},
	{[]string{"$"}, regexp.MustCompile(`\$(?:apr1|2[aby]|[156y])\$[\w./$-]+`), Blanked}, // htpasswd, shadow
	{[]string{"sha}", "md5}", "crypt}"}, regexp.MustCompile(`\{(?:SSHA|SHA|SMD5|MD5|CRYPT)\}[\w+/=$.]+`), Blanked},

	{
		[]string{"bearer", "basic", "digest", "negotiate"},
		regexp.MustCompile(`(?i)\b(bearer|basic|digest|negotiate)[ \t]+[\w.~+/=-]{8,}`), "${1} " + Blanked,
	},
	{
		[]string{"authorization"},
		regexp.MustCompile(`(?i)(authorization\\*["']?[ \t]*[:=][ \t]*\[?\\*["']?)[\w.~+/=-]{16,}`), "${1}" + Blanked,
	},
	{
		[]string{"x-api-key", "x-auth-token", "cookie"},
		regexp.MustCompile(`(?i)((?:x-api-key|x-auth-token|cookie)\\*["']?[ \t]*:[ \t]*\[?\\*["']?)[^\s"'(\[][^"'\\\n]*`), "${1}" + Blanked,
	},
	{[]string{`auth"`, `auth\`}, regexp.MustCompile(`(\\*"_?auth\\*"[ \t]*:[ \t]*)\\*"[^"\n]+"`), "${1}" + Blanked}, // a registry's, in JSON

	{[]string{"://"}, regexp.MustCompile(`(://[^\s/:@"'\\]*:)[^\s"']+@`), "${1}" + Blanked + "@"},
	{[]string{"://"}, regexp.MustCompile(`(://)[^\s/:@"'\\(]+@`), "${1}" + Blanked + "@"},
	{[]string{"@tcp(", "@unix("}, regexp.MustCompile(`([^\s:@/"'=]+:)[^\s@"']+@((?:tcp|unix)\()`), "${1}" + Blanked + "@${2}"}, // Go's MySQL
}

// in a text, which is given in lower case too.
func (f form) in(text, lower string) string {
	for _, hint := range f.hints {
		if strings.Contains(lower, hint) {
			return f.pattern.ReplaceAllString(text, f.by)
		}
	}
	return text
}

// lowered is text with the letters that names have in lower case. It is as long as the text.
func lowered(text string) string {
	lower := []byte(text)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}
