// SPDX-License-Identifier: Apache-2.0

// Package version knows RocketMQ's releases: which images cannot be run, and which releases have which defect.
package version

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Version of RocketMQ.
type Version struct{ Major, Minor, Patch int }

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Less orders versions.
func (v Version) Less(o Version) bool {
	if v.Major != o.Major {
		return v.Major < o.Major
	}
	if v.Minor != o.Minor {
		return v.Minor < o.Minor
	}
	return v.Patch < o.Patch
}

// oldest is the first release that was one of Apache's. A tag below counts something else, such as the builds of a registry.
const oldest = 4

// Of reads the version from an image's tag; false if the tag is not one of RocketMQ's.
func Of(image string) (Version, bool) {
	name, _, _ := strings.Cut(image, "@")
	tag := name[strings.LastIndex(name, "/")+1:]
	_, tag, ok := strings.Cut(tag, ":")
	if !ok {
		return Version{}, false
	}
	v, ok := Parse(tag)
	return v, ok && v.Major >= oldest
}

// Parse three numbers, such as 5.4.0, which a v may precede and a hyphen with more may follow.
func Parse(text string) (Version, bool) {
	m := regexp.MustCompile(`^v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(-|$)`).FindStringSubmatch(text)
	if m == nil {
		return Version{}, false
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n } // digits, by the expression
	return Version{number(m[1]), number(m[2]), number(m[3])}, true
}

// Supported reports whether the operator can run servers of this release.
func (v Version) Supported() bool { return v.Major >= 5 }

// WithoutUsers says why servers of a release cannot ask for credentials as the operator has them do it, "" if they can.
func WithoutUsers(v Version) string {
	if v.Less(Version{5, 3, 0}) {
		return fmt.Sprintf("RocketMQ %s has no users that can be changed while it runs (ACL 2.0): use 5.4.0, and 5.3.0 at the least", v)
	}
	return ""
}

// Unsupported says why an image cannot be run, "" if it can as far as its name tells.
func Unsupported(image string) string {
	const remedy = "set an official image such as apache/rocketmq:5.4.0"
	name, _, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], "@")
	name, _, _ = strings.Cut(name, ":")
	switch name {
	case "rocketmq-broker", "rocketmq-nameserver", "rocketmq-namesrv", "rocketmq-controller":
		return fmt.Sprintf("image %q was made for apache/rocketmq-operator: it runs as root from another layout; %s", image, remedy)
	}
	if strings.Contains(image, "-operator-0.") {
		return fmt.Sprintf("image %q was made for apache/rocketmq-operator; %s", image, remedy)
	}
	if v, ok := Of(image); ok && !v.Supported() {
		return fmt.Sprintf("image %q is RocketMQ %s, and 5.0.0 is the oldest that is supported; %s", image, v, remedy)
	}
	return ""
}
