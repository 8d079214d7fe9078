// SPDX-License-Identifier: Apache-2.0

package admin_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// quorum answers as controllers do: by address, what they say of the leader.
type quorum map[string]map[string]string

func (q quorum) State(addr string) fakemq.State {
	switch {
	case addr == "silent:9878":
		return fakemq.Silent
	case q[addr] == nil:
		return fakemq.Refused
	}
	return fakemq.Serving
}

func (q quorum) Answer(addr string, _ remoting.Request) (fakemq.Answer, bool) {
	return fakemq.Answer{Fields: q[addr]}, true
}

func TestFindLeader(t *testing.T) {
	servers := quorum{
		"c0:9878": {"isLeader": "false", "controllerLeaderAddress": "c1:9878"},
		"c1:9878": {"isLeader": "true", "controllerLeaderAddress": "c1:9878"},
		"c2:9878": {"isLeader": "false"},
	}
	rc := remoting.NewClient(remoting.Options{Dialer: fakemq.Dialer(servers)})
	defer rc.Close()
	c := admin.New(rc)
	for _, tc := range []struct {
		name        string
		controllers []string
		want        string
		refusals    []string
	}{
		{"one leads", []string{"c0:9878", "c1:9878", "c2:9878"}, "c1:9878", nil},
		{"others are silent or away", []string{"silent:9878", "gone:9878", "c1:9878"}, "c1:9878", nil},
		{"none leads", []string{"c0:9878", "gone:9878", "c2:9878"}, "", []string{
			"no controller leads: c0:9878 follows c1:9878; ", "gone:9878: connection refused; ", "c2:9878 follows nobody",
		}},
		{"none answers in time", []string{"silent:9878"}, "", []string{"no answer: context deadline exceeded"}},
		{"none is given", nil, "", []string{"no controller leads"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := c.FindLeader(t.Context(), tc.controllers)
			if got != tc.want || (tc.refusals != nil) != errors.Is(err, admin.ErrNoLeader) {
				t.Errorf("leader %q, %v; want %q", got, err, tc.want)
			}
			for _, refusal := range tc.refusals {
				if !strings.Contains(err.Error(), refusal) {
					t.Errorf("error %v, want one with %q", err, refusal)
				}
			}
		})
	}
}
