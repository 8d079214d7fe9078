// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

func TestStatus(t *testing.T) {
	newWorld(t).shows("status", "status")
	newWorld(t).shows("status", "status", "quickstart")
	newWorld(t).shows("status", "status", "-A")
}

func TestStatusOfTroubledBrokers(t *testing.T) {
	w := newWorld(t)
	b := object[*v1alpha1.Broker](w, "quickstart")
	b.Status.Members = "1/4"
	b.Status.Conditions = append(conditions("Ready", "NoMaster", "quickstart-1 has no master: no slave has all acknowledged messages"), metav1.Condition{
		Type: "KnownDefect", Status: "True", Reason: "KnownDefect", Message: "RocketMQ 5.3.2 may lose topics", LastTransitionTime: metav1.NewTime(longAgo()),
	})
	b.Status.Conditions = append(b.Status.Conditions, metav1.Condition{
		Type: "MetadataCopy", Status: "False", Reason: "Copying", Message: "quickstart-2 has 5 of 10 topics", LastTransitionTime: metav1.NewTime(longAgo()),
	})
	b.Generation, b.Spec.Paused = 2, true
	b.Status.Groups[0].Members[1].InSync = false
	b.Status.Groups[1] = v1alpha1.BrokerGroupStatus{Name: "quickstart-1", State: "draining", Members: []v1alpha1.BrokerMemberStatus{{Pod: "quickstart-1-0"}, {Pod: "quickstart-1-1"}}}
	b.Status.ControllerRef.Name = "gone"

	w.add(&v1alpha1.Broker{ObjectMeta: named("new")})           // the operator has not seen it
	lost := &v1alpha1.NameService{ObjectMeta: named("unlucky")} // one trouble is told once
	lost.Status = v1alpha1.NameServiceStatus{CommonStatus: common(append(conditions("Ready", "NameConflict", "Service x is not ours"), metav1.Condition{
		Type: "NameConflict", Status: "True", Reason: "NameConflict", Message: "Service x is not ours",
	}))}
	w.add(lost)
	external := &v1alpha1.Broker{ObjectMeta: named("static")}
	external.Status = v1alpha1.BrokerStatus{Members: "0/2", NameServers: []string{"10.1.1.1:9876", "10.1.1.2:9876"},
		CommonStatus: common(conditions("UpToDate", "ReplacingPods", "static-0-1 is next")), Groups: []v1alpha1.BrokerGroupStatus{{Name: "static-0"}}}
	w.add(external)
	w.shows("status-troubled", "status")
}

func TestStatusOfNothing(t *testing.T) {
	w := newWorld(t)
	w.fails([]string{"no Broker in namespace other", "-n", "status -A"}, "status", "-n", "other")
	w.fails([]string{"no Broker quikstart in namespace mq", "quickstart"}, "status", "quikstart")
	w.fails([]string{"-n instead of -A"}, "status", "quickstart", "-A")
	w.fails([]string{"unexpected argument", "--help"}, "status", "a", "b")
}

func TestStatusForPrograms(t *testing.T) {
	w := newWorld(t)
	for format, unmarshal := range map[string]func([]byte, any) error{
		"json": json.Unmarshal,
		"yaml": func(b []byte, v any) error { return yaml.UnmarshalStrict(b, v) },
	} {
		out, err := w.run("status", "-o", format)
		if err != nil {
			t.Fatal(err)
		}
		var r statusReport
		if err := unmarshal([]byte(out), &r); err != nil {
			t.Fatalf("%s: %v in\n%s", format, err, out)
		}
		if len(r.Brokers) != 1 || r.Brokers[0].Groups[1].Master != "quickstart-1-1" || r.Brokers[0].Controller.Leader != "quickstart-ctl-1" {
			t.Errorf("%s:\n%s", format, out)
		}
	}
	w.fails([]string{"xml", "json or yaml"}, "status", "-o", "xml")
}

// figures of a broker as RocketMQ writes them.
func figures(tps string) string {
	return fmt.Sprintf(`{"table":{"brokerVersionDesc":"V5_4_0","brokerActive":"true","putTps":"%s 1.0 1.0","getTransferredTps":"2.5  ","commitLogDiskRatio":"0.24","bootTimestamp":"%d"}}`,
		tps, longAgo().UnixMilli())
}

func TestClusters(t *testing.T) {
	w := newWorld(t)
	for _, pod := range []string{"quickstart-0-0", "quickstart-0-1", "quickstart-1-0", "quickstart-1-1"} {
		w.answer(pod, remoting.GetBrokerRuntimeInfo, figures("1200.3"))
	}
	w.shows("clusters", "clusters")

	w.servers.states["quickstart-1-0"] = fakemq.Refused
	out := w.fails([]string{"without quickstart-1 (id 2)", "pod mq/quickstart-1-0", "connection refused"}, "clusters")
	golden(t, "clusters-incomplete", out)
}

// Under hostNetwork a name server and a broker have one address, their node's.
func TestClustersUnderHostNetwork(t *testing.T) {
	w := newWorld(t)
	b := object[*v1alpha1.Broker](w, "quickstart")
	for i := range b.Status.Groups {
		for j := range b.Status.Groups[i].Members {
			m := &b.Status.Groups[i].Members[j]
			m.Address = object[*corev1.Pod](w, m.Pod).Status.PodIP + ":10911"
			w.answer(m.Pod, remoting.GetBrokerRuntimeInfo, figures("0.0"))
		}
	}
	object[*corev1.Pod](w, "quickstart-ns-0").Status.PodIP = "10.0.1.1"
	dead := runningPod("quickstart-9-0", "quickstart", desired.Broker, "10.0.1.2")
	dead.Status.Phase = corev1.PodFailed // it keeps its address
	w.objects = append([]client.Object{dead}, w.objects...)
	w.registered(b)
	w.shows("clusters-host-network", "clusters")
}

func TestNameServers(t *testing.T) {
	w := newWorld(t)
	b := object[*v1alpha1.Broker](w, "quickstart")
	b.Status.NameServers = append(b.Status.NameServers, "quickstart-ns-1.quickstart-ns-nameserver-headless.mq.svc:9876")
	w.servers.states["quickstart-ns-1"] = fakemq.Silent
	w.masters(remoting.GetAllTopicConfig, topicTable(""))
	if out, err := w.run("topics"); err != nil {
		t.Errorf("one name server is silent: %v\n%s", err, out)
	}

	w.servers.states["quickstart-ns-0"] = fakemq.Silent
	start := time.Now()
	w.fails([]string{"no name server answers", "kubectl rocketmq status quickstart", "longer than --timeout 200ms"}, "topics", "--timeout", "200ms")
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	w.fails([]string{"--timeout 0s"}, "topics", "--timeout", "0")

	b.Status.NameServers = []string{"127.0.0.1:1"} // nobody listens there
	w.fails([]string{"not a pod of namespace mq", "dialled from here"}, "topics")
	b.Status.NameServers = nil
	w.fails([]string{"no name servers yet", "status quickstart"}, "topics")
}

func TestChoiceOfBroker(t *testing.T) {
	w := newWorld(t)
	w.masters(remoting.GetAllTopicConfig, topicTable(""))
	w.add(&v1alpha1.Broker{ObjectMeta: named("second")})
	w.fails([]string{"several Brokers", "--broker", "quickstart, second"}, "topics")
	w.fails([]string{"no Broker third", "quickstart, second"}, "topics", "--broker", "third")
	w.fails([]string{"no Broker in namespace other"}, "topics", "-n", "other")
	if _, err := w.run("topics", "--broker", "quickstart"); err != nil {
		t.Error(err)
	}
}

func topicTable(more string) string {
	topic := `%q:{"attributes":{%s},"order":%t,"perm":%d,"readQueueNums":%d,"topicName":%q,"topicFilterType":"SINGLE_TAG","topicSysFlag":0,"writeQueueNums":%d}`
	topics := []string{
		fmt.Sprintf(topic, "orders", `"message.type":"FIFO"`, true, 6, 4, "orders", 4),
		fmt.Sprintf(topic, "%RETRY%billing", "", false, 6, 1, "%RETRY%billing", 1),
		fmt.Sprintf(topic, "TBW102", "", false, 7, 8, "TBW102", 8),
	}
	if more != "" {
		topics = append(topics, fmt.Sprintf(topic, more, "", false, 4, 2, more, 1))
	}
	return fmt.Sprintf(`{"dataVersion":{"counter":2,"stateVersion":0,"timestamp":1795471930071},"topicConfigTable":{%s}}`, strings.Join(topics, ","))
}

func TestTopics(t *testing.T) {
	w := newWorld(t)
	w.answer("quickstart-0-0", remoting.GetAllTopicConfig, topicTable("payments"))
	w.answer("quickstart-1-1", remoting.GetAllTopicConfig, topicTable(""))
	w.shows("topics", "topics")
	w.shows("topics-system", "topics", "--system")

	w.servers.states["quickstart-1-1"] = fakemq.Refused
	out := w.fails([]string{"incomplete", "without quickstart-1", "connection refused"}, "topics")
	golden(t, "topics-incomplete", out)
}

func TestTopic(t *testing.T) {
	w := newWorld(t)
	w.answer("quickstart-0-0", remoting.GetTopicConfig, `{"attributes":{"message.type":"FIFO","queue.type":"SimpleCQ"},"order":true,"perm":6,"readQueueNums":2,"topicName":"orders","writeQueueNums":2}`)
	w.answer("quickstart-0-0", remoting.GetTopicStatsInfo, fmt.Sprintf(
		`{"offsetTable":{{"brokerName":"q","queueId":1,"topic":"orders"}:{"lastUpdateTimestamp":0,"maxOffset":0,"minOffset":0},{"brokerName":"q","queueId":0,"topic":"orders"}:{"lastUpdateTimestamp":%d,"maxOffset":30,"minOffset":10}}}`,
		longAgo().UnixMilli()))
	w.answer("quickstart-0-0", remoting.QueryTopicConsumeByWho, `{"groupList":["shipping","billing"]}`)
	w.answer("quickstart-1-1", remoting.GetTopicConfig, "")
	w.servers.answers["quickstart-1-1"][remoting.GetTopicConfig] = fakemq.Answer{Code: remoting.TopicNotExist}
	w.shows("topic", "topics", "orders")
	if asked := w.servers.lastAsked(remoting.GetTopicStatsInfo, "topic"); asked != "orders" {
		t.Errorf("the brokers were asked for %q", asked)
	}

	w.servers.answers["quickstart-0-0"][remoting.GetTopicConfig] = fakemq.Answer{Code: remoting.TopicNotExist}
	w.fails([]string{"no topic order in cluster quickstart", "kubectl rocketmq topics"}, "topics", "order")
}

func groupTable(name string) string {
	group := `%q:{"attributes":{},"consumeBroadcastEnable":true,"consumeEnable":true,"consumeMessageOrderly":false,"groupName":%q,"retryMaxTimes":16,"retryQueueNums":1}`
	return fmt.Sprintf(`{"dataVersion":{"counter":2,"stateVersion":0,"timestamp":1},"subscriptionGroupTable":{%s,%s}}`,
		fmt.Sprintf(group, name, name), fmt.Sprintf(group, "TOOLS_CONSUMER", "TOOLS_CONSUMER"))
}

func consumeStats(lag int) string {
	queue := `{"brokerName":"q","queueId":%d,"topic":%q}:{"brokerOffset":%d,"consumerOffset":100,"lastTimestamp":%d,"pullOffset":102}`
	return fmt.Sprintf(`{"consumeTps":1.25,"offsetTable":{%s,%s,%s}}`, fmt.Sprintf(queue, 1, "orders", 100+lag, 0),
		fmt.Sprintf(queue, 0, "orders", 100+lag, longAgo().UnixMilli()), fmt.Sprintf(queue, 0, "%RETRY%billing", 101, 0))
}

const connected = `{"connectionSet":[{"clientAddr":"10.0.2.1:50796","clientId":"10.0.2.1@7","language":"JAVA","version":493}],"consumeFromWhere":"CONSUME_FROM_LAST_OFFSET",` +
	`"consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","subscriptionTable":{"orders":{"expressionType":"TAG","subString":"a || b","topic":"orders"}}}`

// consumers is a world with the consumer group billing, which has one member.
func consumers(t *testing.T) *world {
	w := newWorld(t)
	w.masters(remoting.GetAllSubscriptionGroupConfig, groupTable("billing"))
	w.masters(remoting.GetConsumerConnectionList, connected)
	w.answer("quickstart-0-0", remoting.GetConsumeStats, consumeStats(3))
	w.answer("quickstart-1-1", remoting.GetConsumeStats, consumeStats(5))
	return w
}

func TestGroups(t *testing.T) {
	w := consumers(t)
	w.shows("groups", "groups")
	w.shows("group", "groups", "billing")
	if out, err := w.run("groups", "--system"); err != nil || !strings.Contains(out, "TOOLS_CONSUMER") {
		t.Errorf("%v in\n%s", err, out)
	}
	w.fails([]string{"no consumer group biling", "kubectl rocketmq groups"}, "groups", "biling")

	for _, pod := range []string{"quickstart-0-0", "quickstart-1-1"} {
		w.servers.answers[pod][remoting.GetConsumerConnectionList] = fakemq.Answer{Code: remoting.ConsumerNotOnline}
	}
	w.shows("groups-offline", "groups")
	w.shows("group-offline", "groups", "billing")

	w.servers.answers["quickstart-1-1"][remoting.GetConsumeStats] = fakemq.Answer{Code: remoting.SystemError}
	w.fails([]string{"without quickstart-1", "consumer group billing", "SYSTEM_ERROR"}, "groups")
}

func TestLag(t *testing.T) {
	w := consumers(t)
	w.shows("lag", "lag", "billing")
	if asked := w.servers.lastAsked(remoting.GetConsumeStats, "consumerGroup"); asked != "billing" {
		t.Errorf("the brokers were asked for %q", asked)
	}
	w.fails([]string{"needs a consumer group", "kubectl rocketmq groups"}, "lag")

	b := object[*v1alpha1.Broker](w, "quickstart")
	b.Status.Groups = append(b.Status.Groups, v1alpha1.BrokerGroupStatus{Name: "quickstart-2"})
	out := w.fails([]string{"incomplete", "no master of quickstart-2", "kubectl rocketmq status quickstart"}, "lag", "billing")
	golden(t, "lag", out) // what is known is shown
	b.Status.Groups = b.Status.Groups[:2]

	w.masters(remoting.GetConsumeStats, `{"consumeTps":0.0,"offsetTable":{}}`)
	w.shows("lag-none", "lag", "billing")
	w.fails([]string{"no consumer group biling in cluster quickstart", "kubectl rocketmq groups"}, "lag", "biling")

	w.servers.states["quickstart-0-0"], w.servers.states["quickstart-1-1"] = fakemq.Refused, fakemq.Refused
	if out := w.fails([]string{"without quickstart-0", "without quickstart-1"}, "lag", "billing"); out != "" {
		t.Errorf("nobody answered, and it printed\n%s", out)
	}
}

func configured(t *testing.T) *world {
	w := newWorld(t)
	w.answer("quickstart-0-1", remoting.GetBrokerConfig, "")
	w.servers.configs["quickstart-0-1"] = map[string]string{"brokerName": "quickstart-0", "fileReservedTime": "48", "flushIntervalCommitLog": "500", "flushDiskType": "ASYNC_FLUSH"}
	return w
}

func TestGetConfig(t *testing.T) {
	w := configured(t)
	w.shows("config", "brokers", "config", "get", "quickstart-0-1")
	w.shows("config-one", "brokers", "config", "get", "quickstart-0-1", "fileReservedTime")
	w.fails([]string{"no property fileReservedTim,", "config get"}, "brokers", "config", "get", "quickstart-0-1", "fileReservedTim", "x")
	w.fails([]string{`unknown command "confg"`}, "brokers", "confg", "get")
	w.fails([]string{"needs a broker pod"}, "brokers", "config", "get")
	w.fails([]string{"no broker pod quickstart-ns-0", "quickstart-0-0, quickstart-0-1"}, "brokers", "config", "get", "quickstart-ns-0")
	w.fails([]string{"no broker pod in namespace other"}, "brokers", "config", "get", "quickstart-0-0", "-n", "other")
	object[*corev1.Pod](w, "quickstart-0-1").Status.Phase = corev1.PodPending
	w.fails([]string{"is Pending", "kubectl describe pod quickstart-0-1"}, "brokers", "config", "get", "quickstart-0-1")
}

func TestSetConfig(t *testing.T) {
	w := configured(t)
	set := []string{"brokers", "config", "set", "quickstart-0-1"}
	w.shows("config-set", append(set, "flushIntervalCommitLog=400", "flushDiskType= SYNC_FLUSH ")...)
	if got := w.servers.configs["quickstart-0-1"]["flushDiskType"]; got != "SYNC_FLUSH" {
		t.Errorf("flushDiskType is %q", got)
	}
	before := w.servers.updates
	w.fails([]string{"namesrvAddr belongs to the operator", "spec.nameServiceRef"}, append(set, "flushIntervalCommitLog=1", "namesrvAddr=a:1")...)
	w.fails([]string{"the operator keeps deleteWhen", "spec.config of Broker quickstart"}, append(set, "flushIntervalCommitLog=1", "deleteWhen=05")...)
	w.fails([]string{"brokerRole belongs to the operator"}, append(set, "brokerRole=SYNC_MASTER")...)
	w.fails([]string{"no property flushInterval:"}, append(set, "flushInterval=1")...)
	w.fails([]string{`"flushIntervalCommitLog" is not KEY=VALUE`}, append(set, "flushIntervalCommitLog")...)
	w.fails([]string{"needs a broker pod and KEY=VALUE"}, set...)
	if w.servers.updates != before {
		t.Error("the broker was told something that is refused")
	}
	out := w.fails([]string{"did not take flushIntervalCommitLog=bad", `"400"`}, append(set, "flushIntervalCommitLog=bad", "flushDiskType=ASYNC_FLUSH")...)
	golden(t, "config-set-ignored", out)
	if out := w.fails([]string{"did not take flushIntervalCommitLog=bad"}, append(set, "flushIntervalCommitLog=bad")...); out != "" {
		t.Errorf("nothing changed, and it printed\n%s", out)
	}
	object[*v1alpha1.Broker](w, "quickstart").Spec.Volumes = []corev1.Volume{{Name: "broker-config"}}
	if _, err := w.run(append(set, "fileReservedTime=24")...); err != nil { // nobody knows what the file says, so nobody puts it back
		t.Error(err)
	}
	if got := w.servers.configs["quickstart-0-1"]["fileReservedTime"]; got != "24" {
		t.Errorf("fileReservedTime is %q", got)
	}
}

func TestCompletion(t *testing.T) {
	w := consumers(t)
	w.masters(remoting.GetAllTopicConfig, topicTable("payments"))
	w.servers.configs["quickstart-0-0"] = map[string]string{"brokerName": "quickstart-0", "fileReservedTime": "48", "flushIntervalCommitLog": "500"}
	w.add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "mq"}})
	for line, want := range map[string]string{
		"status ":                                "quickstart",
		"status quickstart ":                     "",
		"topics ":                                "describe export orders payments",
		"topics describe ":                       "orders payments",
		"topics p":                               "payments",
		"topics --broker ":                       "quickstart",
		"topics --broker nope ":                  "",
		"groups ":                                "describe export billing",
		"lag b":                                  "billing",
		"lag -n ":                                "mq",
		"transfer ":                              "",
		"message ":                               "consume query send",
		"message send p":                         "payments",
		"message send orders ":                   "",
		"message query orders --broker-group ":   "quickstart-0 quickstart-1",
		"lag billing ":                           "",
		"clusters -o ":                           "json yaml",
		"brokers config get quickstart-0":        "quickstart-0-0 quickstart-0-1",
		"brokers config get quickstart-0-0 ":     "brokerName fileReservedTime flushIntervalCommitLog",
		"brokers config set quickstart-0-0 ":     "flushIntervalCommitLog=",
		"brokers config set quickstart-0-1 file": "", // it does not answer
		"brokers config get quickstart-0-0 file x ": "brokerName fileReservedTime flushIntervalCommitLog",
	} {
		words := strings.Split(line, " ")
		out, err := w.run(append([]string{"__complete"}, words...)...)
		if err != nil {
			t.Errorf("%q: %v", line, err)
			continue
		}
		var got []string
		for suggestion := range strings.Lines(out) {
			if !strings.HasPrefix(suggestion, ":") {
				word, _, _ := strings.Cut(strings.TrimSpace(suggestion), "\t") // without what it is for
				got = append(got, word)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q is completed by %q, not %q", line, got, want)
		}
	}
}

// connectedTo runs a command with a kubeconfig for an API server, whose context "it" is for namespace mq.
func connectedTo(t *testing.T, apiServer http.HandlerFunc, args ...string) (string, error) {
	t.Helper()
	server := httptest.NewServer(apiServer)
	t.Cleanup(server.CloseClientConnections)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	config := fmt.Sprintf("{clusters: [{name: c, cluster: {server: %q}}], contexts: [{name: it, context: {cluster: c, namespace: mq}}]}", server.URL)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := Command(Connect)
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(new(bytes.Buffer))
	cmd.SetArgs(append(args, "--kubeconfig", file))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestConnect(t *testing.T) {
	lists := func(w http.ResponseWriter, r *http.Request) {
		plural := strings.TrimPrefix(r.URL.Path, "/apis/rocketmq.apache.org/v1alpha1/namespaces/mq/")
		items := ""
		if plural == "brokers" {
			items = `{"metadata":{"name":"b","namespace":"mq"}}`
		}
		w.Header().Set("Content-Type", "application/json")
		kind := map[string]string{"brokers": "BrokerList", "nameservices": "NameServiceList", "controllers": "ControllerList"}[plural]
		fmt.Fprintf(w, `{"apiVersion":"rocketmq.apache.org/v1alpha1","kind":%q,"metadata":{},"items":[%s]}`, kind, items)
	}
	if out, err := connectedTo(t, lists, "status", "--context", "it"); err != nil || !strings.Contains(out, "Broker mq/b") {
		t.Errorf("%v in\n%s", err, out)
	}
	for _, args := range [][]string{{"status"}, {"topics"}, {"lag", "g", "--broker", "b"}} {
		if _, err := connectedTo(t, http.NotFound, append(args, "--context", "it")...); err == nil || !strings.Contains(err.Error(), "install-operator.sh") {
			t.Errorf("%v without the resources: %v", args, err)
		}
	}
	done := make(chan struct{})
	defer close(done)
	if _, err := connectedTo(t, func(http.ResponseWriter, *http.Request) { <-done }, "status", "--context", "it", "--timeout", "100ms"); err == nil || !strings.Contains(err.Error(), "--timeout 100ms") {
		t.Errorf("the API server is silent: %v", err)
	}
}

func TestCompletionOfContexts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte("{contexts: [{name: it, context: {}}, {name: other, context: {}}]}"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", file)
	o := &options{kubeconfig: genericclioptions.NewConfigFlags(true)}
	if got, err := o.contextNames(); err != nil || !slices.Equal(got, []string{"it", "other"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestConnectWithoutKubeconfig(t *testing.T) {
	t.Setenv("KUBECONFIG", t.TempDir()+"/none")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	cmd := Command(Connect)
	cmd.SetArgs([]string{"status"})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "no Kubernetes cluster is configured") {
		t.Errorf("%v", err)
	}
}
