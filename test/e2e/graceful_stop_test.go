// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// kubectl delete pod, a drain, an eviction: java gets the SIGTERM and time to stop by itself, in every kind of pod. (A
// master's is in NodeDrained.)
func gracefulStop(t *testing.T, _ *world, c *kit.Installation) {
	ctx := t.Context()
	slave, _ := members(t, c, 1)
	pods := []string{c.NameServers(quickstartNameServers)[2], c.Controllers(quickstartControllers)[2], slave}
	inOrder := watchEndings(t, c, pods...)
	for _, name := range pods {
		c.Log.Printf("kubectl delete pod %s", name)
		ok(t, c.DeletePod(ctx, name, false))
	}
	inOrder()
	leftNoAbortFile(t, c, slave)
	ok(t, c.AwaitReady(ctx, 2*time.Minute))
}

// leftNoAbortFile: a broker that stopped in order says at its next start that it was "normally" shut down.
func leftNoAbortFile(t *testing.T, c *kit.Installation, pods ...string) {
	t.Helper()
	for _, name := range pods {
		text, err := c.Logs(t.Context(), name, kit.RocketMQContainer)
		ok(t, err)
		if !strings.Contains(text, "last shutdown normally") {
			t.Errorf("the log of %s does not say \"last shutdown normally\", so an abort file was left", name)
		}
	}
}

// watchEndings returns what waits for the end of these pods, expects that java ends by itself in time, and waits until
// all are back.
func watchEndings(t *testing.T, c *kit.Installation, pods ...string) (inOrder func()) {
	t.Helper()
	ctx := t.Context()
	ends := map[string]<-chan ending{}
	before := map[string]*corev1.Pod{}
	for _, name := range pods {
		pod, err := c.Pod(ctx, name)
		ok(t, err)
		before[name] = pod
		ends[name] = watchEnding(ctx, t, c.Namespace, pod)
	}
	return func() {
		t.Helper()
		for _, name := range pods {
			end := <-ends[name]
			ok(t, end.err)
			grace := time.Duration(*before[name].Spec.TerminationGracePeriodSeconds) * time.Second
			c.Log.Printf("%s ended with exit code %d after %.1f s of its %s", name, end.code, end.took.Seconds(), grace)
			if end.code != 0 {
				t.Errorf("java in %s ended with exit code %d, want 0", name, end.code)
			}
			if end.took >= grace {
				t.Errorf("%s took %s, its whole grace period", name, end.took)
			}
		}
		for _, name := range pods {
			ok(t, c.AwaitPodReady(ctx, name, before[name].UID, 2*time.Minute))
		}
	}
}

// ending is how a pod's server ended.
type ending struct {
	code int32
	took time.Duration
	err  error
}

// watchEnding tells the exit code of a pod's server once the pod is gone.
func watchEnding(ctx context.Context, t *testing.T, n *kit.Namespace, pod *corev1.Pod) <-chan ending {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 6*time.Minute) // a drain takes two handovers
	t.Cleanup(cancel)
	w, err := n.Set.CoreV1().Pods(n.Name).Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("metadata.name", pod.Name).String(),
	})
	ok(t, err)
	result := make(chan ending, 1)
	go func() {
		defer w.Stop()
		result <- readEnding(w.ResultChan(), pod)
	}()
	return result
}

func readEnding(events <-chan watch.Event, pod *corev1.Pod) ending {
	var begin time.Time
	var end *corev1.ContainerStateTerminated
	for event := range events {
		seen, isPod := event.Object.(*corev1.Pod)
		if !isPod {
			return ending{err: fmt.Errorf("watch pod %s: %v", pod.Name, event.Object)}
		}
		if seen.UID != pod.UID {
			continue
		}
		if seen.DeletionTimestamp != nil && begin.IsZero() {
			begin = time.Now()
		}
		for _, status := range seen.Status.ContainerStatuses {
			if status.Name == kit.RocketMQContainer && status.State.Terminated != nil {
				end = status.State.Terminated
			}
		}
		if event.Type != watch.Deleted {
			continue
		}
		if end == nil {
			return ending{err: fmt.Errorf("pod %s is gone and its server's exit code was never seen", pod.Name)}
		}
		return ending{code: end.ExitCode, took: time.Since(begin)}
	}
	return ending{err: errors.New("pod " + pod.Name + " was still there when the watch ended")}
}
