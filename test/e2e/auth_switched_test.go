// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// authMode is how secured.yaml says what servers do about credentials.
var authMode = map[v1alpha1.AuthMode]string{
	v1alpha1.AuthDisabled:   "auth: {enabled: false}",
	v1alpha1.AuthPermissive: "auth: {enabled: true, mode: Permissive}",
	v1alpha1.AuthEnforcing:  "auth: {enabled: true}",
}

// switchAuth of a cluster that runs, one pod after the other, and waits until all do what is asked for.
func switchAuth(t *testing.T, c *kit.Installation, mode v1alpha1.AuthMode) {
	t.Helper()
	ctx := t.Context()
	began := time.Now()
	ok(t, c.Apply(ctx, manifest(t, "secured.yaml"), authMode[v1alpha1.AuthEnforcing], authMode[mode]))
	awaitMode(t, c, mode, 6*time.Minute, func(b *v1alpha1.Broker) (does, asked v1alpha1.AuthMode) {
		does = v1alpha1.AuthDisabled
		if b.Status.Auth != nil {
			does = b.Status.Auth.Mode
		}
		return does, b.Spec.Auth.Wanted()
	})
	if mode == v1alpha1.AuthDisabled { // users are on the disks, and nobody keeps them
		ok(t, c.AwaitResourceReady(ctx, "RocketMQCluster", "shop", 2*time.Minute))
		_, err := c.AwaitCondition(ctx, "User", securedUser, v1alpha1.ConditionInvalidSpec, metav1.ConditionTrue, time.Minute)
		ok(t, err)
	} else {
		ok(t, c.AwaitReady(ctx, 2*time.Minute))
	}
	c.Log.Printf("every server is %s after %.0f s", mode, time.Since(began).Seconds())

	want := error(nil)
	if mode == v1alpha1.AuthEnforcing {
		want = remoting.ErrNotAuthenticated
	}
	for _, broker := range brokersOf(c) {
		if _, _, err := c.Admin.Topics(ctx, broker); !errors.Is(err, want) {
			t.Errorf("somebody without credentials asks %s for its topics: %v, want %v", broker, err, want)
		}
	}
}

// securedSwitched: everybody is let in again and shut out once more, and whoever has credentials notices nothing.
func securedSwitched(t *testing.T, c *kit.Installation) {
	switchAuth(t, c, v1alpha1.AuthPermissive)
	switchAuth(t, c, v1alpha1.AuthEnforcing)
}

// admitted expects that no message was lost, and that nobody refused the producer because of its credentials. The only group's master
// refuses sends for a moment when another one takes over.
func admitted(t *testing.T, v *kit.Verdict) {
	t.Helper()
	if v.Acked == 0 || v.Lost != 0 || v.Refused != 0 {
		t.Errorf("of %d acknowledged messages %d were lost, and %d sends were refused because of their credentials; the last error: %s",
			v.Acked, v.Lost, v.Refused, v.LastSendError)
	}
}
