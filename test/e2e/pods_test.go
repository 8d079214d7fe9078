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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// podsDoNotCome: whatever keeps Kubernetes from running a pod, the resource says what it is, and what to do.
func podsDoNotCome(t *testing.T, n *kit.Namespace) {
	const kind = "{apiVersion: rocketmq.apache.org/v1alpha1, kind: NameService, metadata: {name: %s}, spec: {size: 1, %s}}"
	webhook := `{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: ` + n.Name + `}, webhooks: [{
		name: away.example.com, sideEffects: None, admissionReviewVersions: [v1], failurePolicy: Fail, timeoutSeconds: 2,
		clientConfig: {service: {namespace: ` + n.Name + `, name: away}}, rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}],
		namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ` + n.Name + `}}}]}`
	for _, c := range []struct {
		name, spec, around, reason string
		says                       []string
	}{
		{
			"secret", "env: [{name: A, valueFrom: {secretKeyRef: {name: gone, key: k}}}]", "",
			v1alpha1.ReasonMembersNotReady, []string{"secret-0 cannot start", `secret "gone" not found`},
		},
		{
			"volume", "podTemplate: {spec: {volumes: [{name: x, configMap: {name: gone}}], containers: [{name: rocketmq, volumeMounts: [{name: x, mountPath: /x}]}]}}", "",
			v1alpha1.ReasonMembersNotReady, []string{"volume-0 cannot start yet", `configmap "gone" not found`},
		},
		{
			"resources", "resources: {requests: {memory: 900Gi}}", "",
			v1alpha1.ReasonMembersNotReady, []string{"resources-0 cannot start", "Insufficient memory"},
		},
		{
			"capability", "containerSecurityContext: {capabilities: {add: [NET_ADMIN]}}", "",
			v1alpha1.ConditionRefused, []string{"violates PodSecurity", "from securityContext, containerSecurityContext and podTemplate"},
		},
		{
			"webhook", "config: {}", webhook,
			v1alpha1.ConditionRefused, []string{"failed calling webhook", "away.example.com", "must answer, or be removed"},
		},
		{
			"quota", "config: {}", "{apiVersion: v1, kind: ResourceQuota, metadata: {name: none}, spec: {hard: {pods: 0}}}",
			v1alpha1.ConditionRefused, []string{"exceeded quota", "kubectl describe quota -n " + n.Name},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, n := t.Context(), in(t, n)
			if c.around != "" {
				objects, err := kit.Decode([]byte(c.around))
				ok(t, err)
				ok(t, n.ApplyObject(ctx, objects[0]))
				t.Cleanup(func() { ok(t, n.Client.Delete(context.WithoutCancel(ctx), objects[0])) })
			}
			ok(t, n.Apply(ctx, fmt.Sprintf(kind, c.name, c.spec)))
			ok(t, n.Await(ctx, "the NameService to say why", time.Minute, func(ctx context.Context) error {
				ready, err := n.Condition(ctx, "NameService", c.name, v1alpha1.ConditionReady)
				if err != nil {
					return err
				}
				if ready == nil {
					return errors.New("it says nothing yet")
				}
				for _, part := range c.says {
					if ready.Status != metav1.ConditionFalse || ready.Reason != c.reason || !strings.Contains(ready.Message, part) {
						return fmt.Errorf("it says %s=%s, %s: %s; want %s with %q", ready.Type, ready.Status, ready.Reason, ready.Message, c.reason, part)
					}
				}
				n.Log.Printf("%s: %s", ready.Reason, ready.Message)
				return nil
			}))
		})
	}
}
