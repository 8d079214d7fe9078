// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	_ "net/http/pprof" // serves the profiles
	"os"
)

// Built into the operator's program for measurements only: it serves its profiles.
func init() {
	if addr := os.Getenv("SCALE_PROFILE_ADDRESS"); addr != "" {
		go func() { _ = http.ListenAndServe(addr, nil) }()
	}
}
