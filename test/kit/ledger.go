// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// LedgerImage holds the message ledger, test/ledger.
const LedgerImage = "docker.io/rocketmq-operator/ledger:dev"

const (
	ledgerContainer = "ledger"
	ledgerUser      = 65532
)

// Ledger is a pod that sends and consumes messages and keeps account of them.
type Ledger struct {
	n    *Namespace
	pod  string
	only string
}

// LedgerOptions say what a ledger does.
type LedgerOptions struct {
	// NameServers as in NAMESRV_ADDR.
	NameServers string
	// Topic is also the name of the consumer group; each ledger should have its own.
	Topic string
	// Only is "produce" or "consume", empty for both. Run names the messages to consume, as in the verdict of the ledger
	// that produced them. The pod's name is the topic's with Only.
	Only, Run string
	// TopicExists: nobody is to make it. Otherwise it is made on every broker that there is.
	TopicExists bool
	// FromLast: where the group has no offset, it begins at the end.
	FromLast bool
	// Messages is how many to send; 0 for as many as fit into Duration.
	Messages int
	// Rate is in messages a second; 0 for as fast as it goes. Where messages are only consumed, by POP, it is of each broker.
	Rate     int
	Duration time.Duration
	// Poll is how often clients look for new routes; their default (30 s) if 0.
	Poll time.Duration
	// Drain is how long to wait for missing messages after the last one was sent; ledgerDrain if 0.
	Drain time.Duration
	// DelayLevel lets brokers hold every message back: 4 is 30 s.
	DelayLevel int
	// Delay lets brokers hold every message back until so long after it was sent.
	Delay time.Duration
	// Transactions: every message is sent in one; some are rolled back, and after some the broker must ask.
	Transactions bool
	// POP: they are consumed as gRPC clients do.
	POP bool
	// Ordered: the messages of each sender have a sharding key, and come one after the other.
	Ordered bool
	// Credentials is a Secret with a user's name and password under these keys, to sign every request with; its name is empty for none.
	Credentials LedgerCredentials
	// TLS: connections are opened with it, and servers' certificates not looked at, as RocketMQ's clients do.
	TLS bool
	// AvoidNode is a node that the ledger's pod must not run on.
	AvoidNode string
}

// LedgerCredentials are where a user is.
type LedgerCredentials struct{ Secret, NameKey, PasswordKey string }

// env of the ledger's container.
func (c LedgerCredentials) env() []corev1.EnvVar {
	if c.Secret == "" {
		return nil
	}
	from := func(key string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: c.Secret}, Key: key}}
	}
	return []corev1.EnvVar{{Name: "ACCESS_KEY", ValueFrom: from(c.NameKey)}, {Name: "SECRET_KEY", ValueFrom: from(c.PasswordKey)}}
}

// affinity keeps the pod off AvoidNode.
func (o LedgerOptions) affinity() *corev1.Affinity {
	if o.AvoidNode == "" {
		return nil
	}
	return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{{
			Key: "metadata.name", Operator: corev1.NodeSelectorOpNotIn, Values: []string{o.AvoidNode},
		}}}},
	}}}
}

// ledgerDrain is how long a ledger waits for missing messages after it has sent its last one, if nothing else is asked for. Clients learn of a new master
// every 30 s; and a broker that did not see an earlier consumer of the group go gives it queues for 120 s more
// (ClientHousekeepingService).
const ledgerDrain = 160 * time.Second

// args are the flags of test/ledger.
func (o LedgerOptions) args() []string {
	args := []string{
		"--name-servers=" + o.NameServers, "--topic=" + o.Topic, "--group=" + o.Topic,
		"--drain=" + cmp.Or(o.Drain, ledgerDrain).String(), "--messages=" + strconv.Itoa(o.Messages), "--duration=" + o.Duration.String(),
	}
	if !o.TopicExists {
		args = append(args, "--create-topic")
	}
	if o.Poll > 0 {
		args = append(args, "--poll="+o.Poll.String())
	}
	if o.Only != "" {
		args = append(args, "--only="+o.Only)
	}
	if o.Run != "" {
		args = append(args, "--run="+o.Run)
	}
	if o.DelayLevel > 0 {
		args = append(args, "--delay-level="+strconv.Itoa(o.DelayLevel))
	}
	if o.Delay > 0 {
		args = append(args, "--delay="+o.Delay.String())
	}
	if o.Transactions {
		args = append(args, "--transactions")
	}
	if o.POP {
		args = append(args, "--pop")
	}
	if o.Ordered {
		args = append(args, "--ordered")
	}
	if o.FromLast {
		args = append(args, "--from-last")
	}
	if o.TLS {
		args = append(args, "--tls")
	}
	if o.Rate > 0 {
		args = append(args, "--rate="+strconv.Itoa(o.Rate))
	}
	return args
}

// Verdict is the account of a ledger. Times are in milliseconds since it started, -1 for what did not happen.
type Verdict struct {
	// Run names the messages.
	Run string `json:"run"`
	// Acked messages were acknowledged; Lost of them never came.
	Acked      int `json:"acked"`
	Received   int `json:"received"`
	Duplicates int `json:"duplicates"`
	// Disordered messages came for the first time after a later one of their sharding key.
	Disordered int `json:"disordered"`
	Lost       int `json:"lost"`
	// LostMessages are the first of them.
	LostMessages []LostMessage `json:"lostMessages"`
	// Early messages came before their time, for those that have one; LongestLateMillis is how long after its time one came.
	Early             int   `json:"early"`
	LongestLateMillis int64 `json:"longestLateMillis"`
	// RolledBack messages' transactions were, Unwanted is how often such a one came.
	RolledBack int `json:"rolledBack"`
	Unwanted   int `json:"unwanted"`
	// SendErrors counts sends that failed after the client's own retries, Busy those of them that a broker refused because
	// its machine is too slow for it, and Refused those that it refused because of who sent them.
	SendErrors          int    `json:"sendErrors"`
	Busy                int    `json:"busy"`
	Refused             int    `json:"refused"`
	LastSendError       string `json:"lastSendError"`
	LongestGapMillis    int64  `json:"longestGapMillis"`
	FirstReceivedMillis int64  `json:"firstReceivedMillis"`
	// SendP50Micros and SendP99Micros are how long acknowledged sends took.
	SendP50Micros int64 `json:"sendP50Micros"`
	SendP99Micros int64 `json:"sendP99Micros"`
	// Groups tells what each broker group acknowledged, by brokerName.
	Groups map[string]struct {
		Acked int `json:"acked"`
	} `json:"groups"`
}

// LostMessage is where a broker put an acknowledged message that never came.
type LostMessage struct {
	Number      int    `json:"number"`
	Group       string `json:"group"`
	Queue       int    `json:"queue"`
	Offset      int64  `json:"offset"`
	AckedMillis int64  `json:"ackedMillis"`
	// Instead is the message that came from there, -1 for none.
	Instead int `json:"instead"`
}

func (l LostMessage) String() string {
	instead := "none"
	if l.Instead >= 0 {
		instead = fmt.Sprintf("message %d", l.Instead)
	}
	return fmt.Sprintf("message %d, acknowledged after %.1f s by %s at offset %d of queue %d, where %s came from",
		l.Number, float64(l.AckedMillis)/1000, l.Group, l.Offset, l.Queue, instead)
}

// Failed counts the sends that failed for another reason than a slow machine. That explains one busy broker in a hundred sends: more are
// load that somebody makes, such as an operator that asks brokers too often.
func (v *Verdict) Failed() int { return v.SendErrors - min(v.Busy, v.Acked/100) }

func (v *Verdict) String() string {
	groups := make([]string, 0, len(v.Groups))
	for _, name := range slices.Sorted(maps.Keys(v.Groups)) {
		groups = append(groups, fmt.Sprintf("%s %d", name, v.Groups[name].Acked))
	}
	text := fmt.Sprintf("%d acknowledged (%s), %d received, %d lost, %d twice or more; %d sends failed, longest time without an acknowledgement %.1f s",
		v.Acked, strings.Join(groups, ", "), v.Received, v.Lost, v.Duplicates, v.SendErrors, float64(v.LongestGapMillis)/1000)
	if v.LongestLateMillis != 0 {
		text += fmt.Sprintf("; %d came too early, and none more than %.1f s too late", v.Early, float64(v.LongestLateMillis)/1000)
	}
	if v.RolledBack != 0 {
		text += fmt.Sprintf("; %d rolled back, of which %d came", v.RolledBack, v.Unwanted)
	}
	if v.Busy != 0 {
		text += fmt.Sprintf("; %d of the failed met a busy broker", v.Busy)
	}
	if v.LastSendError != "" {
		text += "; last error: " + v.LastSendError
	}
	for _, lost := range v.LostMessages {
		text += "; lost: " + lost.String()
	}
	return text
}

// StartLedger starts the ledger in a pod and waits until it runs.
func (n *Namespace) StartLedger(ctx context.Context, options LedgerOptions) (*Ledger, error) {
	name := strings.TrimSuffix(options.Topic+"-"+options.Only, "-")
	no, yes, user, grace := false, true, int64(ledgerUser), int64((2 * ledgerDrain).Seconds())
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: n.Name, Name: name},
		Spec: corev1.PodSpec{
			RestartPolicy:                corev1.RestartPolicyNever,
			Affinity:                     options.affinity(),
			AutomountServiceAccountToken: &no, TerminationGracePeriodSeconds: &grace,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: ledgerContainer, Image: LedgerImage, ImagePullPolicy: corev1.PullIfNotPresent, Args: options.args(), Env: options.Credentials.env(),
				TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
				// Without a share like the servers' it would judge how busy the machine is.
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
	if err := n.Client.Create(ctx, pod); err != nil {
		return nil, fmt.Errorf("create the ledger's pod %s: %w", name, err)
	}
	l := &Ledger{n: n, pod: name, only: options.Only}
	return l, n.Await(ctx, "ledger "+name+" to run", 3*time.Minute, func(ctx context.Context) error {
		pod, err := n.Pod(ctx, name)
		if err != nil {
			return err
		}
		if pod.Status.Phase == corev1.PodPending {
			return errors.New("its pod is pending")
		}
		return nil
	})
}

// Verdict waits at most limit for the ledger to end, and returns its account. A ledger that could not keep one is an
// error; messages that were lost are not.
func (l *Ledger) Verdict(ctx context.Context, limit time.Duration) (*Verdict, error) {
	err := l.n.Await(ctx, "ledger "+l.pod+" to end", limit, func(ctx context.Context) error {
		pod, err := l.n.Pod(ctx, l.pod)
		if err != nil {
			return err
		}
		if phase := pod.Status.Phase; phase != corev1.PodSucceeded && phase != corev1.PodFailed {
			return fmt.Errorf("its pod is %s", phase)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	text, err := l.n.Logs(ctx, l.pod, ledgerContainer)
	if err != nil {
		return nil, err
	}
	return l.parse(text)
}

// End ends sending, waits at most limit for what is still missing, and returns the account. The pod is gone then.
func (l *Ledger) End(ctx context.Context, limit time.Duration) (*Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type log struct {
		text string
		err  error
	}
	said := make(chan log, 1)
	go func() {
		text, err := l.n.Logs(ctx, l.pod, ledgerContainer, LogFollow())
		said <- log{text, err}
	}()
	if err := l.n.DeletePod(ctx, l.pod, false); err != nil {
		return nil, err
	}
	result := <-said
	if result.err != nil {
		return nil, result.err
	}
	err := l.n.Await(ctx, "ledger "+l.pod+" to be gone", limit, func(ctx context.Context) error { // another one may have its name then
		_, err := l.n.Pod(ctx, l.pod)
		if err == nil {
			err = errors.New("its pod is there")
		}
		return client.IgnoreNotFound(err)
	})
	if err != nil {
		return nil, err
	}
	return l.parse(result.text)
}

func (l *Ledger) parse(text string) (*Verdict, error) {
	verdict, err := ParseVerdict(text)
	if err == nil && verdict.Acked == 0 && l.only != "consume" {
		err = fmt.Errorf("the ledger got no message acknowledged:\n%s", text)
	}
	return verdict, err
}

// LedgerHere runs the ledger as a process of this machine, outside of Kubernetes.
func (p *Place) LedgerHere(ctx context.Context, options LedgerOptions) (*Verdict, error) {
	quiet := &Place{root: p.root, log: NewLog(io.Discard)} // what it says on the way ends up in the error
	out, err := quiet.run(ctx, "test/ledger", "go", append([]string{"run", "."}, options.args()...)...)
	if verdict, parseErr := ParseVerdict(out); parseErr == nil {
		return verdict, nil // the exit status tells of lost messages, as the verdict does
	}
	return nil, err
}

// ParseVerdict finds the verdict, one line of JSON, in what the ledger printed.
func ParseVerdict(text string) (*Verdict, error) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var v Verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			return nil, fmt.Errorf("the ledger's verdict %s: %w", strings.TrimSpace(line), err)
		}
		return &v, nil
	}
	return nil, fmt.Errorf("the ledger gave no verdict; it printed:\n%s", text)
}
