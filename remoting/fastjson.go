// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// The grammar of fastjson, as far as it must be known to turn it into JSON.

const (
	maxBodyDepth = 64
	bodyWindow   = 8 << 10   // bytes of a stream that a BodyDecoder looks at
	maxValue     = 256 << 10 // bytes of a key or value in a stream
)

var errEnd = errors.New("unexpected end")

// value copies the next value to out if d.keep is set. It knows just enough of the grammar to find keys; what it copies
// is checked by encoding/json afterwards.
func (d *BodyDecoder) value() error {
	switch c, err := d.peek(); {
	case err != nil:
		return err
	case c == '{':
		return d.object()
	case c == '[':
		return d.list(']', d.value)
	case c == '"':
		return d.text()
	}
	start := d.out.Len()
	if err := d.word(); err != nil {
		return err
	}
	switch string(d.out.Bytes()[start:]) {
	case "NaN", "Infinity", "-Infinity":
		d.out.Truncate(start)
		d.out.WriteString("null")
	}
	return nil
}

func (d *BodyDecoder) object() error {
	start, members, ref := d.out.Len(), 0, false
	member := func() error {
		members++
		keyAt := d.out.Len()
		if err := d.key(); err != nil {
			return err
		}
		ref = string(d.out.Bytes()[keyAt:]) == `"$ref"`
		if err := d.colon(); err != nil {
			return err
		}
		c, err := d.peek()
		if err != nil {
			return err
		}
		ref = ref && c == '"'
		return d.value()
	}
	if err := d.list('}', member); err != nil {
		return err
	}
	if members == 1 && ref {
		d.out.Truncate(start)
		d.out.WriteString("null")
	}
	return nil
}

// list reads elements from the opening bracket, which is next, to the closing one.
func (d *BodyDecoder) list(closing byte, element func() error) error {
	if d.depth++; d.depth > maxBodyDepth {
		return d.failure(fmt.Errorf("nested more than %d deep", maxBodyDepth))
	}
	defer func() { d.depth-- }()
	d.take()
	switch c, err := d.peek(); {
	case err != nil:
		return err
	case c == closing:
		d.take()
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch c, err := d.peek(); {
		case err != nil:
			return err
		case c == ',':
			d.take()
		case c == closing:
			d.take()
			return nil
		default:
			return d.unexpected(c, "a comma or closing bracket")
		}
	}
}

func (d *BodyDecoder) key() error {
	switch c, err := d.peek(); {
	case err != nil:
		return err
	case c == '"':
		return d.text()
	case c == '{', c == '[':
		return d.structuredKey()
	}
	d.emit('"')
	if err := d.word(); err != nil {
		return err
	}
	d.emit('"')
	return nil
}

// structuredKey refuses a second level, which no server writes: each level doubles the backslashes of the one inside.
func (d *BodyDecoder) structuredKey() error {
	if d.inKey {
		return d.failure(errors.New("object as key within an object as key"))
	}
	d.inKey = true
	start := d.out.Len()
	if err := d.value(); err != nil {
		return err
	}
	d.inKey = false
	key := bytes.Clone(d.out.Bytes()[start:])
	d.out.Truncate(start)
	d.emit('"')
	for _, c := range key {
		if c == '"' || c == '\\' {
			d.emit('\\')
		}
		d.emit(c)
	}
	d.emit('"')
	return nil
}

// colon reads the colon between a key and its value.
func (d *BodyDecoder) colon() error {
	switch c, err := d.peek(); {
	case err != nil:
		return err
	case c != ':':
		return d.unexpected(c, "a colon")
	}
	d.take()
	return nil
}

// text copies a string in quotes, which is next.
func (d *BodyDecoder) text() error {
	d.take()
	escaped := false
	for {
		if d.pos == len(d.in) {
			if more, err := d.fill(); err != nil {
				return err
			} else if !more {
				return d.failure(errEnd)
			}
		}
		start := d.pos
		for d.pos < len(d.in) {
			c := d.in[d.pos]
			d.pos++
			switch {
			case escaped:
				escaped = false
			case c == '\\':
				escaped = true
			case c == '"':
				d.emit(d.in[start:d.pos]...)
				return nil
			}
		}
		d.emit(d.in[start:d.pos]...)
	}
}

// word copies a number, a literal or a bare key.
func (d *BodyDecoder) word() error {
	c, err := d.peek()
	if err != nil {
		return err
	}
	if !isWordByte(c) {
		return d.unexpected(c, "a value or key")
	}
	for {
		start := d.pos
		for d.pos < len(d.in) && isWordByte(d.in[d.pos]) {
			d.pos++
		}
		d.emit(d.in[start:d.pos]...)
		if d.pos < len(d.in) {
			return nil
		}
		if more, err := d.fill(); err != nil || !more {
			return err
		}
	}
}

func isWordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' ||
		c == '-' || c == '+' || c == '.' || c == '_' || c == '$'
}

// take copies one byte, which peek has shown.
func (d *BodyDecoder) take() {
	d.emit(d.in[d.pos])
	d.pos++
}

func (d *BodyDecoder) emit(text ...byte) {
	switch {
	case !d.keep:
	case d.max > 0 && d.out.Len()+len(text) > d.max:
		d.long = true
	default:
		d.out.Write(text)
	}
}

// peek is the next byte that is not white space, 0 at the end.
func (d *BodyDecoder) peek() (byte, error) {
	for {
		for d.pos < len(d.in) {
			switch c := d.in[d.pos]; c {
			case ' ', '\t', '\r', '\n':
				d.pos++
			default:
				return c, nil
			}
		}
		if more, err := d.fill(); err != nil || !more {
			return 0, err
		}
	}
}

// fill reads the next window; false at the end of the body.
func (d *BodyDecoder) fill() (bool, error) {
	if d.r == nil {
		return false, nil
	}
	d.past += int64(len(d.in))
	if cap(d.in) == 0 {
		d.in = make([]byte, 0, bodyWindow)
	}
	d.in, d.pos = d.in[:0], 0
	for {
		n, err := d.r.Read(d.in[:cap(d.in)])
		d.in = d.in[:n]
		switch {
		case n > 0:
			return true, nil // an error comes again with the next read
		case errors.Is(err, io.EOF):
			d.r = nil
			return false, nil
		case err != nil:
			return false, d.failure(err)
		}
	}
}

func (d *BodyDecoder) unexpected(c byte, want string) error {
	if c == 0 {
		return d.failure(errEnd)
	}
	return d.failure(fmt.Errorf("unexpected %q instead of %s", c, want))
}

func (d *BodyDecoder) failure(err error) error {
	return fmt.Errorf("decode body: at byte %d: %w", d.Offset(), err)
}
