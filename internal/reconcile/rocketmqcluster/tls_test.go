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
)

// tlsWorld is a cluster with controllers, two pools and proxies, of two pods each, that follow what they are asked to be in their own time.
type tlsWorld struct {
	cluster *v1alpha1.RocketMQCluster
	live    map[string]v1alpha1.Resource
	// pods are what they do: the place in TLSModes, of proxies 1 for TLS to servers and 0 for plain text.
	pods map[string][]int
	// serving is the mode of the spec that each pod was made from: proxies serve clients by it.
	serving map[string][]v1alpha1.TLSMode
}

func newTLSWorld(settings *v1alpha1.TLSSettings, own *v1alpha1.TLSSettings) *tlsWorld {
	c := &v1alpha1.RocketMQCluster{ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: "mq"}}
	c.Spec = v1alpha1.RocketMQClusterSpec{
		Controllers: &v1alpha1.ClusterControllers{}, Brokers: []v1alpha1.BrokerPool{{}, {Name: "hot"}}, Proxy: &v1alpha1.ClusterProxy{TLS: own}, TLS: settings,
	}
	return &tlsWorld{cluster: c, live: map[string]v1alpha1.Resource{}, pods: map[string][]int{}, serving: map[string][]v1alpha1.TLSMode{}}
}

// asked is what the pods of a part are to do, by what its reconciler sees.
func (w *tlsWorld) asked(live v1alpha1.Resource) int {
	if _, is := live.(*v1alpha1.Proxy); !is {
		return slices.Index(v1alpha1.TLSModes(), (*tlsOf(live)).Wanted())
	}
	if w.live["NameService c-ns"].(*v1alpha1.NameService).Status.TLS.Does().AmongServers() {
		return 1
	}
	return 0
}

// pass of the cluster's reconciler, and of those of its parts.
func (w *tlsWorld) pass() {
	parts := partsOf(w.cluster, w.live)
	stageTLS(w.cluster.Spec.TLS.Wanted(), parts)
	for _, p := range parts {
		if p.live == nil {
			w.live[p.String()] = p.Object
			continue
		}
		if has, wanted := tlsOf(p.live), *tlsOf(p.Object); (*has).Wanted() != wanted.Wanted() {
			*has = wanted
			p.live.SetGeneration(p.live.GetGeneration() + 1)
		}
	}
}

// see is the pass of a part's reconciler.
func (w *tlsWorld) see(name string) {
	live := w.live[name]
	asked := w.asked(live)
	serving := (*tlsOf(live)).Wanted()
	if w.pods[name] == nil {
		w.pods[name], w.serving[name] = []int{asked, asked}, []v1alpha1.TLSMode{serving, serving}
	}
	upToDate := metav1.Condition{Type: v1alpha1.ConditionUpToDate, Status: metav1.ConditionFalse, ObservedGeneration: live.GetGeneration()}
	if slices.Equal(w.pods[name], []int{asked, asked}) && slices.Equal(w.serving[name], []v1alpha1.TLSMode{serving, serving}) {
		upToDate.Status = metav1.ConditionTrue
	}
	live.Common().ObservedGeneration = live.GetGeneration()
	meta.SetStatusCondition(&live.Common().Conditions, upToDate)
	status := &v1alpha1.TLSStatus{Mode: serving}
	switch live := live.(type) {
	case *v1alpha1.NameService:
		live.Status.TLS = status
	case *v1alpha1.Controller:
		live.Status.TLS = status
	case *v1alpha1.Broker:
		live.Status.TLS = status
	case *v1alpha1.Proxy:
		live.Status.ServersTLS = asked == 1
	}
}

// check that all understand each other.
func (w *tlsWorld) check() error {
	lowest, highest := 3, 0
	for name, live := range w.live {
		if isServer(live) {
			for _, pod := range w.pods[name] {
				lowest, highest = min(lowest, pod), max(highest, pod)
			}
		}
	}
	proxies := w.pods["Proxy c-proxy"]
	switch {
	case highest-lowest > 1:
		return fmt.Errorf("servers do not understand each other: %v", w.pods)
	case slices.Contains(proxies, 1) && lowest < 1:
		return fmt.Errorf("proxies speak TLS to servers that do not: %v", w.pods)
	case slices.Contains(proxies, 0) && highest > 2:
		return fmt.Errorf("proxies speak plain text to servers that refuse it: %v", w.pods)
	}
	return nil
}

// TestTLSIsStaged: whatever is asked for meanwhile, and however long pods take, all always understand each other, and at last do what is
// asked for.
func TestTLSIsStaged(t *testing.T) {
	settings := []*v1alpha1.TLSSettings{nil}
	for _, mode := range []v1alpha1.TLSMode{"", v1alpha1.TLSOffered, v1alpha1.TLSPermissive, v1alpha1.TLSEnforcing} {
		settings = append(settings, &v1alpha1.TLSSettings{SecretName: "s", Mode: mode})
	}
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 0))
		own := []*v1alpha1.TLSSettings{nil, {SecretName: "public"}}[random.IntN(2)]
		w := newTLSWorld(settings[random.IntN(len(settings))], own)
		w.pass()
		names := []string{"NameService c-ns", "Controller c-ctl", "Broker c-broker", "Broker c-broker-hot", "Proxy c-proxy"}
		for _, name := range names {
			w.see(name)
		}
		for step := range 1000 {
			if step < 300 && random.IntN(20) == 0 {
				w.cluster.Spec.TLS = settings[random.IntN(len(settings))]
			}
			switch name := names[random.IntN(len(names))]; random.IntN(3) {
			case 0:
				w.pass()
			case 1:
				w.see(name)
			default: // a pod is replaced
				i := random.IntN(2)
				if w.live[name].Common().ObservedGeneration == w.live[name].GetGeneration() {
					w.pods[name][i], w.serving[name][i] = w.asked(w.live[name]), (*tlsOf(w.live[name])).Wanted()
				}
			}
			if err := w.check(); err != nil {
				t.Fatalf("seed %d, step %d, on the way to %s: %v", seed, step, w.cluster.Spec.TLS.Wanted(), err)
			}
		}
		wanted := slices.Index(v1alpha1.TLSModes(), w.cluster.Spec.TLS.Wanted())
		for _, name := range names {
			want := wanted
			if name == "Proxy c-proxy" {
				want = wanted / 2 // from Permissive on
			}
			if !slices.Equal(w.pods[name], []int{want, want}) {
				t.Errorf("seed %d: %s is %v in the end, want %d", seed, name, w.pods[name], want)
			}
		}
	}
}
