// SPDX-License-Identifier: Apache-2.0

package agent

import "sync"

// reason for which a server is not ready yet, "" once it is over. It is safe for concurrent use.
type reason struct {
	mu  sync.Mutex
	why string
}

// is the reason.
func (r *reason) is() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.why
}

// set the reason, and log it if it is news.
func (r *reason) set(why string) {
	r.mu.Lock()
	news := r.why != why
	r.why = why
	r.mu.Unlock()
	if news && why != "" {
		logf("INFO", "waiting: %s", why)
	}
}
