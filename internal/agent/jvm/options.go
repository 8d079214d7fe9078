// SPDX-License-Identifier: Apache-2.0

// Package jvm puts together the command line of java.
package jvm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Options are the sources of JVM options. Java obeys the last of several equal options, so their order is their rank.
type Options struct {
	Role settings.Role
	// JavaMajor is 8, 11, 17 …
	JavaMajor int
	// DefaultHeap and DefaultDirectMemory (java's notation, "512m"; empty: java's own default) come from the memory limit.
	DefaultHeap, DefaultDirectMemory string
	// Getenv looks up HEAP_OPTS, BROKER_MEM (brokers only) and JAVA_OPT_EXT, the variables of the official image and of
	// the predecessor.
	Getenv func(string) string
	// Heap and DirectMemory are spec.jvm's, Extra its extraOptions.
	Heap, DirectMemory string
	Extra              []string
}

// moduleFlags opens what RocketMQ reaches into on Java 9 and later: Hessian in the controller, sun.nio.ch.DirectBuffer
// in the store (apache/rocketmq issues 9887, 10170).
func moduleFlags() []string {
	return []string{
		"--add-opens=java.base/java.lang=ALL-UNNAMED",
		"--add-opens=java.base/java.nio=ALL-UNNAMED",
		"--add-opens=java.base/java.util=ALL-UNNAMED",
		"--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
		"--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
	}
}

// Args returns the JVM's options: modules, defaults, HEAP_OPTS, BROKER_MEM, JAVA_OPT_EXT, spec.jvm.
func (o Options) Args() ([]string, error) {
	var user []string
	for _, name := range []string{"HEAP_OPTS", "BROKER_MEM", "JAVA_OPT_EXT"} {
		if name == "BROKER_MEM" && o.Role != settings.Broker {
			continue
		}
		words, err := split(o.Getenv(name))
		if err != nil {
			return nil, fmt.Errorf("environment variable %s: %w", name, err)
		}
		user = append(user, words...)
	}
	if o.Heap != "" {
		user = append(user, "-Xms"+o.Heap, "-Xmx"+o.Heap)
	}
	if o.DirectMemory != "" {
		user = append(user, "-XX:MaxDirectMemorySize="+o.DirectMemory)
	}
	user = append(user, o.Extra...)

	var args []string
	if o.JavaMajor >= 9 {
		args = append(args, moduleFlags()...)
	}
	args = append(args, o.defaultMemory(user)...)
	return append(args, user...), nil
}

// defaultMemory leaves alone what the user set. Java refuses to start with -Xms above -Xmx, so that a lone -Xmx sets
// the initial size too, and a lone -Xms above the default raises the maximum.
func (o Options) defaultMemory(user []string) []string {
	var args []string
	initial := lastOf(user, "-Xms", "-XX:InitialHeapSize=")
	maximum := lastOf(user, "-Xmx", "-XX:MaxHeapSize=")
	switch {
	case initial != "" && maximum != "":
	case maximum != "":
		args = append(args, "-Xms"+maximum)
	case lastOf(user, "-XX:MaxRAMPercentage=") != "": // -Xmx would win over it
	case initial != "" && Bytes(initial) > Bytes(o.DefaultHeap):
		args = append(args, "-Xmx"+initial)
	case initial != "":
		args = append(args, "-Xmx"+o.DefaultHeap)
	case o.DefaultHeap != "":
		args = append(args, "-Xms"+o.DefaultHeap, "-Xmx"+o.DefaultHeap)
	}
	if o.DefaultDirectMemory != "" && lastOf(user, "-XX:MaxDirectMemorySize=") == "" {
		args = append(args, "-XX:MaxDirectMemorySize="+o.DefaultDirectMemory)
	}
	return args
}

// Bytes reads java's notation of sizes; what java would not understand is 0.
func Bytes(size string) int64 {
	digits, shift := size, 0
	if i := len(size) - 1; i >= 0 {
		switch size[i] {
		case 'k', 'K':
			shift = 10
		case 'm', 'M':
			shift = 20
		case 'g', 'G':
			shift = 30
		case 't', 'T':
			shift = 40
		}
		if shift > 0 {
			digits = size[:i]
		}
	}
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n << shift
}

// MemoryOf is how much heap and direct memory java's arguments allow, in bytes; 0 where they do not say. Without a limit of its
// own direct memory is as large as the heap.
func MemoryOf(args []string) (heap, direct int64) {
	heap = Bytes(lastOf(args, "-Xmx", "-XX:MaxHeapSize="))
	if size := lastOf(args, "-XX:MaxDirectMemorySize="); size != "" {
		return heap, Bytes(size)
	}
	return heap, heap
}

// secretWords are in the names of properties that nobody may read in a log.
const secretWords = "password passwd secret token credential accesskey passphrase"

// Printable is the command line without the values of secrets: of properties that are named so, and of what programs that are
// loaded into java are given.
func Printable(args []string) []string {
	out := slices.Clone(args)
	for i, arg := range out {
		name, _, given := strings.Cut(arg, "=")
		if !given {
			continue
		}
		secret := strings.HasPrefix(name, "-javaagent:") || strings.HasPrefix(name, "-agentpath:") || strings.HasPrefix(name, "-agentlib:")
		for word := range strings.FieldsSeq(secretWords) {
			secret = secret || strings.HasPrefix(name, "-D") && strings.Contains(strings.ToLower(name), word)
		}
		if secret {
			out[i] = name + "=..."
		}
	}
	return out
}

// lastOf returns the value of the last argument that starts with one of the prefixes.
func lastOf(args []string, prefixes ...string) string {
	value := ""
	for _, arg := range args {
		for _, prefix := range prefixes {
			if v, ok := strings.CutPrefix(arg, prefix); ok {
				value = v
			}
		}
	}
	return value
}

// split cuts at white space outside of single or double quotes, and drops the quotes. There are no escapes.
func split(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	inWord := false
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case strings.ContainsRune(" \t\r\n", r):
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("the quote %c is not closed in: %s", quote, s)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
