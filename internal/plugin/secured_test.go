// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// secured makes the brokers ask for credentials.
func (w *world) secured() *v1alpha1.Broker {
	w.t.Helper()
	b := object[*v1alpha1.Broker](w, "quickstart")
	b.Spec.Auth = &v1alpha1.AuthSettings{Enabled: true}
	w.servers.answering = func(pod string, request remoting.Request) (fakemq.Answer, bool) {
		unsigned := request.Fields["AccessKey"] != "rocketmq-operator" || request.Fields["Signature"] == ""
		return fakemq.Answer{Code: remoting.NoPermission, Remark: "username cannot be null."}, unsigned && !strings.Contains(pod, "-ns-")
	}
	return b
}

// TestSecured: brokers with authentication are asked as the operator, by those who may read its Secret.
func TestSecured(t *testing.T) {
	w := newWorld(t)
	b := w.secured()
	w.masters(remoting.GetAllTopicConfig, topicTable(""))
	for _, pod := range []string{"quickstart-0-0", "quickstart-0-1", "quickstart-1-0", "quickstart-1-1"} {
		w.answer(pod, remoting.GetBrokerRuntimeInfo, figures("1200.3"))
		w.answer(pod, remoting.GetBrokerConfig, "brokerName=quickstart")
	}
	commands := [][]string{{"topics"}, {"clusters"}, {"brokers", "config", "get", "quickstart-0-0"}}
	for _, command := range commands {
		w.fails([]string{`Secret "quickstart-auth" with the operator's credentials does not exist`, "kubectl rocketmq status quickstart"}, command...)
	}

	w.add(desired.NewBrokerAuthSecret(b, func() string { return "p" }))
	for _, command := range commands {
		if out, err := w.run(command...); err != nil {
			t.Errorf("%v: %v\n%s", command, err, out)
		}
	}

	w.intercept.Get = func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
		if _, secret := into.(*corev1.Secret); secret {
			return apierrors.NewForbidden(corev1.Resource("secrets"), key.Name, nil)
		}
		return c.Get(ctx, key, into, options...)
	}
	for _, command := range commands {
		w.fails([]string{"the brokers of Broker quickstart ask for credentials", "--resource-name=quickstart-auth"}, command...)
	}
}
