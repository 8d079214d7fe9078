package reconcile

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
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
	tables  map[string]*tables           // of broker groups, by brokerName
	dead    map[string][]admin.Replica   // what controllers list besides the members, by brokerName
	told    time.Time                    // when a broker was last configured
	failing int                          // of the requests about tables that are no mere looks, this one from now on breaks off; 0 for none
	opened  []string                     // what each group had when it was opened
	unclean map[string][]string          // what each controller was told of unclean elections, by IP
	elected []string                     // by request
	cleaned []string                     // groups of which ids were cleaned
	// estranged servers, by pod: a name server knows no broker, a controller no leader, a slave is never in the
	// SyncStateSet. Bare ones have no topics.
	estranged, bare map[string]bool
	// fenced brokers, by pod, serve although they are not ready.
	fenced map[string]bool
	// overtaken groups, by brokerName: the name servers show them hidden until a broker is told its permission.
	overtaken map[string]bool
	// deaf brokers, by pod, refuse so many updates of their properties.
	deaf map[string]int
	// behind has the consumer offsets of a slave that does not know its master's, as they are told to it.
	behind map[string]map[string]map[string]int64

	routes   map[string]route  // by topic
	clusters map[string]string // by brokerName
	refuse   string            // groups of this prefix refuse every change
}

// tables of a broker group; its slaves have the same.
type tables struct {
	topics  map[string]admin.TopicConfig
	groups  map[string]admin.SubscriptionGroup
	offsets map[string]map[string]int64 // "topic@group", queue
	lags    map[string]int64            // by consumer group
	ends    map[string]map[int]int64    // of queues, by topic
	melting []string                    // topics of which each look finds one fewer
}

type group struct {
	static  bool
	cluster string
	master  string            // pod
	epoch   int64             // elections so far
	members map[string]member // by pod
	// stuck: nobody in sync runs, so that no master is elected, and this is what the controllers say.
	stuck *admin.SyncState
}

type member struct{ addr, ip string }

func newRocketMQ() *rocketMQ {
	return &rocketMQ{leaders: map[string]string{}, groups: map[string]*group{}, silent: map[string]bool{}, configs: map[string]map[string]string{},
		tables: map[string]*tables{}, dead: map[string][]admin.Replica{}, unclean: map[string][]string{},
		estranged: map[string]bool{}, bare: map[string]bool{}, deaf: map[string]int{}, fenced: map[string]bool{}, overtaken: map[string]bool{}, behind: map[string]map[string]map[string]int64{}, routes: map[string]route{}, clusters: map[string]string{}}
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
		if _, runs := r.pods[pod.Status.PodIP]; !runs || !r.serves(&pod) {
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
		if g.stuck != nil {
			continue
		}
		if g.static {
			g.master = name + "-0"
		} else if able := slices.Sorted(maps.Keys(g.members)); len(able) > 0 {
			g.master = able[0]
			g.epoch++
		}
	}
}

func (r *rocketMQ) serves(pod *corev1.Pod) bool { return pods.Ready(pod) || r.fenced[pod.Name] }

func (r *rocketMQ) State(addr string) fakemq.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	ip, _, _ := net.SplitHostPort(addr)
	if r.silent[ip] {
		return fakemq.Silent
	}
	if pod, runs := r.pods[ip]; !runs || !r.serves(&pod) {
		return fakemq.Refused
	}
	return fakemq.Serving
}

func (r *rocketMQ) Answer(addr string, request remoting.Request) (fakemq.Answer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ip, _, _ := net.SplitHostPort(addr)
	if _, runs := r.pods[ip]; !runs || r.silent[ip] {
		return fakemq.Answer{}, false
	}
	switch request.Code {
	case remoting.GetBrokerClusterInfo:
		info := admin.ClusterInfo{Brokers: map[string]admin.BrokerData{}}
		for name, g := range r.groups {
			addrs := map[int64]string{}
			for pod, m := range g.members {
				if r.estranged[r.pods[ip].Name] {
					continue
				}
				id := int64(desired.Ordinal(pod)) + 1
				if pod == g.master {
					id = admin.MasterID
				}
				addrs[id] = m.addr
			}
			info.Brokers[name] = admin.BrokerData{Name: name, Addrs: addrs}
		}
		return fakemq.Answer{Body: text(info)}, true
	case remoting.GetRouteInfoByTopic:
		return r.route(request.Fields["topic"]), true
	case remoting.ControllerGetMetadataInfo:
		leader := r.leaders[r.pods[ip].Labels[desired.LabelInstance]]
		if r.estranged[r.pods[ip].Name] {
			leader = ""
		}
		return fakemq.Answer{Fields: map[string]string{"isLeader": fmt.Sprint(ip == leader), "controllerLeaderId": leader}}, true
	case remoting.ControllerGetSyncStateData:
		states := map[string]admin.SyncState{}
		for name, g := range r.groups {
			state := admin.SyncState{MasterAddr: g.members[g.master].addr, MasterEpoch: g.epoch}
			for _, pod := range slices.Sorted(maps.Keys(g.members)) {
				if r.estranged[pod] {
					continue
				}
				state.InSync = append(state.InSync, admin.Replica{Addr: g.members[pod].addr, Alive: true})
			}
			state.NotInSync = r.dead[name]
			if g.stuck != nil {
				state = *g.stuck
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
		if r.deaf[r.pods[ip].Name]--; r.deaf[r.pods[ip].Name] >= 0 {
			return fakemq.Answer{Code: remoting.SystemBusy}, true
		}
		r.told = time.Now()
		for line := range strings.Lines(string(request.Body)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			before := r.configs[r.pods[ip].Name][key]
			r.configs[r.pods[ip].Name][key] = value
			if key == "brokerPermission" {
				delete(r.overtaken, r.pods[ip].Labels[desired.LabelGroup])
			}
			if key == "brokerPermission" && value == "6" && before != value {
				t := r.of(r.pods[ip].Labels[desired.LabelGroup])
				r.opened = append(r.opened, fmt.Sprintf("%s: %d topics, %d groups, %d pairs", r.pods[ip].Name, len(t.topics), len(t.groups), len(t.offsets)))
			}
		}
		return fakemq.Answer{}, true
	case remoting.UpdateControllerConfig:
		r.unclean[ip] = append(r.unclean[ip], strings.TrimSpace(strings.TrimPrefix(string(request.Body), "enableElectUncleanMaster=")))
		return fakemq.Answer{}, true
	case remoting.ControllerElectMaster:
		return r.elect(ip, request.Fields), true
	case remoting.CleanBrokerData:
		r.cleaned = append(r.cleaned, request.Fields["brokerName"])
		delete(r.dead, request.Fields["brokerName"])
		return fakemq.Answer{}, true
	case remoting.GetBrokerHAStatus:
		var status admin.HAStatus
		pod := r.pods[ip]
		status.Master = r.groups[pod.Labels[desired.LabelGroup]].master == pod.Name
		for name, m := range r.groups[pod.Labels[desired.LabelGroup]].members {
			if name != pod.Name {
				status.Slaves = append(status.Slaves, admin.HASlave{Addr: m.ip + ":40000", InSync: true})
			}
		}
		return fakemq.Answer{Body: text(status)}, true
	}
	if answer, ok := r.transferAnswer(r.pods[ip], request); ok {
		return answer, true
	}
	if !looks(request) {
		if r.failing--; r.failing == 0 {
			return fakemq.Answer{Code: remoting.SystemError}, true
		}
	}
	t := r.of(r.pods[ip].Labels[desired.LabelGroup])
	if r.bare[r.pods[ip].Name] {
		without := *t
		without.topics = map[string]admin.TopicConfig{}
		t = &without
	}
	if offsets := r.behind[r.pods[ip].Name]; offsets != nil {
		own := *t
		own.offsets = offsets
		t = &own
	}
	return t.answer(request), true
}

// looks are the operator's, every second or so: whether a table is another one, and how a broker does.
func looks(request remoting.Request) bool {
	return request.Fields["maxTopicNum"] == "1" || request.Fields["maxGroupNum"] == "1" || request.Code == remoting.GetBrokerRuntimeInfo
}

// elect a master that lacks messages, if the controller was told to and may choose. The caller holds the lock.
func (r *rocketMQ) elect(controller string, fields map[string]string) fakemq.Answer {
	g, told := r.groups[fields["brokerName"]], r.unclean[controller]
	if g == nil || g.stuck == nil || len(told) == 0 || told[len(told)-1] != "true" || fields["designateElect"] != "false" {
		return fakemq.Answer{Code: remoting.ControllerMasterNotAvailable}
	}
	for _, replica := range g.stuck.NotInSync {
		for pod, m := range g.members {
			if replica.Alive && m.addr == replica.Addr {
				g.master, g.stuck = pod, nil
				g.epoch++
				r.elected = append(r.elected, pod)
				return fakemq.Answer{Body: `{"syncStateSet":[2]}`, Fields: map[string]string{
					"masterBrokerId": strconv.FormatInt(replica.ID, 10), "masterAddress": m.addr, "masterEpoch": "2", "syncStateSetEpoch": "2"}}
			}
		}
	}
	return fakemq.Answer{Code: remoting.ControllerMasterNotAvailable}
}

// systemTopic is the one that proxies make.
const systemTopic = "DefaultHeartBeatSyncerTopic"

// route of a topic that a transfer knows, of the proxies' topic, or of the topic that each broker has by its cluster's
// name. The caller holds the lock.
func (r *rocketMQ) route(topic string) fakemq.Answer {
	if r.routes[topic] != nil {
		return r.routeAnswer(topic)
	}
	var route admin.TopicRoute
	if topic == "SELF_TEST_TOPIC" {
		for name, g := range r.groups {
			permission, known := r.configs[g.master]["brokerPermission"]
			shown, _ := strconv.Atoi(permission)
			if r.overtaken[name] {
				shown = 0
			}
			if known {
				route.Queues = append(route.Queues, admin.RouteQueue{Broker: name, Perm: shown})
			}
		}
		return fakemq.Answer{Body: text(route)}
	}
	for _, name := range slices.Sorted(maps.Keys(r.groups)) {
		g := r.groups[name]
		_, has := r.of(name).topics[topic]
		if len(g.members) == 0 || !(has || topic == g.cluster) {
			continue
		}
		permission, _ := strconv.Atoi(r.configs[g.master]["brokerPermission"])
		data := admin.BrokerData{Cluster: g.cluster, Name: name, Addrs: map[int64]string{}}
		if m, there := g.members[g.master]; there {
			data.Addrs[admin.MasterID] = m.addr
		}
		route.Brokers = append(route.Brokers, data)
		route.Queues = append(route.Queues, admin.RouteQueue{Broker: name, ReadQueues: 8, WriteQueues: 8, Perm: permission})
	}
	if len(route.Brokers) == 0 {
		return fakemq.Answer{Code: remoting.TopicNotExist}
	}
	return fakemq.Answer{Body: text(route)}
}

// startProxy does what the first proxy does when it starts: it makes its topic on the brokers that there are.
func (r *rocketMQ) startProxy() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.groups {
		if _, has := r.of(name).topics[systemTopic]; has {
			return
		}
	}
	for name, g := range r.groups {
		if len(g.members) > 0 {
			r.of(name).topics[systemTopic] = admin.TopicConfig{Name: systemTopic, ReadQueues: 8, WriteQueues: 8, Perm: 6, Attributes: map[string]string{}}
		}
	}
}

// of a group. The caller holds the lock.
func (r *rocketMQ) of(group string) *tables {
	if r.tables[group] == nil {
		r.tables[group] = &tables{
			topics: map[string]admin.TopicConfig{}, groups: map[string]admin.SubscriptionGroup{},
			offsets: map[string]map[string]int64{}, lags: map[string]int64{}, ends: map[string]map[int]int64{},
		}
	}
	return r.tables[group]
}

// inGroup changes or reads the tables of a group.
func (r *rocketMQ) inGroup(group string, do func(*tables)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do(r.of(group))
}

func (t *tables) answer(request remoting.Request) fakemq.Answer {
	var body struct {
		Topics []admin.TopicConfig       `json:"topicConfigList"`
		Groups []admin.SubscriptionGroup `json:"groupConfigList"`
	}
	switch request.Code {
	case remoting.GetAllTopicConfig:
		if last := len(t.melting) - 1; last >= 0 {
			delete(t.topics, t.melting[last])
			t.melting = t.melting[:last]
		}
		return fakemq.Answer{Body: text(map[string]any{"topicConfigTable": t.topics, "dataVersion": version(t.topics)})}
	case remoting.GetAllSubscriptionGroupConfig:
		return fakemq.Answer{Body: text(map[string]any{"subscriptionGroupTable": t.groups, "dataVersion": version(t.groups)})}
	case remoting.GetAllConsumerOffset:
		offsets := maps.Clone(t.offsets)
		for group := range t.lags {
			offsets[laggedTopic(group)+"@"+group] = map[string]int64{"0": 0}
		}
		return fakemq.Answer{Body: text(map[string]any{"offsetTable": offsets})}
	case remoting.UpdateAndCreateTopicList, remoting.UpdateAndCreateSubscriptionGroupList:
		if err := json.Unmarshal(request.Body, &body); err != nil {
			return fakemq.Answer{Code: remoting.SystemError}
		}
		for _, topic := range body.Topics {
			topic.Attributes = map[string]string{}
			t.topics[topic.Name] = topic
		}
		for _, group := range body.Groups {
			t.groups[group.Name] = group
		}
		return fakemq.Answer{}
	case remoting.UpdateAndCreateTopic:
		queues, _ := strconv.Atoi(request.Fields["readQueueNums"])
		t.topics[request.Fields["topic"]] = admin.TopicConfig{Name: request.Fields["topic"], ReadQueues: queues, WriteQueues: queues, Perm: 6, Attributes: map[string]string{}}
		return fakemq.Answer{}
	case remoting.UpdateConsumerOffset:
		pair := request.Fields["topic"] + "@" + request.Fields["consumerGroup"]
		if t.offsets[pair] == nil {
			t.offsets[pair] = map[string]int64{}
		}
		offset, err := strconv.ParseInt(request.Fields["commitOffset"], 10, 64)
		if err != nil {
			return fakemq.Answer{Code: remoting.SystemError}
		}
		t.offsets[pair][request.Fields["queueId"]] = offset
		return fakemq.Answer{}
	case remoting.GetTopicStatsInfo:
		for group, lag := range t.lags {
			if topic := request.Fields["topic"]; topic == laggedTopic(group) {
				return fakemq.Answer{Body: fmt.Sprintf(`{"offsetTable":{{"brokerName":"b","queueId":0,"topic":%q}:{"minOffset":0,"maxOffset":%d}}}`, topic, lag)}
			}
		}
		return fakemq.Answer{Body: `{"offsetTable":{}}`}
	case remoting.GetConsumeStats, remoting.GetAllDelayOffset:
		return fakemq.Answer{Body: `{"offsetTable":{}}`}
	case remoting.GetTimerMetrics:
		return fakemq.Answer{Body: `{"timingCount":{}}`}
	case remoting.GetBrokerRuntimeInfo:
		return fakemq.Answer{Body: `{"table":{}}`}
	}
	return fakemq.Answer{Code: remoting.RequestCodeNotSupported}
}

// laggedTopic is the one in which a group lags.
func laggedTopic(group string) string { return "lagged-by-" + group }

// version of a table is another one when its content is.
func version(table any) admin.DataVersion {
	hash := fnv.New32()
	_, _ = hash.Write([]byte(text(table)))
	return admin.DataVersion{Counter: int64(hash.Sum32())}
}

func text(v any) string {
	var out strings.Builder
	_ = json.NewEncoder(&out).Encode(v) // maps and structs of ours
	return out.String()
}
