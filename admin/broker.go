// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// RuntimeInfo holds a broker's figures under RocketMQ's names for them (AdminBrokerProcessor.prepareRuntimeInfo). Methods
// read some of them; they return zero for a figure that is absent or no number.
type RuntimeInfo map[string]string

// Version is the release, such as "V5_4_0".
func (r RuntimeInfo) Version() string { return r["brokerVersionDesc"] }

// Active reports whether the broker runs the services of a master, such as delayed delivery.
func (r RuntimeInfo) Active() bool { return r["brokerActive"] == "true" }

// BootTime is when the broker process started.
func (r RuntimeInfo) BootTime() time.Time {
	ms, err := strconv.ParseInt(r["bootTimestamp"], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// DispatchBehindBytes is how much of the commit log the consume queues do not show yet, in bytes.
func (r RuntimeInfo) DispatchBehindBytes() int64 { return r.number("dispatchBehindBytes") }

// CommitLogDiskRatio is the used share of the disk that holds the commit log, 0 to 1.
func (r RuntimeInfo) CommitLogDiskRatio() float64 { return r.ratio("commitLogDiskRatio") }

// ConsumeQueueDiskRatio is the used share of the disk that holds the consume queues, 0 to 1.
func (r RuntimeInfo) ConsumeQueueDiskRatio() float64 { return r.ratio("consumeQueueDiskRatio") }

func (r RuntimeInfo) ratio(key string) float64 {
	f, _ := strconv.ParseFloat(r[key], 64)
	return f
}

// TimerBehind is how many messages with a delivery time have been stored but are not in the timer wheel yet: TimerBacklog
// does not count them. RocketMQ's own (see PopBacklog) are among them. 0 without a timer wheel.
func (r RuntimeInfo) TimerBehind() int64 { return r.number("timerOffsetBehind") }

// TimerWaiting is how many messages wait in the timer wheel, RocketMQ's own among them. 0 without a timer wheel.
func (r RuntimeInfo) TimerWaiting() int64 { return r.number("timerCongestNum") }

func (r RuntimeInfo) number(key string) int64 {
	n, _ := strconv.ParseInt(r[key], 10, 64)
	return n
}

// InTPS is how many messages the broker stored in a second, on average over the last 10 s.
func (r RuntimeInfo) InTPS() float64 { return r.firstNumber("putTps") }

// OutTPS is how many messages the broker handed out in a second, on average over the last 10 s.
func (r RuntimeInfo) OutTPS() float64 { return r.firstNumber("getTransferredTps") }

// firstNumber reads the first of "1.5 2.5 3.5", the averages of 10 s, 1 min and 10 min (StoreStatsService.getPutTps).
func (r RuntimeInfo) firstNumber(key string) float64 {
	first, _, _ := strings.Cut(strings.TrimSpace(r[key]), " ")
	f, _ := strconv.ParseFloat(first, 64)
	return f
}

// BrokerRuntimeInfo asks a broker for its figures (GET_BROKER_RUNTIME_INFO). This is an expensive request for the broker: it
// reads its whole timer wheel, 38 MB (TimerWheel.getAllNum).
func (c *Client) BrokerRuntimeInfo(ctx context.Context, broker string) (RuntimeInfo, error) {
	var table struct {
		Table RuntimeInfo `json:"table"`
	}
	if _, err := c.invokeJSON(ctx, broker, remoting.Request{Code: remoting.GetBrokerRuntimeInfo}, &table); err != nil {
		return nil, err
	}
	return table.Table, nil
}

// BrokerConfig asks a broker for its whole configuration (GET_BROKER_CONFIG): some 450 keys, those in its file that RocketMQ
// does not know included. Secrets are in clear.
func (c *Client) BrokerConfig(ctx context.Context, broker string) (map[string]string, error) {
	resp, err := c.invoke(ctx, broker, remoting.Request{Code: remoting.GetBrokerConfig, MaxAnswer: mediumAnswer})
	if err != nil {
		return nil, err
	}
	return parseProperties(resp.Body), nil
}

// UpdateBrokerConfig changes properties of a running broker and of its file (UPDATE_BROKER_CONFIG). The broker reports success
// for keys that it does not know and ignores, and for keys that take effect only after a restart. It trims values. Keys in its
// configBlackList are refused with remoting.NoPermission.
func (c *Client) UpdateBrokerConfig(ctx context.Context, broker string, props map[string]string) error {
	_, err := c.invoke(ctx, broker, remoting.Request{Code: remoting.UpdateBrokerConfig, Body: formatProperties(props)})
	return err
}

// brokerPermission limits the permissions of all topics of a broker (BrokerConfig.brokerPermission).
const brokerPermission = "brokerPermission"

// BrokerPermission asks a broker what it allows clients: a sum of PermRead and PermWrite. With 0 clients do not see it.
func (c *Client) BrokerPermission(ctx context.Context, broker string) (int, error) {
	config, err := c.BrokerConfig(ctx, broker)
	if err != nil {
		return 0, err
	}
	perm, err := strconv.Atoi(config[brokerPermission])
	if err != nil {
		return 0, answerError(remoting.GetBrokerConfig, broker, fmt.Errorf("%s: %w", brokerPermission, err))
	}
	return perm, nil
}

// SetBrokerPermission changes what a broker allows clients. A master tells its name servers at once; clients notice when they
// next ask for routes, every 30 s by default. Clients that choose their queues themselves do not notice at all. Each member of
// a group has a permission of its own.
func (c *Client) SetBrokerPermission(ctx context.Context, broker string, perm int) error {
	return c.UpdateBrokerConfig(ctx, broker, map[string]string{brokerPermission: strconv.Itoa(perm)})
}

// HAStatus is the state of replication as one broker sees it (RocketMQ's HARuntimeInfo).
type HAStatus struct {
	// Master reports the broker's own role.
	Master bool `json:"master"`
	// MaxOffset is the end of a master's commit log, in bytes.
	MaxOffset int64 `json:"masterCommitLogMaxOffset"`
	// InSyncSlaves is how many slaves lag only a little.
	InSyncSlaves int `json:"inSyncSlaveNums"`
	// Slaves are those connected to a master.
	Slaves []HASlave `json:"haConnectionInfo"`
	// Source is where a slave replicates from.
	Source HASource `json:"haClientRuntimeInfo"`
}

// End is the end of the broker's own commit log, in bytes since the group began. On a slave it is how far it has replicated.
func (s *HAStatus) End() int64 {
	if s.Master {
		return s.MaxOffset
	}
	return s.Source.MaxOffset
}

// HASlave is one slave's connection, seen from the master (RocketMQ's HARuntimeInfo.HAConnectionRuntimeInfo).
type HASlave struct {
	// Addr is the slave's end of the connection, not an address that it listens on.
	Addr string `json:"addr"`
	// AckOffset is how far the slave has written, Diff how many bytes of the master's log it lacks. Diff may be
	// negative for a moment.
	AckOffset int64 `json:"slaveAckOffset"`
	Diff      int64 `json:"diff"`
	InSync    bool  `json:"inSync"`
}

// HASource is a slave's view of its master (RocketMQ's HARuntimeInfo.HAClientRuntimeInfo).
type HASource struct {
	// MasterAddr is the host:port of the master's HA listener.
	MasterAddr string `json:"masterAddr"`
	// MaxOffset is the end of the slave's own commit log. MasterFlushOffset is how far the master's was on its disk, as the
	// slave last heard.
	MaxOffset         int64 `json:"maxOffset"`
	MasterFlushOffset int64 `json:"masterFlushOffset"`
	// LastReadMillis is when the slave last heard from its master, in milliseconds since 1970; 0 on a master.
	LastReadMillis int64 `json:"lastReadTimestamp"`
}

// HAStatus asks a broker for the state of its replication (GET_BROKER_HA_STATUS).
func (c *Client) HAStatus(ctx context.Context, broker string) (*HAStatus, error) {
	status := new(HAStatus)
	if _, err := c.invokeJSON(ctx, broker, remoting.Request{Code: remoting.GetBrokerHAStatus}, status); err != nil {
		return nil, err
	}
	status.Source.MasterAddr = remoting.CanonicalAddr(status.Source.MasterAddr)
	for i := range status.Slaves {
		status.Slaves[i].Addr = clientAddr(status.Slaves[i].Addr)
	}
	return status, nil
}

// Epoch is a broker's newest one in controller mode, and its commit log, in bytes (RocketMQ's EpochEntryCache).
type Epoch struct {
	// Number is the controllers' masterEpoch. Start is where it begins: on a master that is the end of what it had when it was
	// elected, and a former master drops what it has beyond (AutoSwitchHAClient.doTruncate).
	Number, Start int64
	// End of the log.
	End int64
}

// Epoch asks a broker for it (GET_BROKER_EPOCH_CACHE). Unlike HAStatus it is answered while a broker changes its role.
func (c *Client) Epoch(ctx context.Context, broker string) (Epoch, error) {
	var cache struct {
		Epochs []struct {
			Epoch int64 `json:"epoch"`
			Start int64 `json:"startOffset"`
		} `json:"epochList"`
		End int64 `json:"maxOffset"`
	}
	req := remoting.Request{Code: remoting.GetBrokerEpochCache, MaxAnswer: mediumAnswer} // an entry for each election
	if _, err := c.invokeJSON(ctx, broker, req, &cache); err != nil {
		return Epoch{}, err
	}
	epoch := Epoch{End: cache.End}
	for _, e := range cache.Epochs {
		if e.Epoch >= epoch.Number {
			epoch.Number, epoch.Start = e.Epoch, e.Start
		}
	}
	return epoch, nil
}

// HAAddress asks a broker for the address from which its slaves replicate (EXCHANGE_BROKER_HA_INFO); "" if it is no master.
func (c *Client) HAAddress(ctx context.Context, broker string) (string, error) {
	resp, err := c.invoke(ctx, broker, remoting.Request{Code: remoting.ExchangeBrokerHAInfo})
	if err != nil {
		return "", err
	}
	return resp.Fields["masterHaAddress"], nil
}

// Follow tells a slave the address to replicate from, its master's HAAddress (EXCHANGE_BROKER_HA_INFO). The slave connects
// within five seconds (AutoSwitchHAClient).
func (c *Client) Follow(ctx context.Context, slave, haAddress string) error {
	_, err := c.invoke(ctx, slave, remoting.Request{Code: remoting.ExchangeBrokerHAInfo, Fields: map[string]string{
		"masterHaAddress": haAddress, "masterFlushOffset": "0", // the slave knows it better
	}})
	return err
}

// probeGroup is a producer group that every broker knows, for tools (MixAll.CLIENT_INNER_PRODUCER_GROUP).
const probeGroup = "CLIENT_INNER_PRODUCER"

// TakesMessages asks a broker whether its store takes messages. It sends one that no broker stores, because its delay is no
// number (SEND_MESSAGE): the broker looks at its store first (HookUtils.checkBeforePutMessage) and then at the delay
// (handleScheduleMessage). Group is the brokerName; every broker has a topic of that name (TopicConfigManager).
//
// The answer is false for a slave and for a master that is too busy. It is true where something other than the store
// refuses: permissions, or the property startAcceptSendRequestTimeStamp.
func (c *Client) TakesMessages(ctx context.Context, broker, group string) (bool, error) {
	_, err := c.invoke(ctx, broker, remoting.Request{Code: remoting.SendMessage, Body: []byte("?"), Fields: map[string]string{
		"producerGroup": probeGroup, "topic": group, "defaultTopic": "", "defaultTopicQueueNums": "0", "queueId": "0", "sysFlag": "0",
		"bornTimestamp": strconv.FormatInt(time.Now().UnixMilli(), 10), "flag": "0", "properties": "TIMER_DELAY_SEC\x01never",
		"reconsumeTimes": "0", "unitMode": "false", "batch": "false",
	}})
	var answer *remoting.ResponseError
	switch {
	case err == nil:
		return false, errors.New("the broker stored a message whose delay is no number")
	case !errors.As(err, &answer):
		return false, err
	}
	// A slave says that it is busy, as a master does that has too much to do (SendMessageProcessor.rejectRequest).
	return !remoting.IsCode(err, remoting.ServiceNotAvailable, remoting.SystemBusy), nil
}
