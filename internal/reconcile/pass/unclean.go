// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"context"
	"strconv"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// EndUnclean tells controllers, all at once, what they usually do about unclean elections. It returns those that took it; the others are
// told of at the object, and tried again.
func (p *Base) EndUnclean(ctx context.Context, object client.Object, targets []string, allowed bool) (took []string) {
	usual := map[string]string{admin.ElectUncleanMaster: strconv.FormatBool(allowed)}
	errs := make([]error, len(targets))
	var wg sync.WaitGroup
	for i, target := range targets {
		wg.Go(func() { errs[i] = p.Reach.Client.UpdateControllerConfig(ctx, target, usual) })
	}
	wg.Wait()

	for i, target := range targets {
		if errs[i] == nil {
			took = append(took, target)
			continue
		}
		p.Retry(object, v1alpha1.EventUncleanElectionStillAllowed, "controller %s could not be told to forbid unclean elections again: it may elect "+
			"members that lack messages until it answers or is restarted: %s", target, errs[i])
	}
	return took
}
