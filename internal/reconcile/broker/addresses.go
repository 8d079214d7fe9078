package broker

import (
	"context"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// tellTimeout bounds telling all brokers of a resource, which happens at the same time.
const tellTimeout = 3 * time.Second

// propagateAddresses tells every broker, master or slave, whose lists are not the wanted ones. They use a new list
// within seconds and without a restart; a broker that does not answer is told when it does.
func (p *pass) propagateAddresses(ctx context.Context) (*kube.Waiting, error) {
	strayed := p.strayed()
	if len(strayed) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	errs := make([]error, len(strayed))
	var wg sync.WaitGroup
	for i, pod := range strayed {
		wg.Go(func() {
			errs[i] = p.RocketMQ.UpdateBrokerConfig(ctx, dial(pod, settings.BrokerPort), p.addressProperties())
		})
	}
	wg.Wait()
	for i, pod := range strayed {
		if errs[i] != nil {
			// The next look shows it again.
			p.Warn(pod, "AddressesNotUpdated", "Propagate", "%s was not told its name servers and controllers: %s", pod.Name, errs[i])
			continue
		}
		p.Event(pod, "AddressesUpdated", "Propagate", "%s now uses the name servers %s", pod.Name, strings.Join(p.deps.NameServers, ";"))
	}
	return nil, nil
}

func (p *pass) addressProperties() map[string]string {
	properties := map[string]string{"namesrvAddr": strings.Join(p.deps.NameServers, ";")}
	if p.controller != nil {
		properties["controllerAddr"] = strings.Join(p.deps.Controllers, ";")
	}
	return properties
}

// strayed are the brokers that said, since they started, that they use other addresses than the wanted ones.
func (p *pass) strayed() []*corev1.Pod {
	wanted := p.addressProperties()
	var out []*corev1.Pod
	for i := range p.pods {
		pod := &p.pods[i]
		used, known := p.seen.Addresses[dial(pod, settings.BrokerPort)]
		if !known || pod.DeletionTimestamp != nil {
			continue
		}
		if used.NameServers != wanted["namesrvAddr"] || (p.controller != nil && used.Controllers != wanted["controllerAddr"]) {
			out = append(out, pod)
		}
	}
	return out
}
