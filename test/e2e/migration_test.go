// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// A user of apache/rocketmq-operator applies the manifests at hand. With the old images the conditions say what to
// set; with an official image instead everything becomes Ready and passes messages.
func migration(t *testing.T, w *world) {
	t.Run("StorageClass", func(t *testing.T) { migrationStorageClass(t, w) })
	t.Run("HostPathAndEmptyDir", func(t *testing.T) { migrationHostPath(t, w) })
}

const (
	newImage      = "apache/rocketmq:5.4.0"
	oldNameServer = "apacherocketmq/rocketmq-nameserver:4.5.0-alpine-operator-0.3.0"
	oldBroker     = "apacherocketmq/rocketmq-broker:4.5.0-alpine-operator-0.3.0"
)

func migrationStorageClass(t *testing.T, w *world) {
	const path = "examples/migration"
	ctx := t.Context()
	n := w.namespace(t, "migration", kit.Restricted)
	c, err := n.InstallationOf(path)
	ok(t, err)

	c.Log.Printf("applying a manifest of the predecessor as it was")
	ok(t, c.ApplyPath(ctx, path, "nameServiceImage: "+newImage, "nameServiceImage: "+oldNameServer, "brokerImage: "+newImage, "brokerImage: "+oldBroker))
	for kind, name := range map[string]string{"NameService": c.NameService, "Broker": c.Broker} {
		found, err := c.AwaitCondition(ctx, kind, name, v1alpha1.ConditionUnsupportedImage, metav1.ConditionTrue, time.Minute)
		ok(t, err)
		c.Log.Printf("%s: %s", kind, found.Message)
		if !strings.Contains(found.Message, newImage) {
			t.Errorf("the message of %s does not say what to set: %s", kind, found.Message)
		}
		ready, err := c.AwaitCondition(ctx, kind, name, v1alpha1.ConditionReady, metav1.ConditionFalse, time.Minute)
		ok(t, err)
		if ready.Reason != v1alpha1.ConditionUnsupportedImage {
			t.Errorf("%s is not Ready for the reason %s, want %s", kind, ready.Reason, v1alpha1.ConditionUnsupportedImage)
		}
	}
	var made appsv1.StatefulSetList
	ok(t, c.Client.List(ctx, &made, client.InNamespace(c.Name)))
	if len(made.Items) > 0 {
		t.Errorf("%d StatefulSets were made with images that cannot run", len(made.Items))
	}

	c.Log.Printf("applying it with the images replaced")
	ok(t, c.ApplyPath(ctx, path))
	ok(t, c.AwaitReady(ctx, smallLimit))
	ok(t, c.AwaitRegistered(ctx, c.NameServers(1), c.Topology(1, groupMembers), time.Minute))
	sendAndReceive(t, c, "ledger", 200)

	config, err := c.Admin.BrokerConfig(ctx, c.Member(0, 0)+"."+c.Name+":10911")
	ok(t, err)
	for key, want := range map[string]string{"deleteWhen": "04", "fileReservedTime": "48", "brokerRole": "ASYNC_MASTER"} {
		if config[key] != want {
			t.Errorf("%s of broker-common.conf is %q, want %q", key, config[key], want)
		}
	}
	arguments, err := c.Exec(ctx, c.Member(0, 0), kit.RocketMQContainer, "sh", "-c", `cat /proc/[0-9]*/cmdline | tr '\0' ' '`)
	ok(t, err)
	if !strings.Contains(arguments, "-Xmx512m") {
		t.Errorf("java does not run with the heap that BROKER_MEM asks for: %s", arguments)
	}
	var claims corev1.PersistentVolumeClaimList
	ok(t, c.Client.List(ctx, &claims, client.InNamespace(c.Name)))
	var classes []string
	for _, claim := range claims.Items {
		if class := claim.Spec.StorageClassName; strings.HasPrefix(claim.Name, "broker-storage-") {
			if class == nil || *class != "standard" {
				t.Errorf("volume claim %s is not of the class in its legacy annotation", claim.Name)
			}
			classes = append(classes, claim.Name)
		}
	}
	if len(classes) != groupMembers {
		t.Errorf("volume claims of the brokers: %v, want %d", classes, groupMembers)
	}
}

// The rest of the predecessor's forms: HostPath for brokers, EmptyDir, its controllers, every optional field.
func migrationHostPath(t *testing.T, w *world) {
	ctx := t.Context()
	c := &kit.Installation{Namespace: w.namespace(t, "migration-hostpath", kit.Privileged), NameService: "names", Controller: "controller", Broker: "broker"}
	directory := "/tmp/rocketmq-operator-" + c.Name
	prepareHostPath(t, c, directory)
	ok(t, c.Apply(ctx, manifest(t, "predecessor.yaml"), "HOST_PATH", directory))
	ok(t, c.AwaitReady(ctx, smallLimit))
	ok(t, c.AwaitRegistered(ctx, c.NameServers(1), c.Topology(1, groupMembers), time.Minute))
	sendAndReceive(t, c, "ledger", 200)
	rolesFollowStatus(t, c)
	pod, err := c.Pod(ctx, c.Member(0, 0))
	ok(t, err)
	if pod.Annotations["example.org/team"] != "messaging" {
		t.Errorf("podAnnotations did not reach the pod: %v", pod.Annotations)
	}
}

// prepareHostPath does on every node what a user does as its administrator: make the directories of the broker pods,
// writable by uid 3000.
func prepareHostPath(t *testing.T, c *kit.Installation, directory string) {
	t.Helper()
	ctx := t.Context()
	var nodes corev1.NodeList
	ok(t, c.Client.List(ctx, &nodes))
	// What an earlier run left would be the data of brokers that these controllers do not know.
	commands := []string{fmt.Sprintf("rm -rf /host/%s", c.Name)}
	for _, ordinal := range []int{0, 1} {
		commands = append(commands, fmt.Sprintf("mkdir -p /host/%s/%s && chown 3000:3000 /host/%s/%s", c.Name, c.Member(0, ordinal), c.Name, c.Member(0, ordinal)))
	}
	for _, node := range nodes.Items {
		ok(t, c.Apply(ctx, manifest(t, "prepare-host-path.yaml"), "NODE", node.Name, "HOST_PATH", directory, "COMMAND", strings.Join(commands, " && ")))
	}
	for _, node := range nodes.Items {
		name := "prepare-" + node.Name
		ok(t, c.Await(ctx, "pod "+name+" to end", time.Minute, func(ctx context.Context) error {
			pod, err := c.Pod(ctx, name)
			if err != nil {
				return err
			}
			if pod.Status.Phase != corev1.PodSucceeded {
				return fmt.Errorf("it is %s", pod.Status.Phase)
			}
			return nil
		}))
	}
}
