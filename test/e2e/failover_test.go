// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	// seenLimit is how soon after an election the operator knows of it.
	seenLimit = 5 * time.Second
	// toldLimit is when status, label and event say so, on a machine that has other things to do.
	toldLimit = 10 * time.Second
)

// What happens to one group of a master and a slave: its volumes grow, the controllers elect another master, a disk is
// lost, the master's pod is deleted. A user is promised that every change of master is told within five seconds, that
// growing volumes disturb nobody, and that what is done in order loses no message.
func failover(t *testing.T, w *world) {
	ctx := t.Context()
	c := small(w.namespace(t, "failover", kit.Restricted))
	ok(t, c.Apply(ctx, manifest(t, "small.yaml")))
	ok(t, c.AwaitReady(ctx, smallLimit))
	c.Log.Printf("Ready")
	for _, part := range []struct {
		name string
		tell func(*testing.T, *world, *kit.Installation)
	}{
		{"VolumesGrow", volumesGrow},
		{"Election", election},
		{"DiskLost", diskLost},
		{"MasterDeleted", masterDeleted},
	} {
		t.Run(part.name, func(t *testing.T) {
			here := *c
			here.Namespace = in(t, c.Namespace)
			part.tell(t, w, &here)
		})
	}
}

// volumesGrow: a larger size in the spec reaches every volume, and nobody is restarted or hidden.
func volumesGrow(t *testing.T, _ *world, c *kit.Installation) {
	ctx := t.Context()
	before, err := c.Lives(ctx)
	ok(t, err)
	sets := map[string]types.UID{}
	for _, name := range []string{c.Controller, c.Group(0)} {
		sets[name] = statefulSet(t, c, name).UID
	}
	v := meanwhile(t, c, kit.LedgerOptions{Topic: "growing"}, func() {
		time.Sleep(5 * time.Second)
		ok(t, c.Apply(ctx, manifest(t, "small.yaml"), "storage: {size: 1Gi}", "storage: {size: 2Gi}"))
		began := time.Now()
		ok(t, c.Await(ctx, "every volume to have 2Gi", time.Minute, func(ctx context.Context) error {
			var claims corev1.PersistentVolumeClaimList
			if err := c.Client.List(ctx, &claims, client.InNamespace(c.Name)); err != nil {
				return err
			}
			for i := range claims.Items {
				if has := claims.Items[i].Status.Capacity[corev1.ResourceStorage]; has.String() != "2Gi" {
					return fmt.Errorf("%s has %s", claims.Items[i].Name, &has)
				}
			}
			return nil
		}))
		c.Log.Printf("every volume has 2Gi after %.1f s", time.Since(began).Seconds())
		ok(t, c.Await(ctx, "the StatefulSets to say so", time.Minute, func(ctx context.Context) error {
			for name, uid := range sets {
				set := &appsv1.StatefulSet{}
				if err := c.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: name}, set); err != nil {
					return err
				}
				size := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage]
				if set.UID == uid || size.String() != "2Gi" || set.Status.ReadyReplicas != *set.Spec.Replicas {
					return fmt.Errorf("%s makes volumes of %s, and %d of its pods are ready", name, &size, set.Status.ReadyReplicas)
				}
			}
			return nil
		}))
		c.Log.Printf("the StatefulSets say so after %.1f s", time.Since(began).Seconds())
		ok(t, c.AwaitNoCondition(ctx, "Broker", c.Broker, v1alpha1.ConditionVolumeExpansion, time.Minute))
	})
	undisturbed(t, c, v)
	ok(t, c.AwaitReady(ctx, time.Minute))
	after, err := c.Lives(ctx)
	ok(t, err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("pods were restarted (-before +after):\n%s", diff)
	}
}

func statefulSet(t *testing.T, c *kit.Installation, name string) *appsv1.StatefulSet {
	t.Helper()
	set := &appsv1.StatefulSet{}
	ok(t, c.Client.Get(t.Context(), client.ObjectKey{Namespace: c.Name, Name: name}, set))
	return set
}

// election: the controllers make another member master, and no pod tells of it.
func election(t *testing.T, _ *world, c *kit.Installation) {
	ctx := t.Context()
	awaitInSync(t, c)
	time.Sleep(15 * time.Second) // for the operator to look at leisure
	before, err := c.Master(ctx, 0)
	ok(t, err)
	state := awaitInSync(t, c)
	i := slices.IndexFunc(state.InSync, func(r admin.Replica) bool { return r.ID != state.MasterID })
	_, err = c.Admin.ElectMaster(ctx, controllerOf(c), admin.ElectMasterRequest{ClusterName: c.Broker, BrokerName: c.Group(0), BrokerID: state.InSync[i].ID})
	ok(t, err)
	began := time.Now()
	_, err = c.AwaitNewMaster(ctx, 0, before, time.Minute)
	ok(t, err)
	c.Log.Printf("a name server shows the new master %.1f s after the request", time.Since(began).Seconds())
	awaitSeen(t, c, before, other(c, before))
	awaitInSync(t, c)
	c.Log.Printf("both are in sync %.1f s after the request", time.Since(began).Seconds())
	ok(t, c.AwaitReady(ctx, time.Minute))
}

// diskLost: a member comes back on an empty disk, as a new one, and the controllers forget the old.
func diskLost(t *testing.T, _ *world, c *kit.Installation) {
	ctx := t.Context()
	master, err := c.Master(ctx, 0)
	ok(t, err)
	slave := other(c, master)
	pod, err := c.Pod(ctx, slave)
	ok(t, err)
	before := awaitInSync(t, c)
	claim := loseDisk(t, c, slave)
	ok(t, c.AwaitPodReady(ctx, slave, pod.UID, 2*time.Minute))
	var after admin.SyncState
	ok(t, c.Await(ctx, "the controllers to know the new member only", 2*time.Minute, func(ctx context.Context) error {
		states, err := c.Admin.SyncStateData(ctx, controllerOf(c), c.Group(0))
		if err != nil {
			return err
		}
		after = states[c.Group(0)]
		if len(after.InSync) != 2 || len(after.NotInSync) != 0 {
			return fmt.Errorf("in sync %+v, not in sync %+v", after.InSync, after.NotInSync)
		}
		return nil
	}))
	c.Log.Printf("before %+v, after %+v", before.InSync, after.InSync)
	if slices.ContainsFunc(after.InSync, func(r admin.Replica) bool {
		return strings.HasPrefix(r.Addr, slave+".") && slices.Contains(ids(before), r.ID)
	}) {
		t.Errorf("%s came back with its old id: was its disk lost?", slave)
	}
	now := &corev1.PersistentVolumeClaim{}
	ok(t, c.Client.Get(ctx, client.ObjectKeyFromObject(claim), now))
	if size := now.Status.Capacity[corev1.ResourceStorage]; now.UID == claim.UID || size.String() != "2Gi" {
		t.Errorf("its volume has %s, and is a new one: %t", &size, now.UID != claim.UID)
	}
	ok(t, c.Await(ctx, "that to be told", time.Minute, func(ctx context.Context) error { return eventSays(ctx, c, "RecordCleaned", c.Group(0)) }))
	ok(t, c.AwaitReady(ctx, time.Minute))
}

// loseDisk deletes a member's volume, and the pod that holds it.
func loseDisk(t *testing.T, c *kit.Installation, pod string) *corev1.PersistentVolumeClaim {
	t.Helper()
	claim := &corev1.PersistentVolumeClaim{}
	ok(t, c.Client.Get(t.Context(), client.ObjectKey{Namespace: c.Name, Name: "data-" + pod}, claim))
	c.Log.Printf("deleting the volume and the pod of %s", pod)
	ok(t, c.Client.Delete(t.Context(), claim))
	ok(t, c.DeletePod(t.Context(), pod, false))
	return claim
}

// masterDeleted: kubectl delete pod, where no other group can take the messages meanwhile.
func masterDeleted(t *testing.T, _ *world, c *kit.Installation) {
	ctx := t.Context()
	before, err := c.Master(ctx, 0)
	ok(t, err)
	pod, err := c.Pod(ctx, before)
	ok(t, err)
	during(t, c, kit.LedgerOptions{Topic: "deleting", Poll: time.Second}, func() {
		time.Sleep(5 * time.Second)
		c.Log.Printf("kubectl delete pod %s", before)
		ok(t, c.DeletePod(ctx, before, false))
		_, err := c.AwaitNewMaster(ctx, 0, before, time.Minute)
		ok(t, err)
		awaitSeen(t, c, before, other(c, before))
		ok(t, c.AwaitPodReady(ctx, before, pod.UID, 2*time.Minute))
	})
	ok(t, c.AwaitReady(ctx, time.Minute))
}

// other member of the only group.
func other(c *kit.Installation, pod string) string {
	if pod == c.Member(0, 0) {
		return c.Member(0, 1)
	}
	return c.Member(0, 0)
}

func controllerOf(c *kit.Installation) string { return c.Controllers(1)[0] + "." + c.Name + ":9878" }

func ids(state admin.SyncState) []int64 {
	var out []int64
	for _, r := range slices.Concat(state.InSync, state.NotInSync) {
		out = append(out, r.ID)
	}
	return out
}

// awaitInSync waits until the controllers say that both members are in sync.
func awaitInSync(t *testing.T, c *kit.Installation) admin.SyncState {
	t.Helper()
	var state admin.SyncState
	ok(t, c.Await(t.Context(), "both members to be in sync", 2*time.Minute, func(ctx context.Context) error {
		states, err := c.Admin.SyncStateData(ctx, controllerOf(c), c.Group(0))
		if err != nil {
			return err
		}
		if state = states[c.Group(0)]; len(state.InSync) != 2 || state.MasterID == 0 {
			return fmt.Errorf("in sync are %+v, the master is %d", state.InSync, state.MasterID)
		}
		return nil
	}))
	return state
}

// eventSays is an error unless an event of that reason holds the text.
func eventSays(ctx context.Context, c *kit.Installation, reason, text string) error {
	list, err := c.Set.EventsV1().Events(c.Name).List(ctx, metav1.ListOptions{FieldSelector: "reason=" + reason})
	if err != nil {
		return err
	}
	var notes []string
	for _, e := range list.Items {
		if strings.Contains(e.Note, text) {
			return nil
		}
		notes = append(notes, e.Note)
	}
	return fmt.Errorf("no event %s says %q, only %q", reason, text, notes)
}

// awaitSeen expects that status, label and an event tell of a master soon after a name server has shown it.
func awaitSeen(t *testing.T, c *kit.Installation, before, master string) {
	t.Helper()
	shown := time.Now()
	ok(t, c.Await(t.Context(), master+" to be told as master", time.Minute, func(ctx context.Context) error {
		now, err := c.Master(ctx, 0)
		if err != nil {
			return err
		}
		pod, err := c.Pod(ctx, master)
		if err != nil {
			return err
		}
		if now != master || pod.Labels[kit.RoleLabel] != string(v1alpha1.RoleMaster) {
			return fmt.Errorf("the status names %s, and the label of %s is %q", now, master, pod.Labels[kit.RoleLabel])
		}
		return eventSays(ctx, c, "MasterChanged", fmt.Sprintf("%s is master of %s after %s", master, c.Group(0), before))
	}))
	took := time.Since(shown)
	b, err := c.Status(t.Context())
	ok(t, err)
	seen := b.Status.Groups[0].MasterSince.Sub(shown)
	c.Log.Printf("the operator saw %s as master %.1f s after a name server showed it; status, label and event told of it after %.1f s", master, seen.Seconds(), took.Seconds())
	if seen > seenLimit || took > toldLimit {
		t.Errorf("%s was seen after %s and told after %s, want %s and %s at most", master, seen, took, seenLimit, toldLimit)
	}
}
