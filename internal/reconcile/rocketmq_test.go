package reconcile

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/workload"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// rocketMQ is what the servers in the pods of one world say: all name servers and controllers agree.
type rocketMQ struct {
	mu      sync.Mutex
	pods    map[string]corev1.Pod        // by IP, those that run
	leaders map[string]string            // the leading controller's IP, by Controller
	groups  map[string]*group            // by brokerName
	silent  map[string]bool              // IPs that never answer
	amnesia bool                         // the controllers know no broker
	configs map[string]map[string]string // of brokers, by pod
}

type group struct {
	static  bool
	master  string            // pod
	members map[string]member // by pod
}

type member struct{ addr, ip string }

func newRocketMQ() *rocketMQ {
	return &rocketMQ{leaders: map[string]string{}, groups: map[string]*group{}, silent: map[string]bool{}, configs: map[string]map[string]string{}}
}

// follow brings the servers to what the pods are: ready controllers elect a leader, ready brokers register, and a group
// without a master elects one, unless it is STATIC.
func (r *rocketMQ) follow(pods []corev1.Pod) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pods = map[string]corev1.Pod{}
	for _, g := range r.groups {
		clear(g.members)
	}
	for _, pod := range pods {
		if pod.Status.PodIP != "" && pod.DeletionTimestamp == nil {
			r.pods[pod.Status.PodIP] = pod
		}
	}
	for _, pod := range pods {
		if _, runs := r.pods[pod.Status.PodIP]; !runs || !workload.Ready(&pod) {
			continue
		}
		switch desired.Component(pod.Labels[desired.LabelComponent]) {
		case desired.Controller:
			owner := pod.Labels[desired.LabelInstance]
			if _, leads := r.pods[r.leaders[owner]]; !leads {
				r.leaders[owner] = pod.Status.PodIP
			}
		case desired.Broker:
			name := pod.Labels[desired.LabelGroup]
			if r.groups[name] == nil {
				r.groups[name] = &group{members: map[string]member{}}
			}
			host := pod.Name + "." + pod.Labels[desired.LabelInstance] + "-broker-headless." + pod.Namespace + ".svc.cluster.local"
			if pod.Spec.HostNetwork {
				host = pod.Status.PodIP
			}
			r.groups[name].members[pod.Name] = member{net.JoinHostPort(host, "10911"), pod.Status.PodIP}
		}
	}
	for name, g := range r.groups {
		if _, there := g.members[g.master]; there {
			continue
		}
		g.master = ""
		if g.static {
			g.master = name + "-0"
		} else if able := slices.Sorted(maps.Keys(g.members)); len(able) > 0 {
			g.master = able[0]
		}
	}
}

func (r *rocketMQ) State(addr string) fakemq.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	ip, _, _ := net.SplitHostPort(addr)
	if r.silent[ip] {
		return fakemq.Silent
	}
	if pod, runs := r.pods[ip]; !runs || !workload.Ready(&pod) {
		return fakemq.Refused
	}
	return fakemq.Serving
}

func (r *rocketMQ) Answer(addr string, code remoting.RequestCode, body []byte) (fakemq.Answer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ip, _, _ := net.SplitHostPort(addr)
	if _, runs := r.pods[ip]; !runs || r.silent[ip] {
		return fakemq.Answer{}, false
	}
	switch code {
	case remoting.GetBrokerClusterInfo:
		info := admin.ClusterInfo{Brokers: map[string]admin.BrokerData{}}
		for name, g := range r.groups {
			addrs := map[int64]string{}
			for pod, m := range g.members {
				id := int64(desired.Ordinal(pod)) + 1
				if pod == g.master {
					id = admin.MasterID
				}
				addrs[id] = m.addr
			}
			info.Brokers[name] = admin.BrokerData{Name: name, Addrs: addrs}
		}
		return fakemq.Answer{Body: text(info)}, true
	case remoting.ControllerGetMetadataInfo:
		return fakemq.Answer{Fields: map[string]string{"isLeader": fmt.Sprint(ip == r.leaders[r.pods[ip].Labels[desired.LabelInstance]])}}, true
	case remoting.ControllerGetSyncStateData:
		states := map[string]admin.SyncState{}
		for name, g := range r.groups {
			var state admin.SyncState
			for _, pod := range slices.Sorted(maps.Keys(g.members)) {
				state.InSync = append(state.InSync, admin.Replica{Addr: g.members[pod].addr, Alive: true})
			}
			if !r.amnesia {
				states[name] = state
			}
		}
		return fakemq.Answer{Body: text(map[string]any{"replicasInfoTable": states})}, true
	case remoting.GetBrokerConfig:
		var out strings.Builder
		for key, value := range r.configs[r.pods[ip].Name] {
			fmt.Fprintf(&out, "%s=%s\n", key, value)
		}
		return fakemq.Answer{Body: out.String()}, true
	case remoting.UpdateBrokerConfig:
		for line := range strings.Lines(string(body)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			r.configs[r.pods[ip].Name][key] = value
		}
		return fakemq.Answer{}, true
	case remoting.GetBrokerHAStatus:
		var status admin.HAStatus
		pod := r.pods[ip]
		for name, m := range r.groups[pod.Labels[desired.LabelGroup]].members {
			if name != pod.Name {
				status.Slaves = append(status.Slaves, admin.HASlave{Addr: m.ip + ":40000", InSync: true})
			}
		}
		return fakemq.Answer{Body: text(status)}, true
	}
	return fakemq.Answer{Code: remoting.RequestCodeNotSupported, Body: ""}, true
}

func text(v any) string {
	var out strings.Builder
	_ = json.NewEncoder(&out).Encode(v) // maps and structs of ours
	return out.String()
}
