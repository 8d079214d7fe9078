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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/entity"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// exportCommand is the one that prints objects of what exists.
func (o *options) exportCommand(what, kind string, collect func(context.Context, *Access, []string) (report, error)) *cobra.Command {
	return o.chooses(&cobra.Command{
		Use:   "export",
		Short: fmt.Sprintf("Print %s objects of all %s that exist, for kubectl apply", kind, what),
		Long: fmt.Sprintf("Print %s objects of all %s that exist, but for RocketMQ's own.\n"+
			"Where broker groups differ, the first one that has it counts, and a comment says how the others differ:\nkubectl apply makes all of them alike.", kind, what),
		Args: arguments(0, 0, ""),
		RunE: o.run(collect),
	})
}

// exportReport is a list that kubectl apply takes.
type exportReport struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Items      []manifest `json:"items"`
}

// manifest of a topic or consumer group.
type manifest struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Metadata   manifestName `json:"metadata"`
	Spec       any          `json:"spec"`
	// notes stand before it as comments.
	notes []string
}

type manifestName struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

func (r *exportReport) text() string {
	var out strings.Builder
	for i, o := range r.Items {
		if i > 0 {
			out.WriteString("---\n")
		}
		for _, note := range o.notes {
			fmt.Fprintf(&out, "# %s\n", note)
		}
		text, err := yaml.Marshal(o)
		if err != nil {
			text = fmt.Appendf(nil, "# %s\n", err)
		}
		out.Write(text)
	}
	return out.String()
}

func (o *options) exportTopics(ctx context.Context, a *Access, _ []string) (report, error) {
	c, err := a.openCluster(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	defer c.close()
	tables, err := c.topicTables(ctx)
	if len(tables) == 0 {
		return nil, err
	}
	owners, ownersErr := c.owners(ctx, a, &v1alpha1.TopicList{})
	e := exporter[admin.TopicConfig]{
		kind: "Topic", rules: entity.Topics(), masters: c.masters, tables: tables, owners: owners, namespace: c.broker.Namespace,
		system: func(name, brokerName string) bool {
			return admin.IsOwnTopic(name, desired.ClusterName(c.broker), brokerName)
		},
		spec: func(t admin.TopicConfig, object string) any {
			spec := entity.TopicSpec(t)
			spec.EntitySpec = c.entitySpec()
			if object != t.Name {
				spec.TopicName = t.Name
			}
			return &spec
		},
	}
	return e.export(), errors.Join(c.missing, err, ownersErr)
}

func (o *options) exportGroups(ctx context.Context, a *Access, _ []string) (report, error) {
	c, err := a.openCluster(ctx, o.broker)
	if err != nil {
		return nil, err
	}
	defer c.close()
	tables, err := each(ctx, c.masters, func(ctx context.Context, master server) (map[string]entity.Group, error) {
		return readGroups(ctx, c.admin, master.addr)
	})
	if len(tables) == 0 {
		return nil, err
	}
	owners, ownersErr := c.owners(ctx, a, &v1alpha1.ConsumerGroupList{})
	e := exporter[entity.Group]{
		kind: "ConsumerGroup", rules: entity.Groups(), masters: c.masters, tables: tables, owners: owners, namespace: c.broker.Namespace,
		system: func(name, _ string) bool { return admin.IsOwnGroup(name) },
		spec: func(g entity.Group, object string) any {
			spec := entity.GroupSpec(g)
			spec.EntitySpec = c.entitySpec()
			if object != g.Name {
				spec.GroupName = g.Name
			}
			return &spec
		},
	}
	return e.export(), errors.Join(c.missing, err, ownersErr)
}

// readGroups reads a master's consumer groups with their request modes, of which releases before 5.3.3 do not tell.
func readGroups(ctx context.Context, client *admin.Client, addr string) (map[string]entity.Group, error) {
	table, _, err := client.Groups(ctx, addr)
	if err != nil {
		return nil, err
	}
	modes, err := client.MessageRequestModes(ctx, addr)
	if err != nil && !remoting.IsCode(err, remoting.RequestCodeNotSupported) {
		return nil, err
	}
	return entity.GroupTable(table, modes), nil
}

// entitySpec refers to the cluster: the RocketMQCluster that the Broker is part of, or else the Broker.
func (c *cluster) entitySpec() v1alpha1.EntitySpec {
	if owner := metav1.GetControllerOf(c.broker); owner != nil && owner.Kind == "RocketMQCluster" {
		return v1alpha1.EntitySpec{ClusterRef: &v1alpha1.ObjectReference{Name: owner.Name}}
	}
	return v1alpha1.EntitySpec{BrokerRef: &v1alpha1.ObjectReference{Name: c.broker.Name}}
}

// exporter of the objects of one kind, whose entries E are in a table of each master.
type exporter[E any] struct {
	kind, namespace string
	rules           entity.Rules[E]
	masters         []server
	tables          map[server]map[string]E
	owners          map[string]owner
	system          func(name, brokerName string) bool
	// spec of an entry, for an object of that name.
	spec func(entry E, object string) any
}

func (e exporter[E]) export() *exportReport {
	r := &exportReport{APIVersion: "v1", Kind: "List", Items: []manifest{}}
	first := map[string]server{}
	for _, master := range slices.Backward(e.masters) {
		for name := range e.tables[master] {
			if !e.system(name, master.name) {
				first[name] = master
			}
		}
	}
	objects := e.objectNames(slices.Sorted(maps.Keys(first)))
	for _, name := range slices.Sorted(maps.Keys(first)) {
		item := manifest{APIVersion: v1alpha1.GroupVersion.String(), Kind: e.kind, notes: e.notes(name, first[name])}
		item.Metadata = manifestName{objects[name], e.namespace}
		item.Spec = e.spec(e.tables[first[name]][name], item.Metadata.Name)
		r.Items = append(r.Items, item)
	}
	return r
}

// objectNames are those of the objects that there are, or else names that are free. A name that Kubernetes accepts as it is
// comes before those that have to be changed.
func (e exporter[E]) objectNames(names []string) map[string]string {
	objects, used := map[string]string{}, map[string]bool{}
	take := func(name, object string) { objects[name], used[object] = object, true }
	for name, o := range e.owners {
		if o.Namespace == e.namespace {
			take(name, o.Name)
		}
	}
	for _, name := range names {
		if objects[name] == "" && entity.ObjectName(name) == name && !used[name] {
			take(name, name)
		}
	}
	for _, name := range names {
		plain := entity.ObjectName(name)
		object := plain
		for i := 2; objects[name] == "" && used[object]; i++ {
			object = fmt.Sprintf("%s-%d", plain, i)
		}
		if objects[name] == "" {
			take(name, object)
		}
	}
	return objects
}

// notes tell what the object does not say.
func (e exporter[E]) notes(name string, of server) (notes []string) {
	if o, owned := e.owners[name]; owned {
		notes = append(notes, o.String()+" has it already")
	}
	entry := e.tables[of][name]
	for _, master := range e.masters {
		table, answered := e.tables[master]
		switch other, exists := table[name]; {
		case !answered || master == of:
		case !exists:
			notes = append(notes, "missing at "+master.name)
		default:
			if differences := e.rules.Differences(other, entry); len(differences) > 0 {
				notes = append(notes, fmt.Sprintf("other at %s, which applying this changes: %s", master.name, strings.Join(differences, ", ")))
			}
		}
	}
	return notes
}
