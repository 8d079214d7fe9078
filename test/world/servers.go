// SPDX-License-Identifier: Apache-2.0

package world

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// served is the server in a pod.
type served struct {
	dialled string // host:port
	up      bool
}

// follow brings the servers to what the pods are: one starts with its pod, answers while the pod is ready, and stops with it.
func (w *World) follow(list []corev1.Pod) {
	w.Helper()
	running := map[types.UID]bool{}
	for i := range list {
		pod := &list[i]
		if pod.Status.PodIP == "" || pod.DeletionTimestamp != nil {
			continue
		}
		s, known := w.servers[pod.UID]
		if !known {
			if s.dialled = w.startServer(pod); s.dialled == "" {
				continue
			}
		}
		running[pod.UID] = true
		if up := pods.Ready(pod) || w.Fenced[pod.Name]; up != s.up {
			s.up = up
			if up {
				w.MQ.Up(s.dialled)
			} else {
				w.MQ.Down(s.dialled)
			}
		}
		w.servers[pod.UID] = s
	}
	maps.DeleteFunc(w.servers, func(pod types.UID, s served) bool {
		if !running[pod] {
			w.MQ.Stop(s.dialled)
		}
		return !running[pod]
	})
}

// startServer of a pod, which does not answer yet. It returns where it will, "" for a pod that has no server of RocketMQ.
func (w *World) startServer(pod *corev1.Pod) (dialled string) {
	w.Helper()
	component := desired.Component(pod.Labels[desired.LabelComponent])
	switch component {
	case desired.NameServer:
		dialled = pods.NameServerAddr(pod)
	case desired.Controller:
		dialled = pods.ControllerAddr(pod)
	case desired.Broker:
		dialled = pods.BrokerAddr(pod)
	default:
		return ""
	}
	w.MQ.Name(dialled, pod.Name)
	w.MQ.Down(dialled)
	w.secure(pod, dialled)
	switch component {
	case desired.NameServer:
		w.MQ.StartNameServer(dialled)
	case desired.Controller:
		quorum := pod.Labels[desired.LabelInstance]
		domain := w.settings(quorum, component).ServiceDomain
		w.MQ.StartControllerOf(quorum, dialled, fmt.Sprintf("%s.%s:%d", pod.Name, domain, settings.ControllerPort))
	case desired.Broker:
		w.MQ.StartBroker(dialled, w.broker(pod))
	}
	return dialled
}

// broker of a pod, as its agent configures it.
func (w *World) broker(pod *corev1.Pod) fakemq.Broker {
	w.Helper()
	s := w.settings(pod.Labels[desired.LabelInstance], desired.Broker)
	group := pod.Labels[desired.LabelGroup]
	properties := s.Broker.Groups[group].Properties()
	live, err := settings.LiveProperties(s.Config)
	w.Must(err)
	maps.Copy(properties, live)
	properties["namesrvAddr"], properties["controllerAddr"] = strings.Join(s.Broker.NameServers, ";"), strings.Join(s.Broker.Controllers, ";")
	host := pod.Name + "." + s.ServiceDomain
	if pod.Spec.HostNetwork {
		host = pod.Status.PodIP
	}
	return fakemq.Broker{
		Credentials: w.credentials(s.Broker.AuthSecret),
		Cluster:     s.Broker.ClusterName, Group: group, ID: int64(desired.Ordinal(pod.Name)) + 1, Static: s.Broker.Mode == settings.Static,
		Address: fmt.Sprintf("%s:%d", host, settings.BrokerPort), Properties: properties,
	}
}

// credentials of the operator in a Secret, nil without one. Whoever the operator asks must be asked with these.
func (w *World) credentials(secret string) *remoting.Credentials {
	w.Helper()
	if secret == "" {
		return nil
	}
	username, password, err := settings.OperatorAccount.In(Get[corev1.Secret](w, secret).Data)
	w.Must(err)
	return &remoting.Credentials{AccessKey: username, SecretKey: password}
}

// settings that the agents of a resource's component read.
func (w *World) settings(resource string, component desired.Component) *settings.Settings {
	w.Helper()
	out := &settings.Settings{}
	config := Get[corev1.ConfigMap](w, desired.ConfigMap(resource, component))
	w.Must(json.Unmarshal([]byte(config.Data[settings.File]), out))
	return out
}

// Permission of a broker as it runs.
func (w *World) Permission(pod string) string { return w.MQ.Property(pod, "brokerPermission") }
