// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/admin"
	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/reach"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
)

// connectTimeout bounds each connection, so that a dead server leaves time for the others.
const connectTimeout = 10 * time.Second

// session reaches the RocketMQ servers of a namespace.
type session struct {
	*Access
	pods     []corev1.Pod // RocketMQ's
	remoting *remoting.Client
	admin    *admin.Client
}

// open lists the pods, so that servers can be found by the addresses with which they have registered.
func (a *Access) open(ctx context.Context) (*session, error) {
	s := &session{Access: a}
	var pods corev1.PodList
	if err := a.Client.List(ctx, &pods, client.InNamespace(a.Namespace), client.MatchingLabels{desired.LabelManagedBy: desired.ManagedBy}); err != nil {
		return nil, fmt.Errorf("list pods of namespace %s: %w", a.Namespace, err)
	}
	s.pods = pods.Items
	s.remoting = remoting.NewClient(remoting.Options{Dialer: s.dial, TLSFor: s.tlsFor, Timeout: connectTimeout})
	s.admin = admin.New(s.remoting)
	return s, nil
}

// signIn lets the session ask the brokers of a Broker.
func (s *session) signIn(ctx context.Context, broker *v1alpha1.Broker) error {
	asks, err := s.clientFor(ctx, broker)
	if err == nil {
		s.admin = asks
	}
	return err
}

// clientFor asks the brokers of a Broker. Where these ask for credentials, it takes the operator's: whoever may read their Secret has
// its rights.
func (s *session) clientFor(ctx context.Context, broker *v1alpha1.Broker) (*admin.Client, error) {
	credentials, err := reach.Credentials(ctx, s.Client, broker)
	lacking := new(reach.CredentialsError)
	switch {
	case err == nil:
		return s.admin.As(credentials), nil
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("the brokers of Broker %s ask for credentials (spec.auth), and you may not read those of the operator: %w\n%s",
			broker.Name, err, askForSecret(broker.Namespace, desired.BrokerAuthSecret(broker)))
	case errors.As(err, &lacking) && !desired.MakesAuthSecret(broker):
		return nil, fmt.Errorf("the brokers of Broker %s ask for credentials (spec.auth): %w\n"+
			"spec.auth.credentialsSecretRef names it: create it, or name another", broker.Name, err)
	case errors.As(err, &lacking) && lacking.Foreign:
		return nil, fmt.Errorf("the brokers of Broker %s ask for credentials (spec.auth): %w\n"+
			"delete or rename it, and the operator makes its own", broker.Name, err)
	case errors.As(err, &lacking):
		return nil, fmt.Errorf("the brokers of Broker %s ask for credentials (spec.auth): %w\n"+
			"the operator makes it: see kubectl rocketmq status %s, and whether the operator runs", broker.Name, err, broker.Name)
	}
	return nil, fmt.Errorf("sign in at the brokers of Broker %s: %w", broker.Name, err)
}

// askForSecret tells who may not read a Secret what to ask for.
func askForSecret(namespace, name string) string {
	return fmt.Sprintf("ask for the right to get Secret %s: kubectl --namespace %s create role read-%s --verb=get --resource=secrets --resource-name=%s",
		name, namespace, name, name)
}

func (s *session) close() { _ = s.remoting.Close() }

// dial is for remoting.Options. An address that is of no pod may be of a server outside, which is dialled from this machine.
func (s *session) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	pod, port, ok := s.podAt(addr)
	if !ok {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, fmt.Errorf("not a pod of namespace %s, so dialled from here: %w", s.Namespace, err)
		}
		return conn, nil
	}
	conn, err := s.Forward(ctx, pod, port)
	if err != nil {
		return nil, fmt.Errorf("port-forward to pod %s: %w", pod, err)
	}
	return conn, nil
}

// tlsFor is for remoting.Options: a server whose pod has a certificate is spoken to with TLS.
func (s *session) tlsFor(addr string) (*tls.Config, error) {
	name, _, ok := s.podAt(addr)
	if !ok {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	var pod corev1.Pod
	if err := s.Client.Get(ctx, name, &pod); err != nil {
		return nil, client.IgnoreNotFound(err) // to dial it will say so
	}
	host, _, _ := net.SplitHostPort(addr) // podAt has done it
	config, err := reach.TLSTo(ctx, s.Client, &pod, host)
	if apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("the servers speak TLS (spec.tls), and you may not read their certificate: %w\n%s",
			err, askForSecret(pod.Namespace, desired.TLSOf(&pod.Spec).Secret))
	}
	return config, err
}

// podAt finds the pod of <pod>.<service>.<namespace>.svc[.<domain>] or an IP address, and the port. Under hostNetwork several pods
// share the address of their node, so the port decides.
func (s *session) podAt(addr string) (pod types.NamespacedName, port int, ok bool) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return pod, 0, false
	}
	if port, err = strconv.Atoi(portText); err != nil {
		return pod, 0, false
	}
	if labels := strings.Split(host, "."); len(labels) > 3 && labels[3] == "svc" {
		return types.NamespacedName{Namespace: labels[2], Name: labels[0]}, port, true
	}
	for i := range s.pods {
		if pod := &s.pods[i]; pod.Status.PodIP == host && pod.Status.Phase == corev1.PodRunning && listens(pod, port) {
			return client.ObjectKeyFromObject(pod), port, true
		}
	}
	return pod, 0, false
}

func listens(pod *corev1.Pod, port int) bool {
	return slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return int(p.ContainerPort) == port })
	})
}

// chooseBroker returns the Broker of the given name, or the only one of the namespace.
func (a *Access) chooseBroker(ctx context.Context, name string) (*v1alpha1.Broker, error) {
	if name != "" {
		broker := new(v1alpha1.Broker)
		err := a.Client.Get(ctx, client.ObjectKey{Namespace: a.Namespace, Name: name}, broker)
		if apierrors.IsNotFound(err) {
			return nil, a.noBroker(ctx, name)
		}
		if err != nil {
			return nil, fmt.Errorf("get Broker %s: %w", name, err)
		}
		return broker, nil
	}
	var brokers v1alpha1.BrokerList
	if err := a.list(ctx, a.Namespace, &brokers); err != nil {
		return nil, err
	}
	switch len(brokers.Items) {
	case 0:
		return nil, a.noBroker(ctx, "")
	case 1:
		return &brokers.Items[0], nil
	}
	var names []string
	for i := range brokers.Items {
		names = append(names, brokers.Items[i].Name)
	}
	return nil, fmt.Errorf("namespace %s has several Brokers: choose one with --broker: %s", a.Namespace, strings.Join(names, ", "))
}

// noBroker is the error for a Broker that is not there.
func (a *Access) noBroker(ctx context.Context, name string) error {
	names, err := brokerNames(ctx, a)
	switch {
	case err != nil:
		return err
	case len(names) == 0:
		return fmt.Errorf("no Broker in namespace %s: choose another with -n, or see all with: kubectl rocketmq status -A", a.Namespace)
	}
	return fmt.Errorf("no Broker %s in namespace %s, which has: %s", name, a.Namespace, strings.Join(names, ", "))
}

// hedge is how long a name server may take before the next one is asked too. The name servers are not all asked at once, because each
// connection through the API server costs a TLS handshake.
const hedge = time.Second

// clusterInfo asks the name servers of a Broker, one after the other, and takes the first answer.
func (s *session) clusterInfo(ctx context.Context, broker *v1alpha1.Broker) (*admin.ClusterInfo, error) {
	addresses := broker.Status.NameServers
	if len(addresses) == 0 {
		return nil, fmt.Errorf("Broker %s has no name servers yet: see kubectl rocketmq status %s", broker.Name, broker.Name)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		info *admin.ClusterInfo
		err  error
	}
	answers := make(chan answer, len(addresses))
	asked, timer := 0, time.NewTimer(0)
	defer timer.Stop()
	var errs []error
	for len(errs) < len(addresses) {
		select {
		case <-timer.C:
		case a := <-answers:
			if a.err == nil {
				return a.info, nil
			}
			errs = append(errs, a.err)
		}
		if asked < len(addresses) {
			addr := addresses[asked]
			asked++
			timer.Reset(hedge)
			go func() {
				info, err := s.admin.ClusterInfo(ctx, addr)
				answers <- answer{info, err}
			}()
		}
	}
	return nil, fmt.Errorf("no name server answers: see kubectl rocketmq status %s\n%w", broker.Name, errors.Join(errs...))
}

// server is a broker by the name that messages give it: a master by its group's, the brokerName.
type server struct{ name, addr string }

// cluster is a session with the masters of a Broker's RocketMQ cluster, which know its topics and consumer groups.
type cluster struct {
	*session
	broker  *v1alpha1.Broker
	masters []server // by name
	missing error    // names the groups without a master
}

func (a *Access) openCluster(ctx context.Context, brokerName string) (*cluster, error) {
	broker, err := a.chooseBroker(ctx, brokerName)
	if err != nil {
		return nil, err
	}
	s, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	c := &cluster{session: s, broker: broker}
	if err = c.signIn(ctx, broker); err == nil {
		err = c.findMasters(ctx)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return c, nil
}

func (c *cluster) findMasters(ctx context.Context) error {
	info, err := c.clusterInfo(ctx, c.broker)
	if err != nil {
		return err
	}
	addrs := map[string]string{}
	for _, g := range c.broker.Status.Groups {
		addrs[g.Name] = "" // including those that the name server does not know
	}
	for name, data := range info.Brokers {
		if data.Cluster == desired.ClusterName(c.broker) {
			addrs[name] = data.Addrs[admin.MasterID]
		}
	}
	var without []string
	for name, addr := range addrs {
		if addr == "" {
			without = append(without, name)
			continue
		}
		c.masters = append(c.masters, server{name, addr})
	}
	slices.SortFunc(c.masters, func(a, b server) int { return strings.Compare(a.name, b.name) })
	slices.Sort(without)
	if len(without) > 0 {
		c.missing = fmt.Errorf("incomplete: no master of %s: see kubectl rocketmq status %s", strings.Join(without, ", "), c.broker.Name)
	}
	if len(c.masters) == 0 {
		return fmt.Errorf("no master of cluster %s is registered: see kubectl rocketmq status %s", desired.ClusterName(c.broker), c.broker.Name)
	}
	return nil
}

// each asks all servers at once. What is missing in the answers is in the error.
func each[T any](ctx context.Context, servers []server, ask func(ctx context.Context, s server) (T, error)) (map[server]T, error) {
	answers, errs := map[server]T{}, make([]error, len(servers))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() {
			answer, err := ask(ctx, s)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs[i] = fmt.Errorf("incomplete: without %s: %w", s.name, err)
				return
			}
			answers[s] = answer
		})
	}
	wg.Wait()
	return answers, errors.Join(errs...)
}
