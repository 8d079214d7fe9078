// SPDX-License-Identifier: Apache-2.0

package remoting

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestStandardJSON(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"JSON stays", `{"a":[1,-2.5e3,true,false,null,"x"],"b":{}}`, `{"a":[1,-2.5e3,true,false,null,"x"],"b":{}}`},
		{"scalar", ` 12 `, `12`},
		{"white space goes", "{ \"a\" :\t[ 1 ,\r\n2 ] }", `{"a":[1,2]}`},
		{"escapes in strings stay", `{"a\"b\\":"\\\"}:{"}`, `{"a\"b\\":"\\\"}:{"}`},
		{"UTF-8 stays", `{"主题":"消息 🚀"}`, `{"主题":"消息 🚀"}`},
		{"numeric keys", `{0:"a",-1:"b",12:{3:4}}`, `{"0":"a","-1":"b","12":{"3":4}}`},
		{"bare word as key", `{topic_1:1,null:2}`, `{"topic_1":1,"null":2}`},
		{"object as key", `{{"brokerName":"b-a","queueId":1}:{"x":1}}`, `{"{\"brokerName\":\"b-a\",\"queueId\":1}":{"x":1}}`},
		{"object as key is compacted", `{ { "q" : 1 } : 5 }`, `{"{\"q\":1}":5}`},
		{"object as key with numeric key", `{{1:"a\"b"}:5}`, `{"{\"1\":\"a\\\"b\"}":5}`},
		{"list as key", `{["a",1]:5}`, `{"[\"a\",1]":5}`},
		{"siblings with object keys", `{{"a":1}:1,{"a":2}:{{"b":1}:2}}`, `{"{\"a\":1}":1,"{\"a\":2}":{"{\"b\":1}":2}}`},
		{"not numbers", `[NaN,Infinity,-Infinity]`, `[null,null,null]`},
		{"reference", `{"a":{"x":1},"b":{"$ref":"$.a"},"c":[{"$ref":"@"}]}`, `{"a":{"x":1},"b":null,"c":[null]}`},
		{"not a reference: more members", `{"$ref":"$.a","x":1}`, `{"$ref":"$.a","x":1}`},
		{"not a reference: no path", `{"$ref":1}`, `{"$ref":1}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := standardJSON(strings.NewReader(tc.in))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if !json.Valid(got) {
				t.Errorf("not JSON: %s", got)
			}
		})
	}
}

// standardJSON is what UnmarshalBody decodes, of a body that arrives byte by byte.
func standardJSON(r io.Reader) ([]byte, error) {
	d := NewBodyDecoder(oneByteReader{r})
	d.keep = true
	if err := d.value(); err != nil {
		return nil, err
	}
	return bytes.Clone(d.out.Bytes()), d.End()
}

func TestUnmarshalBodyErrors(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	for _, tc := range []struct{ name, in, want string }{
		{"empty", ``, `at byte 0: unexpected end`},
		{"cut off in an object", `{"a":1,`, `unexpected end`},
		{"cut off in a string", `{"a":"b\`, `unexpected end`},
		{"cut off after a key", `{0`, `unexpected end`},
		{"no colon", `{"a" 1}`, `at byte 5: unexpected '1' instead of a colon`},
		{"no comma", `[1 2]`, `instead of a comma or closing bracket`},
		{"wrong bracket", `[1}`, `instead of a comma or closing bracket`},
		{"comma at the end", `[1,]`, `instead of a value or key`},
		{"two values", `{} {}`, `text after the end`},
		{"HTML", `<html>`, `unexpected '<'`},
		{"word", `hello`, `invalid character`},
		{"too deep", deep, `nested more than 64 deep`},
		{"too deep in keys", strings.Repeat("{", 100_000), `object as key within an object as key`},
		{"type", `{"a":"x"}`, `cannot unmarshal string`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var v struct{ A int }
			err := UnmarshalBody([]byte(tc.in), &v)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// TestUnmarshalRecorded decodes what brokers and controllers of RocketMQ 5.4.0 answered.
func TestUnmarshalRecorded(t *testing.T) {
	type numbers = map[string]json.Number
	for _, tc := range []struct {
		file string
		got  any // a pointer
		want any
	}{
		{
			"consume_stats.body", &struct {
				OffsetTable map[string]struct{ BrokerOffset, ConsumerOffset int64 }
			}{},
			&struct {
				OffsetTable map[string]struct{ BrokerOffset, ConsumerOffset int64 }
			}{
				map[string]struct{ BrokerOffset, ConsumerOffset int64 }{
					`{"brokerName":"static","queueId":0,"topic":"t1"}`: {}, `{"brokerName":"static","queueId":1,"topic":"t1"}`: {},
					`{"brokerName":"static","queueId":2,"topic":"t1"}`: {}, `{"brokerName":"static","queueId":3,"topic":"t1"}`: {},
				},
			},
		},
		{
			"consumer_offsets.body", &struct{ OffsetTable map[string]map[int]int64 }{},
			&struct{ OffsetTable map[string]map[int]int64 }{map[string]map[int]int64{"t1@g1": {0: 0, 1: 0, 2: 0, 3: 0}}},
		},
		{
			"elect_master.body", &struct {
				BrokerMemberGroup struct{ BrokerAddrs map[int64]string }
				SyncStateSet      []int64
			}{},
			&struct {
				BrokerMemberGroup struct{ BrokerAddrs map[int64]string }
				SyncStateSet      []int64
			}{struct{ BrokerAddrs map[int64]string }{map[int64]string{1: "127.0.0.1:18990", 2: "127.0.0.1:18966"}}, []int64{2}},
		},
		{
			"topic_stats.body", &struct {
				OffsetTable map[string]numbers
				TopicPutTps json.Number
			}{},
			&struct {
				OffsetTable map[string]numbers
				TopicPutTps json.Number
			}{
				map[string]numbers{
					`{"brokerName":"static","queueId":0,"topic":"t1"}`: {"lastUpdateTimestamp": "0", "maxOffset": "0", "minOffset": "0"},
					`{"brokerName":"static","queueId":1,"topic":"t1"}`: {"lastUpdateTimestamp": "0", "maxOffset": "0", "minOffset": "0"},
					`{"brokerName":"static","queueId":2,"topic":"t1"}`: {"lastUpdateTimestamp": "0", "maxOffset": "0", "minOffset": "0"},
					`{"brokerName":"static","queueId":3,"topic":"t1"}`: {"lastUpdateTimestamp": "0", "maxOffset": "0", "minOffset": "0"},
				}, "0.0",
			},
		},
	} {
		t.Run(tc.file, func(t *testing.T) {
			if err := UnmarshalBody(testdata(t, tc.file), tc.got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, tc.got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// FuzzUnmarshalBody: whatever comes, there is an error or a value, the work stays in proportion to the input, and
// what was JSON already means the same afterwards.
func FuzzUnmarshalBody(f *testing.F) {
	for _, name := range testdataNames(f, "*.body") {
		f.Add(testdata(f, name))
	}
	f.Add([]byte(`{"a":{"$ref":"$.b"},0:NaN,{"q":1}:[-Infinity,"\u00e9"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		standard, err := standardJSON(bytes.NewReader(data))
		if len(standard) > 4*len(data)+8 {
			t.Fatalf("%d bytes became %d", len(data), len(standard))
		}
		var got any
		if UnmarshalBody(data, &got) == nil && !json.Valid(standard) {
			t.Fatalf("accepted, but not JSON: %q", standard)
		}
		if json.Valid(data) && err == nil && !bytes.Contains(data, []byte("ref")) {
			var want any
			if err := json.Unmarshal(data, &want); err != nil {
				return // a number too large for float64
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("changed JSON (-want +got):\n%s", diff)
			}
		}
	})
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func testdataNames(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no testdata/%s: %v", pattern, err)
	}
	var names []string
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	return names
}

// TestBodyDecoder reads what it wants of a body that is full of traps, byte by byte.
func TestBodyDecoder(t *testing.T) {
	const body = `{"skipped":{"a":[1,{2:"}"}]},"list":["x", "y",
		"z"],"none":null,"map":{0:"a",{"q":1}:"b","k\u0065y\"":NaN,"ref":{"$ref":"$"}},"deep":{"a":{"b":[{"c":[7]}]}},"last":1}`
	var got []string
	see := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
	d := NewBodyDecoder(oneByteReader{strings.NewReader(body)})
	err := d.Object(func(key string) error {
		switch key {
		case "list":
			return d.Array(func() error {
				var s string
				err := d.Decode(&s)
				see("list %s", s)
				return err
			})
		case "none":
			see("none")
			return d.Object(func(string) error { return errors.New("null has a member") })
		case "map":
			return d.Object(func(key string) error {
				v := any("?")
				err := d.Decode(&v)
				see("map %s=%v", key, v)
				return err
			})
		case "deep":
			return d.Object(func(string) error {
				return d.Object(func(string) error {
					return d.Array(func() error {
						return d.Object(func(key string) error {
							var v []int
							err := d.Decode(&v)
							see("deep %s=%v", key, v)
							return err
						})
					})
				})
			})
		case "last":
			see("last at %d of %d", d.Offset(), len(body))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.End(); err != nil {
		t.Error(err)
	}
	want := []string{
		"list x", "list y", "list z", "none", "map 0=a", `map {"q":1}=b`, `map key"=<nil>`, "map ref=<nil>", "deep c=[7]",
		fmt.Sprintf("last at %d of %d", len(body)-2, len(body)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestBodyDecoderScalars(t *testing.T) {
	d := NewBodyDecoder(strings.NewReader(`["a","\u00e9\"",null,7,-9007199254740993,null]`))
	var got []any
	read := func() (v any, err error) {
		if len(got) < 3 {
			return d.Text()
		}
		return d.Int()
	}
	err := d.Array(func() error {
		v, err := read()
		got = append(got, v)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"a", `é"`, "", int64(7), int64(-9007199254740993), int64(0)}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, in := range []string{`7`, `{"a":1}`, `nul`, `"a`, `"\x"`, ``} {
		if s, err := NewBodyDecoder(strings.NewReader(in)).Text(); err == nil {
			t.Errorf("%s is the string %q", in, s)
		}
	}
	for _, in := range []string{`"7"`, `[7]`, `7.5`, `1e3`, `9223372036854775808`, ``} {
		if n, err := NewBodyDecoder(strings.NewReader(in)).Int(); err == nil {
			t.Errorf("%s is the integer %d", in, n)
		}
	}
}

func TestBodyDecoderErrors(t *testing.T) {
	all := func(d *BodyDecoder) error {
		return d.Object(func(string) error { return d.Array(func() error { var v any; return d.Decode(&v) }) })
	}
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", "at byte 0: unexpected end"},
		{"of another kind", "[1]", "unexpected '[' instead of an object"},
		{"a member of another kind", `{"a":{}}`, "unexpected '{' instead of an array"},
		{"no null", `{"a":nul}`, `unexpected "nul"`},
		{"cut off", `{"a":[1,`, "unexpected end"},
		{"text after the end", `{"a":[1]} x`, "text after the end"},
		{"zero byte after the end", "{}\x00", "text after the end"},
		{"long value", `{"a":["` + strings.Repeat("x", maxValue) + `"]}`, "a key or value of more than 262144 bytes"},
		{"long key", `{"` + strings.Repeat("x", maxValue) + `":[]}`, "a key or value of more than 262144 bytes"},
		{"escape that is none", `{"a\x":[]}`, "invalid character"},
		{"too deep", `{"a":[` + strings.Repeat("[", 100), "nested more than 64 deep"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := NewBodyDecoder(strings.NewReader(tc.in))
			err := all(d)
			if err == nil {
				err = d.End()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
	broken := errors.New("line is broken")
	d := NewBodyDecoder(io.MultiReader(strings.NewReader(`{"a":[1,`), iotest.ErrReader(broken)))
	if err := all(d); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the reader", err)
	}
	d = NewBodyDecoder(strings.NewReader(`{"a":[1,2]}`))
	if err := d.Object(func(string) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error %v, want that of the visitor", err)
	}
}

// TestSkippingTakesNoMemory: what nobody asks for is read at the cost of a window.
func TestSkippingTakesNoMemory(t *testing.T) {
	body := `{"skipped":[` + strings.Repeat(`{"k":"v",1:[2,3]},`, 200_000) + `0],"wanted":7}`
	wanted := 0
	allocated := allocations(func() {
		d := NewBodyDecoder(strings.NewReader(body))
		err := d.Object(func(key string) error {
			if key == "wanted" {
				return d.Decode(&wanted)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	if wanted != 7 || allocated > 256<<10 {
		t.Errorf("%d bytes allocated to find %d in %d", allocated, wanted, len(body))
	}
}

// allocations is how many bytes do allocates.
func allocations(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
