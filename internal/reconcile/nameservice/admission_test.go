// SPDX-License-Identifier: Apache-2.0

package nameservice_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/rocketmq-operator/rocketmq-operator/test/world"
)

// TestAdmitted: where a LimitRange or a quota asks something of every container, spec.resources is enough: the agent's container has them too.
func TestAdmitted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, bounds, resources string }{
		{
			"a LimitRange with a minimum and a ratio",
			"kind: LimitRange, metadata: {name: bounds}, spec: {limits: [{type: Container, min: {memory: 100Mi}, maxLimitRequestRatio: {memory: '2'}}]}",
			"requests: {memory: 200Mi}, limits: {memory: 384Mi}",
		},
		{
			"a quota of CPU limits",
			"kind: ResourceQuota, metadata: {name: bounds}, spec: {hard: {limits.cpu: '8', requests.memory: 6Gi}}",
			"requests: {memory: 200Mi}, limits: {cpu: '1', memory: 384Mi}",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			w.CreateYAML("{apiVersion: v1, " + test.bounds + "}\n---\n" +
				strings.Replace(world.NameService, "size: 2", "size: 2, resources: {"+test.resources+"}", 1))
			if strings.Contains(test.bounds, "ResourceQuota") { // which no controller of Kubernetes' looks after here
				quota := world.Get[corev1.ResourceQuota](w, "bounds")
				quota.Status.Hard = quota.Spec.Hard
				quota.Status.Used = corev1.ResourceList{corev1.ResourceLimitsCPU: resource.MustParse("0"), corev1.ResourceRequestsMemory: resource.MustParse("0")}
				w.Must(w.Status().Update(t.Context(), quota))
			}
			w.Start().Until(w.AllReady)
		})
	}
}
