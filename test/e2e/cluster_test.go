// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

const (
	clusterVersion = "5.4.0"
	newerVersion   = "5.5.0"
	clusterLimit   = 8 * time.Minute // of six servers on a busy machine of two cores
)

// oneObject is a cluster that was made of a single RocketMQCluster.
type oneObject struct {
	*kit.Installation
	dashboard string // its image
}

// A user writes one RocketMQCluster and gets all of RocketMQ. What is changed by hand is put back, a mistake is told and
// breaks nothing, a new version goes through the cluster in its order and every part grows and shrinks without losing a
// message, and when the object is deleted all is gone but the disks.
func wholeCluster(t *testing.T, w *world) {
	ctx := t.Context()
	images, err := w.place.LoadTools(ctx)
	ok(t, err)
	ok(t, w.place.LoadRocketMQ(ctx, newerVersion))
	n := w.namespace(t, "cluster", kit.Restricted)
	c := oneObject{n.InstallationOfCluster("whole"), images.Dashboard}
	n.Log.Printf("level: %s", images.Level())
	n.Log.Printf("kubectl apply -f testdata/cluster.yaml")
	c.apply(t)
	ok(t, n.AwaitReady(ctx, clusterLimit))
	ok(t, c.AwaitRegistered(ctx, c.NameServers(1), c.Topology(1, 2), time.Minute))
	show(t, w, n)
	c.told(t)
	sendAndReceive(t, c.Installation, "first", 200)
	for _, part := range []struct {
		name string
		tell func(*testing.T, oneObject)
	}{{"PutBack", putBack}, {"BadOverride", badOverride}, {"NewVersion", newVersion}, {"Scaled", scaled}, {"Deleted", deleted}} {
		if !t.Run(part.name, func(t *testing.T) {
			ok(t, c.AwaitReady(t.Context(), clusterLimit))
			inner := *c.Installation
			inner.Namespace = in(t, n)
			part.tell(t, oneObject{&inner, c.dashboard})
		}) {
			return
		}
	}
}

// apply the manifest; edits are pairs of old and new text.
func (c oneObject) apply(t *testing.T, edits ...string) {
	t.Helper()
	ok(t, c.Apply(t.Context(), manifest(t, "cluster.yaml"), append(edits, "VERSION", clusterVersion, "DASHBOARD_IMAGE", c.dashboard)...))
}

func (c oneObject) cluster(ctx context.Context) (*v1alpha1.RocketMQCluster, error) {
	found := &v1alpha1.RocketMQCluster{}
	return found, c.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: "whole"}, found)
}

// told is what the status says of a cluster that is ready.
func (c oneObject) told(t *testing.T) {
	t.Helper()
	found, err := c.cluster(t.Context())
	ok(t, err)
	status := found.Status
	if status.Phase != v1alpha1.PhaseRunning || status.Version != clusterVersion || status.Brokers != "2/2" || !strings.HasPrefix(status.Masters, "whole-broker-0-") {
		t.Errorf("phase %s, version %s, brokers %s, masters %s", status.Phase, status.Version, status.Brokers, status.Masters)
	}
	if diff := cmp.Diff([]string{"NameService 1/1", "Controller 1/1", "Broker 2/2", "Proxy 1/1", "Console 1/1"}, componentMembers(found)); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
	c.Log.Printf("name servers %s, gRPC %s, dashboard %s, password in Secret %s",
		status.Endpoints.NameServers, status.Endpoints.GRPC, status.Endpoints.Console, status.Endpoints.ConsoleLogin)
	if status.Endpoints.NameServers == "" || status.Endpoints.GRPC == "" || status.Endpoints.Console == "" {
		t.Errorf("endpoints %+v", status.Endpoints)
	}
	var login corev1.Secret
	ok(t, c.Client.Get(t.Context(), client.ObjectKey{Namespace: c.Name, Name: status.Endpoints.ConsoleLogin}, &login))
	if len(login.Data["password"]) < 20 {
		t.Errorf("the password has %d characters", len(login.Data["password"]))
	}
	c.lets(t, string(login.Data["username"]), string(login.Data["password"]))
}

// lets in whom the Secret names and nobody else, and shows both brokers.
func (c oneObject) lets(t *testing.T, name, password string) {
	t.Helper()
	server := httptest.NewServer(c.HTTP("whole-console", "console", 8082))
	defer server.Close()
	dashboard := &tools{Installation: c.Installation, dashboard: server.URL}
	if _, err := dashboard.logIn(t.Context(), "super", "admin"); err == nil {
		t.Error("the dashboard's packaged user gets in")
	}
	browser, err := dashboard.logIn(t.Context(), name, password)
	ok(t, err)
	dashboard.awaitListed(t, browser, "whole-broker-0")
	c.Log.Printf("the generated password opens the dashboard, which lists both brokers")
}

func componentMembers(c *v1alpha1.RocketMQCluster) (out []string) {
	for _, component := range c.Status.Components {
		out = append(out, component.Kind+" "+component.Members)
	}
	return out
}

// putBack: somebody scales the name servers past the cluster, and deletes the dashboard.
func putBack(t *testing.T, c oneObject) {
	ctx := t.Context()
	var ns v1alpha1.NameService
	ok(t, c.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: c.NameService}, &ns))
	edited := ns.DeepCopy()
	edited.Spec.Size = new(int32(2))
	ok(t, c.Client.Patch(ctx, edited, client.MergeFrom(&ns)))
	var console v1alpha1.Console
	ok(t, c.Client.Get(ctx, client.ObjectKey{Namespace: c.Name, Name: "whole-console"}, &console))
	c.Log.Printf("kubectl scale nameservice whole-ns --replicas=2; kubectl delete console whole-console")
	ok(t, c.Client.Delete(ctx, &console))
	ok(t, c.Await(ctx, "both to be as the cluster says", time.Minute, func(ctx context.Context) error {
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(&ns), &ns); err != nil {
			return err
		}
		var now v1alpha1.Console
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(&console), &now); err != nil {
			return err
		}
		if *ns.Spec.Size != 1 || now.UID == console.UID {
			return fmt.Errorf("%d name servers, Console %s", *ns.Spec.Size, now.UID)
		}
		return nil
	}))
	ok(t, c.AwaitReady(ctx, 2*time.Minute))
}

// badOverride: the API server's answer is on the cluster, the brokers go on as they were.
func badOverride(t *testing.T, c oneObject) {
	ctx := t.Context()
	before, err := c.Lives(ctx)
	ok(t, err)
	c.apply(t, "overrides: {drainSeconds: 0}", "overrides: {clusterMode: STATIC}")
	found, err := c.AwaitCondition(ctx, "RocketMQCluster", "whole", v1alpha1.ConditionRefused, metav1.ConditionTrue, 2*time.Minute)
	ok(t, err)
	c.Log.Printf("%s", found.Message)
	if !strings.Contains(found.Message, "Broker whole-broker") || !strings.Contains(found.Message, "clusterMode cannot change") {
		t.Errorf("the message does not say what was refused and why: %s", found.Message)
	}
	_, err = c.AwaitCondition(ctx, "RocketMQCluster", "whole", v1alpha1.ConditionReady, metav1.ConditionTrue, time.Minute)
	ok(t, err)
	c.apply(t)
	ok(t, c.AwaitNoCondition(ctx, "RocketMQCluster", "whole", v1alpha1.ConditionRefused, 2*time.Minute))
	ok(t, c.AwaitReady(ctx, time.Minute))
	if after, err := c.Lives(ctx); err != nil || !cmp.Equal(before, after) {
		t.Errorf("pods were replaced: %s (%v)", cmp.Diff(before, after), err)
	}
}

// newVersion changes the version under load: name servers, controllers, the slave, the master, proxies.
func newVersion(t *testing.T, c oneObject) {
	ctx := t.Context()
	before, err := c.Lives(ctx)
	ok(t, err)
	brokers := []string{c.Member(0, 0), c.Member(0, 1)} // controllers that come back may elect another one
	seen := watchReplacements(ctx, t, c.Installation)
	during(t, c.Installation, kit.LedgerOptions{Topic: "new-version"}, func() {
		changed := time.Now()
		c.Log.Printf("version: %s", newerVersion)
		c.apply(t, "VERSION", newerVersion)
		ok(t, c.Await(ctx, "the cluster to run "+newerVersion, 10*time.Minute, func(ctx context.Context) error {
			if err := leadersLast(ctx, c.Installation, before, brokers); err != nil {
				return err
			}
			found, err := c.cluster(ctx)
			if err != nil {
				return err
			}
			if found.Status.Version != newerVersion {
				return errors.New("it runs " + found.Status.Version)
			}
			return nil
		}))
		c.Log.Printf("the cluster runs %s after %.0f s", newerVersion, time.Since(changed).Seconds())
	})
	ok(t, c.AwaitReady(ctx, time.Minute))
	var order []string
	for _, event := range seen() {
		switch pod := strings.TrimPrefix(event, "created "); {
		case strings.HasPrefix(pod, "whole-proxy-"):
			order = append(order, "proxy")
		default:
			order = append(order, pod)
		}
	}
	if want := []string{"whole-ns-0", "whole-ctl-0", brokers[0], brokers[1], "proxy"}; !slices.Equal(want, order) {
		t.Errorf("pods were replaced in the order %v, not %v", order, want)
	}
	pods, err := c.OwnPods(ctx)
	ok(t, err)
	for name, pod := range pods {
		if pod.DeletionTimestamp != nil {
			continue // an old proxy lets its clients go first
		}
		if image := pod.Spec.Containers[0].Image; !strings.HasPrefix(name, "whole-console") && image != "apache/rocketmq:"+newerVersion {
			t.Errorf("%s runs %s", name, image)
		}
	}
}

// scaled gives every part that can have more a second member, or group, and takes it away again.
func scaled(t *testing.T, c oneObject) {
	ctx := t.Context()
	during(t, c.Installation, kit.LedgerOptions{Topic: "scaled", Poll: scalePoll}, func() {
		for _, size := range []int{2, 1} {
			c.Log.Printf("%d name servers, broker groups and proxies", size)
			c.apply(t, "VERSION", newerVersion, "nameServers: {", fmt.Sprintf("nameServers: {size: %d, ", size),
				"- storage:", fmt.Sprintf("- size: %d\n    storage:", size), "proxy: {", fmt.Sprintf("proxy: {replicas: %d, ", size))
			want := []string{fmt.Sprintf("NameService %d/%[1]d", size), "Controller 1/1", fmt.Sprintf("Broker %d/%[1]d", 2*size), fmt.Sprintf("Proxy %d/%[1]d", size), "Console 1/1"}
			ok(t, c.Await(ctx, "the parts to have these members", 6*time.Minute, func(ctx context.Context) error {
				found, err := c.cluster(ctx)
				if err != nil {
					return err
				}
				if diff := cmp.Diff(want, componentMembers(found)); diff != "" {
					return errors.New(diff)
				}
				return nil
			}))
			ok(t, c.AwaitReady(ctx, time.Minute))
		}
	})
}

// deleted: what the operator made goes with the object, the volumes stay.
func deleted(t *testing.T, c oneObject) {
	ctx := t.Context()
	var before, after corev1.PersistentVolumeClaimList
	ok(t, c.Client.List(ctx, &before, client.InNamespace(c.Name)))
	found, err := c.cluster(ctx)
	ok(t, err)
	ok(t, c.Client.Delete(ctx, found))
	ok(t, c.Await(ctx, "everything to be gone", 2*time.Minute, func(ctx context.Context) error {
		left, err := c.Versions(ctx)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("there are still %s", slices.Sorted(maps.Keys(left)))
		}
		return err
	}))
	ok(t, c.Client.List(ctx, &after, client.InNamespace(c.Name)))
	if len(before.Items) < 3 || len(after.Items) != len(before.Items) {
		t.Errorf("of %d volumes %d are left, want all, of a controller and two brokers or more", len(before.Items), len(after.Items))
	}
}
