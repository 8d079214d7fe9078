// SPDX-License-Identifier: Apache-2.0

package topictransfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"
	"github.com/rocketmq-operator/rocketmq-operator/internal/transfer"
)

// cluster is where one of both answers.
type cluster struct {
	// broker is nil if it was not found.
	broker *v1alpha1.Broker
	// client for its brokers, which may ask for credentials.
	client *admin.Client
	// masters by brokerName, "" for a group without; slaves that run.
	masters map[string]string
	slaves  map[string][]string
	// unsettled are the groups with a new master, which may lack topics and consumer groups until the metadata guard has
	// given them back.
	unsettled   map[string]bool
	nameServers []string
}

// find both clusters and what else stands in the way.
func (p *transferPass) find(ctx context.Context) error {
	p.seen = transfer.Seen{Now: time.Now(), Deleting: p.transfer.DeletionTimestamp != nil}
	if p.transfer.Status.Phase == "" {
		return nil // the first thing is to say that it is known
	}
	begun := p.transfer.Status.Phase != v1alpha1.TransferPending
	for _, side := range []struct {
		name     string
		found    *cluster
		seen     *transfer.Cluster
		ref      *v1alpha1.ObjectReference
		cluster  string
		recorded *v1alpha1.TransferCluster
	}{
		{"source", &p.source, &p.seen.Source, p.transfer.Spec.SourceRef, p.transfer.Spec.SourceCluster, p.transfer.Status.Source},
		{"target", &p.target, &p.seen.Target, p.transfer.Spec.TargetRef, p.transfer.Spec.TargetCluster, p.transfer.Status.Target},
	} {
		var err error
		if begun {
			err = p.findRecorded(ctx, side.recorded, side.found, side.seen)
		} else {
			err = p.findWanted(ctx, side.name, side.ref, side.cluster, side.found, side.seen)
		}
		if err == nil && side.found.broker != nil {
			err = p.signIn(ctx, side.found, side.seen)
		}
		if err == nil && side.found.broker != nil {
			err = p.findServers(ctx, side.found)
		}
		if err == nil && side.name == "source" && side.found.broker != nil {
			err = p.findUnsettled(ctx, side.found)
		}
		if err != nil {
			return err
		}
	}
	if begun {
		return nil
	}
	return p.findOthers(ctx)
}

func (p *transferPass) findRecorded(ctx context.Context, recorded *v1alpha1.TransferCluster, found *cluster, seen *transfer.Cluster) error {
	var b v1alpha1.Broker
	err := p.Client.Get(ctx, client.ObjectKey{Namespace: recorded.Namespace, Name: recorded.Name}, &b)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read Broker %s/%s: %w", recorded.Namespace, recorded.Name, err)
	}
	seen.Name, seen.Namespace, seen.Cluster = recorded.Name, recorded.Namespace, recorded.Cluster
	if apierrors.IsNotFound(err) || b.DeletionTimestamp != nil {
		seen.Gone = true
		seen.Obstacle = &transfer.Obstacle{Reason: v1alpha1.ReasonMissingCluster, Message: fmt.Sprintf("Broker %s/%s does not exist any more", recorded.Namespace, recorded.Name)}
		return nil
	}
	if !pass.Allowed(&b, p.transfer.Namespace) {
		seen.Obstacle = &transfer.Obstacle{Reason: v1alpha1.ConditionNotAllowed, Message: pass.NotAllowed("Broker", &b, p.transfer.Namespace)}
		return nil
	}
	found.broker = &b
	return nil
}

func (p *transferPass) findWanted(ctx context.Context, side string, ref *v1alpha1.ObjectReference, name string, found *cluster, seen *transfer.Cluster) error {
	missing := func(reason, format string, args ...any) {
		seen.Obstacle = &transfer.Obstacle{Reason: reason, Message: fmt.Sprintf(format, args...)}
	}
	namespace := p.transfer.Namespace
	if ref != nil && ref.Namespace != "" {
		namespace = ref.Namespace
	}
	var list v1alpha1.BrokerList
	if err := p.Client.List(ctx, &list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list Brokers: %w", err)
	}
	fits := slices.DeleteFunc(list.Items, func(b v1alpha1.Broker) bool {
		return b.DeletionTimestamp != nil || (ref != nil && b.Name != ref.Name) || (name != "" && desired.ClusterName(&b) != name)
	})
	switch {
	case len(fits) == 1 && !pass.Allowed(&fits[0], p.transfer.Namespace):
		missing(v1alpha1.ConditionNotAllowed, "spec.%sRef: %s", side, pass.NotAllowed("Broker", &fits[0], p.transfer.Namespace))
	case len(fits) == 1:
		found.broker = fits[0].DeepCopy()
		seen.Name, seen.Namespace, seen.Cluster = fits[0].Name, fits[0].Namespace, desired.ClusterName(&fits[0])
	case len(fits) > 1:
		var names []string
		for _, b := range fits {
			names = append(names, b.Name)
		}
		missing(v1alpha1.ReasonAmbiguousCluster, "Brokers %s of namespace %s all make up cluster %s: name one in spec.%sRef", strings.Join(names, ", "), namespace, name, side)
	case ref != nil && name != "":
		missing(v1alpha1.ReasonMissingCluster, "there is no Broker %s in namespace %s that makes up cluster %s: correct spec.%sRef or spec.%sCluster", ref.Name, namespace, name, side, side)
	case ref != nil:
		missing(v1alpha1.ReasonMissingCluster, "there is no Broker %s in namespace %s: correct spec.%sRef", ref.Name, namespace, side)
	default:
		missing(v1alpha1.ReasonMissingCluster, "no Broker in namespace %s makes up cluster %s: correct spec.%sCluster, or name a Broker of another namespace in spec.%sRef", namespace, name, side, side)
	}
	return nil
}

// signIn finds out with which credentials brokers are asked. Those without cannot be.
func (p *transferPass) signIn(ctx context.Context, found *cluster, seen *transfer.Cluster) error {
	var err error
	found.client, err = p.Reach.For(ctx, found.broker)
	if lacks := new(reach.CredentialsError); errors.As(err, &lacks) {
		seen.Obstacle = &transfer.Obstacle{Reason: v1alpha1.ConditionMissingCredentials, Message: fmt.Sprintf("Broker %s: %s", found.broker.Name, lacks)}
		found.broker = nil
		return nil
	}
	return err
}

// findServers: the members of each group, and the name servers.
func (p *transferPass) findServers(ctx context.Context, found *cluster) error {
	var err error
	if found.masters, err = p.Reach.Masters(ctx, found.broker); err != nil {
		return err
	}
	if found.slaves, err = p.Reach.Slaves(ctx, found.broker); err != nil {
		return err
	}
	found.nameServers, err = p.Reach.NameServers(ctx, found.broker.Status.NameServiceRef, desired.ExternalNameServers(found.broker))
	return err
}

// findUnsettled: what is saved of a group is not of its present master.
func (p *transferPass) findUnsettled(ctx context.Context, found *cluster) error {
	b := found.broker
	found.unsettled = map[string]bool{}
	if !desired.MetadataGuarded(b) {
		return nil
	}
	for _, group := range b.Status.Groups {
		if group.Master == "" || len(group.Members) == 0 {
			continue
		}
		var saved corev1.ConfigMap
		err := p.Client.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: desired.MetadataConfigMap(group.Name)}, &saved)
		if apierrors.IsNotFound(err) || (err == nil && !metav1.IsControlledBy(&saved, b)) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read what is saved of %s: %w", group.Name, err)
		}
		var master corev1.Pod
		err = p.Client.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: group.Master}, &master)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("read pod %s: %w", group.Master, err)
		}
		found.unsettled[group.Name] = err == nil && !metadata.MarkOf(saved.Data).Of(string(master.UID))
	}
	return nil
}

// findOthers: two transfers of one topic go one after the other.
func (p *transferPass) findOthers(ctx context.Context) error {
	var list v1alpha1.TopicTransferList
	if err := p.Client.List(ctx, &list, client.MatchingFields{indexTopic: p.transfer.Spec.Topic}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list TopicTransfers: %w", err)
	}
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID == p.transfer.UID || other.Spec.Topic != p.transfer.Spec.Topic || transfer.Finished(other.Status.Phase) || !goesFirst(other, p.transfer) || !p.meets(other) {
			continue
		}
		p.seen.Obstacle = &transfer.Obstacle{Reason: v1alpha1.ReasonAnotherTransfer, Message: fmt.Sprintf("TopicTransfer %s/%s moves topic %s, and goes first",
			other.Namespace, other.Name, other.Spec.Topic)}
		return nil
	}
	return nil
}

// meets reports whether another transfer has a cluster in common.
func (p *transferPass) meets(other *v1alpha1.TopicTransfer) bool {
	for _, theirs := range []*v1alpha1.TransferCluster{other.Status.Source, other.Status.Target} {
		for _, ours := range []transfer.Cluster{p.seen.Source, p.seen.Target} {
			if theirs != nil && theirs.Name == ours.Name && theirs.Namespace == ours.Namespace {
				return true
			}
		}
	}
	// One that was not looked at yet may.
	return other.Status.Source == nil && other.Status.Target == nil && other.Status.Phase == ""
}

// goesFirst: the one that has begun, or the older one. Times are whole seconds, so that the name may have to decide.
func goesFirst(a, b *v1alpha1.TopicTransfer) bool {
	begun := func(t *v1alpha1.TopicTransfer) bool {
		return t.Status.Phase != "" && t.Status.Phase != v1alpha1.TransferPending
	}
	switch {
	case begun(a) != begun(b):
		return begun(a)
	case a.CreationTimestamp.Equal(&b.CreationTimestamp):
		return a.Namespace+"/"+a.Name < b.Namespace+"/"+b.Name
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}
