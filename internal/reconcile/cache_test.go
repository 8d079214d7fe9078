// SPDX-License-Identifier: Apache-2.0

package reconcile

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
)

// TestSlimPod: a pod in the cache has what is read of it, and no more.
func TestSlimPod(t *testing.T) {
	claim := corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data-b-0-0"}}}
	whole := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "b-0-0", ManagedFields: []metav1.ManagedFieldsEntry{{}}},
		Spec: corev1.PodSpec{NodeName: "n", HostNetwork: true, Containers: []corev1.Container{{Name: "broker"}},
			Volumes: []corev1.Volume{claim, {Name: "agent"}}},
		Status: corev1.PodStatus{PodIP: "10.0.0.1"},
	}
	got, err := slimPod(whole)
	if err != nil {
		t.Fatal(err)
	}
	want := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "b-0-0"},
		Spec:       corev1.PodSpec{NodeName: "n", HostNetwork: true, Volumes: []corev1.Volume{claim}},
		Status:     corev1.PodStatus{PodIP: "10.0.0.1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("slim pod (-want +got):\n%s", diff)
	}
}

// TestSlimPodsKeepTheirAuth: from a pod that seems to have no accounts, all brokers would be led back to asking for none.
func TestSlimPodsKeepTheirAuth(t *testing.T) {
	for _, mode := range []v1alpha1.AuthMode{v1alpha1.AuthDisabled, v1alpha1.AuthPermissive, v1alpha1.AuthEnforcing} {
		b := &v1alpha1.Broker{ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "b"}}
		deps := desired.Dependencies{Auth: desired.Auth{Mode: mode}}
		if mode != v1alpha1.AuthDisabled {
			deps.Auth.Secret = "b-auth"
		}
		_, set, err := desired.Installation{}.BrokerGroup(b, 0, desired.GroupState{Members: 1}, deps)
		if err != nil {
			t.Fatal(err)
		}
		got, err := slimPod(&corev1.Pod{Spec: set.Spec.Template.Spec})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(deps.Auth, desired.AuthOf(&got.(*corev1.Pod).Spec)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", mode, diff)
		}
	}
}

// TestPodsAreSlim: nothing of a pod's spec is read that the cache does not have.
func TestPodsAreSlim(t *testing.T) {
	reads, seen := regexp.MustCompile(`[pP]od(?:s\[i\])?\.Spec\.(\w+)`), 0
	for _, dir := range []string{".", "../pods", "../fleet", "../reach"} {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, read := range reads.FindAllStringSubmatch(string(text), -1) {
				seen++
				if !slices.Contains([]string{"NodeName", "HostNetwork", "Volumes"}, read[1]) {
					t.Errorf("%s reads %s", path, read[0])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen == 0 {
		t.Error("nothing is read of pods' specs, or this test does not see it")
	}
}
