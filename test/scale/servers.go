// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// userTopics is how many topics, and as many consumer groups, each cluster begins with.
const userTopics = 10

// servers are the RocketMQ servers of all pods. Each pod has a loopback address of its own.
type servers struct {
	recorded *fakemq.Recorded

	mu       sync.RWMutex
	clusters map[string]*fakemq.Cluster // by namespace/name
	at       map[string]*fakemq.Cluster // by host:port
	pods     map[types.UID]played

	counting sync.Mutex
	asked    map[string]int // requests so far, by code
}

// played is the server of a pod.
type played struct {
	cluster   string // namespace/name
	component desired.Component
	ip        netip.Addr
	dialled   string // host:port
}

// newServers with the answers that are recorded in the repository.
func newServers(root string) (*servers, error) {
	recorded, err := fakemq.Load(filepath.Join(root, "admin", "testdata"))
	if err != nil {
		return nil, err
	}
	return &servers{
		recorded: recorded, clusters: map[string]*fakemq.Cluster{}, at: map[string]*fakemq.Cluster{},
		pods: map[types.UID]played{}, asked: map[string]int{},
	}, nil
}

func ports() map[desired.Component]int {
	return map[desired.Component]int{
		desired.NameServer: settings.NameServerPort, desired.Controller: settings.ControllerPort, desired.Broker: settings.BrokerPort,
	}
}

// start the server of a pod with the settings that its agent would read, and return its address. One that was started
// before keeps it.
func (s *servers) start(pod *corev1.Pod, given *settings.Settings) (netip.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.pods[pod.UID]; ok {
		return known.ip, nil
	}
	name := pod.Labels[desired.LabelCluster]
	p := played{cluster: pod.Namespace + "/" + name, component: desired.Component(pod.Labels[desired.LabelComponent])}
	port, ok := ports()[p.component]
	if !ok {
		return p.ip, fmt.Errorf("pod %s/%s is a %q, which is not played", pod.Namespace, pod.Name, p.component)
	}
	n := len(s.pods) + 1
	p.ip = netip.AddrFrom4([4]byte{127, byte(10 + n>>16), byte(n >> 8), byte(n)})
	p.dialled = netip.AddrPortFrom(p.ip, uint16(port)).String()
	c := s.clusters[p.cluster]
	if c == nil {
		c = fakemq.NewCluster(name, s.recorded)
		s.clusters[p.cluster] = c
	}
	address := fmt.Sprintf("%s.%s:%d", pod.Name, given.ServiceDomain, port)
	switch p.component {
	case desired.NameServer:
		c.StartNameServer(p.dialled)
	case desired.Controller:
		c.StartController(p.dialled, address)
	case desired.Broker:
		b, err := brokerOf(pod, address, given)
		if err != nil {
			return p.ip, err
		}
		c.StartBroker(p.dialled, b)
	}
	s.at[p.dialled], s.pods[pod.UID] = c, p
	return p.ip, nil
}

// brokerOf a pod. The first group of a cluster has topics.
func brokerOf(pod *corev1.Pod, address string, given *settings.Settings) (fakemq.Broker, error) {
	group := pod.Labels[desired.LabelGroup]
	properties, err := settings.LiveProperties(given.Config)
	if err != nil {
		return fakemq.Broker{}, err
	}
	maps.Copy(properties, given.Broker.Groups[group].Properties())
	properties["namesrvAddr"] = strings.Join(given.Broker.NameServers, ";")
	properties["controllerAddr"] = strings.Join(given.Broker.Controllers, ";")
	b := fakemq.Broker{Group: group, ID: int64(desired.Ordinal(pod.Name)) + 1, Address: address, Properties: properties}
	if desired.Ordinal(group) == 0 {
		b.Tables = userTables()
	}
	return b, nil
}

func userTables() fakemq.Tables {
	const queues = 8
	t := fakemq.Tables{
		Topics: map[string]admin.TopicConfig{}, Groups: map[string]admin.SubscriptionGroup{}, Offsets: map[string]map[string]int64{},
	}
	for i := range userTopics {
		topic, group := fmt.Sprintf("orders-%d", i), fmt.Sprintf("billing-%d", i)
		t.Topics[topic] = admin.TopicConfig{
			Name: topic, ReadQueues: queues, WriteQueues: queues, Perm: admin.PermRead | admin.PermWrite,
			FilterType: "SINGLE_TAG", Attributes: map[string]string{},
		}
		t.Groups[group] = admin.NewSubscriptionGroup(group)

		offsets := map[string]int64{}
		for queue := range queues {
			offsets[fmt.Sprint(queue)] = int64(10 * (queue + 1))
		}
		t.Offsets[topic+"@"+group] = offsets
	}
	return t
}

// ready is a pod whose server has started: a broker registers.
func (s *servers) ready(pod types.UID) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p, ok := s.pods[pod]; ok {
		s.at[p.dialled].Register(p.dialled)
	}
}

func (s *servers) stop(pod types.UID) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p, ok := s.pods[pod]; ok {
		s.at[p.dialled].Stop(p.dialled)
	}
}

// silence the brokers that the clusters, by namespace/name, have now, or let them speak again.
func (s *servers) silence(clusters map[string]bool, silent bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, p := range s.pods {
		if clusters[p.cluster] && p.component == desired.Broker {
			s.at[p.dialled].Silence(p.dialled, silent)
		}
	}
}

// counts of requests so far, by code.
func (s *servers) counts() map[string]int {
	s.counting.Lock()
	defer s.counting.Unlock()
	return maps.Clone(s.asked)
}

func (s *servers) cluster(addr string) *fakemq.Cluster {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.at[addr]
}

// State of the server at an address.
func (s *servers) State(addr string) fakemq.State {
	if c := s.cluster(addr); c != nil {
		return c.State(addr)
	}
	return fakemq.Refused
}

// Answer a request to the server at an address.
func (s *servers) Answer(addr string, request remoting.Request) (fakemq.Answer, bool) {
	s.counting.Lock()
	s.asked[request.Code.String()]++
	s.counting.Unlock()
	c := s.cluster(addr)
	if c == nil {
		return fakemq.Answer{}, false
	}
	return c.Answer(addr, request)
}
