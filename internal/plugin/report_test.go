// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

// hidden is what must not get into a bundle, wherever it is.
const hidden = "hidden77"

// troubled is a world with an operator, a controller, logs, a restarted broker, one that does not answer, and credentials everywhere.
func troubled(t *testing.T) *world {
	w := newWorld(t)
	controller := runningPod("quickstart-ctl-0", "quickstart-ctl", desired.Controller, "10.0.1.8")
	controller.Spec.Containers[0].Ports[0].ContainerPort = 9878
	operator := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "op-1", Labels: map[string]string{"app.kubernetes.io/name": operatorName}}}
	operator.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "operator", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	d := deployment(operatorNamespace, operatorName, "op:v1")
	d.Labels = operator.Labels
	event := &corev1.Event{ObjectMeta: named("e"), InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "quickstart-0-0"}, Reason: "Unhealthy", Type: "Warning"}
	event.Message = "probe failed:\npassword=" + hidden
	secret := &corev1.Secret{ObjectMeta: named("login"), StringData: map[string]string{"password": hidden}}
	w.add(controller, operator, d, event, secret, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "mq", Name: "acl", Labels: map[string]string{desired.LabelManagedBy: desired.ManagedBy}},
		Data:       map[string]string{"plain_acl.yml": "accounts:\n- accessKey: " + hidden + "\n  secretKey: " + hidden + "\n"},
	})

	b := object[*v1alpha1.Broker](w, "quickstart")
	b.Spec.Config = map[string]v1alpha1.ConfigValue{"secretKey": hidden, "fileReservedTime": "48"}
	pod := object[*corev1.Pod](w, "quickstart-0-0")
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "DB_PASSWORD", Value: hidden}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "rocketmq", RestartCount: 2, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	w.logs = map[string]string{
		"quickstart-0-0/rocketmq false": "first line\n" + strings.Repeat("a line\n", 100) + "12:00 accessKey=" + hidden + " last line\n",
		"op-1/operator false":           "the operator runs\n",
	}

	w.answer("quickstart-0-0", remoting.GetBrokerRuntimeInfo, figures("1.0"))
	w.servers.configs["quickstart-0-0"] = map[string]string{"brokerName": "quickstart-0", "innerClientAuthenticationCredentials": `{"accessKey":"` + hidden + `"}`}
	w.answer("quickstart-0-0", remoting.GetBrokerHAStatus, `{"master":true,"masterCommitLogMaxOffset":77,"inSyncSlaveNums":0,"haConnectionInfo":[]}`)
	w.servers.answers["quickstart-ctl-0"] = map[remoting.RequestCode]fakemq.Answer{
		remoting.ControllerGetMetadataInfo:  {Fields: map[string]string{"group": "g", "controllerLeaderId": "n0", "isLeader": "true", "peers": "n0:10.0.1.8:9878"}},
		remoting.ControllerGetSyncStateData: {Code: remoting.ControllerNotLeader},
		remoting.GetControllerConfig:        {Body: "controllerType=DLedger\nadminPassword=" + hidden + "\n"},
	}
	w.servers.states["quickstart-ctl-0"] = fakemq.Serving
	for _, pod := range []string{"quickstart-0-1", "quickstart-1-0"} {
		w.servers.states[pod] = fakemq.Refused
	}
	object[*corev1.Pod](w, "quickstart-1-1").Status = corev1.PodStatus{Phase: corev1.PodPending}
	w.intercept.List = func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		kind := fmt.Sprintf("%T", list)
		if u, is := list.(*unstructured.UnstructuredList); is {
			kind = u.GetKind()
		}
		switch {
		case strings.Contains(kind, "Secret"):
			t.Error("Secrets are listed")
		case kind == "NodeList":
			return errors.New("nodes is forbidden")
		}
		return c.List(ctx, list, options...)
	}
	w.intercept.Get = func(ctx context.Context, c client.WithWatch, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
		if _, is := into.(*corev1.Secret); is {
			t.Error("a Secret is read")
		}
		return c.Get(ctx, key, into, options...)
	}
	return w
}

// unpack an archive.
func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(packed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		content, readErr := io.ReadAll(archive)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
}

func TestReport(t *testing.T) {
	w := troubled(t)
	file := filepath.Join(t.TempDir(), "report.tar.gz")
	var out, progress bytes.Buffer
	if err := w.runOn(t.Context(), &out, &progress, "report", "--file", file, "--log-bytes", "300"); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, file)
	golden(t, "report-files", strings.Join(slices.Sorted(maps.Keys(files)), "\n")+"\n")
	size := strings.Index(out.String(), " files, ")
	golden(t, "report", strings.ReplaceAll(out.String()[:size]+" files, 0.0 MB"+out.String()[size+len(" files, 0.0 MB"):], file, "rocketmq-report-20260501-120000.tar.gz"))
	if want := "warning: " + file + " lacks 5 parts that could not be had: its README.txt says which, and why\n"; progress.String() != want {
		t.Errorf("without a terminal it told\n%s\nwant\n%s", progress.String(), want)
	}

	for name, content := range files {
		if strings.Contains(content, hidden) {
			t.Errorf("a credential is in %s:\n%s", name, content)
		}
	}
	for name, part := range map[string]string{
		"README.txt":                                                              "nodes is forbidden",
		"objects/mq/Broker/quickstart.yaml":                                       "secretKey: (blanked)",
		"objects/mq/Pod/quickstart-0-0.yaml":                                      "value: (blanked)",
		"objects/mq/ConfigMap/acl.yaml":                                           "secretKey: (blanked)",
		"objects/mq/status.txt":                                                   "Broker mq/quickstart",
		"objects/mq/events.txt":                                                   "Unhealthy   Pod/quickstart-0-0   probe failed: password=(blanked)",
		"logs/mq/quickstart-0-0/rocketmq.log":                                     "accessKey=(blanked) last line",
		"logs/mq/quickstart-0-0/rocketmq.previous.log.error.txt":                  "no log of mq/quickstart-0-0",
		"servers/mq/quickstart-0-0/config.yaml":                                   "brokerName: quickstart-0",
		"servers/mq/quickstart-0-0/runtime.yaml":                                  "brokerVersionDesc: V5_4_0",
		"servers/mq/quickstart-ns-0/cluster.yaml":                                 "quickstart-1",
		"servers/mq/quickstart-0-1/runtime.yaml.error.txt":                        "connection refused",
		"servers/mq/quickstart-ctl-0/config.yaml":                                 "adminPassword: (blanked)",
		"servers/mq/quickstart-ctl-0/syncstatesets.yaml":                          "another controller leads",
		"servers/mq/quickstart-1-1.error.txt":                                     "pod quickstart-1-1 is Pending and cannot be asked",
		"operator/logs/" + operatorNamespace + "/op-1/operator.log":               "the operator runs",
		"operator/" + operatorNamespace + "/Deployment/" + operatorName + ".yaml": "image: op:v1",
	} {
		if content, exists := files["rocketmq-report/"+name]; !exists || !strings.Contains(content, part) {
			t.Errorf("%s (there: %t) does not say %q:\n%s", name, exists, part, content)
		}
	}
	if log := files["rocketmq-report/logs/mq/quickstart-0-0/rocketmq.log"]; strings.Contains(log, "first line") || len(log) > 400 || !strings.HasPrefix(log, "(about ") {
		t.Errorf("of a long log there is\n%s", log)
	}

	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v %v", info, err)
	}
	w.fails([]string{"report.tar.gz exists", "--file"}, "report", "--file", file)
	w.fails([]string{"--log-bytes 0"}, "report", "--log-bytes", "0")
	w.fails([]string{"write the archive", "no such file"}, "report", "--file", "/nowhere/x.tar.gz")
}

func TestReportOfAllNamespaces(t *testing.T) {
	w := troubled(t)
	ns := &v1alpha1.NameService{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "alone"}}
	w.add(ns)
	file := filepath.Join(t.TempDir(), "report.tar.gz")
	if _, err := w.run("report", "--file", file, "-A"); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, file)
	for _, name := range []string{"objects/mq/Broker/quickstart.yaml", "objects/other/NameService/alone.yaml"} {
		if _, exists := files["rocketmq-report/"+name]; !exists {
			t.Errorf("no %s in %q", name, slices.Sorted(maps.Keys(files)))
		}
	}
}

func TestReportOnATerminal(t *testing.T) {
	w := troubled(t)
	var out bytes.Buffer
	var seen watched
	if err := w.runOn(t.Context(), &out, &seen, "report", "--file", filepath.Join(t.TempDir(), "report.tar.gz")); err != nil {
		t.Fatal(err)
	}
	if all := seen.all.String(); !strings.Contains(all, "reading Broker objects\n") || !strings.Contains(all, "asking 5 servers in namespace mq\n") {
		t.Errorf("it told\n%s", all)
	}
	if left := seen.shows(t); strings.Count(left, "\n") > 1 || !strings.HasPrefix(left, "warning: ") {
		t.Errorf("at last it shows %q", left)
	}
}

// TestReportWithoutAnswers: of a cluster that does not answer, or answers nothing that this user may see, there is none.
func TestReportWithoutAnswers(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "report.tar.gz")
	none := func(why string) {
		t.Helper()
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s there is an archive: %v", why, err)
		}
	}
	refusal := error(&url.Error{Op: "Get", URL: "https://127.0.0.1:1", Err: errors.New("connection refused")})
	w.intercept.List = func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return refusal }
	w.fails([]string{"the Kubernetes API server does not answer", "connection refused", "kubectl get nodes"}, "report", "--file", file)
	none("without an API server")
	w.fails([]string{"the Kubernetes API server does not answer"}, "report", "--file", file, "-A")

	refusal = apierrors.NewUnauthorized("who are you?")
	w.fails([]string{"the Kubernetes API server does not answer", "who are you?"}, "report", "--file", file)
	none("without a known user")

	refusal = apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("not you"))
	w.fails([]string{"nothing could be had", "not you"}, "report", "--file", file)
	none("without any right")
}

// TestReportOfSecuredBrokers: they are asked as the operator, and nothing of its Secret gets into the report.
func TestReportOfSecuredBrokers(t *testing.T) {
	w := newWorld(t)
	b := w.secured()
	for _, pod := range []string{"quickstart-0-0", "quickstart-0-1", "quickstart-1-0", "quickstart-1-1"} {
		w.answer(pod, remoting.GetBrokerRuntimeInfo, figures("1200.3"))
		w.answer(pod, remoting.GetBrokerHAStatus, `{"master":true}`)
		w.answer(pod, remoting.GetBrokerConfig, "brokerName=quickstart\nother="+hidden[:2])
	}
	look := func() map[string]string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "report.tar.gz")
		if _, err := w.run("report", "--file", file); err != nil {
			t.Fatal(err)
		}
		return unpack(t, file)
	}
	if said := look()["rocketmq-report/servers/mq/quickstart.error.txt"]; !strings.Contains(said, `Secret "quickstart-auth"`) || !strings.Contains(said, "kubectl rocketmq status quickstart") {
		t.Errorf("without the Secret it says %q", said)
	}

	w.add(desired.NewBrokerAuthSecret(b, func() string { return hidden }))
	files := look()
	if config := files["rocketmq-report/servers/mq/quickstart-0-0/config.yaml"]; !strings.Contains(config, "brokerName: quickstart") {
		t.Errorf("the brokers did not answer: %q in %q", config, slices.Sorted(maps.Keys(files)))
	}
	for name, content := range files {
		if strings.Contains(content, hidden) || strings.Contains(name, "Secret") {
			t.Errorf("the Secret is in %s:\n%s", name, content)
		}
	}
}
