// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// The exporter's packaged settings (application.yml).
func exporterDefaults() properties {
	return properties{
		"server.port":                      "5557",
		"rocketmq.config.webTelemetryPath": "/metrics",
		"rocketmq.config.namesrvAddr":      "127.0.0.1:9876",
		"rocketmq.config.enableACL":        "false",
		"rocketmq.config.accessKey":        "",
		"rocketmq.config.secretKey":        "",
	}
}

// newExporter has the real one's series of the brokers' rates and of the messages in each topic. Of the brokers' own figures
// (rocketmq_brokeruntime_…) the real one shows none with RocketMQ 5.4: it wants a brokerVersion, which these no longer have.
func newExporter(p properties, rc *remoting.Client) http.Handler {
	if p["rocketmq.config.enableACL"] != "true" { // what it asks is then not signed, whatever account there is
		delete(p, "rocketmq.config.accessKey")
	}
	c := newCluster(rc, p["rocketmq.config.namesrvAddr"], p)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+p["rocketmq.config.webTelemetryPath"], func(w http.ResponseWriter, r *http.Request) {
		text, err := c.metrics(r)
		if err != nil { // the real one shows what it has, here nothing
			fmt.Fprintln(os.Stderr, err)
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write([]byte(text))
	})
	return mux
}

func (c cluster) metrics(r *http.Request) (string, error) {
	info, err := c.info(r.Context())
	if err != nil {
		return "", err
	}
	series := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(info.Brokers)) {
		group := info.Brokers[name]
		addr, ok := group.Addrs[0] // it counts masters
		if !ok {
			continue
		}
		figures, err := c.admin.BrokerRuntimeInfo(r.Context(), addr)
		if err != nil {
			return "", err
		}
		labels := fmt.Sprintf("{cluster=%q,brokerIP=%q,broker=%q,}", group.Cluster, addr, name)
		for metric, value := range map[string]string{
			"rocketmq_broker_tps": fmt.Sprint(figures.InTPS()),
			"rocketmq_broker_qps": fmt.Sprint(figures.OutTPS()),
		} {
			series[metric] = append(series[metric], metric+labels+" "+value)
		}
		topics, _, err := c.admin.Topics(r.Context(), addr)
		if err != nil {
			return "", err
		}
		for _, topic := range slices.Sorted(maps.Keys(topics)) {
			queues, err := c.admin.TopicStats(r.Context(), addr, topic)
			if err != nil {
				return "", err
			}
			var sum int64
			for _, queue := range queues {
				sum += queue.MaxOffset
			}
			const metric = "rocketmq_producer_offset"
			series[metric] = append(series[metric], fmt.Sprintf("%s{cluster=%q,broker=%q,topic=%q,} %d.0", metric, group.Cluster, name, topic, sum))
		}
	}
	var out strings.Builder
	for _, metric := range slices.Sorted(maps.Keys(series)) {
		fmt.Fprintf(&out, "# HELP %s %s\n# TYPE %s gauge\n%s\n", metric, metric, metric, strings.Join(series[metric], "\n"))
	}
	return out.String(), nil
}
