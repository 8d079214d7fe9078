// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/test/glass"
)

func screen(width, height int) (*Screen, *bytes.Buffer) {
	var out bytes.Buffer
	return New(&out, func() (int, int, error) { return width, height, nil }), &out
}

func TestATextTakesThePlaceOfTheOneBefore(t *testing.T) {
	s, out := screen(80, 24)
	for _, step := range []struct {
		show, print, want string
	}{
		{show: "one\ntwo\n", want: "one\ntwo\n"},
		{show: "three", want: "three\n"},
		{print: "a line that stays", want: "a line that stays\nthree\n"},
		{show: "four\nfive", want: "a line that stays\nfour\nfive\n"},
		{print: "another\nand one more\n", want: "a line that stays\nanother\nand one more\nfour\nfive\n"},
		{show: "", want: "a line that stays\nanother\nand one more\n"},
	} {
		var err error
		if step.print != "" {
			err = s.Print(step.print)
		} else {
			err = s.Show(step.show)
		}
		got, broken := glass.Shows(out.String())
		if err != nil || broken != nil || got != step.want {
			t.Errorf("after %+v: %v, %v, it shows\n%s", step, err, broken, got)
		}
	}
}

func TestATextFitsIntoTheWindow(t *testing.T) {
	s, out := screen(14, 8)
	if err := s.Show("├─ wide   enough\n  - a sentence of many words\nunbreakablyLongWord\n1\n2\n3\n4\n5\n"); err != nil {
		t.Fatal(err)
	}
	const want = "├─ wide   eno…\n  - a sentence\n    of many\n    words\nunbreakablyLo…\n1\n… 4 more line…\n"
	if got, err := glass.Shows(out.String()); err != nil || got != want {
		t.Errorf("it shows\n%s\n%v, want\n%s", got, err, want)
	}
	unknown := New(out, func() (int, int, error) { return 0, 0, errors.New("not known") })
	if lines := unknown.fit("1\n2"); fmt.Sprint(lines) != "[1 2]" {
		t.Errorf("without a size: %q", lines)
	}
}

func TestAFileIsNoScreen(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if Of(file) != nil || Of(new(bytes.Buffer)) != nil {
		t.Error("a file, or a buffer, is a terminal")
	}
}
