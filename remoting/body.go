// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// UnmarshalBody decodes a body written by RocketMQ's JSON library (fastjson) into v, following the rules of
// encoding/json. What fastjson writes is not JSON; these differences are removed first:
//
//   - {0:"a"}: keys that are bare numbers or words become strings;
//   - {{"queueId":1,"topic":"t"}:5}: a key that is an object or array becomes a string holding its compact JSON;
//   - NaN, Infinity, -Infinity become null;
//   - {"$ref":"$.a"}, a pointer to an earlier object (fastjson 1, RocketMQ before 5.4), becomes null: the value is
//     lost, the rest of the body is not.
//
// Nesting is limited to 64 levels. For a long body of which little is wanted, see BodyDecoder.
func UnmarshalBody(data []byte, v any) error {
	d := &BodyDecoder{in: data}
	if err := d.Decode(v); err != nil {
		return err
	}
	return d.End()
}

// BodyDecoder reads a body piece by piece, with the same tolerance as UnmarshalBody. Only the values that are asked for
// take memory:
//
//	d := remoting.NewBodyDecoder(body)
//	err := d.Object(func(key string) error {
//		if key != "topicList" {
//			return nil // skipped
//		}
//		return d.Array(func() error {
//			var topic string
//			err := d.Decode(&topic)
//			...
//		})
//	})
//
// A single key or value that is decoded may have 256 KiB. Errors tell the position in the body. After an error a decoder is
// of no further use.
type BodyDecoder struct {
	r    io.Reader
	in   []byte // a window of the body, read up to pos
	pos  int
	past int64 // bytes before the window

	out   bytes.Buffer // the value that is being translated
	max   int          // bytes in out; 0 for any number
	long  bool         // there would be more
	keep  bool         // write to out, rather than skip
	inKey bool         // within a key that is an object or array
	due   bool         // a visitor has not read its value yet
	depth int
}

// NewBodyDecoder returns a decoder of the body that r reads.
func NewBodyDecoder(r io.Reader) *BodyDecoder { return &BodyDecoder{r: r, max: maxValue} }

// Offset is how many bytes of the body have been read.
func (d *BodyDecoder) Offset() int64 { return d.past + int64(d.pos) }

// Decode reads the next value into v, following the rules of encoding/json.
func (d *BodyDecoder) Decode(v any) error {
	d.due = false
	if err := d.translate(d.value); err != nil {
		return err
	}
	if err := json.Unmarshal(d.out.Bytes(), v); err != nil {
		return d.failure(err)
	}
	return nil
}

// Text reads the next value, which must be a string or null. It is Decode for strings, and faster.
func (d *BodyDecoder) Text() (string, error) {
	d.due = false
	switch c, err := d.peek(); {
	case err != nil:
		return "", err
	case c == 'n':
		return "", d.null()
	case c != '"':
		return "", d.unexpected(c, "a string")
	}
	return d.unquoted(d.text)
}

// Int reads the next value, which must be an integer or null. It is Decode for integers, and faster.
func (d *BodyDecoder) Int() (int64, error) {
	d.due = false
	if err := d.translate(d.word); err != nil {
		return 0, err
	}
	text := d.out.String()
	if text == "null" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, d.failure(fmt.Errorf("%.20q is no integer", text))
	}
	return n, nil
}

// Skip reads over the next value.
func (d *BodyDecoder) Skip() error {
	d.due, d.keep = false, false
	return d.value()
}

// Object reads the next value, which must be an object or null, and calls visit for each of its members. Visit reads the
// member's value with one call of d; if it does not, the value is skipped. An error of visit ends the reading.
func (d *BodyDecoder) Object(visit func(key string) error) error {
	member := func() error {
		key, err := d.unquoted(d.key)
		if err != nil {
			return err
		}
		if err := d.colon(); err != nil {
			return err
		}
		return d.visited(func() error { return visit(key) })
	}
	return d.container('{', '}', "an object", member)
}

// Array reads the next value, which must be an array or null, and calls visit for each of its elements. Visit reads the
// element with one call of d; if it does not, the element is skipped. An error of visit ends the reading.
func (d *BodyDecoder) Array(visit func() error) error {
	return d.container('[', ']', "an array", func() error { return d.visited(visit) })
}

// End returns an error if anything but white space follows.
func (d *BodyDecoder) End() error {
	if _, err := d.peek(); err != nil {
		return err
	}
	if d.pos < len(d.in) {
		return d.failure(errors.New("text after the end"))
	}
	return nil
}

func (d *BodyDecoder) container(opening, closing byte, kind string, element func() error) error {
	d.due, d.keep = false, false
	switch c, err := d.peek(); {
	case err != nil:
		return err
	case c == 'n':
		return d.null()
	case c != opening:
		return d.unexpected(c, kind)
	}
	return d.list(closing, element)
}

func (d *BodyDecoder) visited(visit func() error) error {
	d.due = true
	if err := visit(); err != nil {
		return err
	}
	if d.due {
		return d.Skip()
	}
	return nil
}

// translate has read copy its text to out.
func (d *BodyDecoder) translate(read func() error) error {
	d.out.Reset()
	d.keep, d.long = true, false
	if err := read(); err != nil {
		return err
	}
	d.keep = false
	if d.long {
		return d.failure(fmt.Errorf("a key or value of more than %d bytes", d.max))
	}
	return nil
}

func (d *BodyDecoder) null() error {
	if err := d.translate(d.word); err != nil {
		return err
	}
	if d.out.String() != "null" {
		return d.failure(fmt.Errorf("unexpected %.20q", d.out.String()))
	}
	return nil
}

// unquoted is the string that encoding/json would make of what read copies.
func (d *BodyDecoder) unquoted(read func() error) (string, error) {
	if err := d.translate(read); err != nil {
		return "", err
	}
	quoted := d.out.Bytes()
	if plain := quoted[1 : len(quoted)-1]; isPlain(plain) {
		return string(plain), nil
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return "", d.failure(err)
	}
	return text, nil
}

// isPlain reports whether the inside of a JSON string stands for itself.
func isPlain(text []byte) bool {
	for _, c := range text {
		if c == '\\' || c < ' ' {
			return false
		}
	}
	return utf8.Valid(text)
}
