package broker

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// tellTimeout bounds telling all brokers of a resource, which happens at the same time.
const tellTimeout = 3 * time.Second

// configureLive tells every broker, master or slave, whose addresses, permission, fence or live properties
// (settings.LiveKeys) are not the wanted ones. They take effect within seconds and without a restart; a broker that does not
// answer is told when it does. One that is stopping is its agent's.
func (p *brokerPass) configureLive(ctx context.Context) (*kube.Waiting, error) {
	strayed := p.strayed()
	if len(strayed) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	errs := make([]error, len(strayed))
	var wg sync.WaitGroup
	for i, s := range strayed {
		wg.Go(func() {
			errs[i] = p.Reach.Client.UpdateBrokerConfig(ctx, reach.Broker(s.pod), s.wanted)
		})
	}
	wg.Wait()
	for i, s := range strayed {
		var said []string
		for _, key := range slices.Sorted(maps.Keys(s.wanted)) {
			said = append(said, key+"="+s.wanted[key])
		}
		if errs[i] != nil {
			p.Retry(s.pod, "PropertiesNotUpdated", "Configure", "%s could not be given %s: %s", s.pod.Name, strings.Join(said, " "), errs[i])
			continue
		}
		p.Event(s.pod, "PropertiesUpdated", "Configure", "%s now runs with %s", s.pod.Name, strings.Join(said, " "))
	}
	return nil, nil
}

// stray is a broker with other properties than the wanted ones.
type stray struct {
	pod *corev1.Pod
	// wanted are those that differ.
	wanted map[string]string
}

// strayed are the brokers that said, since they started, that they run with other properties than the wanted ones, and masters
// of which clients are told otherwise.
func (p *brokerPass) strayed() []stray {
	var out []stray
	for i := range p.pods {
		pod := &p.pods[i]
		live, known := p.seen.Properties[reach.Broker(pod)]
		if !known || pod.DeletionTimestamp != nil {
			continue
		}
		wanted := p.liveProperties(pod.Labels[desired.LabelGroup])
		otherwise := p.shownOtherwise(pod)
		maps.DeleteFunc(wanted, func(key, value string) bool {
			if key == "brokerPermission" && otherwise {
				return false
			}
			now, known := live[key]
			// A release that does not know a property takes it without a word and drops it.
			return now == value || (!known && settings.IsLive(key))
		})
		if len(wanted) > 0 {
			out = append(out, stray{pod, wanted})
		}
	}
	return out
}

// shownOtherwise reports whether a name server tells clients of another permission than a master has. Registrations of a
// broker may overtake each other, and the next one is 30 s away: to be told its permission makes it register at once
// (AdminBrokerProcessor.updateBrokerConfig).
func (p *brokerPass) shownOtherwise(pod *corev1.Pod) bool {
	group := pod.Labels[desired.LabelGroup]
	if master := p.master(group); master == nil || master.Name != pod.Name {
		return false
	}
	for _, shown := range p.seen.Shown {
		if permission, known := shown[group]; known && permission != p.deps.Groups[group].Permission {
			return true
		}
	}
	return false
}

// liveProperties that the brokers of a group are to run with.
func (p *brokerPass) liveProperties(group string) map[string]string {
	properties := p.deps.Groups[group].Properties()
	properties["namesrvAddr"] = strings.Join(p.deps.NameServers, ";")
	if p.controller != nil {
		properties["controllerAddr"] = strings.Join(p.deps.Controllers, ";")
	}
	if live, err := desired.LiveConfig(p.broker); err == nil { // checkConfig has told of an error
		maps.Copy(properties, live)
	}
	return properties
}
