// SPDX-License-Identifier: Apache-2.0

package rocketmqcluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

const (
	older = "apache/rocketmq:5.4.0"
	newer = "apache/rocketmq:5.5.0"
)

// whole is a cluster with a part of each kind of server, all of them well with the older version, that is asked to run
// an image.
func whole(image string) []*part {
	c := &v1alpha1.RocketMQCluster{ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: "mq"}}
	c.Spec = v1alpha1.RocketMQClusterSpec{Image: image, Controllers: &v1alpha1.ClusterControllers{}, Proxy: &v1alpha1.ClusterProxy{},
		Brokers: []v1alpha1.BrokerPool{{}, {Name: "hot"}}, Console: &v1alpha1.ClusterConsole{}}
	var parts []*part
	for _, wanted := range desired.Parts(c) {
		p := &part{Part: wanted, live: wanted.Object}
		p.seen = state{image: older, members: "1/1", conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady},
			{Type: v1alpha1.ConditionUpToDate, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonUpToDate},
		}}
		if *p.Image == "" {
			p.seen.image = v1alpha1.DefaultConsoleImage
		}
		parts = append(parts, p)
	}
	return parts
}

func (p *part) set(condition string, reason string) {
	for i := range p.seen.conditions {
		if p.seen.conditions[i].Type == condition {
			p.seen.conditions[i].Status, p.seen.conditions[i].Reason, p.seen.conditions[i].Message = metav1.ConditionFalse, reason, "some reason"
		}
	}
}

// images that the parts are to run now, "old new …": one that waits keeps its own.
func images(parts []*part) string {
	var out []string
	for _, p := range parts {
		image := *p.Image
		if p.waits != nil {
			image = p.seen.image
		}
		switch image {
		case older:
			out = append(out, "old")
		case newer:
			out = append(out, "new")
		default:
			out = append(out, "-")
		}
	}
	return strings.Join(out, " ")
}

// TestHoldParts: name servers, controllers, one pool after the other, proxies; each waits until all before it are well
// with the new version.
func TestHoldParts(t *testing.T) {
	follow := func(parts []*part, n int) { // the first n run what they are asked to
		for _, p := range parts[:n] {
			p.seen.image = *p.Image
		}
	}
	for _, test := range []struct {
		name, image, want string
		now               func(parts []*part)
	}{
		{"nothing to do", older, "old old old old old -", func([]*part) {}},
		{"the name servers begin", newer, "new old old old old -", func([]*part) {}},
		{"their pods follow", newer, "new old old old old -", func(p []*part) { follow(p, 1); p[0].set(v1alpha1.ConditionUpToDate, v1alpha1.ReasonReplacingPods) }},
		{"they are not ready", newer, "new old old old old -", func(p []*part) { follow(p, 1); p[0].set(v1alpha1.ConditionReady, v1alpha1.ReasonMembersNotReady) }},
		{"their reconciler has not looked yet", newer, "new old old old old -", func(p []*part) { follow(p, 1); p[0].live.SetGeneration(2) }},
		{"the controllers are next", newer, "new new old old old -", func(p []*part) { follow(p, 1) }},
		{"a broker is down: the controllers go on", newer, "new new old old old -", func(p []*part) { follow(p, 1); p[2].set(v1alpha1.ConditionReady, v1alpha1.ConditionNoMaster) }},
		{"then the first pool", newer, "new new new old old -", func(p []*part) { follow(p, 2) }},
		{"then the second", newer, "new new new new old -", func(p []*part) { follow(p, 3) }},
		{"which has no master", newer, "new new new new old -", func(p []*part) { follow(p, 4); p[3].set(v1alpha1.ConditionReady, v1alpha1.ConditionNoMaster) }},
		{"then the proxies", newer, "new new new new new -", func(p []*part) { follow(p, 4) }},
		{"a part that does not exist waits for nobody", newer, "new old old new old -", func(p []*part) { p[3].live = nil }},
		{"a refused part keeps those after it", newer, "new new old old old -", func(p []*part) { follow(p, 2); p[1].refuse(v1alpha1.ConditionRefused, "no") }},
		{"back: the name servers first, whatever the controllers do", older, "old new old old old -", func(p []*part) {
			p[0].seen.image, p[1].seen.image = newer, newer
			p[1].set(v1alpha1.ConditionReady, v1alpha1.ReasonMembersNotReady)
		}},
		{"back: then the controllers, which cannot start", older, "old old old old old -", func(p []*part) {
			p[1].seen.image = newer
			p[1].set(v1alpha1.ConditionReady, v1alpha1.ReasonMembersNotReady)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			parts := whole(test.image)
			test.now(parts)
			holdParts(parts)
			if got := images(parts); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// TestSum reads as a user sees it.
func TestSum(t *testing.T) {
	parts := whole(newer)
	parts[0].seen.image = newer
	parts[1].wrote = true
	parts[2].set(v1alpha1.ConditionReady, v1alpha1.ConditionNoMaster)
	parts[3].live, parts[3].seen = nil, state{}
	holdParts(parts)
	for condition, want := range map[string]string{
		v1alpha1.ConditionReady: "False NoMaster: Broker c-broker: NoMaster: some reason; Broker c-broker-hot: Creating: it is being created",
		v1alpha1.ConditionUpToDate: "False Updating: Controller c-ctl: Updating: its status is not yet about its newest spec; " +
			"Broker c-broker: Updating: it goes from apache/rocketmq:5.4.0 to apache/rocketmq:5.5.0 after Controller c-ctl; " +
			"Broker c-broker-hot: Creating: it is being created; " +
			"Proxy c-proxy: Updating: it goes from apache/rocketmq:5.4.0 to apache/rocketmq:5.5.0 after Controller c-ctl",
	} {
		c := sum(parts, condition, "good")
		if diff := cmp.Diff(want, fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", condition, diff)
		}
	}
	if c := sum(whole(older), v1alpha1.ConditionReady, "good"); c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonReady || c.Message != "good" {
		t.Errorf("%+v", c)
	}

	unknown := whole(older)
	unknown[2].seen.conditions[0].Status, unknown[2].seen.conditions[0].Reason = metav1.ConditionUnknown, v1alpha1.ReasonUnreachable
	if c := sum(unknown, v1alpha1.ConditionReady, ""); c.Status != metav1.ConditionUnknown || c.Reason != v1alpha1.ReasonUnreachable {
		t.Errorf("%+v", c)
	}
	unknown[4].set(v1alpha1.ConditionReady, v1alpha1.ReasonMembersNotReady)
	if c := sum(unknown, v1alpha1.ConditionReady, ""); c.Status != metav1.ConditionFalse {
		t.Errorf("%+v", c)
	}

	refused := whole(older)
	refused[2].refuse(v1alpha1.ConditionRefused, "the API server refused it: too small")
	if c := sum(refused, v1alpha1.ConditionReady, ""); c.Status != metav1.ConditionTrue {
		t.Errorf("what runs goes on when a change is refused: %+v", c)
	}
	if c := sum(refused, v1alpha1.ConditionUpToDate, ""); c.Reason != v1alpha1.ConditionRefused || !strings.Contains(c.Message, "too small") {
		t.Errorf("%+v", c)
	}
	refused[2].live = nil
	if c := sum(refused, v1alpha1.ConditionReady, ""); c.Reason != v1alpha1.ConditionRefused {
		t.Errorf("%+v", c)
	}
}

// TestTroubles: those of one kind are told together, by part.
func TestTroubles(t *testing.T) {
	parts := whole(older)
	for _, i := range []int{2, 3} {
		parts[i].seen.conditions = append(parts[i].seen.conditions,
			metav1.Condition{Type: v1alpha1.ConditionKnownDefect, Status: metav1.ConditionTrue, Reason: v1alpha1.ConditionKnownDefect, Message: "bad"})
	}
	parts[3].seen.conditions = append(parts[3].seen.conditions,
		metav1.Condition{Type: v1alpha1.ConditionMetadataCopy, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonCopying, Message: "5 of 10"})
	parts[5].refuse(v1alpha1.ConditionRefused, "no")
	var got []string
	for _, c := range troubles(parts) {
		got = append(got, fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message))
	}
	want := []string{
		"KnownDefect=True KnownDefect: Broker c-broker: bad; Broker c-broker-hot: bad",
		"MetadataCopy=False Copying: Broker c-broker-hot: 5 of 10",
		"Refused=True Refused: Console c-console: no",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("troubles (-want +got):\n%s", diff)
	}
	if troubles(whole(older)) != nil {
		t.Error("a cluster without trouble has some")
	}
}

func TestPhase(t *testing.T) {
	yes, no := metav1.Condition{Status: metav1.ConditionTrue}, metav1.Condition{Status: metav1.ConditionFalse}
	for _, test := range []struct {
		ready, upToDate   metav1.Condition
		refused, complete bool
		want              v1alpha1.ClusterPhase
	}{
		{no, no, false, false, v1alpha1.PhaseCreating},
		{no, yes, false, false, v1alpha1.PhaseCreating},
		{no, no, true, false, v1alpha1.PhaseDegraded},
		{yes, yes, false, false, v1alpha1.PhaseRunning},
		{yes, yes, false, true, v1alpha1.PhaseRunning},
		{yes, no, false, true, v1alpha1.PhaseUpdating},
		{no, no, false, true, v1alpha1.PhaseUpdating},
		{no, yes, false, true, v1alpha1.PhaseDegraded},
		{yes, no, true, true, v1alpha1.PhaseDegraded},
	} {
		if got := phase(test.ready, test.upToDate, test.refused, test.complete); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

// TestExplain: what the user has to mend is told with the way out; all else is an error to be tried again.
func TestExplain(t *testing.T) {
	c := &v1alpha1.RocketMQCluster{ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: "mq"}}
	broker := schema.GroupKind{Group: "rocketmq.apache.org", Kind: "Broker"}
	for _, test := range []struct {
		err             error
		condition, says string
	}{
		{&kube.ConflictError{Kind: "Broker", Name: "c-broker", Free: true}, v1alpha1.ConditionNameConflict,
			"kubectl annotate -n mq Broker.rocketmq.apache.org c-broker rocketmq.apache.org/adopt=c"},
		{&kube.ConflictError{Kind: "Broker", Name: "c-broker", Holder: "RocketMQCluster d"}, v1alpha1.ConditionNameConflict, "belongs to RocketMQCluster d"},
		{apierrors.NewInvalid(broker, "c-broker", nil), v1alpha1.ConditionRefused, "c-broker"},
		{apierrors.NewForbidden(schema.GroupResource{}, "c-broker", errors.New("quota")), v1alpha1.ConditionRefused, "quota"},
		{apierrors.NewInternalError(errors.New("etcd")), "", ""},
		{errors.New("connection refused"), "", ""},
	} {
		p := whole(older)[2]
		if got := p.explain(c, fmt.Errorf("apply: %w", test.err)); got != (test.condition != "") {
			t.Errorf("%v: explained %t", test.err, got)
		}
		switch {
		case test.condition == "" && p.refused != nil:
			t.Errorf("%v: %+v", test.err, p.refused)
		case test.condition != "" && (p.refused.Type != test.condition || !strings.Contains(p.refused.Message, test.says)):
			t.Errorf("%v: %+v", test.err, p.refused)
		}
	}
}

func TestConsoleURL(t *testing.T) {
	console := &v1alpha1.Console{}
	for _, test := range []struct {
		address string
		ingress *v1alpha1.IngressSettings
		want    string
	}{
		{"", nil, ""},
		{"c-console.mq.svc:8082", nil, "http://c-console.mq.svc:8082"},
		{"c-console.mq.svc:8082", &v1alpha1.IngressSettings{Host: "mq.example.org"}, "http://mq.example.org"},
		{"", &v1alpha1.IngressSettings{Host: "mq.example.org", TLSSecretName: "web"}, "https://mq.example.org"},
	} {
		console.Status.Address, console.Spec.Ingress = test.address, test.ingress
		if got := consoleURL(console); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
	}
}

func TestTag(t *testing.T) {
	for image, want := range map[string]string{
		"apache/rocketmq:5.4.0": "5.4.0", "localhost:5000/mq:a": "a", "mq@sha256:1": "mq@sha256:1", "mq:1@sha256:1": "1", "localhost:5000/mq": "localhost:5000/mq",
	} {
		if got := tag(image); got != want {
			t.Errorf("%s: %s, want %s", image, got, want)
		}
	}
}
