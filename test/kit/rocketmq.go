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

const nameServerPort = "9876"

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
	return n.Await(ctx, what, limit, func(ctx context.Context) error {
		for _, pod := range nameServerPods {
			info, err := n.ClusterInfo(ctx, pod)
			if err != nil {
				return err
			}
			if err := want.compare(info); err != nil {
				return fmt.Errorf("name server %s: %w", pod, err)
			}
		}
		return nil
	})
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

// Broker reads a Broker resource.
func (n *Namespace) Broker(ctx context.Context, name string) (*v1alpha1.Broker, error) {
	broker := &v1alpha1.Broker{}
	if err := n.Client.Get(ctx, client.ObjectKey{Namespace: n.Name, Name: name}, broker); err != nil {
		return nil, fmt.Errorf("get Broker %s/%s: %w", n.Name, name, err)
	}
	return broker, nil
}

// Master returns the pod that is master of a group by the resource's status, empty if there is none.
func Master(broker *v1alpha1.Broker, group string) string {
	for _, g := range broker.Status.Groups {
		if g.Name == group {
			return g.Master
		}
	}
	return ""
}

// AwaitNewMaster waits until a name server shows a master of the group in another pod than before, and returns that
// pod's name.
func (n *Namespace) AwaitNewMaster(ctx context.Context, nameServerPod, group, before string, limit time.Duration) (string, error) {
	var master string
	err := n.Await(ctx, "another master of "+group+" than "+before, limit, func(ctx context.Context) error {
		info, err := n.ClusterInfo(ctx, nameServerPod)
		if err != nil {
			return err
		}
		address, ok := info.Brokers[group].Addrs[admin.MasterID]
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
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return n.Exec(ctx, brokerPod, RocketMQContainer, "sh", "-c", `exec sh "$ROCKETMQ_HOME/bin/mqadmin" clusterList`)
}
