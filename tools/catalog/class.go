// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// class is what the catalog needs to know of a Java class.
type class struct {
	super   string // its name with slashes
	setters []setter
}

// setter is a public method whose name begins with "set", and the type of its first parameter as in a descriptor, such as
// I or Ljava/lang/String;.
type setter struct{ method, parameter string }

// parseClass reads the format of The Java Virtual Machine Specification, chapter 4.
func parseClass(data []byte) (class, error) {
	r := &reader{left: bytes.NewReader(data)}
	if magic := r.u4(); magic != 0xCAFEBABE {
		return class{}, fmt.Errorf("no class file: it begins with %x", magic)
	}
	r.skip(4) // versions
	r.constantPool()
	r.skip(4) // access flags, this class
	c := class{super: r.text[r.refers[r.u2()]]}
	r.skip(2 * int64(r.u2())) // interfaces
	r.members(nil)            // fields
	r.members(func(access uint16, name, descriptor string) {
		const public = 1
		if parameter := firstParameter(descriptor); access&public != 0 && len(name) > len("set") && strings.HasPrefix(name, "set") && parameter != "" {
			c.setters = append(c.setters, setter{name, parameter})
		}
	})
	return c, r.err
}

// firstParameter of a method's descriptor, "" if it has none.
func firstParameter(descriptor string) string {
	rest := strings.TrimPrefix(descriptor, "(")
	kind := strings.TrimLeft(rest, "[")
	switch {
	case strings.HasPrefix(kind, ")"):
		return ""
	case strings.HasPrefix(kind, "L"):
		return rest[:strings.Index(rest, ";")+1]
	}
	return rest[:len(rest)-len(kind)+1]
}

// reader of a class file. After an error it reads zeros.
type reader struct {
	left *bytes.Reader
	err  error
	// The constant pool by index: texts, and the index of a class's name.
	text   map[uint16]string
	refers map[uint16]uint16
}

func (r *reader) read(into any) {
	if r.err == nil {
		r.err = binary.Read(r.left, binary.BigEndian, into)
	}
}

func (r *reader) u1() (v uint8)  { r.read(&v); return v }
func (r *reader) u2() (v uint16) { r.read(&v); return v }
func (r *reader) u4() (v uint32) { r.read(&v); return v }

func (r *reader) skip(bytes int64) {
	if r.err == nil && bytes > int64(r.left.Len()) {
		r.err = errors.New("the class file ends early")
	}
	if r.err == nil {
		_, r.err = r.left.Seek(bytes, io.SeekCurrent)
	}
}

// constantPool is described in section 4.4 of the specification.
func (r *reader) constantPool() {
	r.text, r.refers = map[uint16]string{}, map[uint16]uint16{}
	count := r.u2()
	for i := uint16(1); i < count && r.err == nil; i++ {
		switch tag := r.u1(); tag {
		case 1: // Utf8
			text := make([]byte, r.u2())
			r.read(text)
			r.text[i] = string(text)
		case 7: // Class
			r.refers[i] = r.u2()
		case 8, 16, 19, 20: // String, MethodType, Module, Package
			r.skip(2)
		case 15: // MethodHandle
			r.skip(3)
		case 3, 4, 9, 10, 11, 12, 17, 18: // Integer, Float, references, NameAndType, Dynamic
			r.skip(4)
		case 5, 6: // Long and Double take two places
			r.skip(8)
			i++
		default:
			r.err = fmt.Errorf("unknown constant of type %d", tag)
		}
	}
}

// members are fields or methods, which look the same.
func (r *reader) members(see func(access uint16, name, descriptor string)) {
	for range r.u2() {
		access, name, descriptor := r.u2(), r.text[r.u2()], r.text[r.u2()]
		for range r.u2() {
			r.skip(2) // an attribute's name
			r.skip(int64(r.u4()))
		}
		if see != nil && r.err == nil {
			see(access, name, descriptor)
		}
	}
}
