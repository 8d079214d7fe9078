// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
)

// ruleHead is the begin of the PrometheusRule that holds the alerts.
const ruleHead = "# Generated from alerts.yaml by make generate: change it there.\n" + `apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: rocketmq-operator
spec:
`

// copyMonitoring replaces the chart's alerts and dashboards, and writes the alerts as a PrometheusRule.
func copyMonitoring(root string) error {
	from, to := filepath.Join(root, "config", "monitoring"), filepath.Join(files(root), "monitoring")
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(to, "dashboards"), os.DirFS(filepath.Join(from, "dashboards"))); err != nil {
		return err
	}
	alerts, err := os.ReadFile(filepath.Join(from, "alerts.yaml"))
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(to, "alerts.yaml"), append([]byte(generated), alerts...), 0o644),
		os.WriteFile(filepath.Join(from, "prometheus-rule.yaml"), append([]byte(ruleHead), indented(alerts)...), 0o644),
	)
}

// indented text by two spaces, apart from empty lines.
func indented(text []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) > 0 {
			out.WriteString("  ")
		}
		out.Write(line)
	}
	return out.Bytes()
}
