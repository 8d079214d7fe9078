// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"fmt"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// Recorder sends events, counts them, and logs each in one line. The log matters because Kubernetes keeps events for an hour only, and
// may drop some when there are many.
func (m *Metrics) Recorder(next events.EventRecorder, log logr.Logger) events.EventRecorder {
	return &recorder{next, m, log}
}

type recorder struct {
	next    events.EventRecorder
	metrics *Metrics
	log     logr.Logger
}

// Eventf is part of events.EventRecorder.
func (r *recorder) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	r.next.Eventf(regarding, related, kind, reason, action, note, args...)

	resource, ok := regarding.(v1alpha1.Resource)
	if !ok {
		return // every event of ours is about a resource
	}
	r.metrics.events.WithLabelValues(v1alpha1.KindOf(resource), reason).Inc()
	if reason == v1alpha1.EventReplacingPod {
		r.metrics.replaced.add(resource)
	}
	line := []any{"controllerKind", v1alpha1.KindOf(resource), "namespace", resource.GetNamespace(), "name", resource.GetName()}
	if object, ok := related.(client.Object); ok && object.GetUID() != resource.GetUID() {
		line = append(line, "object", object.GetName())
	}
	r.log.Info(reason, append(line, "note", fmt.Sprintf(note, args...))...)
}
