// SPDX-License-Identifier: Apache-2.0

package rocketmqcluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

// authWorld is a cluster with two pools and proxies. Their pods follow what they are asked to be in their own time.
type authWorld struct {
	cluster *v1alpha1.RocketMQCluster
	live    map[string]v1alpha1.Resource
	// does is what all pods of a part do about credentials, "" while some do what they did before.
	does map[string]v1alpha1.AuthMode
}

func newAuthWorld(auth *v1alpha1.AuthSettings) *authWorld {
	c := &v1alpha1.RocketMQCluster{ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: "mq"}}
	c.Spec = v1alpha1.RocketMQClusterSpec{Proxy: &v1alpha1.ClusterProxy{}, Brokers: []v1alpha1.BrokerPool{{}, {Name: "hot"}}, Auth: auth}
	return &authWorld{cluster: c, live: map[string]v1alpha1.Resource{}, does: map[string]v1alpha1.AuthMode{}}
}

// partsOf a cluster, of which there are these.
func partsOf(c *v1alpha1.RocketMQCluster, live map[string]v1alpha1.Resource) (parts []*part) {
	for _, wanted := range desired.Parts(c) {
		p := &part{Part: wanted}
		if found := live[p.String()]; found != nil {
			p.live, p.seen = found, stateOf(found)
		}
		parts = append(parts, p)
	}
	return parts
}

func authOf(r v1alpha1.Resource) **v1alpha1.AuthSettings {
	switch r := r.(type) {
	case *v1alpha1.Broker:
		return &r.Spec.Auth
	case *v1alpha1.Proxy:
		return &r.Spec.Auth
	}
	return nil
}

// pass of the cluster's reconciler. It reports whether it changed anything.
func (w *authWorld) pass() (changed bool) {
	parts := partsOf(w.cluster, w.live)
	stageAuth(w.cluster.Spec.Auth.Wanted(), parts)
	for _, p := range parts {
		wanted := authOf(p.Object)
		if wanted == nil {
			continue
		}
		if p.live == nil {
			w.live[p.String()] = p.Object
			w.follow(p.String())
			changed = true
		} else if has := authOf(p.live); (*has).Wanted() != (*wanted).Wanted() {
			*has, w.does[p.String()], changed = *wanted, "", true
			meta.SetStatusCondition(&p.live.Common().Conditions, metav1.Condition{Type: v1alpha1.ConditionUpToDate, Status: metav1.ConditionFalse})
		}
	}
	return changed
}

// follow lets the last pod of a part be replaced.
func (w *authWorld) follow(name string) {
	live := w.live[name]
	w.does[name] = (*authOf(live)).Wanted()
	meta.SetStatusCondition(&live.Common().Conditions, metav1.Condition{Type: v1alpha1.ConditionUpToDate, Status: metav1.ConditionTrue})
	if b, is := live.(*v1alpha1.Broker); is {
		b.Status.Auth = nil
		if w.does[name] != v1alpha1.AuthDisabled {
			b.Status.Auth = &v1alpha1.AuthStatus{Mode: w.does[name]}
		}
	}
}

// check that a client with credentials is refused by nobody.
func (w *authWorld) check() error {
	const off, enforcing = v1alpha1.AuthDisabled, v1alpha1.AuthEnforcing
	for name, live := range w.live {
		proxy, is := live.(*v1alpha1.Proxy)
		if !is {
			continue
		}
		asks := proxy.Spec.Auth.Enforced() || w.does[name] != off // some of its pods
		signs := w.does[name] == enforcing                        // all of them
		for other, live := range w.live {
			b, is := live.(*v1alpha1.Broker)
			if !is {
				continue
			}
			without := b.Spec.Auth.Wanted() == off || w.does[other] == off
			enforced := b.Spec.Auth.Enforced() || w.does[other] == enforcing
			if asks && without {
				return fmt.Errorf("proxies ask %s for users that it does not have", other)
			}
			if enforced && !signs {
				return fmt.Errorf("%s refuses proxies that do not sign", other)
			}
		}
	}
	return nil
}

// TestAuthIsStaged: whatever is asked for meanwhile, and however long pods take, no step makes a server refuse another one or what a
// client with credentials asks through a proxy, and at last all do what is asked for.
func TestAuthIsStaged(t *testing.T) {
	settings := []*v1alpha1.AuthSettings{
		nil, {}, {Enabled: true, Mode: v1alpha1.AuthPermissive}, {Enabled: true}, {Enabled: true, Mode: v1alpha1.AuthEnforcing},
	}
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 0))
		w := newAuthWorld(settings[random.IntN(len(settings))])
		for n := 0; w.pass(); n++ {
			if n > 3 {
				t.Fatalf("seed %d: %v %v", seed, w.does, w.cluster.Spec.Auth)
			}
		}
		for step := range 60 {
			if step < 40 && random.IntN(10) == 0 {
				w.cluster.Spec.Auth = settings[random.IntN(len(settings))]
			}
			var behind []string
			for name := range w.live {
				if w.does[name] == "" {
					behind = append(behind, name)
				}
			}
			if slices.Sort(behind); len(behind) > 0 {
				w.follow(behind[random.IntN(len(behind))])
			}
			w.pass()
			if err := w.check(); err != nil {
				t.Fatalf("seed %d, step %d, on the way to %s: %v", seed, step, w.cluster.Spec.Auth.Wanted(), err)
			}
		}
		wanted := w.cluster.Spec.Auth.Wanted()
		for name, live := range w.live {
			want := wanted
			if _, is := live.(*v1alpha1.Proxy); is && wanted == v1alpha1.AuthPermissive {
				want = v1alpha1.AuthDisabled
			}
			if w.does[name] != want {
				t.Errorf("seed %d: %s is %q in the end, want %s", seed, name, w.does[name], want)
			}
		}
	}
}
