// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/pods"
	"github.com/rocketmq-operator/rocketmq-operator/internal/scale"
	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Trouble is something that is wrong while the brokers that work go on: a condition, or a reason of Ready=False.
type Trouble struct{ Condition, Message string }

// Troubles of the brokers, as far as the servers' answers tell. Status is that of the groups, as it is now.
func (f *Fleet) Troubles(status []v1alpha1.BrokerGroupStatus) []Trouble {
	return slices.Concat(f.strangers(), f.refused(), f.diskPressure(), f.lostRecords(status))
}

// strangers are brokers of our names that are not ours.
func (f *Fleet) strangers() (out []Trouble) {
	// Under hostNetwork an address that a pod left lingers at the name servers for a while, and looks like any other.
	if f.onNodes() {
		return nil
	}
	for _, g := range f.Groups {
		atNameServers := map[string]bool{}
		for _, groups := range f.Answer.Registered {
			for _, addr := range groups[g.Name] {
				atNameServers[addr] = !f.ours(addr)
			}
		}
		atControllers := map[string]bool{}
		state := f.SyncStates[g.Name]
		for _, replica := range slices.Concat(state.InSync, state.NotInSync) {
			atControllers[replica.Addr] = !f.ours(replica.Addr)
		}
		out = append(out, strangersAt("name servers", g.Name, atNameServers)...)
		out = append(out, strangersAt("controllers", g.Name, atControllers)...)
	}
	return out
}

func strangersAt(servers, group string, strangers map[string]bool) (out []Trouble) {
	for _, addr := range slices.Sorted(maps.Keys(strangers)) {
		if strangers[addr] {
			out = append(out, Trouble{v1alpha1.ConditionBrokerNameConflict, fmt.Sprintf("the %s also know a broker %s at %s, which is not of this resource: "+
				"two brokers of one name get each other's traffic; stop one of them", servers, group, addr)})
		}
	}
	return out
}

// ours reports whether an address is that of a pod of this Broker, be it one that left.
func (f *Fleet) ours(addr string) bool {
	return strings.HasSuffix(addr, f.Installation.BrokerAddress(f.Broker, ""))
}

// refused names the ready brokers that do not accept the operator's credentials. One that is not ready may be about to get to know
// them, and its agent says what is in the way.
func (f *Fleet) refused() (out []Trouble) {
	remedy := "configuration from outside of the spec makes it ask for credentials: remove that (spec.auth is the way to have " +
		"users), or the operator neither watches nor changes it"
	if secret := desired.BrokerAuthSecret(f.Broker); secret != "" {
		remedy = fmt.Sprintf("it knows the passwords that were in Secret %s when its disk was empty: put those back, or restart its pod if "+
			"somebody changed the user at the broker, and its agent mends that", secret)
	}
	for _, g := range f.Groups {
		for _, m := range slices.Concat(g.Members, g.Surplus) {
			if words := f.Answer.Refused[m.Dialable]; words != "" && m.Pod != nil && pods.Ready(m.Pod) {
				out = append(out, Trouble{v1alpha1.ConditionRefusedCredentials, fmt.Sprintf("%s refuses the operator: %s. Most likely %s", m.Name, words, remedy)})
			}
		}
	}
	return out
}

// diskPressure is one trouble of all full disks, so that its advice is said once.
func (f *Fleet) diskPressure() []Trouble {
	var full []string
	for _, disk := range f.fullDisks() {
		full = append(full, fmt.Sprintf("the disk of %s is %d %% full", disk.pod.Name, disk.used))
	}
	if len(full) == 0 {
		return nil
	}
	return []Trouble{{v1alpha1.ConditionDiskPressure, strings.Join(full, ", ") + ". RocketMQ deletes its oldest messages from 75 % on and " +
		"refuses new ones from 90 % on: enlarge the volume, shorten config.fileReservedTime (hours), or add broker groups (size)"}}
}

// lostRecords names the groups whose record the controllers have lost.
func (f *Fleet) lostRecords(status []v1alpha1.BrokerGroupStatus) []Trouble {
	if !f.ledByController() {
		return nil
	}
	var lost []string
	for _, group := range status {
		if group.ControllerRecord == v1alpha1.ControllerRecordLost {
			lost = append(lost, group.Name)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return []Trouble{{v1alpha1.ConditionControllerStateLost, fmt.Sprintf("the controllers have no record of %s, because their data was lost or replaced. Running masters "+
		"go on without failover; a broker that restarts cannot register. To register the groups again, one after the other: "+
		"delete brokerIdentity, "+
		"epochFileCheckpoint and epochFileCheckpoint.bak from %s of every member, then the pods: the old master's first, the others when "+
		"it is master again", strings.Join(lost, ", "), settings.DataDir)}}
}

// Unreached says why nothing is known of the brokers, "" if something is.
func (f *Fleet) Unreached() string {
	if f.Known {
		return ""
	}
	if len(f.Unreachable) == 0 {
		return "no name server answers the operator: the last answers are too old to rely on"
	}
	var said []string
	for _, server := range slices.Sorted(maps.Keys(f.Unreachable)) {
		said = append(said, f.Unreachable[server])
	}
	return "no name server answers the operator: " + strings.Join(said, "; ")
}

// Unregistered is the first trouble that keeps the groups from being complete: a member that is not registered, or a group
// without a master.
func (f *Fleet) Unregistered() *Trouble {
	for _, g := range f.Groups {
		for _, m := range g.Members {
			if m.Role == "" {
				return &Trouble{v1alpha1.ReasonMembersNotReady, m.Name + " is not registered at the name servers"}
			}
		}
		if len(g.Members) > 0 && g.Leader() == nil {
			return &Trouble{v1alpha1.ConditionNoMaster, g.Name + " has no master"}
		}
	}
	return nil
}

// Lacks says, by pod, what brokers that run lack to be ready, as far as the servers tell.
func (f *Fleet) Lacks() map[string]string {
	out := map[string]string{}
	for _, g := range f.Groups {
		for _, m := range g.Members {
			switch {
			case !f.Known || m.Pod == nil || !pods.Started(m.Pod):
			case m.Role == "":
				out[m.Name] = "runs and is not registered at the name servers"
			case m.Role == v1alpha1.RoleSlave && f.controlled() && !m.InSync:
				out[m.Name] = "still copies messages from its master, so it could not take over"
			}
		}
	}
	return out
}

// NotOpen says which broker does not let clients in although its group is open, "" if all do.
func (f *Fleet) NotOpen() string {
	open := scale.Open.Settings().Properties()[settings.Permission]
	for _, m := range f.Misconfigured() {
		if m.Wanted[settings.Permission] == open {
			return fmt.Sprintf("clients cannot use %s yet: the operator is setting %s=%s. If this lasts, the event %s of the pod says why",
				m.Name, settings.Permission, open, v1alpha1.EventPropertiesNotUpdated)
		}
	}
	return ""
}
