// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

func (o *options) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Show RocketMQClusters and Brokers with all that belongs to them, and what is not as it should be",
		Long: "Show RocketMQClusters and Brokers with their groups, name servers, controllers, proxies and tools, and what is not\n" +
			"as it should be. NAME is a RocketMQCluster or a Broker.\n" +
			"It is what the operator has written into the resources' status: no RocketMQ server is asked.",
		Args:              arguments(0, 1, ""),
		ValidArgsFunction: o.completeArg(clusterAndBrokerNames),
		RunE:              o.runWatched(o.status),
	}
	o.watches(cmd, "go on, and show what changes")
	cmd.Flags().BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "show those of all namespaces")
	return cmd
}

type statusReport struct {
	At time.Time `json:"at"`
	// Clusters are the RocketMQClusters with all their parts.
	Clusters []clusterStatus `json:"clusters,omitempty"`
	// Brokers are those that are not part of a RocketMQCluster.
	Brokers []brokerStatus `json:"brokers"`
	// Others are all other resources that none of the above uses.
	Others []resourceStatus `json:"others,omitempty"`
}

// resourceStatus is what all kinds have.
type resourceStatus struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// State is the reason of Ready.
	State string `json:"state"`
	// Members is registered/wanted, or ready/wanted.
	Members string `json:"members,omitempty"`
	// Leader is a Controller's.
	Leader string `json:"leader,omitempty"`
	// Address is where clients reach a Proxy or a tool.
	Address string `json:"address,omitempty"`
	// Problems are the conditions, and other things, that are not as they should be.
	Problems []problem `json:"problems,omitempty"`
}

// problem is a condition that is not fine, or something else about the resource.
type problem struct {
	Condition string    `json:"condition,omitempty"`
	Status    string    `json:"status,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	Message   string    `json:"message"`
}

type brokerStatus struct {
	resourceStatus
	Mode  string `json:"mode"`
	Image string `json:"image"`
	// NameServers are the addresses in use; NameService is the resource behind them, if there is one.
	NameServers []string        `json:"nameServers"`
	NameService *resourceStatus `json:"nameService,omitempty"`
	Controller  *resourceStatus `json:"controller,omitempty"`
	Groups      []groupStatus   `json:"groups"`
}

type groupStatus struct {
	Name string `json:"name"`
	// State is hidden, open, draining, closed or removing.
	State   string         `json:"state,omitempty"`
	Master  string         `json:"master,omitempty"`
	Members []memberStatus `json:"members"`
}

type memberStatus struct {
	Pod string `json:"pod"`
	// Role and ID are empty for a broker that is not registered.
	Role    string `json:"role,omitempty"`
	ID      *int64 `json:"id,omitempty"`
	InSync  bool   `json:"inSync"`
	Address string `json:"address,omitempty"`
}

func (o *options) status(ctx context.Context, a *Access, args []string) (report, error) {
	namespace := a.Namespace
	if o.allNamespaces {
		namespace = ""
		if len(args) > 0 {
			return nil, fmt.Errorf("a name has one namespace: use -n instead of -A")
		}
	}
	var all resources
	if err := all.read(ctx, a, namespace); err != nil {
		return nil, err
	}
	if len(args) == 1 {
		return a.oneStatus(ctx, &all, args[0])
	}
	r := &statusReport{At: time.Now().UTC(), Brokers: []brokerStatus{}}
	owned := map[types.UID]bool{}
	for i := range all.clusters.Items {
		c, err := all.clusterStatus(ctx, a, &all.clusters.Items[i])
		if err != nil {
			return nil, err
		}
		owned[all.clusters.Items[i].UID] = true
		r.Clusters = append(r.Clusters, c)
	}
	used := map[string]bool{}
	for i := range all.brokers.Items {
		if owner := metav1.GetControllerOf(&all.brokers.Items[i]); owner != nil && owned[owner.UID] {
			continue
		}
		b, err := a.brokerStatus(ctx, &all.brokers.Items[i])
		if err != nil {
			return nil, err
		}
		for _, of := range []*resourceStatus{b.NameService, b.Controller} {
			if of != nil {
				used[of.String()] = true
			}
		}
		r.Brokers = append(r.Brokers, b)
	}
	for _, other := range all.others {
		status, owner := newStatus(other), metav1.GetControllerOf(other)
		if !used[status.String()] && (owner == nil || !owned[owner.UID]) {
			r.Others = append(r.Others, status)
		}
	}
	if len(r.Clusters)+len(r.Brokers)+len(r.Others) == 0 {
		return nil, a.noBroker(ctx, "")
	}
	return r, nil
}

// oneStatus is that of the RocketMQCluster of a name, or of the Broker.
func (a *Access) oneStatus(ctx context.Context, all *resources, name string) (report, error) {
	r := &statusReport{At: time.Now().UTC(), Brokers: []brokerStatus{}}
	for i := range all.clusters.Items {
		if all.clusters.Items[i].Name != name {
			continue
		}
		c, err := all.clusterStatus(ctx, a, &all.clusters.Items[i])
		if err != nil {
			return nil, err
		}
		r.Clusters = append(r.Clusters, c)
		return r, nil
	}
	broker, err := a.chooseBroker(ctx, name)
	if names := all.clusterNames(); err != nil && len(names) > 0 {
		return nil, fmt.Errorf("%w; and there is no RocketMQCluster %s either, but %s", err, name, strings.Join(names, ", "))
	}
	if err != nil {
		return nil, err
	}
	b, err := a.brokerStatus(ctx, broker)
	if err != nil {
		return nil, err
	}
	r.Brokers = append(r.Brokers, b)
	return r, nil
}

// clusterNames are those of the RocketMQClusters of the namespace.
func (r *resources) clusterNames() (names []string) {
	for i := range r.clusters.Items {
		names = append(names, r.clusters.Items[i].Name)
	}
	return names
}

func (a *Access) brokerStatus(ctx context.Context, b *v1alpha1.Broker) (brokerStatus, error) {
	out := brokerStatus{
		resourceStatus: newStatus(b),
		Mode:           string(desired.Mode(b)),
		Image:          desired.Image(b),
		NameServers:    b.Status.NameServers,
		Groups:         []groupStatus{},
	}
	if b.Spec.Paused {
		out.Problems = append(out.Problems, problem{Message: "paused: pods are not replaced until spec.paused is removed"})
	}
	for _, g := range b.Status.Groups {
		group := groupStatus{Name: g.Name, State: g.State, Master: g.Master}
		for _, m := range g.Members {
			group.Members = append(group.Members, memberStatus{m.Pod, string(m.Role), m.BrokerID, m.InSync, m.Address})
		}
		out.Groups = append(out.Groups, group)
	}
	if ref := b.Status.NameServiceRef; ref != nil {
		ns := new(v1alpha1.NameService)
		found, err := a.get(ctx, b, ref, ns)
		if err != nil {
			return out, err
		}
		status := missing("NameService", ns)
		if found {
			status = newStatus(ns)
		}
		out.NameService = &status
	}
	if ref := b.Status.ControllerRef; ref != nil {
		ctl := new(v1alpha1.Controller)
		found, err := a.get(ctx, b, ref, ctl)
		if err != nil {
			return out, err
		}
		status := missing("Controller", ctl)
		if found {
			status = newStatus(ctl)
		}
		out.Controller = &status
	}
	return out, nil
}

// get reads what a Broker refers to; if it is gone, obj only has the name.
func (a *Access) get(ctx context.Context, b *v1alpha1.Broker, ref *v1alpha1.ObjectReference, obj client.Object) (found bool, err error) {
	key := client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}
	if key.Namespace == "" {
		key.Namespace = b.Namespace
	}
	err = a.Client.Get(ctx, key, obj)
	if apierrors.IsNotFound(err) {
		obj.SetNamespace(key.Namespace)
		obj.SetName(key.Name)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("get %s, which Broker %s uses: %w", key, b.Name, err)
	}
	return true, nil
}

func missing(kind string, obj client.Object) resourceStatus {
	return resourceStatus{
		Kind: kind, Namespace: obj.GetNamespace(), Name: obj.GetName(), State: "Missing",
		Problems: []problem{{Message: "it does not exist any more: create it again, or let the Broker refer to another"}},
	}
}

// newStatus is what all kinds have.
func newStatus(r v1alpha1.Resource) resourceStatus {
	out := resourceStatus{Kind: v1alpha1.KindOf(r), Namespace: r.GetNamespace(), Name: r.GetName(), State: "Unknown", Members: r.GetMembers()}
	switch r := r.(type) {
	case *v1alpha1.Controller:
		out.Leader = r.Status.Leader
	case *v1alpha1.RocketMQCluster:
		out.Members = r.Status.Brokers
	case *v1alpha1.Proxy:
		out.Address = r.Status.GRPCAddress
	case *v1alpha1.Console:
		out.Address = r.Status.Address
	case *v1alpha1.Exporter:
		out.Address = r.Status.Address
	case *v1alpha1.SchemaRegistry:
		out.Address = r.Status.Address
	}
	out.addProblems(r)
	return out
}

// addProblems of a resource: those that its conditions name, and those that no condition can name.
func (r *resourceStatus) addProblems(of v1alpha1.Resource) {
	conditions := of.Common().Conditions
	switch {
	case of.GetDeletionTimestamp() != nil:
		r.Problems = append(r.Problems, problem{Message: "it is being deleted"})
	case len(conditions) == 0:
		r.Problems = append(r.Problems, problem{Message: "the operator has said nothing about it yet: does it run, and watch this namespace?"})
	case of.Common().ObservedGeneration < of.GetGeneration():
		r.Problems = append(r.Problems, problem{Message: "the operator has not seen the last change of its spec yet"})
	}
	for _, c := range conditions {
		if c.Type == v1alpha1.ConditionReady {
			r.State = c.Reason
		}
		told := slices.ContainsFunc(r.Problems, func(p problem) bool { return p.Reason == c.Type && p.Message == c.Message })
		if !fine(c) && !told { // a trouble that is the reason of Ready has a condition of its own
			r.Problems = append(r.Problems, problem{c.Type, string(c.Status), c.Reason, c.LastTransitionTime.UTC(), c.Message})
		}
	}
}

// fine: Ready and UpToDate are the good ones, all others name a trouble.
func fine(c metav1.Condition) bool {
	return c.Status == metav1.ConditionTrue && (c.Type == v1alpha1.ConditionReady || c.Type == v1alpha1.ConditionUpToDate)
}

// String tells it from all others.
func (r resourceStatus) String() string {
	return fmt.Sprintf("%s %s/%s", r.Kind, r.Namespace, r.Name)
}

func (r *statusReport) text() string {
	t := newTable("NAME", "STATE", "MEMBERS", "ROLE", "ID", "IN SYNC", "DETAILS")
	var all []resourceStatus
	for _, c := range r.Clusters {
		c.node().print(t, "", "")
		all = append(all, c.all()...)
	}
	for _, b := range r.Brokers {
		b.node().print(t, "", "")
		all = append(all, b.resourceStatus)
		for _, of := range []*resourceStatus{b.NameService, b.Controller} {
			if of != nil && !slices.ContainsFunc(all, func(other resourceStatus) bool { return other.String() == of.String() }) {
				all = append(all, *of)
			}
		}
	}
	for _, of := range r.Others {
		of.node().print(t, "", "")
		all = append(all, of)
	}
	return t.String() + "\n" + problems(r.At, all)
}

// node is one line of the tree, the first cell with the branch before it.
type node struct {
	name     string
	cells    []any
	children []node
}

// print begins the node's own line with branch, and all below it with indent.
func (n node) print(t *table, branch, indent string) {
	t.row(append([]any{branch + n.name}, n.cells...)...)
	for i, child := range n.children {
		if i == len(n.children)-1 {
			child.print(t, indent+"└─ ", indent+"   ")
		} else {
			child.print(t, indent+"├─ ", indent+"│  ")
		}
	}
}

func (r resourceStatus) node() node {
	details := r.Address
	if r.Leader != "" {
		details = "leader " + r.Leader
	}
	return node{name: r.String(), cells: []any{r.State, r.Members, "", "", "", details}}
}

func (b brokerStatus) node() node {
	n := node{name: b.String(), cells: []any{b.State, b.Members, "", "", "", b.Mode + ", " + b.Image}}
	switch {
	case b.NameService != nil:
		n.children = append(n.children, b.NameService.node())
	case len(b.NameServers) > 0:
		n.children = append(n.children, node{name: "name servers", cells: []any{"", "", "", "", "", strings.Join(b.NameServers, ";")}})
	}
	if b.Controller != nil {
		n.children = append(n.children, b.Controller.node())
	}
	for _, g := range b.Groups {
		n.children = append(n.children, g.node())
	}
	return n
}

func (g groupStatus) node() node {
	n, registered, state := node{name: "group " + g.Name}, 0, g.State
	for _, m := range g.Members {
		member := node{name: m.Pod, cells: []any{"not registered"}}
		if m.ID != nil {
			registered++
			member.cells = []any{"", "", m.Role, *m.ID, yesNo(m.InSync), m.Address}
		}
		n.children = append(n.children, member)
	}
	if g.Master == "" {
		state = strings.TrimPrefix(state+", no master", ", ")
	}
	n.cells = []any{state, fmt.Sprintf("%d/%d", registered, len(g.Members))}
	return n
}

// problems are printed as sentences, because they are what to read first.
func problems(now time.Time, all []resourceStatus) string {
	var out strings.Builder
	for _, of := range all {
		if len(of.Problems) == 0 {
			continue
		}
		fmt.Fprintf(&out, "%s:\n", of)
		for _, p := range of.Problems {
			switch p.Condition {
			case "":
				fmt.Fprintf(&out, "  - %s\n", p.Message)
			case p.Reason: // a trouble's name
				fmt.Fprintf(&out, "  - %s for %s: %s\n", p.Condition, ago(now, p.Since), p.Message)
			default:
				fmt.Fprintf(&out, "  - %s is %s for %s, %s: %s\n", p.Condition, p.Status, ago(now, p.Since), p.Reason, p.Message)
			}
		}
	}
	if out.Len() == 0 {
		return "All is as it should be.\n"
	}
	return out.String()
}
