// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
)

// operatorUser is the operator's name in the audit log.
const operatorUser = "system:serviceaccount:" + OperatorNamespace + ":" + OperatorName

// OperatorWrites lists what the operator wrote between two moments, its leader Lease aside, as "verb resource
// namespace/name": from the API server's audit log if localkube keeps one. The second result is false without one.
func (p *Place) OperatorWrites(from, to time.Time) ([]string, bool, error) {
	path := os.Getenv(auditLogEnv)
	if !p.Local || path == "" {
		return nil, false, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, false, fmt.Errorf("open the audit log: %w", err)
	}
	defer file.Close()
	writes, err := operatorWrites(file, from, to)
	return writes, true, err
}

// auditEvent is the part of audit.k8s.io/v1 Event that matters here.
type auditEvent struct {
	Stage     string           `json:"stage"`
	Verb      string           `json:"verb"`
	Received  metav1.MicroTime `json:"requestReceivedTimestamp"`
	User      struct{ Username string }
	ObjectRef struct{ Resource, Subresource, Namespace, Name string }
}

func operatorWrites(log io.Reader, from, to time.Time) ([]string, error) {
	var writes []string
	reader := bufio.NewReader(log)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil // a last line without its end is still being written
			}
			return writes, err
		}
		var e auditEvent
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("audit log: %w", err)
		}
		changes := slices.Contains([]string{"create", "update", "patch", "delete", "deletecollection"}, e.Verb)
		if !changes || e.Stage != "ResponseComplete" || e.User.Username != operatorUser || e.ObjectRef.Resource == "leases" ||
			e.Received.Time.Before(from) || e.Received.Time.After(to) {
			continue
		}
		resource := strings.TrimSuffix(e.ObjectRef.Resource+"/"+e.ObjectRef.Subresource, "/")
		writes = append(writes, fmt.Sprintf("%s %s %s/%s", e.Verb, resource, e.ObjectRef.Namespace, e.ObjectRef.Name))
	}
}

// Versions returns the resourceVersion of every resource of the operator in the namespace and of everything it made
// there. Equal versions mean that nothing was written, by anybody.
func (n *Namespace) Versions(ctx context.Context) (map[string]string, error) {
	versions := map[string]string{}
	made := []client.ListOption{client.InNamespace(n.Name), client.MatchingLabels{ManagedByLabel: OperatorName}}
	here := []client.ListOption{client.InNamespace(n.Name)}
	for _, query := range []struct {
		kind    string
		list    client.ObjectList
		options []client.ListOption
	}{
		{"NameService", &v1alpha1.NameServiceList{}, here},
		{"Controller", &v1alpha1.ControllerList{}, here},
		{"Broker", &v1alpha1.BrokerList{}, here},
		{"Proxy", &v1alpha1.ProxyList{}, here},
		{"Console", &v1alpha1.ConsoleList{}, here},
		{"Exporter", &v1alpha1.ExporterList{}, here},
		{"SchemaRegistry", &v1alpha1.SchemaRegistryList{}, here},
		{"RocketMQCluster", &v1alpha1.RocketMQClusterList{}, here},
		{"StatefulSet", &appsv1.StatefulSetList{}, made},
		{"Deployment", &appsv1.DeploymentList{}, made},
		{"Service", &corev1.ServiceList{}, made},
		{"ConfigMap", &corev1.ConfigMapList{}, made},
		{"PodDisruptionBudget", &policyv1.PodDisruptionBudgetList{}, made},
		{"Pod", &corev1.PodList{}, made},
		{"Secret", &corev1.SecretList{}, made},
	} {
		if err := n.Client.List(ctx, query.list, query.options...); err != nil {
			return nil, fmt.Errorf("list %s: %w", query.kind, err)
		}
		if err := eachItem(query.list, func(o client.Object) {
			versions[query.kind+" "+o.GetName()] = o.GetResourceVersion()
		}); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

func eachItem(list client.ObjectList, visit func(client.Object)) error {
	return meta.EachListItem(list, func(item runtime.Object) error {
		object, ok := item.(client.Object)
		if !ok {
			return fmt.Errorf("%T is no object", item)
		}
		visit(object)
		return nil
	})
}
