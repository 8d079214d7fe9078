// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// TestRemedied: a refusal comes with what helps against it, and not with what would do harm.
func TestRemedied(t *testing.T) {
	broker := &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "b"}}
	for _, test := range []struct{ refusal, want, not string }{
		{`pods "b-0-0" is forbidden: violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)`, "enforce=privileged", ""},
		{`pods "b-0-0" is forbidden: violates PodSecurity "baseline:latest": hostPath volumes (volume "data")`, "kubectl label namespace mq", ""},
		{`pods "b-0-0" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities`, "from securityContext", "privileged"},
		{`Internal error occurred: failed calling webhook "gate.example.com": no endpoints`, "kubectl get validatingwebhookconfigurations", ""},
		{`pods "b-0-0" is forbidden: exceeded quota: q, requested: limits.memory=1Gi`, "kubectl describe quota -n mq", ""},
		{`pods "b-0-0" is forbidden: failed quota: q: must specify limits.cpu for: rocketmq`, "set it in spec.resources", ""},
		{`pods "b-0-0" is forbidden: minimum memory usage per Container is 100Mi, but request is 16Mi`, "kubectl describe limitrange -n ", ""},
		{`pods "b-0-0" is forbidden: memory max limit to request ratio per Container is 2, but no limit is specified`, "kubectl describe limitrange -n ", ""},
		{`no PriorityClass with name p was found`, "", "."},
	} {
		got := remedied(test.refusal, broker)
		if !strings.HasPrefix(got, test.refusal) || !strings.Contains(got, test.want) || test.not != "" && strings.Contains(got, test.not) {
			t.Errorf("%q becomes %q", test.refusal, got)
		}
	}
}

// TestLatest: of several events the one that was seen last counts, however it is written down.
func TestLatest(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC) }
	list := []eventsv1.Event{
		{Note: "once", EventTime: metav1.NewMicroTime(at(2))},
		{Note: "again and again", EventTime: metav1.NewMicroTime(at(0)), Series: &eventsv1.EventSeries{LastObservedTime: metav1.NewMicroTime(at(4))}},
		{Note: "as before", DeprecatedLastTimestamp: metav1.NewTime(at(3))},
	}
	if got := latest(list); got.Note != "again and again" {
		t.Errorf("%q", got.Note)
	}
	if got := latest([]eventsv1.Event{list[0], list[2]}); got.Note != "as before" {
		t.Errorf("%q", got.Note)
	}
	if got := latest(nil); got != nil {
		t.Errorf("%v", got)
	}
}
