// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"path"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// dataVolume is where a server keeps its data: a claim, or a source in the pod.
type dataVolume struct {
	name   string
	claims []corev1.PersistentVolumeClaim
	source *corev1.VolumeSource
	// hostPath is the directory on the node that holds one directory for each pod.
	hostPath string
}

func (d dataVolume) mount() corev1.VolumeMount {
	mount := corev1.VolumeMount{Name: d.name, MountPath: settings.DataDir}
	if d.hostPath != "" {
		mount.SubPathExpr = "$(POD_NAME)"
	}
	return mount
}

// data is the volume that the user's settings ask for; mode and size count where they say nothing.
func data(namespace string, s *v1alpha1.StorageSettings, fallback v1alpha1.StorageMode, size string) dataVolume {
	mode := s.StorageMode
	if mode == "" {
		mode = fallback
		if s.Storage != nil || len(s.VolumeClaimTemplates) > 0 {
			mode = v1alpha1.StorageClass
		}
	}
	switch mode {
	case v1alpha1.EmptyDir:
		return dataVolume{name: volumeData, source: &corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
	case v1alpha1.HostPath:
		directory := path.Join(s.HostPath, namespace)
		return dataVolume{name: volumeData, hostPath: directory, source: &corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{
			Path: directory, Type: new(corev1.HostPathDirectoryOrCreate)}}}
	}
	if len(s.VolumeClaimTemplates) > 0 {
		claims := make([]corev1.PersistentVolumeClaim, 0, len(s.VolumeClaimTemplates))
		for i := range s.VolumeClaimTemplates {
			claims = append(claims, claim(&s.VolumeClaimTemplates[i], size))
		}
		return dataVolume{name: claims[0].Name, claims: claims}
	}
	template := &corev1.PersistentVolumeClaim{}
	if s.Storage != nil {
		template.Spec.StorageClassName = s.Storage.ClassName
		if s.Storage.Size != nil {
			size = s.Storage.Size.String()
		}
	}
	return dataVolume{name: volumeData, claims: []corev1.PersistentVolumeClaim{claim(template, size)}}
}

// claim completes a template. Users of apache/rocketmq-operator left out name, access modes and size, and named the StorageClass in
// an annotation.
func claim(template *corev1.PersistentVolumeClaim, size string) corev1.PersistentVolumeClaim {
	out := corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: template.Name, Labels: template.Labels, Annotations: template.Annotations},
		Spec:       *template.Spec.DeepCopy(),
	}
	if out.Name == "" {
		out.Name = volumeData
	}
	if class, ok := out.Annotations[corev1.BetaStorageClassAnnotation]; ok && out.Spec.StorageClassName == nil {
		out.Spec.StorageClassName = &class
	}
	if len(out.Spec.AccessModes) == 0 {
		out.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	if _, ok := out.Spec.Resources.Requests[corev1.ResourceStorage]; !ok {
		out.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
	}
	out.Spec.VolumeMode = new(corev1.PersistentVolumeFilesystem)
	return out
}
