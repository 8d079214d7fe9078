// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
	"github.com/rocketmq-operator/rocketmq-operator/internal/terminal"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
	"github.com/rocketmq-operator/rocketmq-operator/test/glass"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name + ".golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got:\n%s", file, diff)
	}
}

// longAgo is far enough for its age to be the same throughout a test.
func longAgo() time.Time { return time.Now().Add(-30*time.Hour - 5*time.Minute).Truncate(time.Second) }

// world is a Kubernetes cluster with RocketMQ in it, as far as the plugin sees it: the quickstart in namespace mq.
type world struct {
	t       *testing.T
	objects []client.Object
	servers servers
	typed   string            // on the standard input
	logs    map[string]string // by "pod/container previous"
	forward map[string]string // to real servers, by pod

	intercept  interceptor.Funcs
	kubernetes client.Client // of the last command
	keeps      bool          // what a command has changed is there for the next one
}

// newWorld has two broker groups of two members, all well.
func newWorld(t *testing.T) *world {
	w := &world{t: t, servers: servers{answers: map[string]map[remoting.RequestCode]fakemq.Answer{}, states: map[string]fakemq.State{}, configs: map[string]map[string]string{}}}
	domain := ".svc.cluster.local"
	broker := &v1alpha1.Broker{ObjectMeta: named("quickstart"), Spec: v1alpha1.BrokerSpec{ClusterMode: v1alpha1.ControllerMode}}
	broker.Status = v1alpha1.BrokerStatus{
		Members: "4/4", CommonStatus: common(conditions("", "", "")),
		NameServiceRef: &v1alpha1.ObjectReference{Name: "quickstart-ns"}, ControllerRef: &v1alpha1.ObjectReference{Name: "quickstart-ctl"},
		NameServers: []string{"quickstart-ns-0.quickstart-ns-nameserver-headless.mq" + domain + ":9876"},
	}
	for g := range int32(2) {
		group := v1alpha1.BrokerGroupStatus{Name: desired.GroupName("quickstart", g), State: "open", Master: fmt.Sprintf("quickstart-%d-%d", g, g)}
		for i := range int32(2) {
			id, role := int64(2), v1alpha1.RoleSlave
			if i == g {
				id, role = 0, v1alpha1.RoleMaster
			}
			pod := desired.PodName(group.Name, i)
			group.Members = append(group.Members, v1alpha1.BrokerMemberStatus{
				Pod: pod, Role: role, BrokerID: &id, InSync: true, Address: pod + ".quickstart-broker-headless.mq" + domain + ":10911",
			})
			w.add(runningPod(pod, "quickstart", desired.Broker, "10.0.1."+fmt.Sprint(2*g+i+1)))
		}
		broker.Status.Groups = append(broker.Status.Groups, group)
	}
	ns := &v1alpha1.NameService{ObjectMeta: named("quickstart-ns"), Status: v1alpha1.NameServiceStatus{
		Members: "1/1", CommonStatus: common(conditions("", "", ""))}}
	ctl := &v1alpha1.Controller{ObjectMeta: named("quickstart-ctl"), Status: v1alpha1.ControllerStatus{
		Members: "3/3", Leader: "quickstart-ctl-1", CommonStatus: common(conditions("", "", ""))}}
	w.add(broker, ns, ctl, runningPod("quickstart-ns-0", "quickstart-ns", desired.NameServer, "10.0.1.9"))

	w.registered(broker)
	return w
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: "mq", Generation: 1}
}

// conditions are Ready and UpToDate, one of them False if so asked.
func conditions(not, reason, message string) []metav1.Condition {
	var out []metav1.Condition
	for _, condition := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionUpToDate} {
		c := metav1.Condition{Type: condition, Status: metav1.ConditionTrue, Reason: condition, LastTransitionTime: metav1.NewTime(longAgo())}
		if condition == not {
			c.Status, c.Reason, c.Message = metav1.ConditionFalse, reason, message
		}
		out = append(out, c)
	}
	return out
}

// common is the status of a resource whose first generation was observed.
func common(conditions []metav1.Condition) v1alpha1.CommonStatus {
	return v1alpha1.CommonStatus{ObservedGeneration: 1, Conditions: conditions}
}

func runningPod(name, instance string, component desired.Component, ip string) *corev1.Pod {
	port := int32(settings.BrokerPort)
	if component == desired.NameServer {
		port = settings.NameServerPort
	}
	pod := &corev1.Pod{ObjectMeta: named(name)}
	pod.Labels = desired.Selector(instance, component, "")
	pod.Spec.Containers = []corev1.Container{{Name: "rocketmq", Ports: []corev1.ContainerPort{{ContainerPort: port}}}}
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, PodIP: ip}
	return pod
}

func (w *world) add(objects ...client.Object) { w.objects = append(w.objects, objects...) }

// object finds what newWorld has made, to be changed.
func object[T client.Object](w *world, name string) T {
	w.t.Helper()
	for _, o := range w.objects {
		if typed, ok := o.(T); ok && o.GetName() == name {
			return typed
		}
	}
	w.t.Fatalf("no %s", name)
	panic("unreachable")
}

// registered makes the name server tell what the Broker's status says.
func (w *world) registered(b *v1alpha1.Broker) {
	var groups, names []string
	for _, g := range b.Status.Groups {
		var members []string
		for _, m := range g.Members {
			if m.BrokerID != nil {
				members = append(members, fmt.Sprintf(`%d:%q`, *m.BrokerID, m.Address))
			}
		}
		groups = append(groups, fmt.Sprintf(`%q:{"brokerAddrs":{%s},"brokerName":%q,"cluster":%q}`, g.Name, strings.Join(members, ","), g.Name, b.Name))
		names = append(names, fmt.Sprintf("%q", g.Name))
	}
	w.answer("quickstart-ns-0", remoting.GetBrokerClusterInfo, fmt.Sprintf(`{"brokerAddrTable":{%s},"clusterAddrTable":{%q:[%s]}}`,
		strings.Join(groups, ","), b.Name, strings.Join(names, ",")))
}

// answer is what a pod's server says to a request; it serves from then on.
func (w *world) answer(pod string, code remoting.RequestCode, body string) {
	if w.servers.answers[pod] == nil {
		w.servers.answers[pod] = map[remoting.RequestCode]fakemq.Answer{}
		w.servers.states[pod] = fakemq.Serving
	}
	w.servers.answers[pod][code] = fakemq.Answer{Body: body}
}

// masters answer alike.
func (w *world) masters(code remoting.RequestCode, body string) {
	for _, pod := range []string{"quickstart-0-0", "quickstart-1-1"} {
		w.answer(pod, code, body)
	}
}

// run is a command line of the user, without a terminal.
func (w *world) run(args ...string) (out string, err error) {
	w.t.Helper()
	var stdout bytes.Buffer
	err = w.runOn(w.t.Context(), &stdout, new(bytes.Buffer), args...)
	return stdout.String(), err
}

// runOn is run with what the user sees. A screen is a terminal.
func (w *world) runOn(ctx context.Context, stdout, stderr io.Writer, args ...string) error {
	w.t.Helper()
	cmd := w.command()
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	cmd.SetIn(strings.NewReader(w.typed))
	cmd.SetArgs(args)
	return cmd.ExecuteContext(ctx)
}

func (w *world) command() *cobra.Command {
	w.t.Helper()
	if w.kubernetes == nil || !w.keeps {
		scheme, err := newScheme()
		if err != nil {
			w.t.Fatal(err)
		}
		w.kubernetes = fake.NewClientBuilder().WithScheme(scheme).WithObjects(w.objects...).WithInterceptorFuncs(w.intercept).Build()
	}
	dial := fakemq.Dialer(&w.servers)
	connect := func(flags *genericclioptions.ConfigFlags) (*Access, error) {
		namespace := *flags.Namespace
		if namespace == "" {
			namespace = "mq"
		}
		forward := func(ctx context.Context, pod types.NamespacedName, port int) (net.Conn, error) {
			if pod.Namespace != "mq" || !slices.Contains([]int{settings.BrokerPort, settings.NameServerPort, settings.ControllerPort}, port) {
				w.t.Errorf("forwarded to %s, port %d", pod, port)
			}
			if addr, real := w.forward[pod.Name]; real {
				return new(net.Dialer).DialContext(ctx, "tcp", addr)
			}
			return dial(ctx, "tcp", pod.Name)
		}
		logs := func(_ context.Context, pod types.NamespacedName, options *corev1.PodLogOptions) (io.ReadCloser, error) {
			log, ok := w.logs[fmt.Sprintf("%s/%s %t", pod.Name, options.Container, options.Previous)]
			if !ok {
				return nil, fmt.Errorf("no log of %s %s", pod, options.Container)
			}
			return io.NopCloser(strings.NewReader(log)), nil
		}
		return &Access{Client: w.kubernetes, Namespace: namespace, Forward: forward, Logs: logs}, nil
	}
	screen := func(w io.Writer) *terminal.Screen {
		if s, is := w.(*watched); is {
			return terminal.New(s, func() (int, int, error) { return 200, 100, nil })
		}
		return nil
	}
	o := &options{kubeconfig: genericclioptions.NewConfigFlags(true), connect: connect, screen: screen}
	return o.root()
}

// watched is a terminal that a person looks at.
type watched struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *watched) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(p)
}

// shows is what the person sees now.
func (s *watched) shows(t *testing.T) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := glass.Shows(s.all.String())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// shows runs a command that succeeds, and compares what it prints.
func (w *world) shows(file string, args ...string) {
	w.t.Helper()
	out, err := w.run(args...)
	if err != nil {
		w.t.Errorf("%v: %v", args, err)
	}
	golden(w.t, file, out)
}

// fails runs a command that fails with all of these words, and returns what it prints.
func (w *world) fails(words []string, args ...string) string {
	w.t.Helper()
	out, err := w.run(args...)
	if err == nil {
		w.t.Errorf("%v succeeded:\n%s", args, out)
		return out
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			w.t.Errorf("%v: %q is not in the error: %v", args, word, err)
		}
	}
	return out
}

// servers answer by pod name.
type servers struct {
	mu      sync.Mutex
	answers map[string]map[remoting.RequestCode]fakemq.Answer
	states  map[string]fakemq.State
	configs map[string]map[string]string // of brokers that let them be changed
	updates int
	asked   []remoting.Request
	// answering, if set, is asked first.
	answering func(pod string, request remoting.Request) (fakemq.Answer, bool)
}

func (s *servers) State(pod string) fakemq.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states[pod]
}

func (s *servers) Answer(pod string, request remoting.Request) (fakemq.Answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	config, code := s.configs[pod], request.Code
	s.asked = append(s.asked, request)
	if s.answering != nil {
		if answer, ok := s.answering(pod, request); ok {
			return answer, true
		}
	}
	switch {
	case config != nil && code == remoting.GetBrokerConfig:
		var text strings.Builder
		for _, key := range slices.Sorted(maps.Keys(config)) {
			fmt.Fprintf(&text, "%s=%s\n", key, config[key])
		}
		return fakemq.Answer{Body: text.String()}, true
	case config != nil && code == remoting.UpdateBrokerConfig:
		s.updates++
		for line := range strings.Lines(string(request.Body)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if !strings.HasPrefix(value, "bad") { // what does not fit the property's type
				config[key] = value
			}
		}
		return fakemq.Answer{}, true
	}
	answer, ok := s.answers[pod][code]
	return answer, ok
}

// lastAsked is a field of the last request with a code.
func (s *servers) lastAsked(code remoting.RequestCode, field string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, request := range slices.Backward(s.asked) {
		if request.Code == code {
			return request.Fields[field]
		}
	}
	return ""
}
