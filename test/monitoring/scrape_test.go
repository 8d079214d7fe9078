// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"log/slog"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"github.com/prometheus/prometheus/util/strutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

// The scrape configuration in the documentation finds the pods with metrics, and gives them the labels that alerts and dashboards need.
func TestTheDocumentedScrapeConfiguration(t *testing.T) {
	jobs := documentedJobs(t)
	ofRocketMQ := desired.Labels(&v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Name: "b"}}, desired.Broker)
	ofOperator := map[string]string{desired.LabelName: "rocketmq-operator"}
	ofRelease := map[string]string{desired.LabelName: "rocketmq-operator", desired.LabelManagedBy: "Helm"}
	for _, c := range []struct {
		name   string
		labels map[string]string
		port   string
		jobs   []string
	}{
		{"a broker", ofRocketMQ, "metrics", []string{"rocketmq"}},
		{"another port of it", ofRocketMQ, "broker", nil},
		{"the operator", ofOperator, "metrics", []string{operatorJob}},
		{"the operator of a Helm release", ofRelease, "metrics", []string{operatorJob}},
		{"a stranger", map[string]string{desired.LabelName: "shop", desired.LabelManagedBy: "Helm"}, "metrics", nil},
	} {
		discovered := labels.NewBuilder(labels.FromStrings("__meta_kubernetes_namespace", "mq", "__meta_kubernetes_pod_name", "b-0-0",
			"__meta_kubernetes_pod_container_port_name", c.port))
		for name, value := range c.labels {
			discovered.Set("__meta_kubernetes_pod_label_"+strutil.SanitizeLabelName(name), value)
		}
		var found []string
		for _, job := range jobs {
			given := labels.NewBuilder(discovered.Labels())
			if !relabel.ProcessBuilder(given, job.RelabelConfigs...) {
				continue
			}
			found = append(found, job.JobName)
			seen := given.Labels().Map()
			maps.DeleteFunc(seen, func(name, _ string) bool { return strings.HasPrefix(name, "__") })
			if diff := cmp.Diff(map[string]string{"namespace": "mq", "pod": "b-0-0"}, seen); diff != "" {
				t.Errorf("%s gets other labels (-want +got):\n%s", c.name, diff)
			}
			if job.HonorLabels != (job.JobName == operatorJob) {
				t.Errorf("%s honours labels: %t", job.JobName, job.HonorLabels)
			}
		}
		if diff := cmp.Diff(c.jobs, found); diff != "" {
			t.Errorf("%s is scraped by other jobs (-want +got):\n%s", c.name, diff)
		}
	}
}

// documentedJobs are what Prometheus makes of the configuration, without its discovery, which needs Kubernetes.
func documentedJobs(t *testing.T) []*config.ScrapeConfig {
	t.Helper()
	docs, err := os.ReadFile(root + "/docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	inside := false
	for line := range strings.Lines(string(docs)) {
		code, indented := strings.CutPrefix(line, "    ")
		inside = indented && (inside || code == "scrape_configs:\n")
		if inside && !strings.Contains(code, "kubernetes_sd_configs") {
			text.WriteString(code)
		}
	}
	out, err := config.Load(text.String(), slog.New(slog.DiscardHandler))
	if err != nil || len(out.ScrapeConfigs) != 2 {
		t.Fatalf("not two jobs (%v) in\n%s", err, text.String())
	}
	return out.ScrapeConfigs
}
