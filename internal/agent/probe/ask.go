// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rocketmq-operator/rocketmq-operator/internal/settings"
)

// Stopping asks the agent at the host of addr whether its broker is being stopped. The answer is no if the agent cannot be reached.
func Stopping(ctx context.Context, addr string) bool {
	var r Report
	response, err := ask(ctx, http.MethodGet, addr, "/livez")
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(&r) == nil && r.Stopping
}

// TellGrace tells the agent at the host of addr that its container will be killed after this time, counted from now. The agent may be
// told before or after it is asked to stop.
func TellGrace(ctx context.Context, addr string, left time.Duration) error {
	query := url.Values{graceSeconds: {strconv.Itoa(int(left.Seconds()))}}
	response, err := ask(ctx, http.MethodPut, addr, gracePath+"?"+query.Encode())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the agent at %s answers %s", addr, response.Status)
	}
	return nil
}

// The request that tells an agent its grace period.
const (
	gracePath    = "/grace"
	graceSeconds = "seconds"
)

// graceHandler answers that request.
func graceHandler(tell func(left time.Duration)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		const week = 7 * 24 * time.Hour
		seconds, err := strconv.Atoi(r.URL.Query().Get(graceSeconds))
		if err != nil || seconds < 0 || seconds > int(week.Seconds()) {
			http.Error(w, graceSeconds+" must be the whole number of seconds until the container is killed", http.StatusBadRequest)
			return
		}
		tell(time.Duration(seconds) * time.Second)
		w.WriteHeader(http.StatusNoContent)
	}
}

// ask sends a request to the agent of a broker. It never uses an HTTP proxy, whatever the environment says: between two pods there is
// none.
func ask(ctx context.Context, method, addr, path string) (*http.Response, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	url := "http://" + net.JoinHostPort(host, strconv.Itoa(settings.BrokerAgentPort)) + path
	request, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	client := http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	return client.Do(request)
}
