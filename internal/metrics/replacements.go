// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// replacements counts the pods that were replaced, by the resource that they belong to. The zero value is ready. A resource that is
// deleted leaves its number behind, which are a few bytes.
type replacements struct {
	mu     sync.Mutex
	counts map[types.UID]float64
}

// add a pod of a resource, and of the RocketMQCluster that it is a part of.
func (r *replacements) add(resource v1alpha1.Resource) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counts == nil {
		r.counts = map[types.UID]float64{}
	}

	r.counts[resource.GetUID()]++
	if cluster := metav1.GetControllerOf(resource); cluster != nil {
		r.counts[cluster.UID]++
	}
}

func (r *replacements) of(resource types.UID) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[resource]
}
