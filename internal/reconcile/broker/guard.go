package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reconcile/pass"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/guard"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/metadata"
	"github.com/rocketmq-operator/rocketmq-operator/internal/observe"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
)

// guardTimeout bounds what one pass asks the master of one group.
const guardTimeout = 5 * time.Second

// readSaved finds what is saved of each group.
func (p *brokerPass) readSaved(ctx context.Context) (*kube.Waiting, error) {
	for _, g := range p.groups {
		var saved corev1.ConfigMap
		err := p.Client.Get(ctx, client.ObjectKey{Namespace: p.broker.Namespace, Name: desired.MetadataConfigMap(g.name)}, &saved)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("read saved metadata: %w", err)
		}
		if err == nil && metav1.IsControlledBy(&saved, p.broker) {
			g.saved = &saved
		}
	}
	return nil, nil
}

// guarded is what the guard knows a group by: nothing while it is not to be guarded.
func (p *brokerPass) guarded(g *group) (observe.Guarded, bool) {
	if !desired.MetadataGuarded(p.broker) {
		return observe.Guarded{}, false
	}
	return p.followed(g)
}

// followed is what is followed of a group: nothing while it has no master, or has no metadata of its own yet or any more.
func (p *brokerPass) followed(g *group) (observe.Guarded, bool) {
	master := p.master(g.name)
	if master == nil || master.Status.PodIP == "" || g.State == scale.Hidden || g.State == scale.Removing {
		return observe.Guarded{}, false
	}
	out := observe.Guarded{Term: string(master.UID), Master: reach.Broker(master)}
	if p.controller != nil {
		state := p.seen.SyncStates[g.name]
		if state.MasterAddr != p.address(master.Name) {
			return observe.Guarded{}, false // the name servers do not know the new one yet
		}
		out.Term = fmt.Sprintf("%s/%d", master.UID, state.MasterEpoch)
	}
	for _, slave := range p.slaves(g, master) {
		out.Slaves = append(out.Slaves, reach.Broker(slave))
	}
	return out, true
}

// slaves of a group that are ready.
func (p *brokerPass) slaves(g *group, master *corev1.Pod) (out []*corev1.Pod) {
	for _, pod := range p.podsOf(g.name) {
		if pod.Name != master.Name && pod.DeletionTimestamp == nil && pods.Ready(&pod) {
			out = append(out, &pod)
		}
	}
	return out
}

// mark of what is saved of a group, nil if nothing is.
func (g *group) mark() *metadata.Mark {
	if g.saved == nil {
		return nil
	}
	return metadata.MarkOf(g.saved.Data)
}

// guardSettled: what is saved is of the master that there is now.
func (p *brokerPass) guardSettled(g *group) bool {
	guarded, ok := p.guarded(g)
	if !ok {
		return !desired.MetadataGuarded(p.broker)
	}
	mark := g.mark()
	return mark != nil && mark.Term == guarded.Term
}

// risk is what may cost topics or consumer groups.
type risk struct{ reason, message string }

// guardMetadata keeps what each group's master knows, and gives a new master back what it lacks of it (see package guard).
func (p *brokerPass) guardMetadata(ctx context.Context) (*kube.Waiting, error) {
	var risks []risk
	for _, g := range p.groups {
		if !desired.MetadataGuarded(p.broker) {
			if err := p.forgetSaved(ctx, g); err != nil {
				return nil, err
			}
			continue
		}
		guarded, ok := p.guarded(g)
		followed, looked := p.seen.Tables[g.name]
		if !ok || !looked || followed.Term != guarded.Term {
			continue
		}
		found, waiting, err := p.guardGroup(ctx, g, guarded, followed)
		if waiting != nil || err != nil {
			return waiting, err
		}
		risks = append(risks, found...)
	}
	p.tellRisks(risks)
	return nil, nil
}

// forgetSaved deletes what would be wrong when the guard is switched on again.
func (p *brokerPass) forgetSaved(ctx context.Context, g *group) error {
	if g.saved == nil {
		return nil
	}
	if err := p.Client.Delete(ctx, g.saved); err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", g.saved.Name, err)
	}
	return nil
}

// tellRisks in one condition, whose reason is the first one that the operator works on.
func (p *brokerPass) tellRisks(risks []risk) {
	if len(risks) == 0 {
		return
	}
	urgency := []string{v1alpha1.ReasonRestoring, v1alpha1.ReasonNotSaved, v1alpha1.ReasonTooLarge, v1alpha1.ReasonSlaveBehind}
	slices.SortStableFunc(risks, func(a, b risk) int {
		return cmp.Compare(slices.Index(urgency, a.reason), slices.Index(urgency, b.reason))
	})
	var messages []string
	for _, r := range risks {
		messages = append(messages, r.message)
	}
	p.Conditions.Set(v1alpha1.ConditionMetadataAtRisk, metav1.ConditionTrue, risks[0].reason, strings.Join(messages, "; "))
	if reason := risks[0].reason; reason == v1alpha1.ReasonRestoring || reason == v1alpha1.ReasonNotSaved {
		p.LookAgain(pass.Soon) // the operator itself can end these
	}
}

func (p *brokerPass) guardGroup(ctx context.Context, g *group, guarded observe.Guarded, followed observe.Followed) ([]risk, *kube.Waiting, error) {
	ctx, cancel := context.WithTimeout(ctx, guardTimeout)
	defer cancel()
	var risks []risk
	master := p.master(g.name)
	switch guard.Next(g.mark(), guard.Seen{Mark: metadata.Mark{Term: followed.Term, Version: followed.Version}, Quiet: followed.Quiet}) {
	case guard.Save:
		tables, version, err := p.readMaster(ctx, g, guarded)
		if err != nil {
			return []risk{{v1alpha1.ReasonNotSaved, fmt.Sprintf("what %s knows could not be saved: %s", master.Name, err)}}, nil, nil
		}
		waiting, err := p.save(ctx, g, metadata.Mark{Term: guarded.Term, Version: version}, tables)
		return nil, waiting, err
	case guard.Wait:
		if followed.Shrunk {
			risks = append(risks, risk{v1alpha1.ReasonRestoring, fmt.Sprintf("%s became master of %s while it was taking over topics, and knows fewer and fewer until that is "+
				"done; what it then lacks is written back", master.Name, g.name)})
		}
	case guard.Compare:
		found, waiting, err := p.restore(ctx, g, guarded, master)
		if waiting != nil || err != nil {
			return nil, waiting, err
		}
		risks = append(risks, found...)
	case guard.Nothing:
		if g.saved.BinaryData == nil {
			risks = append(risks, risk{v1alpha1.ReasonTooLarge, fmt.Sprintf("%s has more topics and consumer groups than a ConfigMap can hold, so they are not saved: "+
				"a failover may lose some", g.name)})
		}
	}
	for _, slave := range followed.Behind {
		at := slices.IndexFunc(p.pods, func(pod corev1.Pod) bool { return reach.Broker(&pod) == slave })
		if at >= 0 {
			risks = append(risks, risk{v1alpha1.ReasonSlaveBehind, fmt.Sprintf("%s lacks topics or consumer groups of its master at every look: were it to become master, clients would "+
				"miss them until they are written back", p.pods[at].Name)})
		}
	}
	return risks, nil, nil
}

// readMaster reads a master's tables, as of the term of guarded: as a slave it would be losing them.
func (p *brokerPass) readMaster(ctx context.Context, g *group, guarded observe.Guarded) (*metadata.Tables, string, error) {
	tables, version, err := metadata.ReadNames(ctx, p.Reach.Client, p.metadataOf(guarded.Master, g.name))
	if err != nil {
		return nil, "", err
	}
	status, err := p.Reach.Client.HAStatus(ctx, guarded.Master)
	if err != nil {
		return nil, "", err
	}
	if !status.Master {
		return nil, "", errors.New("it is no longer master")
	}
	if p.controller != nil {
		states, err := p.Reach.Client.SyncStateData(ctx, p.seen.Leader, g.name)
		if err != nil {
			return nil, "", err
		}
		if now, seen := states[g.name], p.seen.SyncStates[g.name]; now.MasterEpoch != seen.MasterEpoch || now.MasterAddr != seen.MasterAddr {
			return nil, "", errors.New("another master was elected")
		}
	}
	return tables, version.String(), nil
}

func (p *brokerPass) save(ctx context.Context, g *group, mark metadata.Mark, tables *metadata.Tables) (*kube.Waiting, error) {
	data, binary, err := metadata.Encode(mark, tables)
	if err != nil {
		return nil, err
	}
	return p.Apply(ctx, desired.Metadata(p.broker, g.name, data, binary))
}

// restore writes back what a new master lacks, and saves its tables once it lacks nothing.
func (p *brokerPass) restore(ctx context.Context, g *group, guarded observe.Guarded, master *corev1.Pod) ([]risk, *kube.Waiting, error) {
	failed := func(err error) ([]risk, *kube.Waiting, error) {
		return []risk{{v1alpha1.ReasonRestoring, fmt.Sprintf("%s is the new master of %s, and what it may lack could not be written back: %s", master.Name, g.name, err)}}, nil, nil
	}
	now, version, err := p.readMaster(ctx, g, guarded)
	if err != nil {
		return failed(err)
	}
	saved := &metadata.Tables{}
	if g.saved.BinaryData != nil {
		if saved, err = metadata.Decode(g.saved.BinaryData); err != nil {
			p.Warn(g.saved, "MetadataUnreadable", "Guard", "nothing is written back to %s, the new master of %s: %s", master.Name, g.name, err)
			saved = &metadata.Tables{}
		}
	}
	lost := metadata.ForRestored(saved, now)
	if lost.Empty() {
		if len(lost.Differ) > 0 {
			p.Warn(master, "MetadataDiffers", "Guard", "%s, the new master of %s, keeps what it has otherwise than the one before: %s", master.Name, g.name, some(lost.Differ))
		}
		waiting, err := p.save(ctx, g, metadata.Mark{Term: guarded.Term, Version: version}, now)
		return nil, waiting, err
	}
	text := fmt.Sprintf("%s, the new master of %s, lacked %d of %d topics and %d of %d consumer groups", master.Name, g.name,
		len(lost.Topics), len(saved.Topics), len(lost.Groups), len(saved.Groups))
	if err := lost.Apply(ctx, p.Reach.Client, guarded.Master, now, metadata.Limits{}); err != nil {
		return failed(fmt.Errorf("%s: %w", text, err))
	}
	p.Event(master, "MetadataRestored", "Guard", "%s: they are written back", text)
	return []risk{{v1alpha1.ReasonRestoring, text + ", which were written back; it is looked at once more"}}, nil, nil
}
