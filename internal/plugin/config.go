// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

func (o *options) brokersCommand() *cobra.Command {
	const aPod = "a broker pod: kubectl rocketmq status lists them"
	brokers := &cobra.Command{Use: "brokers", Aliases: []string{"broker"}, Short: "Look into single brokers"}
	config := &cobra.Command{Use: "config", Short: "Read and change the properties of a running broker"}
	config.AddCommand(
		&cobra.Command{
			Use:               "get POD [KEY...]",
			Short:             "Print properties as the broker runs with them, secrets in clear",
			Args:              arguments(1, -1, aPod),
			ValidArgsFunction: o.completeProperty(""),
			RunE:              o.run(getConfig),
		},
		&cobra.Command{
			Use:   "set POD KEY=VALUE...",
			Short: "Change properties until the pod restarts",
			Long: "Change properties of one running broker, until its pod restarts.\nWhat is to last, and for all brokers, belongs into spec.config of the Broker. " +
				"Properties that RocketMQ reads only at its start need that too, and those\nthat the operator keeps as spec.config says.",
			Example:           "  kubectl rocketmq brokers config set quickstart-0-0 flushIntervalCommitLog=400",
			Args:              arguments(2, -1, "a broker pod and KEY=VALUE: see kubectl rocketmq brokers config get POD"),
			ValidArgsFunction: o.completeProperty("="),
			RunE:              o.run(setConfig),
		},
	)
	brokers.AddCommand(parent(config))
	return brokers
}

// configReport is a broker's configuration, or the part that was asked for.
type configReport struct {
	Pod    string            `json:"pod"`
	Config map[string]string `json:"config"`
}

func getConfig(ctx context.Context, a *Access, args []string) (report, error) {
	s, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	pod, err := s.signInAt(ctx, args[0])
	if err != nil {
		return nil, err
	}
	config, err := s.admin.BrokerConfig(ctx, brokerAddress(pod))
	if err != nil {
		return nil, err
	}
	keys := args[1:]
	if err := known(config, keys); err != nil {
		return nil, err
	}
	if len(keys) > 0 {
		maps.DeleteFunc(config, func(key, _ string) bool { return !slices.Contains(keys, key) })
	}
	return &configReport{pod.Name, config}, nil
}

// known refuses keys that the broker does not have: it would ignore them and say success.
func known(config map[string]string, keys []string) error {
	var unknown []string
	for _, key := range keys {
		if _, ok := config[key]; !ok {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("the broker has no property %s: kubectl rocketmq brokers config get POD lists them", strings.Join(unknown, ", "))
	}
	return nil
}

func (r *configReport) text() string {
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(r.Config)) {
		fmt.Fprintf(&out, "%s=%s\n", key, r.Config[key])
	}
	return out.String()
}

// changesReport is what a broker has changed.
type changesReport struct {
	Pod     string         `json:"pod"`
	Broker  string         `json:"broker"`
	Changes []configChange `json:"changes"`
}

type configChange struct {
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
}

func setConfig(ctx context.Context, a *Access, args []string) (report, error) {
	wanted, err := parseChanges(args[1:])
	if err != nil {
		return nil, err
	}
	keys := slices.Sorted(maps.Keys(wanted))
	if err := refuseOwned(keys); err != nil {
		return nil, err
	}
	s, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	pod, err := s.signInAt(ctx, args[0])
	if err != nil {
		return nil, err
	}
	if err := s.refuseLive(ctx, pod.Labels[desired.LabelInstance], keys); err != nil {
		return nil, err
	}
	before, err := s.admin.BrokerConfig(ctx, brokerAddress(pod))
	if err != nil {
		return nil, err
	}
	if err := known(before, keys); err != nil {
		return nil, err
	}
	if err := s.admin.UpdateBrokerConfig(ctx, brokerAddress(pod), wanted); err != nil {
		return nil, err
	}
	after, err := s.admin.BrokerConfig(ctx, brokerAddress(pod))
	if err != nil {
		return nil, fmt.Errorf("the broker was told, but not asked whether it obeyed: %w", err)
	}
	r := &changesReport{Pod: pod.Name, Broker: pod.Labels[desired.LabelInstance]}
	var ignored []error
	for _, key := range keys {
		if after[key] != wanted[key] {
			ignored = append(ignored, fmt.Errorf("the broker did not take %s=%s and goes on with %q: is the value of the right kind?", key, wanted[key], after[key]))
			continue
		}
		r.Changes = append(r.Changes, configChange{key, before[key], after[key]})
	}
	if len(r.Changes) == 0 {
		return nil, errors.Join(ignored...)
	}
	return r, errors.Join(ignored...)
}

func parseChanges(args []string) (map[string]string, error) {
	changes := map[string]string{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" {
			return nil, fmt.Errorf("%q is not KEY=VALUE: use something like flushIntervalCommitLog=400", arg)
		}
		changes[key] = strings.TrimSpace(value) // as the broker does
	}
	return changes, nil
}

// refuseOwned refuses properties that belong to the operator. It is stricter than the API, which lets STATIC masters choose one at
// their start: that must not change while they run.
func refuseOwned(keys []string) error {
	var errs []error
	for _, owned := range settings.OwnedKeys(settings.Broker) {
		if slices.Contains(keys, owned.Key) {
			errs = append(errs, fmt.Errorf("%s belongs to the operator: %s", owned.Key, owned.Reason))
		}
	}
	return errors.Join(errs...)
}

// refuseLive refuses properties that the operator would set back within seconds.
func (s *session) refuseLive(ctx context.Context, name string, keys []string) error {
	broker, err := s.chooseBroker(ctx, name)
	if err != nil {
		return err
	}
	if len(broker.Spec.Volumes) > 0 { // with volumes the operator sets nothing back, because it does not know what a file in them says
		return nil
	}
	var errs []error
	for _, key := range keys {
		if settings.IsLive(key) {
			errs = append(errs, fmt.Errorf("the operator keeps %s as spec.config of Broker %s says: change it there, which restarts nothing", key, name))
		}
	}
	return errors.Join(errs...)
}

func (r *changesReport) text() string {
	t := newTable("PROPERTY", "BEFORE", "NOW")
	for _, c := range r.Changes {
		t.row(c.Key, or(c.Before), or(c.After))
	}
	return fmt.Sprintf("%s\nThis lasts until pod %s restarts. To keep it, and for all brokers: spec.config of Broker %s.\n", t, r.Pod, r.Broker)
}

// signInAt finds a broker's pod, and lets the session ask the broker.
func (s *session) signInAt(ctx context.Context, name string) (*corev1.Pod, error) {
	pod, err := s.brokerPod(name)
	if err != nil {
		return nil, err
	}
	broker, err := s.chooseBroker(ctx, pod.Labels[desired.LabelInstance])
	if err != nil {
		return nil, err
	}
	return pod, s.signIn(ctx, broker)
}

// brokerPod finds a broker's pod.
func (s *session) brokerPod(name string) (*corev1.Pod, error) {
	var names []string
	for i := range s.pods {
		pod := &s.pods[i]
		if pod.Labels[desired.LabelComponent] != string(desired.Broker) {
			continue
		}
		if pod.Name == name {
			if pod.Status.Phase != corev1.PodRunning {
				return nil, fmt.Errorf("pod %s is %s: see kubectl describe pod %s", name, pod.Status.Phase, name)
			}
			return pod, nil
		}
		names = append(names, pod.Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no broker pod in namespace %s: choose another with -n, or see all Brokers with: kubectl rocketmq status -A", s.Namespace)
	}
	return nil, fmt.Errorf("no broker pod %s in namespace %s, which has: %s", name, s.Namespace, strings.Join(names, ", "))
}

// brokerAddress is a broker's stable name, also under hostNetwork.
func brokerAddress(pod *corev1.Pod) string {
	service := desired.HeadlessService(pod.Labels[desired.LabelInstance], desired.Broker)
	return fmt.Sprintf("%s.%s.%s.svc:%d", pod.Name, service, pod.Namespace, settings.BrokerPort)
}
