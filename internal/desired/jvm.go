package desired

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

const mebi = 1 << 20

// memory of a JVM in MiB.
type memory struct{ heap, direct int64 }

// defaultMemory divides the container's memory limit: the rest is page cache, metaspace and threads.
func defaultMemory(component Component, resources corev1.ResourceRequirements) memory {
	limit, limited := resources.Limits[corev1.ResourceMemory]
	switch total := limit.Value() / mebi; {
	case limited && component == Broker:
		return memory{heap: max(total/2, 64), direct: max(total/4, 32)}
	case limited:
		return memory{heap: max(min(total/4, 1024), 48), direct: max(total/4, 32)}
	case component == Broker:
		return memory{heap: 1024, direct: 512}
	default:
		return memory{heap: 512, direct: 256}
	}
}

// jvmFlags tell the agent how to start java. They stand in the pod template, because they need a new container.
func jvmFlags(component Component, pod *v1alpha1.PodSettings) []string {
	defaults := defaultMemory(component, pod.Resources)
	flags := []string{
		fmt.Sprintf("--default-heap=%dm", defaults.heap),
		fmt.Sprintf("--default-direct-memory=%dm", defaults.direct),
	}
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
