// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// helmLimit is how long Helm waits for what it installs and removes.
const helmLimit = "--timeout=4m"

// nextTag is the image of the build that is upgraded to.
const nextTag = "next"

// helmed is a cluster of the chart rocketmq-cluster beside an operator of the chart rocketmq-operator.
type helmed struct {
	*kit.Installation
	place *kit.Place
}

// A team installs operator and cluster by Helm. It upgrades the operator under load, goes back, takes it away and brings it
// again: RocketMQ restarts nothing and loses nothing. At last all goes, the kinds too.
func installedByHelm(t *testing.T, w *world) {
	ctx := t.Context()
	if w.found {
		t.Skip("an operator was here before, which is not to be replaced")
	}
	n := w.namespace(t, "helm", kit.Restricted)
	h := helmed{n.InstallationOfCluster("mq"), w.place}
	ok(t, w.place.LoadOperator(ctx, nextTag))
	ok(t, w.place.RemoveOperator(ctx))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
		defer cancel()
		_, _ = w.place.Helm(ctx, "uninstall", kit.OperatorName, "--namespace", kit.OperatorNamespace, "--wait") // is there if a step failed
		if _, err := w.place.InstallOperator(ctx, w.cluster); err != nil {
			t.Errorf("the other stories have no operator: %v", err)
		}
	})

	h.refusedBesideThePredecessor(t)
	h.installOperator(t)
	h.helm(t, "install", "mq", "charts/rocketmq-cluster", "--namespace", n.Name, "--values", "test/e2e/testdata/helm.yaml")
	ok(t, n.AwaitReady(ctx, smallLimit))
	show(t, w, n)
	lives, err := n.Lives(ctx)
	ok(t, err)

	during(t, h.Installation, kit.LedgerOptions{Topic: "helm"}, func() {
		h.helm(t, "upgrade", kit.OperatorName, "charts/rocketmq-operator", "--namespace", kit.OperatorNamespace,
			"--reuse-values", "--set", "image.tag="+nextTag, "--wait", helmLimit)
		h.newPodsHaveAgent(t, nextTag)
		h.helm(t, "rollback", kit.OperatorName, "--namespace", kit.OperatorNamespace, "--wait", helmLimit)
		h.newPodsHaveAgent(t, "dev")
		h.uninstallOperator(t)
		h.kindsExist(t, true)
		h.installOperator(t)
		ok(t, n.AwaitReady(ctx, time.Minute))
	})
	now, err := n.Lives(ctx)
	ok(t, err)
	if diff := cmp.Diff(lives, now); diff != "" {
		t.Errorf("pods of RocketMQ were restarted or replaced (-before +after):\n%s", diff)
	}

	h.helm(t, "uninstall", "mq", "--namespace", n.Name, "--wait", helmLimit)
	h.helm(t, "upgrade", kit.OperatorName, "charts/rocketmq-operator", "--namespace", kit.OperatorNamespace,
		"--reuse-values", "--set", "crds.keep=false", "--wait", helmLimit)
	h.uninstallOperator(t)
	h.kindsExist(t, false)
}

func (h helmed) helm(t *testing.T, args ...string) {
	t.Helper()
	h.Log.Printf("helm %s", strings.Join(args, " "))
	_, err := h.place.Helm(t.Context(), args...)
	ok(t, err)
}

func (h helmed) installOperator(t *testing.T) {
	t.Helper()
	h.helm(t, "install", kit.OperatorName, "charts/rocketmq-operator", "--namespace", kit.OperatorNamespace, "--create-namespace",
		"--wait", helmLimit)
}

func (h helmed) uninstallOperator(t *testing.T) {
	t.Helper()
	h.helm(t, "uninstall", kit.OperatorName, "--namespace", kit.OperatorNamespace, "--wait", helmLimit)
}

// refusedBesideThePredecessor: two operators would write to the same resources.
func (h helmed) refusedBesideThePredecessor(t *testing.T) {
	t.Helper()
	labels := map[string]string{"name": "rocketmq-operator"}
	predecessor := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: h.Name, Name: "rocketmq-operator"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "manager", Image: "apache/rocketmq-operator:0.3.0"}}},
			},
		},
	}
	ok(t, h.Client.Create(t.Context(), predecessor))
	_, err := h.place.Helm(t.Context(), "install", kit.OperatorName, "charts/rocketmq-operator", "--namespace", kit.OperatorNamespace, "--create-namespace")
	if err == nil || !strings.Contains(err.Error(), "scale deployment rocketmq-operator --replicas=0") {
		t.Errorf("installed beside the predecessor: %v", err)
	}
	ok(t, h.Client.Delete(t.Context(), predecessor))
}

// newPodsHaveAgent: what is made now gets the agent of the operator that runs, whose image was given in one place only.
func (h helmed) newPodsHaveAgent(t *testing.T, tag string) {
	t.Helper()
	ctx, name := t.Context(), "new-"+tag
	ok(t, h.Apply(ctx, "{apiVersion: rocketmq.apache.org/v1alpha1, kind: NameService, metadata: {name: "+name+"}}"))
	ok(t, h.Await(ctx, "name servers with the agent "+tag, time.Minute, func(ctx context.Context) error {
		var set appsv1.StatefulSet
		if err := h.Client.Get(ctx, client.ObjectKey{Namespace: h.Name, Name: name}, &set); err != nil {
			return err
		}
		for _, c := range set.Spec.Template.Spec.InitContainers {
			if strings.HasSuffix(c.Image, "/rocketmq-operator:"+tag) {
				return nil
			}
		}
		return fmt.Errorf("the init containers are %v", set.Spec.Template.Spec.InitContainers)
	}))
	ok(t, h.Client.Delete(ctx, &v1alpha1.NameService{ObjectMeta: metav1.ObjectMeta{Namespace: h.Name, Name: name}}))
}

func (h helmed) kindsExist(t *testing.T, want bool) {
	t.Helper()
	ok(t, h.Await(t.Context(), fmt.Sprintf("the kinds to exist: %t", want), time.Minute, func(ctx context.Context) error {
		_, err := h.place.Kubectl(ctx, "get", "crd", "brokers.rocketmq.apache.org")
		switch {
		case want:
			return err
		case err == nil:
			return errors.New("they do")
		case strings.Contains(err.Error(), "NotFound"):
			return nil
		}
		return err
	}))
}
