// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

const mebi = 1 << 20

// jvmFlags tell the agent how to start java. They stand in the pod template, because they need a new container.
func jvmFlags(role settings.Role, pod *v1alpha1.PodSettings) []string {
	defaults := settings.DefaultMemory(role, pod.Resources.Limits.Memory().Value())
	flags := []string{"--default-heap=" + defaults.HeapOption(), "--default-direct-memory=" + defaults.DirectOption()}
	if pod.JVM == nil {
		return flags
	}
	if pod.JVM.Heap != nil {
		flags = append(flags, "--heap="+javaSize(*pod.JVM.Heap))
	}
	if pod.JVM.DirectMemory != nil {
		flags = append(flags, "--direct-memory="+javaSize(*pod.JVM.DirectMemory))
	}
	for _, option := range pod.JVM.ExtraOptions {
		flags = append(flags, "--java-option="+option)
	}
	return flags
}

// javaSize writes a quantity as java reads it: whole MiB where it can, else bytes.
func javaSize(q resource.Quantity) string {
	if bytes := q.Value(); bytes%mebi != 0 {
		return fmt.Sprint(bytes)
	}
	return fmt.Sprintf("%dm", q.Value()/mebi)
}
