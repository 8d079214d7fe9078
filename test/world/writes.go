// SPDX-License-Identifier: Apache-2.0

package world

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// writes counts the requests that change something, not those that are refused, and lets nothing pass after the last
// one that is allowed.
type writes struct {
	mu   sync.Mutex
	left int // negative: no limit
	list []string
	last time.Time
	next http.RoundTripper
}

var errDead = errors.New("the operator is dead")

func (w *writes) wrap(next http.RoundTripper) http.RoundTripper {
	w.next = next
	return w
}

func (w *writes) RoundTrip(request *http.Request) (*http.Response, error) {
	w.mu.Lock()
	if w.left == 0 {
		w.mu.Unlock()
		return nil, errDead
	}
	w.mu.Unlock()
	response, err := w.next.RoundTrip(request)
	if err == nil && request.Method != http.MethodGet && response.StatusCode < http.StatusBadRequest {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.left > 0 {
			w.left--
		}
		w.list, w.last = append(w.list, request.Method+" "+request.URL.Path), time.Now()
	}
	return response, err
}

func (w *writes) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.list)
}

func (w *writes) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.list)
}
