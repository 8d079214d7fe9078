// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

const (
	nameServerPort = "9876"
	brokerPort     = "10911"
)

// ClusterInfo asks the name server in a pod which brokers are registered with it.
func (n *Namespace) ClusterInfo(ctx context.Context, nameServerPod string) (*admin.ClusterInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return n.Admin.ClusterInfo(ctx, nameServerPod+"."+n.Name+":"+nameServerPort)
}

// Topology is the number of members of each broker group, by brokerName.
type Topology map[string]int

// AwaitRegistered waits until each of the name servers knows exactly the groups of want, each with a master and all
// its members.
func (n *Namespace) AwaitRegistered(ctx context.Context, nameServerPods []string, want Topology, limit time.Duration) error {
	what := fmt.Sprintf("%d broker groups at name servers %s", len(want), strings.Join(nameServerPods, ", "))
	return n.Await(ctx, what, limit, func(ctx context.Context) error { return want.Registered(ctx, n, nameServerPods) })
}

// Registered says what each of the name servers knows otherwise, nil for nothing.
func (t Topology) Registered(ctx context.Context, n *Namespace, nameServerPods []string) error {
	for _, pod := range nameServerPods {
		info, err := n.ClusterInfo(ctx, pod)
		if err != nil {
			return err
		}
		if err := t.compare(info); err != nil {
			return fmt.Errorf("name server %s: %w", pod, err)
		}
	}
	return nil
}

func (t Topology) compare(info *admin.ClusterInfo) error {
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(t)) {
		group := info.Brokers[name]
		if _, ok := group.Addrs[admin.MasterID]; !ok {
			wrong = append(wrong, fmt.Errorf("group %s has no master", name))
		}
		if len(group.Addrs) != t[name] {
			wrong = append(wrong, fmt.Errorf("group %s has %d of %d members", name, len(group.Addrs), t[name]))
		}
	}
	for name := range info.Brokers {
		if _, ok := t[name]; !ok {
			wrong = append(wrong, fmt.Errorf("group %s does not belong here", name))
		}
	}
	return errors.Join(wrong...)
}

// AwaitNameServersUsed waits until each of the broker pods says that it uses exactly the name servers of these pods.
func (i *Installation) AwaitNameServersUsed(ctx context.Context, brokerPods []string, nameServers int, limit time.Duration) error {
	what := fmt.Sprintf("%d brokers to use %d name servers", len(brokerPods), nameServers)
	return i.Await(ctx, what, limit, func(ctx context.Context) error {
		for _, pod := range brokerPods {
			config, err := i.Admin.BrokerConfig(ctx, pod+"."+i.Name+":"+brokerPort)
			if err != nil {
				return err
			}
			var used []string
			for address := range strings.SplitSeq(config["namesrvAddr"], ";") {
				name, _, _ := strings.Cut(address, ".")
				used = append(used, name)
			}
			if want := i.NameServers(nameServers); !slices.Equal(used, want) {
				return fmt.Errorf("%s uses %v, not %v", pod, used, want)
			}
		}
		return nil
	})
}

// Status reads the Broker resource.
func (i *Installation) Status(ctx context.Context) (*v1alpha1.Broker, error) {
	broker := &v1alpha1.Broker{}
	if err := i.Client.Get(ctx, client.ObjectKey{Namespace: i.Name, Name: i.Broker}, broker); err != nil {
		return nil, fmt.Errorf("get Broker %s/%s: %w", i.Name, i.Broker, err)
	}
	return broker, nil
}

// Master is the pod that is master of a group by the resource's status.
func (i *Installation) Master(ctx context.Context, group int) (string, error) {
	broker, err := i.Status(ctx)
	if err != nil {
		return "", err
	}
	for _, g := range broker.Status.Groups {
		if g.Name == i.Group(group) && g.Master != "" {
			return g.Master, nil
		}
	}
	return "", fmt.Errorf("the status of Broker %s/%s names no master of %s", i.Name, i.Broker, i.Group(group))
}

// AwaitNewMaster waits until the first name server shows a master of the group in another pod than before, and returns that
// pod's name.
func (i *Installation) AwaitNewMaster(ctx context.Context, group int, before string, limit time.Duration) (string, error) {
	var master string
	name := i.Group(group)
	err := i.Await(ctx, "another master of "+name+" than "+before, limit, func(ctx context.Context) error {
		info, err := i.ClusterInfo(ctx, i.NameServers(1)[0])
		if err != nil {
			return err
		}
		address, ok := info.Brokers[name].Addrs[admin.MasterID]
		if !ok {
			return errors.New("the group has no master")
		}
		if master, _, _ = strings.Cut(address, "."); master == before {
			return fmt.Errorf("%s is still master", before)
		}
		return nil
	})
	return master, err
}

// ClusterList runs mqadmin clusterList in a broker pod, without flags, as a user would.
func (n *Namespace) ClusterList(ctx context.Context, brokerPod string) (string, error) {
	return n.MQAdmin(ctx, brokerPod, "clusterList")
}

// MQAdmin runs a command of mqadmin in a pod.
func (n *Namespace) MQAdmin(ctx context.Context, pod string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	command := append([]string{"sh", "-c", `exec sh "$ROCKETMQ_HOME/bin/mqadmin" "$@"`, "mqadmin"}, args...)
	return n.Exec(ctx, pod, RocketMQContainer, command...)
}
