// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Events are what a reconciler told, as "name Reason: note", in order. It is an EventRecorder.
type Events struct {
	mu      sync.Mutex
	list    []string
	invalid []string // what the API server would refuse
}

// Eventf is part of client-go's events.EventRecorder.
func (e *Events) Eventf(regarding, _ runtime.Object, kind, reason, action, note string, args ...any) {
	text := fmt.Sprintf(note, args...)
	name := ""
	if object, ok := regarding.(client.Object); ok {
		name = object.GetName()
	}
	event := fmt.Sprintf("%s %s: %s", name, reason, text)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, event)
	// ValidateEventUpdate and legacyValidateEvent of k8s.io/kubernetes/pkg/apis/core/validation.
	if kind == "" || reason == "" || len(reason) > 128 || action == "" || len(action) > 128 || len(text) > 1024 || !strings.Contains("Normal Warning", kind) {
		e.invalid = append(e.invalid, event)
	}
}

// AnnotatedEventf is part of controller-runtime's recorder.EventRecorder.
func (e *Events) AnnotatedEventf(regarding, related runtime.Object, _ map[string]string, kind, reason, action, note string, args ...any) {
	e.Eventf(regarding, related, kind, reason, action, note, args...)
}

// All so far.
func (e *Events) All() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.list)
}
