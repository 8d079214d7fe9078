// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the API of the RocketMQ operator.
//
// The kinds, and the fields that apache/rocketmq-operator had, keep their names and meaning, so that its manifests
// apply unchanged.
//
// +kubebuilder:object:generate=true
// +groupName=rocketmq.apache.org
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "rocketmq.apache.org", Version: "v1alpha1"}

// AddToScheme registers the kinds.
func AddToScheme(scheme *runtime.Scheme) error {
	for _, kind := range Kinds() {
		scheme.AddKnownTypes(GroupVersion, kind.New(), kind.NewList())
	}
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
