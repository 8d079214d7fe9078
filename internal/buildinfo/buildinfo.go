// SPDX-License-Identifier: Apache-2.0

// Package buildinfo says which release a program is.
package buildinfo

import (
	"fmt"
	"runtime"
)

// A release's linker sets these: -X <this package>.version=v1.2.3 -X <this package>.commit=0123456789ab, and the operator's
// image of the same release as -X <this package>.image=registry/repository:v1.2.3.
var (
	version = "dev"
	commit  string //nolint:gochecknoglobals // only the linker writes it
	image   string //nolint:gochecknoglobals // only the linker writes it
)

// Version is the release, as in "v1.2.3", or "dev" for a build that is none.
func Version() string { return version }

// Image is the operator's of the same release, empty for a build that is none.
func Image() string { return image }

// Details are the version and what it was built from and for, in one line for people.
func Details() string {
	from := ""
	if commit != "" {
		from = "commit " + commit + ", "
	}
	return fmt.Sprintf("%s (%s%s, %s/%s)", version, from, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
