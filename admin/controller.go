// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// ControllerMetadata is what a controller knows about its quorum (RocketMQ's GetMetaDataResponseHeader).
type ControllerMetadata struct {
	// Group is the name of the raft group.
	Group string
	// LeaderID and LeaderAddr (host:port) are empty while there is no leader.
	LeaderID   string
	LeaderAddr string
	// IsLeader reports whether the controller that answered is the leader.
	IsLeader bool
	// Peers are the members of the quorum, in the order in which they are configured.
	Peers []ControllerPeer
}

// ControllerPeer is a member of the quorum. ID is empty with jRaft.
type ControllerPeer struct {
	ID   string
	Addr string // host:port
}

// ControllerMetadata asks a controller, leader or not, about its quorum (CONTROLLER_GET_METADATA_INFO).
func (c *Client) ControllerMetadata(ctx context.Context, controller string) (*ControllerMetadata, error) {
	resp, err := c.invoke(ctx, controller, remoting.Request{Code: remoting.ControllerGetMetadataInfo})
	if err != nil {
		return nil, err
	}
	return &ControllerMetadata{
		Group:      resp.Fields["group"],
		LeaderID:   resp.Fields["controllerLeaderId"],
		LeaderAddr: remoting.CanonicalAddr(resp.Fields["controllerLeaderAddress"]),
		IsLeader:   resp.Fields["isLeader"] == "true",
		Peers:      parsePeers(resp.Fields["peers"]),
	}, nil
}

// parsePeers reads "n0:host:port;n1:host:port" (DLedger) or "host:port;host:port" (jRaft).
func parsePeers(s string) []ControllerPeer {
	var peers []ControllerPeer
	for member := range strings.SplitSeq(s, ";") {
		if member == "" {
			continue
		}
		id, addr := "", member
		if _, _, err := remoting.SplitAddr(member); err != nil {
			id, addr, _ = strings.Cut(member, ":")
		}
		peers = append(peers, ControllerPeer{ID: id, Addr: remoting.CanonicalAddr(addr)})
	}
	return peers
}

// SyncState is what the controllers know about one broker group (RocketMQ's BrokerReplicasInfo.ReplicasInfo).
type SyncState struct {
	// MasterID is the id that the controllers gave to the master, counted from 1; 0 while there is no master. Name servers
	// show a master under another id: MasterID.
	MasterID int64 `json:"masterBrokerId"`
	// MasterAddr is host:port, empty while there is no master.
	MasterAddr string `json:"masterAddress"`
	// MasterEpoch grows with every election, SyncStateSetEpoch with every change of the SyncStateSet.
	MasterEpoch       int64 `json:"masterEpoch"`
	SyncStateSetEpoch int64 `json:"syncStateSetEpoch"`
	// InSync are the members of the SyncStateSet, the only ones that may become master.
	InSync    []Replica `json:"inSyncReplicas"`
	NotInSync []Replica `json:"notInSyncReplicas"`
}

// canonical is the state with addresses in the form of remoting.CanonicalAddr.
func (s SyncState) canonical() SyncState {
	s.MasterAddr = remoting.CanonicalAddr(s.MasterAddr)
	for _, replicas := range [][]Replica{s.InSync, s.NotInSync} {
		for i := range replicas {
			replicas[i].Addr = remoting.CanonicalAddr(replicas[i].Addr)
		}
	}
	return s
}

// Replica is a member of a broker group (RocketMQ's BrokerReplicasInfo.ReplicaIdentity).
type Replica struct {
	// ID is the one that the controllers gave to the broker, counted from 1.
	ID   int64  `json:"brokerId"`
	Addr string `json:"brokerAddress"`
	// Alive reports whether the controller that answered receives heartbeats from the broker.
	Alive bool `json:"alive"`
}

// SyncStateData asks the leading controller for the state of broker groups, by brokerName (CONTROLLER_GET_SYNC_STATE_DATA).
// Groups that it does not know are missing from the result. A controller that does not lead answers
// remoting.ControllerNotLeader. Without names there is no request, because controllers refuse an empty list.
func (c *Client) SyncStateData(ctx context.Context, controller string, brokerNames ...string) (map[string]SyncState, error) {
	if len(brokerNames) == 0 {
		return map[string]SyncState{}, nil
	}
	names, err := json.Marshal(brokerNames)
	if err != nil {
		return nil, fmt.Errorf("encode broker names: %w", err)
	}
	var info struct {
		Table map[string]SyncState `json:"replicasInfoTable"`
	}
	req := remoting.Request{Code: remoting.ControllerGetSyncStateData, Body: names, MaxAnswer: mediumAnswer}
	if _, err := c.invokeJSON(ctx, controller, req, &info); err != nil {
		return nil, err
	}
	for name, state := range info.Table {
		info.Table[name] = state.canonical()
	}
	return info.Table, nil
}

// ElectMasterRequest says which broker is to be the master of its group (RocketMQ's ElectMasterRequestHeader).
type ElectMasterRequest struct {
	ClusterName string
	BrokerName  string
	// BrokerID is the broker's Replica.ID. With 0 the controllers choose among the members that may become master: the
	// highest epoch wins, then the most messages.
	BrokerID int64
}

// designation is the broker in the terms of the protocol.
func (r ElectMasterRequest) designation() (id, designate string) {
	if r.BrokerID == 0 {
		return "-1", "false"
	}
	return strconv.FormatInt(r.BrokerID, 10), "true"
}

// ElectMasterResult is the group after the election (RocketMQ's ElectMasterResponseHeader and -Body).
type ElectMasterResult struct {
	MasterID          int64
	MasterAddr        string
	MasterEpoch       int64
	SyncStateSetEpoch int64
	// Addrs are the members' addresses by Replica.ID.
	Addrs map[int64]string
	// SyncStateSet holds the ids of its members: at first only the new master.
	SyncStateSet []int64
}

// ElectMaster asks the leading controller to make a broker the master of its group (CONTROLLER_ELECT_MASTER). The former
// master throws away what it has not replicated. Refusals are
//
//   - remoting.ControllerMasterStillExist: the broker is the master already,
//   - remoting.ControllerElectMasterFailed: the broker is not alive or not in the SyncStateSet,
//   - remoting.ControllerMasterNotAvailable: no BrokerID was given and no member may become master,
//   - remoting.ControllerBrokerNeedToBeRegistered: the controllers do not know the group,
//   - remoting.ControllerNotLeader: another controller leads, see FindLeader.
func (c *Client) ElectMaster(ctx context.Context, controller string, req ElectMasterRequest) (*ElectMasterResult, error) {
	var body struct {
		Group struct {
			Addrs map[int64]string `json:"brokerAddrs"`
		} `json:"brokerMemberGroup"`
		SyncStateSet []int64 `json:"syncStateSet"`
	}
	id, designate := req.designation()
	resp, err := c.invokeJSON(ctx, controller, remoting.Request{
		Code: remoting.ControllerElectMaster,
		Fields: map[string]string{
			"clusterName":    req.ClusterName,
			"brokerName":     req.BrokerName,
			"brokerId":       id,
			"designateElect": designate,
			"invokeTime":     strconv.FormatInt(time.Now().UnixMilli(), 10),
		},
	}, &body)
	if err != nil {
		return nil, err
	}
	result := &ElectMasterResult{
		MasterAddr:   remoting.CanonicalAddr(resp.Fields["masterAddress"]),
		Addrs:        body.Group.Addrs,
		SyncStateSet: body.SyncStateSet,
	}
	for id, addr := range result.Addrs {
		result.Addrs[id] = remoting.CanonicalAddr(addr)
	}
	for field, value := range map[string]*int64{
		"masterBrokerId":    &result.MasterID,
		"masterEpoch":       &result.MasterEpoch,
		"syncStateSetEpoch": &result.SyncStateSetEpoch,
	} {
		if *value, err = strconv.ParseInt(resp.Fields[field], 10, 64); err != nil {
			return nil, answerError(remoting.ControllerElectMaster, controller, fmt.Errorf("field %s: %w", field, err))
		}
	}
	return result, nil
}

// NotifyRoleChanged tells one member of a broker group the result of an election (NOTIFY_BROKER_ROLE_CHANGED). Controllers do
// that by themselves, but without a signature, so that brokers with ACL 2.0 do not listen and notice only when they next ask,
// up to 5 s later (BrokerConfig.syncBrokerMetadataPeriod). There, tell every member after ElectMaster. A broker that has no
// controllers ignores it.
func (c *Client) NotifyRoleChanged(ctx context.Context, broker string, election *ElectMasterResult) error {
	body, err := json.Marshal(map[string]any{ // SyncStateSet
		"syncStateSet": election.SyncStateSet, "syncStateSetEpoch": election.SyncStateSetEpoch,
	})
	if err != nil {
		return fmt.Errorf("encode SyncStateSet: %w", err)
	}
	_, err = c.invoke(ctx, broker, remoting.Request{Code: remoting.NotifyBrokerRoleChanged, Body: body, Fields: map[string]string{
		"masterAddress":     election.MasterAddr,
		"masterBrokerId":    strconv.FormatInt(election.MasterID, 10),
		"masterEpoch":       strconv.FormatInt(election.MasterEpoch, 10),
		"syncStateSetEpoch": strconv.FormatInt(election.SyncStateSetEpoch, 10),
	}})
	return err
}

// leaderTimeout bounds the search for the leader, so that dead controllers leave the caller time for his own question.
const leaderTimeout = 2 * time.Second

// ErrNoLeader means that none of the controllers asked leads.
var ErrNoLeader = errors.New("no controller leads")

// FindLeader asks all controllers at the same time, for at most two seconds, and returns the one that leads. If none does, the
// error is ErrNoLeader and says what each of them answered.
func (c *Client) FindLeader(ctx context.Context, controllers []string) (string, error) {
	if len(controllers) == 0 {
		return "", ErrNoLeader
	}
	ctx, cancel := context.WithTimeout(ctx, leaderTimeout)
	defer cancel() // the first leader found is the answer
	type look struct {
		controller int
		refusal    string // "" from the leader
	}
	looks := make(chan look, len(controllers))
	for i, controller := range controllers {
		go func() {
			metadata, err := c.ControllerMetadata(ctx, controller)
			switch {
			case err != nil:
				looks <- look{i, err.Error()}
			case !metadata.IsLeader:
				looks <- look{i, fmt.Sprintf("%s follows %s", controller, cmp.Or(metadata.LeaderAddr, "nobody"))}
			default:
				looks <- look{i, ""}
			}
		}()
	}
	refusals := make([]string, len(controllers))
	for range controllers {
		l := <-looks
		if l.refusal == "" {
			return controllers[l.controller], nil
		}
		refusals[l.controller] = l.refusal
	}
	return "", fmt.Errorf("%w: %s", ErrNoLeader, strings.Join(refusals, "; "))
}

// CleanBrokerData makes the leading controller forget members of a broker group, given by Replica.ID, or the whole group
// without ids (CLEAN_BROKER_DATA). A forgotten broker can come back only with an empty disk: with its old one it is refused for
// ever, with remoting.ControllerBrokerNeedToBeRegistered. While one of the members is alive, and for a group that the controller
// does not know, the error is remoting.ControllerInvalidCleanBrokerMetadata.
func (c *Client) CleanBrokerData(ctx context.Context, controller, clusterName, brokerName string, ids ...int64) error {
	if brokerName == "" {
		return errors.New("clean broker data: no broker name")
	}
	fields := map[string]string{
		"clusterName":         clusterName,
		"brokerName":          brokerName,
		"isCleanLivingBroker": "false",
		"invokeTime":          strconv.FormatInt(time.Now().UnixMilli(), 10),
	}
	if len(ids) > 0 {
		var list []string
		for _, id := range ids {
			list = append(list, strconv.FormatInt(id, 10))
		}
		fields["brokerControllerIdsToClean"] = strings.Join(list, ";")
	}
	_, err := c.invoke(ctx, controller, remoting.Request{Code: remoting.CleanBrokerData, Fields: fields})
	if err != nil {
		return fmt.Errorf("broker group %s: %w", brokerName, err)
	}
	return nil
}

// ElectUncleanMaster is the property of controllers that allows members outside of the SyncStateSet to become master. The
// messages that they lack are lost. The value at the leading controller counts.
const ElectUncleanMaster = "enableElectUncleanMaster"

// ControllerConfig reads the properties of one controller (GET_CONTROLLER_CONFIG).
func (c *Client) ControllerConfig(ctx context.Context, controller string) (map[string]string, error) {
	resp, err := c.invoke(ctx, controller, remoting.Request{Code: remoting.GetControllerConfig, MaxAnswer: mediumAnswer})
	if err != nil {
		return nil, err
	}
	return parseProperties(resp.Body), nil
}

// UpdateControllerConfig changes properties of one running controller (UPDATE_CONTROLLER_CONFIG). The others of its quorum keep
// theirs.
func (c *Client) UpdateControllerConfig(ctx context.Context, controller string, properties map[string]string) error {
	_, err := c.invoke(ctx, controller, remoting.Request{Code: remoting.UpdateControllerConfig, Body: formatProperties(properties)})
	return err
}
