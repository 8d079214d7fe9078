// SPDX-License-Identifier: Apache-2.0

package version

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	for image, want := range map[string]string{
		"apache/rocketmq:5.4.0":                                      "5.4.0",
		"rocketmq:v5.3.2":                                            "5.3.2",
		"registry.example:5000/mirror/rocketmq:5.10.1":               "5.10.1",
		"apache/rocketmq:5.3.3-arm64":                                "5.3.3",
		"apache/rocketmq:5.4.0@sha256:0123456789abcdef":              "5.4.0",
		"apacherocketmq/rocketmq-broker:4.5.0-alpine-operator-0.3.0": "4.5.0",
		"apache/rocketmq":                                            "",
		"apache/rocketmq:latest":                                     "",
		"apache/rocketmq:5.4":                                        "",
		"apache/rocketmq:5.4.0.1":                                    "",
		"apache/rocketmq:2025-5.4.0":                                 "",
		"registry.example:5000/rocketmq":                             "",
		"apache/rocketmq@sha256:0123456789abcdef":                    "",
		"": "",
		// What registries of companies have.
		"registry.example.com:5000/mq/rocketmq:1.0.3":          "",
		"registry.example.com/mq/rocketmq:3.0.0":               "",
		"registry.example.com/mq/rocketmq:namesrv-4.2.0-1.0.4": "",
	} {
		got, ok := Of(image)
		if ok != (want != "") || (ok && got.String() != want) {
			t.Errorf("Of(%q) = %s, %t; want %q", image, got, ok, want)
		}
	}
}

func parsed(t *testing.T, text string) Version {
	t.Helper()
	v, ok := Parse(text)
	if !ok {
		t.Fatalf("%q is no version", text)
	}
	return v
}

func TestLess(t *testing.T) {
	ordered := []Version{{4, 9, 9}, {5, 0, 0}, {5, 1, 0}, {5, 1, 10}, {5, 3, 3}, {5, 10, 0}, {6, 0, 0}}
	for i, a := range ordered {
		for j, b := range ordered {
			if a.Less(b) != (i < j) {
				t.Errorf("%s.Less(%s) = %t", a, b, a.Less(b))
			}
		}
	}
}

func TestUnsupported(t *testing.T) {
	for image, supported := range map[string]bool{
		"":                      true, // the default
		"apache/rocketmq:5.4.0": true,
		"apache/rocketmq:5.0.0": true,
		"apache/rocketmq":       true,
		"registry.example:5000/mq/rocketmq@sha256:0123456789abcdef": true,
		"registry.example/own-build:nightly":                        true,
		"registry.example.com:5000/mq/rocketmq:1.0.3":               true, // a count of the registry's

		"apache/rocketmq:4.9.7": false,
		// What the predecessor's examples and build scripts name.
		"apacherocketmq/rocketmq-nameserver:4.5.0-alpine-operator-0.3.0": false,
		"apacherocketmq/rocketmq-broker:4.5.0-alpine-operator-0.3.0":     false,
		"apacherocketmq/rocketmq-broker:5.1.4-alpine-operator-0.4.0":     false,
		"apacherocketmq/rocketmq-controller:5.1.4-alpine-operator-0.4.0": false,
		"registry.example:5000/mirror/rocketmq-nameserver:latest":        false,
		"registry.example/rocketmq-broker@sha256:0123456789abcdef":       false,
		"registry.example/renamed:5.1.4-alpine-operator-0.4.0":           false,
	} {
		why := Unsupported(image)
		if (why == "") != supported {
			t.Errorf("Unsupported(%q) = %q", image, why)
		}
		if why != "" && (!strings.Contains(why, image) || !strings.Contains(why, "apache/rocketmq:5.4.0")) {
			t.Errorf("%q must name the image and what to set", why)
		}
	}
}

func TestKnown(t *testing.T) {
	alone, static, failover := Topology{}, Topology{Slaves: true}, Topology{Slaves: true, ControllerMode: true}
	allAck := Topology{Slaves: true, ControllerMode: true, AllAck: true}
	for _, test := range []struct {
		release  string
		topology Topology
		want     string // part of the one text, "" for none
	}{
		{"5.4.0", failover, ""},
		{"5.4.0", allAck, "acknowledges messages alone"},
		{"5.4.0", Topology{ControllerMode: true, AllAck: true}, ""},
		{"5.3.1", allAck, ""},
		{"5.5.0", failover, "consume their topics again"},
		{"5.5.0", static, ""},
		{"5.5.1", failover, ""},
		{"5.3.1", failover, ""},
		{"5.3.2", failover, "lose their topics"},
		{"5.3.3", static, "lose their topics"},
		{"5.3.3", alone, ""},
		{"5.3.4", failover, ""},
		{"5.1.0", Topology{ControllerMode: true}, "by their address"},
		{"5.1.1", failover, ""},
	} {
		got := Known(parsed(t, test.release), test.topology)
		if test.want == "" {
			if len(got) > 0 {
				t.Errorf("%s %+v: %q, want none", test.release, test.topology, got)
			}
			continue
		}
		if len(got) != 1 || !strings.Contains(got[0], test.want) || !strings.Contains(got[0], "RocketMQ 5.") {
			t.Errorf("%s %+v: %q, want one that says %q", test.release, test.topology, got, test.want)
		}
	}
}

// TestDefects: each entry can be understood, and leads to a release that has no defect itself.
func TestDefects(t *testing.T) {
	releases, usual := regexp.MustCompile(`5\.\d+\.\d+`), Version{5, 4, 0}
	for _, d := range Defects() {
		if d.Last.Less(d.First) || d.Exposed == nil || d.Text == "" || d.Source == "" {
			t.Errorf("incomplete defect %+v", d)
		}
		better := slices.ContainsFunc(releases.FindAllString(d.Text, -1), func(name string) bool {
			v, ok := Of("rocketmq:" + name)
			return ok && (v.Less(d.First) || d.Last.Less(v))
		})
		if hasIt := !usual.Less(d.First) && !d.Last.Less(usual); !better || !hasIt && !strings.Contains(d.Text, usual.String()) {
			t.Errorf("%q names no better release", d.Text)
		}
	}
	if got := Known(usual, Topology{Slaves: true, ControllerMode: true}); len(got) > 0 {
		t.Errorf("the recommended release has %q", got)
	}
}

func TestDowngrade(t *testing.T) {
	files, controller := Disk{}, Disk{ControllerMode: true}
	rocks, v2 := Disk{StoreType: "defaultRocksDB"}, Disk{ConfigManagerVersion: "v2"}
	for _, test := range []struct {
		from, to string
		disk     Disk
		want     string // part of the reason, "" for none
	}{
		{"5.5.0", "5.4.0", controller, ""},
		{"5.4.0", "5.0.0", files, ""},
		{"5.4.0", "5.1.0", controller, "stranger to its own group"},
		{"5.1.0", "5.0.0", controller, ""}, // the same format
		{"5.1.0", "5.4.0", controller, ""}, // an upgrade
		{"5.4.0", "5.4.0", controller, ""},
		{"5.4.0", "5.1.4", rocks, "RocketMQ 5.1.4 cannot follow 5.4.0"},
		{"5.4.0", "5.2.0", rocks, ""},
		{"5.4.0", "5.3.1", v2, "configManagerVersion v2"},
		{"5.4.0", "5.3.2", v2, ""},
		{"5.4.0", "5.0.0", Disk{ControllerMode: true, StoreType: "defaultRocksDB"}, "RocksDB"},
	} {
		got := Downgrade(parsed(t, test.from), parsed(t, test.to), test.disk)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("from %s to %s with %+v: %q, want %q", test.from, test.to, test.disk, got, test.want)
		}
	}
	for _, f := range Formats() {
		if f.Used == nil || f.Text == "" || f.Source == "" {
			t.Errorf("incomplete format %+v", f)
		}
	}
}
