// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// completionTimeout is how long a completion may hold up the shell.
const completionTimeout = 5 * time.Second

// names finds the possible values of a word.
type names func(ctx context.Context, a *Access) ([]string, error)

// complete offers the names; none if they cannot be found.
func (o *options) complete(cmd *cobra.Command, word string, find names) ([]string, cobra.ShellCompDirective) {
	a, err := o.connect(o.kubeconfig)
	if err != nil {
		cobra.CompDebugln(err.Error(), false)
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
	defer cancel()
	found, err := find(ctx, a)
	if err != nil {
		cobra.CompDebugln(err.Error(), false) // other names may have been found
	}
	found = slices.DeleteFunc(found, func(name string) bool { return !strings.HasPrefix(name, word) })
	return found, cobra.ShellCompDirectiveNoFileComp
}

// completeArg completes the only argument.
func (o *options) completeArg(find names) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return o.complete(cmd, word, find)
	}
}

func (o *options) completeFlag(cmd *cobra.Command, flag string, find names) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
		return o.complete(cmd, word, find)
	})
	if err != nil {
		panic(fmt.Sprintf("complete --%s: %v", flag, err)) // the flag is not defined
	}
}

// completeProperty completes a broker pod and then its properties with a suffix: all for reading, those that may be
// changed for setting.
func (o *options) completeProperty(suffix string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return o.complete(cmd, word, brokerPodNames)
		}
		found, directive := o.complete(cmd, word, func(ctx context.Context, a *Access) ([]string, error) {
			r, err := getConfig(ctx, a, args[:1])
			if err != nil {
				return nil, err
			}
			return slices.Sorted(maps.Keys(r.(*configReport).Config)), nil
		})
		if suffix == "" {
			return found, directive
		}
		found = slices.DeleteFunc(found, func(key string) bool {
			return settings.IsLive(key) || slices.ContainsFunc(settings.OwnedKeys(settings.Broker), func(owned settings.OwnedKey) bool { return owned.Key == key })
		})
		for i := range found {
			found[i] += suffix
		}
		return found, directive | cobra.ShellCompDirectiveNoSpace
	}
}

func clusterAndBrokerNames(ctx context.Context, a *Access) ([]string, error) {
	var list v1alpha1.RocketMQClusterList
	if err := a.list(ctx, a.Namespace, &list); err != nil {
		return nil, err
	}
	found, err := brokerNames(ctx, a)
	for i := range list.Items {
		found = append(found, list.Items[i].Name)
	}
	slices.Sort(found)
	return slices.Compact(found), err
}

func brokerNames(ctx context.Context, a *Access) ([]string, error) {
	var brokers v1alpha1.BrokerList
	if err := a.list(ctx, a.Namespace, &brokers); err != nil {
		return nil, err
	}
	var out []string
	for i := range brokers.Items {
		out = append(out, brokers.Items[i].Name)
	}
	return out, nil
}

func (o *options) brokerGroupNames(ctx context.Context, a *Access) ([]string, error) {
	broker, err := a.chooseBroker(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, group := range broker.Status.Groups {
		out = append(out, group.Name)
	}
	return out, nil
}

func brokerPodNames(ctx context.Context, a *Access) ([]string, error) {
	var pods corev1.PodList
	err := a.Client.List(ctx, &pods, client.InNamespace(a.Namespace),
		client.MatchingLabels{desired.LabelManagedBy: desired.ManagedBy, desired.LabelComponent: string(desired.Broker)})
	var out []string
	for i := range pods.Items {
		out = append(out, pods.Items[i].Name)
	}
	return out, err
}

func namespaceNames(ctx context.Context, a *Access) ([]string, error) {
	var namespaces corev1.NamespaceList
	err := a.Client.List(ctx, &namespaces)
	var out []string
	for i := range namespaces.Items {
		out = append(out, namespaces.Items[i].Name)
	}
	return out, err
}

// contextNames are those of the kubeconfig.
func (o *options) contextNames() ([]string, error) {
	config, err := o.kubeconfig.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(config.Contexts)), nil
}

func (o *options) topicNames(ctx context.Context, a *Access) ([]string, error) {
	c, err := a.openCluster(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	defer c.close()
	tables, err := c.topicTables(ctx)
	var out []string
	for _, row := range summarizeTopics(tables, desired.ClusterName(c.broker), false).Topics {
		out = append(out, row.Topic)
	}
	return out, err
}

func (o *options) groupNames(ctx context.Context, a *Access) ([]string, error) {
	c, err := a.openCluster(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	defer c.close()
	tables, err := c.groupTables(ctx)
	found := map[string]bool{}
	for _, table := range tables {
		for name := range table {
			if !admin.IsOwnGroup(name) {
				found[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found)), err
}
