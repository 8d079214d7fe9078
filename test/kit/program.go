// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GRPCClientImage holds the official gRPC client, test/images/grpc.
const GRPCClientImage = "docker.io/rocketmq-operator/grpc-client:dev"

// RunGRPCClient runs the gRPC client in a pod of that name to its end and returns what it printed. A failure of the
// program is an error that holds it.
func (n *Namespace) RunGRPCClient(ctx context.Context, name string, env map[string]string, limit time.Duration, args ...string) (string, error) {
	no, yes := false, true
	container := corev1.Container{
		Name: "client", Image: GRPCClientImage, ImagePullPolicy: corev1.PullIfNotPresent, Args: args,
		SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
	}
	for key, value := range env {
		container.Env = append(container.Env, corev1.EnvVar{Name: key, Value: value})
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: n.Name, Name: name},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever, AutomountServiceAccountToken: &no, Containers: []corev1.Container{container},
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		},
	}
	if err := n.Client.Create(ctx, pod); err != nil {
		return "", fmt.Errorf("create the gRPC client's pod %s: %w", name, err)
	}
	var phase corev1.PodPhase
	err := n.Await(ctx, "gRPC client "+name+" to end", limit, func(ctx context.Context) error {
		pod, err := n.Pod(ctx, name)
		if err != nil {
			return err
		}
		if phase = pod.Status.Phase; phase != corev1.PodSucceeded && phase != corev1.PodFailed {
			return fmt.Errorf("its pod is %s", phase)
		}
		return nil
	})
	text, logErr := n.Logs(ctx, name, container.Name)
	switch {
	case err != nil:
		return text, fmt.Errorf("%w\n%s", err, text)
	case logErr != nil:
		return "", logErr
	case phase != corev1.PodSucceeded:
		return text, fmt.Errorf("gRPC client %s failed:\n%s", name, text)
	}
	return text, nil
}

// Metrics are a server's series, by name with labels as it printed them.
type Metrics map[string]float64

// Scrape reads the metrics of a pod as Prometheus does.
func (n *Namespace) Scrape(ctx context.Context, pod string) (Metrics, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true}, Timeout: 20 * time.Second}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s.%s:%d/metrics", pod, n.Name, metricsPort), nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("scrape pod %s: %w", pod, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("scrape pod %s: %s: %w", pod, response.Status, err)
	}
	return ParseMetrics(string(text))
}

const metricsPort = 5557

// ParseMetrics reads Prometheus' text format.
func ParseMetrics(text string) (Metrics, error) {
	out := Metrics{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		end := strings.LastIndex(line, "}") + 1
		if end == 0 {
			end = strings.IndexByte(line, ' ')
		}
		fields := strings.Fields(line[max(end, 0):])
		if len(fields) == 0 {
			return nil, fmt.Errorf("no sample: %s", line)
		}
		value, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return nil, fmt.Errorf("sample %s: %w", line, err)
		}
		out[line[:end]] = value
	}
	return out, nil
}

// Sum of the series of a name that have all the labels, given as `key="value"`, and how many these are.
func (m Metrics) Sum(name string, labels ...string) (sum float64, series int) {
	for key, value := range m {
		metric, rest, _ := strings.Cut(key, "{")
		fits := metric == name
		for _, label := range labels {
			fits = fits && strings.Contains("{"+rest, label)
		}
		if fits {
			sum += value
			series++
		}
	}
	return sum, series
}
