// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Labels and names that the operator gives to pods (DESIGN section 8).
const (
	RoleLabel         = "rocketmq.apache.org/role"
	GroupLabel        = "rocketmq.apache.org/group"
	ManagedByLabel    = "app.kubernetes.io/managed-by"
	RocketMQContainer = "rocketmq"
)

// OwnPods lists the pods that the operator made in the namespace, by name.
func (n *Namespace) OwnPods(ctx context.Context) (map[string]*corev1.Pod, error) {
	var list corev1.PodList
	err := n.Client.List(ctx, &list, client.InNamespace(n.Name), client.MatchingLabels{ManagedByLabel: OperatorName})
	if err != nil {
		return nil, fmt.Errorf("list pods of %s: %w", n.Name, err)
	}
	pods := map[string]*corev1.Pod{}
	for i := range list.Items {
		pods[list.Items[i].Name] = &list.Items[i]
	}
	return pods, nil
}

// Pod reads one pod.
func (n *Namespace) Pod(ctx context.Context, name string) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	if err := n.Client.Get(ctx, client.ObjectKey{Namespace: n.Name, Name: name}, pod); err != nil {
		return nil, fmt.Errorf("get pod %s/%s: %w", n.Name, name, err)
	}
	return pod, nil
}

// Life tells one life of a pod from the next: it changes when the pod is replaced or a container in it restarts.
type Life struct {
	UID      types.UID
	Restarts int32
}

// Lives returns the present life of each of the operator's pods, by the pod's name. One that is about to go lives no more:
// a Deployment is Ready before the pods that it replaced are gone.
func (n *Namespace) Lives(ctx context.Context) (map[string]Life, error) {
	pods, err := n.OwnPods(ctx)
	if err != nil {
		return nil, err
	}
	lives := map[string]Life{}
	for name, pod := range pods {
		if pod.DeletionTimestamp == nil {
			lives[name] = Life{UID: pod.UID, Restarts: restarts(pod)}
		}
	}
	return lives, nil
}

func restarts(pod *corev1.Pod) int32 {
	var sum int32
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		sum += status.RestartCount
	}
	return sum
}

// PodReady reports whether the pod serves: it is Ready and not about to go.
func PodReady(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func podPhase(pod *corev1.Pod) string {
	if pod.DeletionTimestamp != nil {
		return "Terminating"
	}
	return string(pod.Status.Phase)
}

// AwaitPodReady waits until a pod of this name other than the one with the uid before is ready.
func (n *Namespace) AwaitPodReady(ctx context.Context, name string, before types.UID, limit time.Duration) error {
	return n.Await(ctx, "pod "+name+" to be ready", limit, func(ctx context.Context) error {
		pod, err := n.Pod(ctx, name)
		switch {
		case err != nil:
			return err
		case pod.UID == before:
			return errors.New("the old pod is still there")
		case !PodReady(pod):
			return fmt.Errorf("it is %s and not ready", podPhase(pod))
		}
		return nil
	})
}

// DeletePod deletes a pod; with force at once and without telling its processes gently.
func (n *Namespace) DeletePod(ctx context.Context, name string, force bool) error {
	pod := &corev1.Pod{}
	pod.Namespace, pod.Name = n.Name, name
	var options []client.DeleteOption
	if force {
		options = append(options, client.GracePeriodSeconds(0))
	}
	if err := n.Client.Delete(ctx, pod, options...); err != nil {
		return fmt.Errorf("delete pod %s/%s: %w", n.Name, name, err)
	}
	return nil
}

// LogOption chooses the part of a log.
type LogOption func(*corev1.PodLogOptions)

// LogTail chooses the last lines.
func LogTail(lines int64) LogOption {
	return func(o *corev1.PodLogOptions) { o.TailLines = &lines }
}

// LogFollow reads on until the container ends.
func LogFollow() LogOption {
	return func(o *corev1.PodLogOptions) { o.Follow = true }
}

// Logs reads a container's log.
func (n *Namespace) Logs(ctx context.Context, pod, container string, options ...LogOption) (string, error) {
	request := &corev1.PodLogOptions{Container: container}
	for _, option := range options {
		option(request)
	}
	stream, err := n.Set.CoreV1().Pods(n.Name).GetLogs(pod, request).Stream(ctx)
	if err != nil {
		return "", fmt.Errorf("logs of %s/%s: %w", pod, container, err)
	}
	defer stream.Close()
	text, err := io.ReadAll(stream)
	return string(text), err
}

// Exec runs a command in a container and returns what it printed.
func (n *Namespace) Exec(ctx context.Context, pod, container string, command ...string) (string, error) {
	url := n.Set.CoreV1().RESTClient().Post().Resource("pods").Namespace(n.Name).Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	executor, err := remotecommand.NewSPDYExecutor(n.Config, "POST", url)
	if err != nil {
		return "", err
	}
	var stdout, stderr bytes.Buffer
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &stdout, Stderr: &stderr}); err != nil {
		return stdout.String(), fmt.Errorf("%s in %s/%s: %w: %s%s", strings.Join(command, " "), n.Name, pod, err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}
