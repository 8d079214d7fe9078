// SPDX-License-Identifier: Apache-2.0

package properties

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		want     map[string]string
	}{
		{"empty", "", map[string]string{}},
		{"comments and blank lines", "# a=1\n  ! b=2\n\n \t\nc=3\n", map[string]string{"c": "3"}},
		{"separators", "a=1\nb:2\nc 3\nd\t=\t4\ne  : 5\nf", map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "f": ""}},
		{"only the first separator counts", "a==1\nb=x=y:z\nc = = d", map[string]string{"a": "=1", "b": "x=y:z", "c": "= d"}},
		{"continuation", "a=1,\\\n   2,\\\n\t3\nb=4", map[string]string{"a": "1,2,3", "b": "4"}},
		{"a continuation is no comment", "a=1\\\n#2", map[string]string{"a": "1#2"}},
		{"a blank line ends a continuation", "a=1\\\n\nb=2", map[string]string{"a": "1", "b": "2"}},
		{"a comment has no continuation", "# a\\\nb=2", map[string]string{"b": "2"}},
		{"even backslashes do not continue", "a=x\\\\\nb=2", map[string]string{"a": `x\`, "b": "2"}},
		{"backslash at the end of the file", "a=1\\", map[string]string{"a": "1"}},
		{"lone backslash", "\\\na=1", map[string]string{"a": "1"}},
		{"line ends", "a=1\r\nb=2\rc=3\n", map[string]string{"a": "1", "b": "2", "c": "3"}},
		{"escapes", `a\ b\=\:c=\tx\ny\q\\`, map[string]string{"a b=:c": "\tx\nyq\\"}},
		{"trailing space is kept, leading is not", "a=  x  ", map[string]string{"a": "x  "}},
		{"unicode escape", `a=\u4e2d\u6587\uD83D\uDE00!`, map[string]string{"a": "中文😀!"}},
		{"escaped character beyond ASCII", `a=\中`, map[string]string{"a": "中"}},
		{"utf-8", "# 中文\na=中", map[string]string{"a": "中"}},
		{"iso 8859-1", "a=caf\xe9", map[string]string{"a": "café"}},
		{"last wins", "a=1\na=2", map[string]string{"a": "2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseNamesTheBadLine(t *testing.T) {
	for _, in := range []string{"a=1\n# c\nb=\\u12x4\n", "a=1\n\nb\\u12=1"} {
		_, err := Parse([]byte(in))
		if err == nil || !strings.Contains(err.Error(), "line 3: malformed escape") {
			t.Errorf("Parse(%q) = %v, want an error about line 3", in, err)
		}
	}
}

func TestFormat(t *testing.T) {
	got := string(Format(map[string]string{
		"namesrvAddr": "a:9876;b:9876",
		"brokerName":  "  two leading, one  inside",
		"key with: #": `C:\dir`,
		"unicode":     "中😀\n",
	}))
	want := strings.Join([]string{
		`brokerName=\  two leading, one  inside`,
		`key\ with\:\ \#=C:\\dir`,
		`namesrvAddr=a:9876;b:9876`,
		`unicode=\u4E2D\uD83D\uDE00\n`,
		"",
	}, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRoundTrip(t *testing.T) {
	text := rapid.Custom(func(t *rapid.T) string {
		return rapid.OneOf(rapid.String(), rapid.StringMatching(`[ \t\f\r\n\\=:#!a-z;]{0,12}`)).Draw(t, "text")
	}).Filter(utf8.ValidString)
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOf(text.Filter(func(s string) bool { return s != "" }), text).Draw(t, "properties")
		got, err := Parse(Format(want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a=1\\\n 2\n!x\nb:\\u4e2d"))
	f.Fuzz(func(t *testing.T, data []byte) {
		props, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Parse(Format(props))
		if err != nil {
			t.Fatal(err)
		}
		delete(props, "") // "=x" names nothing
		delete(again, "")
		if diff := cmp.Diff(props, again); diff != "" {
			t.Errorf("(-first +again)\n%s", diff)
		}
	})
}
