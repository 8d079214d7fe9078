package remoting

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

const maxBodyDepth = 64

// UnmarshalBody decodes a body written by RocketMQ's JSON library (fastjson) into v by the rules of encoding/json.
// What fastjson writes is not JSON; differences are brought into line first:
//
//   - {0:"a"}: keys that are bare numbers or words become strings;
//   - {{"queueId":1,"topic":"t"}:5}: a key that is an object or array becomes a string holding its compact JSON;
//   - NaN, Infinity, -Infinity become null;
//   - {"$ref":"$.a"}, a pointer to an earlier object (fastjson 1, RocketMQ before 5.4), becomes null: the value is
//     lost, the rest of the body is not.
//
// Nesting is limited, and so is the size of what is built from data: at most a few times its length.
func UnmarshalBody(data []byte, v any) error {
	standard, err := standardJSON(data)
	if err != nil {
		return fmt.Errorf("decode body: %w", err)
	}
	if err := json.Unmarshal(standard, v); err != nil {
		return fmt.Errorf("decode body: %w", err)
	}
	return nil
}

func standardJSON(data []byte) ([]byte, error) {
	t := &translator{in: data}
	t.out.Grow(len(data) + len(data)/8)
	if err := t.value(0); err != nil {
		return nil, fmt.Errorf("at byte %d of %d: %w", t.pos, len(data), err)
	}
	t.space()
	if t.pos < len(t.in) {
		return nil, fmt.Errorf("at byte %d of %d: %w", t.pos, len(data), errors.New("text after the end"))
	}
	return t.out.Bytes(), nil
}

// translator copies tokens from in to out. It knows just enough of the grammar to find keys; what it copies is
// checked by encoding/json afterwards.
type translator struct {
	in    []byte
	pos   int
	out   bytes.Buffer
	inKey bool // within a key that is an object or array
}

var errEnd = errors.New("unexpected end")

func (t *translator) space() {
	for t.pos < len(t.in) {
		switch t.in[t.pos] {
		case ' ', '\t', '\r', '\n':
			t.pos++
		default:
			return
		}
	}
}

// peek is the next byte that is not white space, 0 at the end.
func (t *translator) peek() byte {
	t.space()
	if t.pos == len(t.in) {
		return 0
	}
	return t.in[t.pos]
}

func (t *translator) value(depth int) error {
	if depth > maxBodyDepth {
		return fmt.Errorf("nested more than %d deep", maxBodyDepth)
	}
	switch c := t.peek(); c {
	case '{':
		return t.object(depth)
	case '[':
		return t.list(']', depth, t.value)
	case '"':
		return t.text()
	default:
		word, err := t.word()
		if err != nil {
			return err
		}
		switch string(word) {
		case "NaN", "Infinity", "-Infinity":
			word = []byte("null")
		}
		t.out.Write(word)
		return nil
	}
}

func (t *translator) object(depth int) error {
	start, members, ref := t.out.Len(), 0, false
	member := func(depth int) error {
		members++
		keyAt := t.out.Len()
		if err := t.key(depth); err != nil {
			return err
		}
		ref = string(t.out.Bytes()[keyAt:]) == `"$ref"`
		if c := t.peek(); c != ':' {
			return unexpected(c, "a colon")
		}
		t.take()
		ref = t.peek() == '"' && ref
		return t.value(depth)
	}
	if err := t.list('}', depth, member); err != nil {
		return err
	}
	if members == 1 && ref {
		t.out.Truncate(start)
		t.out.WriteString("null")
	}
	return nil
}

// list copies elements from the opening bracket, which is next, to the closing one.
func (t *translator) list(closing byte, depth int, element func(depth int) error) error {
	t.take()
	if t.peek() == closing {
		t.take()
		return nil
	}
	for {
		if err := element(depth + 1); err != nil {
			return err
		}
		switch c := t.peek(); c {
		case ',':
			t.take()
		case closing:
			t.take()
			return nil
		default:
			return unexpected(c, "a comma or closing bracket")
		}
	}
}

func (t *translator) key(depth int) error {
	switch t.peek() {
	case '"':
		return t.text()
	case '{', '[':
		return t.structuredKey(depth)
	}
	word, err := t.word()
	if err != nil {
		return err
	}
	t.quote(word)
	return nil
}

// structuredKey refuses a second level, which no server writes: each level doubles the backslashes of the one inside.
func (t *translator) structuredKey(depth int) error {
	if t.inKey {
		return errors.New("object as key within an object as key")
	}
	t.inKey = true
	start := t.out.Len()
	if err := t.value(depth); err != nil {
		return err
	}
	t.inKey = false
	key := bytes.Clone(t.out.Bytes()[start:])
	t.out.Truncate(start)
	t.quote(key)
	return nil
}

// quote writes s as a JSON string. Bytes above ASCII are copied as they are.
func (t *translator) quote(s []byte) {
	t.out.WriteByte('"')
	for _, c := range s {
		if c == '"' || c == '\\' {
			t.out.WriteByte('\\')
		}
		t.out.WriteByte(c)
	}
	t.out.WriteByte('"')
}

// take copies one byte, which peek has shown.
func (t *translator) take() {
	t.out.WriteByte(t.in[t.pos])
	t.pos++
}

// text copies a string in quotes.
func (t *translator) text() error {
	start := t.pos
	for t.pos++; t.pos < len(t.in); t.pos++ {
		switch t.in[t.pos] {
		case '\\':
			t.pos++
		case '"':
			t.pos++
			t.out.Write(t.in[start:t.pos])
			return nil
		}
	}
	t.pos = len(t.in)
	return errEnd
}

// word reads a number, a literal or a bare key.
func (t *translator) word() ([]byte, error) {
	c := t.peek()
	start := t.pos
	for t.pos < len(t.in) && isWordByte(t.in[t.pos]) {
		t.pos++
	}
	if t.pos == start {
		return nil, unexpected(c, "a value or key")
	}
	return t.in[start:t.pos], nil
}

func isWordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' ||
		c == '-' || c == '+' || c == '.' || c == '_' || c == '$'
}

func unexpected(c byte, want string) error {
	if c == 0 {
		return errEnd
	}
	return fmt.Errorf("unexpected %q instead of %s", c, want)
}
