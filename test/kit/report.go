// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Sizes of a report.
const (
	reportTime   = 30 * time.Second
	reportLog    = 3 * time.Second // for the log of one container, whose node may be cut off
	reportEvents = 20
	reportLines  = 30
)

// Report describes the namespace for a reader who has to find out why something does not happen: conditions, pods,
// recent events, the logs of pods that are not ready, and the operator's. It works although ctx has ended.
func (n *Namespace) Report(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportTime)
	defer cancel()
	var b strings.Builder
	fmt.Fprintf(&b, "---- state of namespace %s\n", n.Name)
	n.reportResources(ctx, &b)
	n.reportPods(ctx, &b)
	n.reportEvents(ctx, &b)
	operator := &Namespace{Cluster: n.Cluster, Name: OperatorNamespace}
	var pods corev1.PodList
	if err := n.Client.List(ctx, &pods, client.InNamespace(operator.Name)); err != nil {
		fmt.Fprintf(&b, "list the operator's pods: %v\n", err)
	}
	for _, pod := range pods.Items {
		operator.reportLogs(ctx, &b, &pod)
	}
	b.WriteString("---- end of report\n")
	return b.String()
}

func (n *Namespace) reportResources(ctx context.Context, b *strings.Builder) {
	resources, err := n.Resources(ctx)
	if err != nil {
		fmt.Fprintf(b, "list resources: %v\n", err)
	}
	for _, r := range resources {
		fmt.Fprintf(b, "%s %s (generation %d, observed %d)\n", r.Kind, r.Name, r.Generation, r.Observed)
		for _, c := range r.Conditions {
			fmt.Fprintf(b, "    %s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
		}
	}
}

func (n *Namespace) reportPods(ctx context.Context, b *strings.Builder) {
	var pods corev1.PodList
	if err := n.Client.List(ctx, &pods, client.InNamespace(n.Name)); err != nil {
		fmt.Fprintf(b, "list pods: %v\n", err)
	}
	for _, pod := range pods.Items {
		fmt.Fprintf(b, "pod %s: %s, ready %t, restarts %d, node %s, IP %s, role %q\n", pod.Name, podPhase(&pod), PodReady(&pod),
			restarts(&pod), pod.Spec.NodeName, pod.Status.PodIP, pod.Labels[RoleLabel])
	}
	for _, pod := range pods.Items {
		if !PodReady(&pod) && pod.Status.Phase != corev1.PodSucceeded {
			n.reportLogs(ctx, b, &pod)
		}
	}
}

func (n *Namespace) reportLogs(ctx context.Context, b *strings.Builder, pod *corev1.Pod) {
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if waiting := status.State.Waiting; waiting != nil {
			fmt.Fprintf(b, "pod %s container %s waits: %s %s\n", pod.Name, status.Name, waiting.Reason, waiting.Message)
		}
		if status.Started == nil && status.State.Terminated == nil && status.LastTerminationState.Terminated == nil {
			continue
		}
		text, err := n.tail(ctx, pod.Name, status.Name)
		if err != nil {
			text = err.Error()
		}
		fmt.Fprintf(b, "last log lines of %s/%s:\n%s\n", pod.Name, status.Name, indent(text))
	}
}

func (n *Namespace) tail(ctx context.Context, pod, container string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, reportLog)
	defer cancel()
	return n.Logs(ctx, pod, container, LogTail(reportLines))
}

func (n *Namespace) reportEvents(ctx context.Context, b *strings.Builder) {
	events, err := n.Events(ctx)
	if err != nil {
		fmt.Fprintf(b, "list events: %v\n", err)
	}
	fmt.Fprintf(b, "last events of %d:\n", len(events))
	for _, event := range events[max(0, len(events)-reportEvents):] {
		fmt.Fprintf(b, "    %s %s %s/%s %s: %s\n", event.Time.UTC().Format(time.TimeOnly), event.Type, event.Kind, event.Name,
			event.Reason, event.Message)
	}
}

// Event is what kubectl get events shows.
type Event struct {
	Time                        time.Time
	Type, Reason, Message, From string
	Kind, Name                  string // of the object that it is about
}

// Events lists the namespace's events, oldest first.
func (n *Namespace) Events(ctx context.Context) ([]Event, error) {
	// The core API shows the events of both event APIs.
	list, err := n.Set.CoreV1().Events(n.Name).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list events of %s: %w", n.Name, err)
	}
	var events []Event
	for _, e := range list.Items {
		event := Event{
			Time: e.LastTimestamp.Time, Type: e.Type, Reason: e.Reason, Message: e.Message, Kind: e.InvolvedObject.Kind,
			Name: e.InvolvedObject.Name, From: cmp.Or(e.ReportingController, e.Source.Component),
		}
		if e.Series != nil {
			event.Time = e.Series.LastObservedTime.Time
		}
		if event.Time.IsZero() {
			event.Time = e.EventTime.Time
		}
		events = append(events, event)
	}
	slices.SortStableFunc(events, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return events, nil
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}
