// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// resourceIn reads a resource of any kind.
func resourceIn(t *testing.T, text string) v1alpha1.Resource {
	t.Helper()
	var kind struct{ Kind string }
	if err := yaml.Unmarshal([]byte(text), &kind); err != nil {
		t.Fatal(err)
	}
	for _, k := range v1alpha1.Kinds() {
		if k.Name == kind.Kind {
			r := k.New()
			if err := yaml.UnmarshalStrict([]byte(text), r); err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
	t.Fatalf("no such kind %q", kind.Kind)
	return nil
}

// TestNetworkPolicies compares the policy of each kind.
func TestNetworkPolicies(t *testing.T) {
	compareGolden(t, "testdata/networkpolicy", func(t *testing.T, text string) []byte {
		t.Helper()
		policy, wanted, err := installation().NetworkPolicy(resourceIn(t, text))
		if err != nil || !wanted {
			t.Fatalf("wanted %v, error %v", wanted, err)
		}
		return document(t, policy)
	})
}

// TestNetworkPolicyIsDisabled: nobody gets a policy who does not ask for one, or for authentication.
func TestNetworkPolicyIsDisabled(t *testing.T) {
	for spec, want := range map[string]bool{
		"{}": false, "{auth: {enabled: false}}": false, "{auth: {enabled: true}}": true, "{networkPolicy: Enabled}": true,
		"{auth: {enabled: true}, networkPolicy: Disabled}": false,
	} {
		for _, kind := range []string{"Broker", "Proxy"} {
			_, wanted, err := installation().NetworkPolicy(resourceIn(t, "{kind: "+kind+", metadata: {name: x, namespace: mq}, spec: "+spec+"}"))
			if err != nil || wanted != want {
				t.Errorf("%s %s: %t (%v), want %t", kind, spec, wanted, err, want)
			}
		}
	}
}

// someone is a pod that would like to connect.
type someone struct {
	namespace string
	labels    labels.Set
}

// reaches says which of the ports a pod may connect to, as Kubernetes reads a policy of namespace mq.
func (s someone) reaches(policy *networkingv1.NetworkPolicy) []int32 {
	selects := func(selector *metav1.LabelSelector, of labels.Set) bool {
		parsed, err := metav1.LabelSelectorAsSelector(selector)
		return err == nil && parsed.Matches(of)
	}
	var out []int32
	for _, rule := range policy.Spec.Ingress {
		if len(rule.From) > 0 && !slices.ContainsFunc(rule.From, func(peer networkingv1.NetworkPolicyPeer) bool {
			there := s.namespace == "mq"
			if peer.NamespaceSelector != nil {
				there = selects(peer.NamespaceSelector, labels.Set{"kubernetes.io/metadata.name": s.namespace})
			}
			return peer.IPBlock == nil && there && (peer.PodSelector == nil || selects(peer.PodSelector, s.labels))
		}) {
			continue
		}
		for _, port := range rule.Ports {
			out = append(out, port.Port.IntVal)
		}
	}
	slices.Sort(out)
	return out
}

// Who reaches what, of the pods of a cluster whose client is the pod web.
func TestWhoReachesWhat(t *testing.T) {
	pod := func(namespace string, obj v1alpha1.Resource, component Component) someone {
		return someone{namespace, Labels(obj, component)}
	}
	const header = "metadata: {name: it, namespace: mq, annotations: {rocketmq.apache.org/allow-from: friends}}\n" +
		"spec: {networkPolicy: Enabled, allowedClients: [{podSelector: {matchLabels: {app: web}}}]}\nkind: "
	servers := []string{"NameService", "Controller", "Broker", "Proxy", "Console", "Exporter", "SchemaRegistry"}
	other := &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	it := &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Name: "it"}}
	for who, test := range map[string]struct {
		someone
		// reaches are the ports of each of the servers.
		reaches [][]int32
	}{
		"a stranger":               {someone{"mq", labels.Set{"app": "none"}}, [][]int32{{}, {}, {}, {}, {}, {}, {}}},
		"a client elsewhere":       {someone{"bank", labels.Set{"app": "web"}}, [][]int32{{}, {}, {}, {}, {}, {}, {}}},
		"a broker of strangers":    {pod("bank", other, Broker), [][]int32{{}, {}, {}, {}, {}, {}, {}}},
		"an operator's impostor":   {someone{"bank", labels.Set{LabelName: "rocketmq-operator"}}, [][]int32{{}, {}, {}, {}, {}, {}, {}}},
		"a client":                 {someone{"mq", labels.Set{"app": "web"}}, [][]int32{{9876}, {9878}, {10909, 10911}, {8080, 8081}, {8082}, {5557}, {8080}}},
		"the operator":             {someone{"rocketmq-operator-system", labels.Set{LabelName: "rocketmq-operator"}}, [][]int32{{9876}, {9878}, {9873, 10909, 10911}, {}, {}, {}, {}}},
		"Prometheus":               {someone{"monitoring", labels.Set{LabelName: "prometheus"}}, [][]int32{{}, {5557}, {5557}, {5557}, {}, {5557}, {}}},
		"a broker":                 {pod("mq", it, Broker), [][]int32{{9876}, {9878}, {9873, 10909, 10911, 10912}, {}, {}, {}, {}}},
		"a broker of another pool": {pod("mq", other, Broker), [][]int32{{9876}, {9878}, {10909, 10911}, {}, {}, {}, {}}},
		"a broker of friends":      {pod("friends", other, Broker), [][]int32{{9876}, {9878}, {10909, 10911}, {}, {}, {}, {}}},
		"a controller":             {pod("mq", it, Controller), [][]int32{{9876}, {9878}, {10909, 10911}, {}, {}, {}, {}}},
		"a name server":            {pod("mq", it, NameServer), [][]int32{{9876}, {}, {10909, 10911}, {}, {}, {}, {}}},
		"a proxy":                  {pod("mq", it, Proxy), [][]int32{{9876}, {}, {10909, 10911}, {}, {}, {}, {}}},
		"a dashboard":              {pod("mq", it, Console), [][]int32{{9876}, {}, {10909, 10911}, {8080, 8081}, {}, {}, {}}},
	} {
		t.Run(who, func(t *testing.T) {
			for i, kind := range servers {
				policy, _, err := installation().NetworkPolicy(resourceIn(t, header+kind))
				if err != nil {
					t.Fatal(err)
				}
				got := append([]int32{}, test.someone.reaches(policy)...)
				if !slices.Equal(got, test.reaches[i]) {
					t.Errorf("of a %s: ports %v, want %v", kind, got, test.reaches[i])
				}
			}
		})
	}
}

func TestNetworkPolicyIsWantedOnlyIfEnabled(t *testing.T) {
	for mode, want := range map[string]bool{"": false, "networkPolicy: Disabled": false, "networkPolicy: Enabled": true} {
		r := resourceIn(t, "{kind: Broker, metadata: {name: b, namespace: mq}, spec: {"+mode+"}}")
		policy, wanted, err := installation().NetworkPolicy(r)
		if err != nil || wanted != want || policy.Name != "b-broker" {
			t.Errorf("%q: %s is wanted: %v (%v)", mode, policy.Name, wanted, err)
		}
	}
}

func TestAnOperatorThatKnowsNoNamespaceOfItsOwnLocksItselfOut(t *testing.T) {
	r := resourceIn(t, "{kind: Broker, metadata: {name: b, namespace: mq}, spec: {networkPolicy: Enabled}}")
	if _, _, err := (Installation{}).NetworkPolicy(r); err == nil || !strings.Contains(err.Error(), "POD_NAMESPACE") {
		t.Errorf("error %v", err)
	}
	r.(*v1alpha1.Broker).Spec.NetworkPolicy = ""
	if _, wanted, err := (Installation{}).NetworkPolicy(r); wanted || err != nil {
		t.Errorf("without a policy: %v, %v", wanted, err)
	}
}

func TestNoPolicyHoldsInANodesNetwork(t *testing.T) {
	for text, want := range map[string]bool{
		"{kind: Broker, spec: {hostNetwork: true}}": true, "{kind: NameService, spec: {hostNetwork: true}}": true,
		"{kind: Broker}": false, "{kind: Proxy}": false,
	} {
		if got := WithoutPolicy(resourceIn(t, text)); (got != "") != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// TestEveryPart: a kind that runs in pods says who may connect to them, and which image they have.
func TestEveryPart(t *testing.T) {
	in := Installation{Domain: "cluster.local", OperatorNamespace: "op"}
	for _, kind := range v1alpha1.Kinds() {
		if !kind.Part {
			continue
		}
		r := kind.New()
		r.SetName("x")
		r.SetNamespace("mq")
		if _, _, err := in.NetworkPolicy(r); err != nil {
			t.Errorf("%s: %v: give it a case in allowed", kind.Name, err)
		}
		if image := Image(r); image == "" && kind.Name != "SchemaRegistry" { // of which there is no official one
			t.Errorf("%s has no image: give it a case in defaultImage", kind.Name)
		}
	}
}
