// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// api asks the API server with the administrator's rights, or rather the equal ones of the API server towards kubelets.
type api struct{ http *http.Client }

func (c *Cluster) api() (api, error) {
	ca, err := os.ReadFile(filepath.Join(c.pki(), "ca.crt"))
	if err != nil {
		return api{}, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	const name = "apiserver-kubelet-client" // group system:masters
	cert, err := tls.LoadX509KeyPair(filepath.Join(c.pki(), name+".crt"), filepath.Join(c.pki(), name+".key"))
	if err != nil {
		return api{}, err
	}
	return api{&http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}},
	}}, nil
}

// call makes a request and decodes the JSON of the answer into result, unless that is nil.
func (a api) call(ctx context.Context, method, path string, result any) error {
	req, err := http.NewRequestWithContext(ctx, method, apiURL+path, nil)
	if err != nil {
		return err
	}
	res, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %.300s", method, path, res.Status, body)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(body, result)
}

// nodeState is what matters of a Node object.
type nodeState struct {
	Name    string
	Ready   bool
	Version string
}

func (a api) nodes(ctx context.Context) ([]nodeState, error) {
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				Conditions []struct{ Type, Status string }
				NodeInfo   struct{ KubeletVersion string }
			}
		}
	}
	if err := a.call(ctx, http.MethodGet, "/api/v1/nodes", &list); err != nil {
		return nil, err
	}
	var nodes []nodeState
	for _, i := range list.Items {
		ready := slices.ContainsFunc(i.Status.Conditions, func(c struct{ Type, Status string }) bool {
			return c.Type == "Ready" && c.Status == "True"
		})
		nodes = append(nodes, nodeState{i.Metadata.Name, ready, i.Status.NodeInfo.KubeletVersion})
	}
	return nodes, nil
}

// nodesReady returns an error that names the nodes that are not ready, or whose kubelets were not heard of since
// the given time: what the Node object says may be from before the kubelet was killed.
func (a api) nodesReady(ctx context.Context, want []node, since time.Time) error {
	have, err := a.nodes(ctx)
	if err != nil {
		return err
	}
	var leases struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct{ RenewTime time.Time }
		}
	}
	if err := a.call(ctx, http.MethodGet, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", &leases); err != nil {
		return err
	}
	heard := map[string]time.Time{}
	for _, l := range leases.Items {
		heard[l.Metadata.Name] = l.Spec.RenewTime
	}
	var errs []error
	for _, n := range want {
		switch {
		case !slices.ContainsFunc(have, func(h nodeState) bool { return h.Name == n.name() && h.Ready }):
			errs = append(errs, errors.New(n.name()+" is not Ready"))
		case heard[n.name()].Before(since):
			errs = append(errs, errors.New(n.name()+" does not renew its lease"))
		}
	}
	return errors.Join(errs...)
}

// dnsWorks resolves a name of the cluster as a pod would: through the Service's address.
func dnsWorks(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second) // while it starts, packets get lost
	defer cancel()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, dnsIP+":53")
	}}
	const name = "kubernetes.default.svc.cluster.local."
	addrs, err := r.LookupHost(ctx, name)
	if err == nil && !slices.Equal(addrs, []string{apiIP}) {
		err = fmt.Errorf("%s is %v instead of %s", name, addrs, apiIP)
	}
	if err != nil {
		return fmt.Errorf("DNS does not work: %w", err)
	}
	return nil
}

// hasDefaultServiceAccount tells whether pods can be created in the default namespace.
func (a api) hasDefaultServiceAccount(ctx context.Context) error {
	return a.call(ctx, http.MethodGet, "/api/v1/namespaces/default/serviceaccounts/default", nil)
}
