// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// Resource is what all of the operator's kinds have in common.
type Resource struct {
	Kind, Name           string
	Generation, Observed int64
	Conditions           []metav1.Condition
}

// Resources lists the operator's resources in the namespace.
func (n *Namespace) Resources(ctx context.Context) ([]Resource, error) {
	var all []Resource
	for _, kind := range v1alpha1.Kinds() {
		if kind.Name == "TopicTransfer" {
			continue // it is an operation, which ends
		}
		list := kind.NewList()
		if err := n.Client.List(ctx, list, client.InNamespace(n.Name)); err != nil {
			return nil, err
		}
		err := meta.EachListItem(list, func(item runtime.Object) error {
			r := item.(v1alpha1.Resource)
			all = append(all, Resource{kind.Name, r.GetName(), r.GetGeneration(), r.Common().ObservedGeneration, r.Common().Conditions})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// AwaitReady waits until every resource of the namespace is Ready and up to date.
func (n *Namespace) AwaitReady(ctx context.Context, limit time.Duration) error {
	return n.awaitReady(ctx, limit, func([]Resource) {})
}

// AwaitReadyAloud is AwaitReady that says what changes meanwhile: in a table where somebody looks on, else in lines.
func (n *Namespace) AwaitReadyAloud(ctx context.Context, limit time.Duration) error {
	if n.Log.Watched() {
		defer n.Log.Show("")
		return n.awaitReady(ctx, limit, func(resources []Resource) { n.Log.Show(readyTable(resources)) })
	}
	said := map[string]string{}
	return n.awaitReady(ctx, limit, func(resources []Resource) {
		for _, r := range resources {
			c := meta.FindStatusCondition(r.Conditions, v1alpha1.ConditionReady)
			if c == nil {
				continue
			}
			line := fmt.Sprintf("%s %s: %s: %s", r.Kind, r.Name, c.Reason, c.Message)
			if said[r.Kind+r.Name] != line {
				said[r.Kind+r.Name] = line
				n.Log.Printf("%s", line)
			}
		}
	})
}

// readyTable is a line for each resource.
func readyTable(resources []Resource) string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "  RESOURCE\tREADY\tWHY")
	for _, r := range resources {
		state, why := "Unknown", "the operator has not seen it yet"
		if c := meta.FindStatusCondition(r.Conditions, v1alpha1.ConditionReady); c != nil {
			state, why = c.Reason, strings.ReplaceAll(c.Message, "\n", " ")
		}
		fmt.Fprintf(table, "  %s %s\t%s\t%s\n", r.Kind, r.Name, state, why)
	}
	_ = table.Flush() // a Builder takes everything
	return out.String()
}

func (n *Namespace) awaitReady(ctx context.Context, limit time.Duration, look func([]Resource)) error {
	return n.Await(ctx, "every resource of "+n.Name+" to be Ready", limit, func(ctx context.Context) error {
		resources, err := n.Resources(ctx)
		look(resources)
		if err != nil {
			return err
		}
		if len(resources) == 0 {
			return errors.New("there is no resource")
		}
		var missing []error
		for _, r := range resources {
			missing = append(missing, r.ready())
		}
		return errors.Join(missing...)
	})
}

// AwaitResourceReady waits until one resource is Ready and up to date.
func (n *Namespace) AwaitResourceReady(ctx context.Context, kind, name string, limit time.Duration) error {
	return n.Await(ctx, kind+" "+name+" to be Ready", limit, func(ctx context.Context) error {
		resources, err := n.Resources(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(resources, func(r Resource) bool { return r.Kind == kind && r.Name == name })
		if i < 0 {
			return errors.New("there is no such resource")
		}
		return resources[i].ready()
	})
}

func (r Resource) ready() error {
	if r.Observed != r.Generation {
		return fmt.Errorf("%s %s: generation %d was not observed yet", r.Kind, r.Name, r.Generation)
	}
	kinds := []string{v1alpha1.ConditionReady, v1alpha1.ConditionUpToDate}
	if slices.Contains([]string{"Topic", "ConsumerGroup", "User"}, r.Kind) {
		kinds = kinds[:1] // they have no pods
	}
	for _, kind := range kinds {
		if c := meta.FindStatusCondition(r.Conditions, kind); c == nil {
			return fmt.Errorf("%s %s has no condition %s", r.Kind, r.Name, kind)
		} else if c.Status != metav1.ConditionTrue {
			return fmt.Errorf("%s %s: %s=%s %s: %s", r.Kind, r.Name, c.Type, c.Status, c.Reason, c.Message)
		}
	}
	return nil
}

// AwaitCondition waits until the resource has the condition in this status, and returns it.
func (n *Namespace) AwaitCondition(ctx context.Context, kind, name, condition string, status metav1.ConditionStatus, limit time.Duration) (metav1.Condition, error) {
	var found metav1.Condition
	err := n.Await(ctx, fmt.Sprintf("%s %s to be %s=%s", kind, name, condition, status), limit, func(ctx context.Context) error {
		c, err := n.Condition(ctx, kind, name, condition)
		if err != nil {
			return err
		}
		if c == nil {
			return fmt.Errorf("it has no condition %s", condition)
		}
		if c.Status != status {
			return fmt.Errorf("it is %s=%s %s: %s", condition, c.Status, c.Reason, c.Message)
		}
		found = *c
		return nil
	})
	return found, err
}

// AwaitNoCondition waits until the resource has been reconciled and does not have the condition.
func (n *Namespace) AwaitNoCondition(ctx context.Context, kind, name, condition string, limit time.Duration) error {
	return n.Await(ctx, fmt.Sprintf("%s %s to lose condition %s", kind, name, condition), limit, func(ctx context.Context) error {
		c, err := n.Condition(ctx, kind, name, condition)
		if err != nil {
			return err
		}
		if c != nil && c.Status != metav1.ConditionFalse {
			return fmt.Errorf("it is %s=%s %s: %s", condition, c.Status, c.Reason, c.Message)
		}
		return nil
	})
}

// Condition returns a resource's condition, nil if it is absent.
func (n *Namespace) Condition(ctx context.Context, kind, name, condition string) (*metav1.Condition, error) {
	resources, err := n.Resources(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range resources {
		if r.Kind == kind && r.Name == name {
			return meta.FindStatusCondition(r.Conditions, condition), nil
		}
	}
	return nil, fmt.Errorf("%s %s does not exist", kind, name)
}
