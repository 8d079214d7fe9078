// Package workload is what the reconcilers of servers share: steps, owned objects, StatefulSets, pods and their
// replacement.
package workload

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

// Env is what every reconciler works with.
type Env struct {
	// Client reads from caches that hold our own objects.
	Client client.Client
	// Reader reads from the API server.
	Reader   client.Reader
	Recorder events.EventRecorder
	Cluster  desired.Cluster
	RocketMQ *admin.Client
}

// Step of a reconcile. A non-nil Waiting ends the pass: something will wake it.
type Step func(ctx context.Context) (*kube.Waiting, error)

// Run goes through the steps until one waits or fails.
func Run(ctx context.Context, steps ...Step) (*kube.Waiting, error) {
	for _, step := range steps {
		if waiting, err := step(ctx); waiting != nil || err != nil {
			return waiting, err
		}
	}
	return nil, nil
}

// Pass is one reconcile of one resource.
type Pass struct {
	*Env
	Owner      client.Object
	Conditions *kube.Conditions

	// retrying: something failed that no watch and no new answer of a server will show.
	retrying bool
	// remaking: a StatefulSet is being made anew; the next one waits.
	remaking bool
}

// Event tells the user what the operator did, or saw, to which object. Events that differ only in their text are
// counted as one, so the object matters.
func (p *Pass) Event(object client.Object, reason, action, format string, args ...any) {
	p.Recorder.Eventf(p.Owner, object, corev1.EventTypeNormal, reason, action, "%s", note(format, args...))
}

// Warn tells the user of something that did not work.
func (p *Pass) Warn(object client.Object, reason, action, format string, args ...any) {
	p.Recorder.Eventf(p.Owner, object, corev1.EventTypeWarning, reason, action, "%s", note(format, args...))
}

// Retry tells the user of something that did not work and that a pass is to try again.
func (p *Pass) Retry(object client.Object, reason, action, format string, args ...any) {
	p.retrying = true
	p.Warn(object, reason, action, format, args...)
}

// note is the text of an event. The API server refuses longer ones.
func note(format string, args ...any) string {
	const limit, more = 1024, "…" // bytes
	text := fmt.Sprintf(format, args...)
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(more)], "") + more
}

// Apply writes owned objects. A foreign object of a wanted name, or the API server's refusal, ends the pass with a
// condition that says what to do.
func (p *Pass) Apply(ctx context.Context, objects ...client.Object) (*kube.Waiting, error) {
	applier := kube.Applier{Client: p.Client, Reader: p.Reader}
	for _, object := range objects {
		_, err := applier.Apply(ctx, p.Owner, object)
		if waiting, err := p.explain(err); waiting != nil || err != nil {
			return waiting, err
		}
	}
	return nil, nil
}

// explain turns errors that the user has to mend into conditions.
func (p *Pass) explain(err error) (*kube.Waiting, error) {
	var conflict *kube.ConflictError
	switch {
	case err == nil:
		return nil, nil
	case errors.As(err, &conflict) && conflict.Legacy:
		return p.Trouble(v1alpha1.ConditionLegacyResources, "%s, which is never touched. Move its data to a resource of another "+
			"name, or delete it: kubectl delete -n %s %s %s", conflict, p.Owner.GetNamespace(), conflict.Kind, conflict.Name), nil
	case errors.As(err, &conflict):
		return p.Trouble(v1alpha1.ConditionNameConflict, "%s, and this resource needs that name. Remove the object or create "+
			"this resource under another name", conflict), nil
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
		return p.Trouble(v1alpha1.ConditionRefused, "the API server refused an object: %s", err), nil
	default:
		return nil, err
	}
}

// Trouble raises a condition that stops the resource.
func (p *Pass) Trouble(condition, format string, args ...any) *kube.Waiting {
	p.Conditions.Raise(condition, format, args...)
	return kube.Wait(condition, format, args...)
}

// ApplyStatefulSet writes a StatefulSet and returns it as it then is. The pod template of a live one is kept while
// the user's hash is the same, or while hold says that its turn has not come; its claims cannot change, but see
// growVolumes.
func (p *Pass) ApplyStatefulSet(ctx context.Context, set *appsv1.StatefulSet, hold bool) (*kube.Waiting, error) {
	var live appsv1.StatefulSet
	err := p.Client.Get(ctx, client.ObjectKeyFromObject(set), &live)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read StatefulSet %s: %w", set.Name, err)
	}
	exists := err == nil
	wanted, claims := Hash(set), set.Spec.VolumeClaimTemplates
	if exists && live.DeletionTimestamp != nil {
		set.Spec.Template = live.Spec.Template
		p.remaking = true
		return nil, nil // its end wakes the next pass, which makes it anew
	}
	if exists {
		if hold || Hash(&live) == wanted {
			set.Spec.Template = live.Spec.Template
		}
		set.Spec.VolumeClaimTemplates = live.Spec.VolumeClaimTemplates
	}
	applier := kube.Applier{Client: p.Client, Reader: p.Reader}
	wrote, err := applier.Apply(ctx, p.Owner, set)
	if waiting, err := p.explain(err); waiting != nil || err != nil {
		return waiting, err
	}
	switch {
	case !exists && wrote:
		p.Event(set, "Created", "Create", "created StatefulSet %s with %s", set.Name, count(*set.Spec.Replicas, "pod", "pods"))
	case exists && Hash(&live) != Hash(set):
		p.Event(set, "Updated", "Update", "StatefulSet %s has the new spec; its pods follow one at a time", set.Name)
	case exists && *live.Spec.Replicas != *set.Spec.Replicas:
		p.Event(set, "Scaled", "Scale", "StatefulSet %s goes from %d to %s", set.Name, *live.Spec.Replicas, count(*set.Spec.Replicas, "pod", "pods"))
	}
	if exists {
		return nil, p.growVolumes(ctx, &live, set, claims, !hold && Hash(&live) == wanted)
	}
	return nil, nil
}

// Hash of what the user can change, from a StatefulSet's template.
func Hash(set *appsv1.StatefulSet) string {
	return set.Spec.Template.Annotations[desired.AnnotationHash]
}

const (
	// unseenInterval is how soon a pass is repeated whose obstacle no watch sees.
	unseenInterval = 15 * time.Second
	// rolloutInterval is how soon a rollout looks again: it waits for an answer that is younger than the last pod, and
	// an answer that says the same as before wakes nobody.
	rolloutInterval = 2 * time.Second
	// copyInterval is how soon a copy of metadata goes on that a pass does only a part of.
	copyInterval = 100 * time.Millisecond
)

// unseen reports whether what is waited for is invisible to our watches: somebody else's object, another Broker, a
// refusal, which the StatefulSet controller tells by an event while the pods are not there.
func unseen(reason string) bool {
	switch reason {
	case v1alpha1.ConditionNameConflict, v1alpha1.ConditionLegacyResources, v1alpha1.ConditionRefused,
		v1alpha1.ConditionBrokerNameConflict, v1alpha1.ReasonMembersNotReady, v1alpha1.ConditionNoMaster:
		return true
	}
	return false
}

// mends reports whether the operator can end that reason of MetadataAtRisk itself.
func mends(reason string) bool {
	return reason == v1alpha1.ReasonRestoring || reason == v1alpha1.ReasonNotSaved
}

// again is when the pass is to be repeated, unless something wakes it before; 0 for not at all.
func (p *Pass) again(waiting *kube.Waiting) time.Duration {
	switch {
	case p.Conditions.Raised(v1alpha1.ConditionUpToDate) && p.Conditions.Reason(v1alpha1.ConditionUpToDate) == v1alpha1.ReasonReplacingPods:
		return rolloutInterval
	case p.Conditions.Raised(v1alpha1.ConditionMetadataCopy) && p.Conditions.Reason(v1alpha1.ConditionMetadataCopy) == v1alpha1.ReasonCopying:
		return copyInterval
	case p.Conditions.Raised(v1alpha1.ConditionMetadataCopy), p.Conditions.Raised(v1alpha1.ConditionDraining),
		p.Conditions.Raised(v1alpha1.ConditionMetadataAtRisk) && mends(p.Conditions.Reason(v1alpha1.ConditionMetadataAtRisk)):
		return rolloutInterval
	case p.retrying, waiting != nil && unseen(waiting.Reason), p.Conditions.Raised(v1alpha1.ConditionVolumeExpansion):
		return unseenInterval
	}
	return 0
}

// Finish ends a pass: Ready says what came out, troubles that are over go, and the status is written if it differs.
// A pass that failed keeps what it did not get to look at.
func (p *Pass) Finish(ctx context.Context, before client.Object, generation *int64, waiting *kube.Waiting, failure error) (ctrl.Result, error) {
	switch {
	case failure != nil:
		// The error is retried and logged; what was known stays.
	case waiting != nil:
		status := metav1.ConditionFalse
		if waiting.Reason == v1alpha1.ReasonUnreachable {
			status = metav1.ConditionUnknown
		}
		p.Conditions.Set(v1alpha1.ConditionReady, status, waiting.Reason, waiting.Message)
		p.Conditions.Settle()
		*generation = p.Owner.GetGeneration()
	default:
		p.Conditions.Set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady, "every member serves")
		p.Conditions.Settle()
		*generation = p.Owner.GetGeneration()
	}
	err := kube.PatchStatus(ctx, p.Client, before, p.Owner)
	if apierrors.IsConflict(err) {
		err = nil // this pass read an old copy; the newer one is on its way and wakes the next
	}
	if err = errors.Join(failure, err); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: p.again(waiting)}, nil
}
