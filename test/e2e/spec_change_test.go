//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// A user changes memory and a property of the brokers. Each broker pod is replaced exactly once, the slave before the
// master, one only after the other serves again; nothing else restarts, in this cluster or another.
func specChange(t *testing.T, c, other *kit.Installation) {
	ctx := t.Context()
	ok(t, c.AwaitReady(ctx, time.Minute))
	before, err := c.Lives(ctx)
	ok(t, err)
	elsewhere, err := other.Lives(ctx)
	ok(t, err)
	master, err := c.Master(ctx, 0)
	ok(t, err)
	slave := c.Member(0, 0)
	if slave == master {
		slave = c.Member(0, 1)
	}

	seen := watchReplacements(ctx, t, c)
	c.Log.Printf("changing memory and a property; %s is master, %s slave", master, slave)
	ok(t, c.Apply(ctx, manifest(t, "small.yaml"),
		"config:\n", "resources: {requests: {memory: 300Mi}}\n  config:\n    fileReservedTime: \"24\"\n"))
	ok(t, c.Await(ctx, "both broker pods to be new", 4*time.Minute, func(ctx context.Context) error {
		lives, err := c.Lives(ctx)
		if err != nil {
			return err
		}
		for _, pod := range []string{slave, master} {
			if lives[pod].UID == before[pod].UID {
				return fmt.Errorf("%s is still the old pod", pod)
			}
		}
		return nil
	}))
	ok(t, c.AwaitReady(ctx, 2*time.Minute))
	c.Log.Printf("Ready and up to date again")
	time.Sleep(15 * time.Second) // a second replacement would begin now

	want := []string{"created " + slave, "created " + master}
	if diff := cmp.Diff(want, seen()); diff != "" {
		t.Errorf("pods were not replaced once each, the slave first (-want +got):\n%s", diff)
	}
	after, err := c.Lives(ctx)
	ok(t, err)
	for pod, life := range before {
		if pod != slave && pod != master && after[pod] != life {
			t.Errorf("%s was restarted although its spec did not change", pod)
		}
	}
	if got, err := other.Lives(ctx); err != nil || !cmp.Equal(elsewhere, got) {
		t.Errorf("pods of the other cluster were restarted: %v (%v)", cmp.Diff(elsewhere, got), err)
	}
	for _, name := range []string{slave, master} {
		pod, err := c.Pod(ctx, name)
		ok(t, err)
		if got := requestedMemory(pod); got != "300Mi" {
			t.Errorf("%s requests %s of memory, want 300Mi", name, got)
		}
		config, err := c.Admin.BrokerConfig(ctx, name+"."+c.Name+":10911")
		ok(t, err)
		if got := config["fileReservedTime"]; got != "24" {
			t.Errorf("%s runs with fileReservedTime %q, want 24", name, got)
		}
	}
	v := sendAndReceive(t, c, "after-change", 100)
	if v.Groups[c.Group(0)].Acked == 0 {
		t.Errorf("the group got no messages: %v", v.Groups)
	}
}

func requestedMemory(pod *corev1.Pod) string {
	for _, container := range pod.Spec.Containers {
		if container.Name == kit.RocketMQContainer {
			return container.Resources.Requests.Memory().String()
		}
	}
	return ""
}

// watchReplacements notes the pods that the operator's StatefulSets make from now on, in their order. The function
// that it returns ends the watch and tells them.
func watchReplacements(ctx context.Context, t *testing.T, c *kit.Installation) func() []string {
	t.Helper()
	selector := metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: map[string]string{kit.ManagedByLabel: kit.OperatorName}})
	list, err := c.Set.CoreV1().Pods(c.Name).List(ctx, metav1.ListOptions{LabelSelector: selector})
	ok(t, err)
	known := map[types.UID]bool{}
	for _, pod := range list.Items {
		known[pod.UID] = true
	}
	w, err := c.Set.CoreV1().Pods(c.Name).Watch(ctx, metav1.ListOptions{LabelSelector: selector, ResourceVersion: list.ResourceVersion})
	ok(t, err)
	var seen []string
	var failure error
	stopping, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for event := range w.ResultChan() {
			switch pod, isPod := event.Object.(*corev1.Pod); {
			case !isPod || event.Type == watch.Error:
				select {
				case <-stopping: // a stopped watch may report its own end as an error
				default:
					failure = errors.Join(failure, fmt.Errorf("watch pods: %v", event.Object))
				}
			case !known[pod.UID]:
				known[pod.UID] = true
				seen = append(seen, "created "+pod.Name)
				c.Log.Printf("created %s", pod.Name)
			}
		}
	}()
	return func() []string {
		close(stopping)
		w.Stop()
		<-done
		ok(t, failure)
		return seen
	}
}
