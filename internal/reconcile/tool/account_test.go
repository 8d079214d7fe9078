// SPDX-License-Identifier: Apache-2.0

package tool

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

func TestAccount(t *testing.T) {
	t.Parallel()
	broker := func(namespace, name, secret string, hour int) *v1alpha1.Broker {
		return &v1alpha1.Broker{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.NewTime(time.Unix(0, 0).Add(time.Duration(hour) * time.Hour))},
			Status:     v1alpha1.BrokerStatus{Auth: &v1alpha1.AuthStatus{Mode: v1alpha1.AuthEnforcing, SecretName: secret}},
		}
	}
	for name, test := range map[string]struct {
		secured []*v1alpha1.Broker
		open    bool
		secret  string
		says    string
	}{
		"nobody asks for credentials":   {},
		"nor of an open dashboard":      {open: true},
		"a Broker":                      {secured: []*v1alpha1.Broker{broker("mq", "a", "s", 1)}, secret: "s"},
		"pools of one cluster":          {secured: []*v1alpha1.Broker{broker("mq", "a", "s", 1), broker("mq", "b", "s", 1)}, secret: "s"},
		"an open dashboard":             {secured: []*v1alpha1.Broker{broker("mq", "a", "s", 1)}, open: true, says: "set spec.login; or if its login is up to you, name the Secret s"},
		"a later Broker":                {secured: []*v1alpha1.Broker{broker("mq", "a", "new", 2), broker("mq", "z", "old", 1)}, secret: "old", says: "which Broker mq/a does not have (its own are in Secret new)"},
		"a Broker elsewhere":            {secured: []*v1alpha1.Broker{broker("far", "a", "s", 1)}, says: "Secret s is in namespace far, where pods of this one cannot mount it: copy its keys proxy-username and proxy-password"},
		"Brokers here and elsewhere":    {secured: []*v1alpha1.Broker{broker("far", "a", "s", 1), broker("mq", "b", "s", 2)}, secret: "s", says: "which Broker far/a does not have"},
		"an open dashboard between two": {secured: []*v1alpha1.Broker{broker("far", "a", "s", 1), broker("mq", "b", "t", 2)}, open: true, says: "Broker b has users"},
	} {
		secret, why := account(test.secured, "mq", test.open)
		if secret != test.secret || !strings.Contains(why, test.says) || (why == "") != (test.says == "") {
			t.Errorf("%s: Secret %q, %q", name, secret, why)
		}
	}
}
