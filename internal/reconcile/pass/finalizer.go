// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

// AddFinalizer keeps the resource until RemoveFinalizer, if it does not have it already.
func (p *Base) AddFinalizer(ctx context.Context, finalizer string) error {
	return p.patchFinalizer(ctx, finalizer, controllerutil.AddFinalizer)
}

// RemoveFinalizer lets the resource go.
func (p *Base) RemoveFinalizer(ctx context.Context, finalizer string) error {
	return p.patchFinalizer(ctx, finalizer, controllerutil.RemoveFinalizer)
}

// patchFinalizer writes if something changes. What was read stays the base of the status.
func (p *Base) patchFinalizer(ctx context.Context, finalizer string, change func(client.Object, string) bool) error {
	before := p.Owner.DeepCopyObject().(client.Object)
	changed := p.Owner.DeepCopyObject().(client.Object)
	if !change(changed, finalizer) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := p.Client.Patch(ctx, changed, patch, client.FieldOwner(kube.FieldOwner)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("finalizer: %w", err))
	}
	for _, object := range []client.Object{p.Owner, p.Before} {
		object.SetFinalizers(changed.GetFinalizers())
		object.SetResourceVersion(changed.GetResourceVersion())
	}
	return nil
}
