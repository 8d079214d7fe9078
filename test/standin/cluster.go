// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// cluster is what the name servers of a list know.
type cluster struct {
	admin       *admin.Client
	nameServers []string
}

// newCluster asks with the account in an application's properties, if there is one.
func newCluster(rc *remoting.Client, list string, p properties) cluster {
	c := cluster{admin.New(rc), strings.FieldsFunc(list, func(r rune) bool { return r == ';' })}
	if name, password := p["rocketmq.config.accessKey"], p["rocketmq.config.secretKey"]; name != "" && password != "" {
		c.admin = c.admin.As(&remoting.Credentials{AccessKey: name, SecretKey: password})
	}
	return c
}

// info asks the name servers in turn, as RocketMQ's clients do: one that answers is enough.
func (c cluster) info(ctx context.Context) (*admin.ClusterInfo, error) {
	errs := []error{fmt.Errorf("no name server of %q answers", c.nameServers)}
	for _, addr := range c.nameServers {
		info, err := c.admin.ClusterInfo(ctx, addr)
		if err == nil {
			return info, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(text); err != nil {
		fmt.Fprintln(os.Stderr, "answer:", err)
	}
}
