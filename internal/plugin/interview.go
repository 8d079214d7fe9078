// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/plugin/blank"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// servers of a namespace say what they are doing.
func (g *gathering) servers(ctx context.Context, namespace string) {
	a := *g.Access
	a.Namespace = namespace
	s, err := a.open(ctx)
	if err != nil {
		g.lacks(path.Join("servers", namespace), err)
		return
	}
	defer s.close()
	var brokers v1alpha1.BrokerList
	if err := a.list(ctx, namespace, &brokers); err != nil {
		g.lacks(path.Join("servers", namespace), err)
	}
	var groups []string                    // that controllers are asked about
	signedIn := map[string]*admin.Client{} // by the names of Brokers
	for i := range brokers.Items {
		asks, err := s.clientFor(ctx, &brokers.Items[i])
		if err != nil {
			g.lacks(path.Join("servers", namespace, brokers.Items[i].Name), err)
		}
		signedIn[brokers.Items[i].Name] = asks
		for _, group := range brokers.Items[i].Status.Groups {
			groups = append(groups, group.Name)
		}
	}
	type asked struct {
		directory, addr string
		questions       []question
	}
	pods, names := map[string]asked{}, []string{}
	for i := range s.pods {
		pod := &s.pods[i]
		directory := path.Join("servers", namespace, pod.Name)
		component, asks := desired.Component(pod.Labels[desired.LabelComponent]), s.admin
		if component == desired.Broker {
			asks = signedIn[pod.Labels[desired.LabelInstance]]
		}
		questions, port := questionsTo(component, asks, groups)
		switch {
		case len(questions) == 0:
		case asks == nil: // it is said for all brokers of the Broker
		case pod.Status.PodIP == "" || pod.Status.Phase != corev1.PodRunning:
			g.lacks(directory, fmt.Errorf("pod %s is %s and cannot be asked", pod.Name, pod.Status.Phase))
		default:
			pods[pod.Name] = asked{directory, net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(port)), questions}
			names = append(names, pod.Name)
		}
	}
	g.progress.detail("asking %d servers in namespace %s", len(pods), namespace)
	answers, err := someAtOnce(ctx, names, func(ctx context.Context, name string) ([]answer, error) {
		return ask(ctx, pods[name].addr, pods[name].questions), nil
	})
	if err != nil {
		g.lacks(path.Join("servers", namespace), err)
	}
	for _, name := range names {
		for _, got := range answers[name] {
			file := path.Join(pods[name].directory, got.file)
			if got.err != nil {
				g.lacks(file, got.err)
			} else {
				g.addYAML(file, got.value)
			}
		}
	}
}

// question to a server, and the file for its answer.
type question struct {
	file string
	ask  func(ctx context.Context, addr string) (any, error)
}

// questionsTo a server, and its port.
func questionsTo(of desired.Component, asks *admin.Client, groups []string) ([]question, int) {
	switch of {
	case desired.NameServer:
		return []question{
			{"cluster.yaml", func(ctx context.Context, addr string) (any, error) { return asks.ClusterInfo(ctx, addr) }},
		}, settings.NameServerPort
	case desired.Controller:
		return []question{
			{"quorum.yaml", func(ctx context.Context, addr string) (any, error) { return asks.ControllerMetadata(ctx, addr) }},
			{"syncstatesets.yaml", func(ctx context.Context, addr string) (any, error) {
				states, err := asks.SyncStateData(ctx, addr, groups...)
				if remoting.IsCode(err, remoting.ControllerNotLeader) {
					return "another controller leads and knows them", nil
				}
				return states, err
			}},
			{"config.yaml", func(ctx context.Context, addr string) (any, error) {
				properties, err := asks.ControllerConfig(ctx, addr)
				return blank.Map(properties), err
			}},
		}, settings.ControllerPort
	case desired.Broker:
		return []question{
			{"runtime.yaml", func(ctx context.Context, addr string) (any, error) { return asks.BrokerRuntimeInfo(ctx, addr) }},
			{"replication.yaml", func(ctx context.Context, addr string) (any, error) { return asks.HAStatus(ctx, addr) }},
			{"config.yaml", func(ctx context.Context, addr string) (any, error) {
				properties, err := asks.BrokerConfig(ctx, addr)
				return blank.Map(properties), err
			}},
		}, settings.BrokerPort
	}
	return nil, 0
}

// answer to a question.
type answer struct {
	file  string
	value any
	err   error
}

// ask a server. One that does not answer at all is not asked again: each question would take as long.
func ask(ctx context.Context, addr string, questions []question) []answer {
	var answers []answer
	for _, q := range questions {
		bounded, cancel := context.WithTimeout(ctx, connectTimeout)
		value, err := q.ask(bounded, addr)
		cancel()
		answers = append(answers, answer{q.file, value, err})
		if refusal := new(remoting.ResponseError); err != nil && !errors.As(err, &refusal) {
			break
		}
	}
	return answers
}
