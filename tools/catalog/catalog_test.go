// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestListIsAsTheJars: the committed list says what the classes of those releases say whose jars this machine has.
func TestListIsAsTheJars(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip("no cache directory: ", err)
	}
	homes, err := filepath.Glob(filepath.Join(cache, "rocketmq-operator", "images", "rocketmq-home-*"))
	if err != nil {
		t.Fatal(err)
	}
	listed := listed(t)
	compared := 0
	for _, home := range homes {
		release, err := releaseOf(home)
		if err != nil || listed[release] == nil {
			continue // one that is being built, or of another release
		}
		known, err := read(home)
		if err != nil {
			t.Fatal(err)
		}
		compared++
		if diff := cmp.Diff(known, listed[release]); diff != "" {
			t.Errorf("RocketMQ %s, its jars (-) and %s (+): run the command in its first lines\n%s", release, output, diff)
		}
	}
	if compared == 0 {
		t.Skip("no home of a listed release is on this machine: go run ./test/images rocketmq-home 5.4.0")
	}
}

// listed properties by release, and that the list is as it would be written.
func listed(t *testing.T) map[string]properties {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", output))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]properties{}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch words[0] {
		case "#":
		case "releases":
			for _, release := range words[1:] {
				out[release] = properties{}
			}
		default:
			releases := words[3:]
			if len(releases) == 0 {
				releases = slices.Collect(maps.Keys(out))
			}
			for _, release := range releases {
				out[release][property{words[0], words[1]}] = words[2]
			}
		}
	}
	if diff := cmp.Diff(string(format(out)), string(text)); diff != "" {
		t.Errorf("%s is not as it is written (+):\n%s", output, diff)
	}
	return out
}

func TestFirstParameter(t *testing.T) {
	for descriptor, want := range map[string]string{
		"()V": "", "(I)V": "I", "(JZ)V": "J", "(Ljava/lang/String;)V": "Ljava/lang/String;",
		"([Ljava/lang/String;I)V": "[Ljava/lang/String;", "([[B)V": "[[B",
	} {
		if got := firstParameter(descriptor); got != want {
			t.Errorf("firstParameter(%q) = %q, want %q", descriptor, got, want)
		}
	}
}

func TestParseClass(t *testing.T) {
	for name, data := range map[string]string{
		"nothing": "", "no class": "PK\x03\x04 and so on", "cut off": "\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x09\x01",
		"an unknown constant": "\xca\xfe\xba\xbe\x00\x00\x00\x34\x00\x02\xff",
	} {
		if c, err := parseClass([]byte(data)); err == nil {
			t.Errorf("%s: %+v, want an error", name, c)
		}
	}
}
