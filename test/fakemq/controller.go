// SPDX-License-Identifier: Apache-2.0

package fakemq

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

type controller struct{ quorum, address string }

func (s controller) answer(c *Cluster, dialled string, request remoting.Request) Answer {
	switch request.Code {
	case remoting.ControllerGetMetadataInfo:
		return c.quorum(s.quorum, dialled)
	case remoting.ControllerGetSyncStateData:
		if dialled != c.leaders[s.quorum] {
			return Answer{Code: remoting.ControllerNotLeader}
		}
		return c.syncStates(request.Body)
	case remoting.GetControllerConfig:
		return Answer{Body: fmt.Sprintf("%s=%t\n", admin.ElectUncleanMaster, c.acceptsUnclean(dialled))}
	case remoting.UpdateControllerConfig:
		if value, ok := strings.CutPrefix(strings.TrimSpace(string(request.Body)), admin.ElectUncleanMaster+"="); ok {
			c.unclean[dialled] = append(c.unclean[dialled], value)
		}
		return Answer{}
	case remoting.ControllerElectMaster:
		return c.electOnRequest(dialled, request.Fields)
	case remoting.CleanBrokerData:
		name := request.Fields["brokerName"]
		c.cleaned = append(c.cleaned, name)
		if g := c.groups[name]; g != nil {
			g.dead = nil
		}
		return Answer{}
	}
	return Answer{Code: remoting.RequestCodeNotSupported}
}

// quorum as one of its controllers sees it. One that is cut off knows no leader.
func (c *Cluster) quorum(name, dialled string) Answer {
	at := c.leaders[name]
	if c.cutOff[c.serverName(dialled)] {
		at = ""
	}
	leader, _ := c.servers[at].(controller)
	var peers strings.Builder
	for _, at := range slices.Sorted(maps.Keys(c.servers)) {
		if peer, ok := c.servers[at].(controller); ok && peer.quorum == name {
			fmt.Fprintf(&peers, "%s;", peer.address)
		}
	}
	return Answer{Fields: map[string]string{
		"group": c.name, "isLeader": strconv.FormatBool(dialled == at), "peers": peers.String(),
		"controllerLeaderId": host(leader.address), "controllerLeaderAddress": leader.address,
	}}
}

// syncStates of the groups that a request names.
func (c *Cluster) syncStates(names []byte) Answer {
	var wanted []string
	if err := json.Unmarshal(names, &wanted); err != nil {
		return Answer{Code: remoting.SystemError}
	}
	states := map[string]admin.SyncState{}
	for name, g := range c.groups {
		if slices.Contains(wanted, name) && (len(g.members) > 0 || g.stranded != nil) {
			states[name] = c.syncState(g)
		}
	}
	return Answer{Body: text(map[string]any{"replicasInfoTable": states})}
}

func (c *Cluster) syncState(g *group) admin.SyncState {
	if g.stranded != nil {
		return *g.stranded
	}
	state := admin.SyncState{MasterEpoch: g.epoch, SyncStateSetEpoch: g.epoch, NotInSync: []admin.Replica{}}
	if master := g.members[g.master]; master != nil {
		state.MasterID, state.MasterAddr = g.master, master.address
	}
	for _, id := range g.ids() {
		member := g.members[id]
		if !c.cutOff[c.serverName(member.dialled)] {
			state.InSync = append(state.InSync, admin.Replica{ID: id, Addr: member.address, Alive: true})
		}
	}
	state.NotInSync = append(state.NotInSync, g.dead...)
	return state
}

// acceptsUnclean is what the controller was last told.
func (c *Cluster) acceptsUnclean(dialled string) bool {
	told := c.unclean[dialled]
	return len(told) > 0 && told[len(told)-1] == "true"
}

// electOnRequest makes a member master that lacks messages, if the controller was told to accept that and may choose.
func (c *Cluster) electOnRequest(dialled string, fields map[string]string) Answer {
	g := c.groups[fields["brokerName"]]
	if g == nil || g.stranded == nil || !c.acceptsUnclean(dialled) || fields["designateElect"] != "false" {
		return Answer{Code: remoting.ControllerMasterNotAvailable}
	}
	for _, replica := range g.stranded.NotInSync {
		for id, member := range g.members {
			if !replica.Alive || member.address != replica.Addr {
				continue
			}
			g.master, g.stranded = id, nil
			g.epoch++
			c.elected = append(c.elected, c.serverName(member.dialled))
			return Answer{Body: `{"syncStateSet":[2]}`, Fields: map[string]string{
				"masterBrokerId": strconv.FormatInt(replica.ID, 10), "masterAddress": member.address, "masterEpoch": "2", "syncStateSetEpoch": "2",
			}}
		}
	}
	return Answer{Code: remoting.ControllerMasterNotAvailable}
}
