// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// Recorded is what a group's StatefulSet records of it.
func Recorded(set *appsv1.StatefulSet) desired.GroupState {
	record := desired.GroupState{
		State: scale.State(set.Annotations[v1alpha1.AnnotationState]), Since: set.CreationTimestamp,
		Unclean:    scale.Unclean(set.Annotations[v1alpha1.AnnotationUncleanElection]),
		StaleForce: set.Annotations[v1alpha1.AnnotationForceStale] == "true",
	}
	if set.Spec.Replicas != nil {
		record.Members = *set.Spec.Replicas
	}
	if since, err := time.Parse(time.RFC3339, set.Annotations[v1alpha1.AnnotationStateSince]); err == nil {
		record.Since = metav1.NewTime(since)
	}
	return record
}

// RunningImage is the image of the brokers that a StatefulSet runs.
func RunningImage(set *appsv1.StatefulSet) string {
	for _, container := range set.Spec.Template.Spec.Containers {
		if container.Name == desired.Container {
			return container.Image
		}
	}
	return ""
}

// Plan lists the groups that exist and those that the spec asks for, by number. It only adds groups and members: how they leave is
// decided by package scale.
func Plan(b *v1alpha1.Broker, existing map[int32]desired.GroupState, now time.Time) []*Group {
	var states []scale.State
	for _, record := range existing {
		states = append(states, record.State)
	}
	first := scale.First(states)

	numbers := slices.Collect(maps.Keys(existing))
	for number := range desired.GroupCount(b) {
		if _, exists := existing[number]; !exists {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)

	var out []*Group
	for _, number := range numbers {
		record, exists := existing[number]
		switch {
		case !exists:
			record = desired.GroupState{Members: desired.MemberCount(b), State: first, Since: metav1.NewTime(now)}
		case record.State == scale.Removing:
			record.Members = 0
		case record.State.Leaving(): // no new members
		default:
			record.Members = max(record.Members, desired.MemberCount(b))
		}
		out = append(out, &Group{Number: number, Name: desired.GroupName(b.Name, number), Record: record})
	}
	return out
}
