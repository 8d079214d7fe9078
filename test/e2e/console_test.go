// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// toolsLimit is for three Spring Boot applications that start at once on a busy machine of two cores.
const toolsLimit = 8 * time.Minute

// tools is what the story looks through.
type tools struct {
	*kit.Installation
	dashboard, exporter, registry string // URLs on this machine
	browser                       *kit.Browser
}

// lookingAtACluster: dashboard, exporter and schema registry beside a small cluster. They follow the name servers, and the
// dashboard's login is that of the Secret and no other.
func lookingAtACluster(t *testing.T, w *world) {
	ctx := t.Context()
	images, err := w.place.LoadTools(ctx)
	ok(t, err)
	n := w.namespace(t, "tools", kit.Restricted)
	n.Log.Printf("level: %s", images.Level())
	ok(t, n.Apply(ctx, manifest(t, "small.yaml")))
	c := &tools{Installation: small(n)}
	for url, handler := range map[*string]http.Handler{
		&c.dashboard: n.HTTP("dashboard", "console", 8082), &c.exporter: n.HTTP("exporter", "exporter", 5557), &c.registry: n.HTTP("schemas", "schemaregistry", 8080),
	} {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		*url = server.URL
	}
	c.browser, err = kit.FindBrowser(ctx, n.Log)
	if err != nil {
		n.Log.Printf("NO BROWSER HERE, so the page is read without one: %s", err)
	}
	ok(t, n.AwaitReady(ctx, smallLimit))
	n.Log.Printf("kubectl apply -f testdata/tools.yaml")
	ok(t, n.Apply(ctx, manifest(t, "tools.yaml"),
		"DASHBOARD_IMAGE", images.Dashboard, "EXPORTER_IMAGE", images.Exporter, "SCHEMA_REGISTRY_IMAGE", images.SchemaRegistry))
	ok(t, n.AwaitReady(ctx, toolsLimit))
	show(t, w, n)

	c.listsBrokers(t, "")
	c.keepsSchemas(t)
	sendAndReceive(t, c.Installation, "looked-at", 100)
	c.countsMessages(t, "looked-at", 100)

	n.Log.Printf("kubectl scale nameservice %s --replicas=2", c.NameService)
	_, err = w.place.Kubectl(ctx, "-n", n.Name, "scale", "nameservice", c.NameService, "--replicas=2")
	ok(t, err)
	ok(t, n.Await(ctx, "every tool to be given two name servers", time.Minute, func(ctx context.Context) error {
		var console v1alpha1.Console
		var exporter v1alpha1.Exporter
		var registry v1alpha1.SchemaRegistry
		for name, object := range map[string]client.Object{"dashboard": &console, "exporter": &exporter, "schemas": &registry} {
			if err := n.Client.Get(ctx, client.ObjectKey{Namespace: n.Name, Name: name}, object); err != nil {
				return err
			}
		}
		for _, status := range []v1alpha1.ToolStatus{console.Status, exporter.Status, registry.Status} {
			if len(status.NameServers) != 2 {
				return fmt.Errorf("one has %q", status.NameServers)
			}
		}
		return nil
	}))
	ok(t, n.AwaitReady(ctx, toolsLimit))
	c.eachPodKnows(t, 2)
	c.listsBrokers(t, os.Getenv("DASHBOARD_PICTURE"))
	c.countsMessages(t, "looked-at", 100)
	c.hasSchema(t)
	c.login(t)
	n.Log.Printf("told with %s", images.Level())
}

// listsBrokers looks at the dashboard's cluster page: every member of every group, with figures from the brokers themselves.
func (c *tools) listsBrokers(t *testing.T, picture string) {
	t.Helper()
	ok(t, c.Await(t.Context(), "the dashboard to list both brokers", time.Minute, func(ctx context.Context) error {
		list, err := c.list(ctx, http.DefaultClient)
		if err != nil {
			return err
		}
		members := list.Brokers["broker-0"]
		if len(list.Brokers) != 1 || len(members) != 2 || !strings.Contains(members["0"]["brokerVersionDesc"], "5_4_0") {
			return fmt.Errorf("it lists %v", list.Brokers)
		}
		return nil
	}))
	if c.browser == nil {
		c.Log.Printf("the dashboard lists the brokers (read without a browser)")
		return
	}
	// A broker that has much to do answers too late for the page now and then, and its user loads it again.
	ok(t, c.Await(t.Context(), "the dashboard to show both brokers in a browser", time.Minute, func(ctx context.Context) error {
		// As after a port-forward: the page of 2.1.0 asks localhost:8082, wherever it came from.
		page, err := c.browser.Look(ctx, "http://localhost:8082/#/cluster", strings.TrimPrefix(c.dashboard, "http://"), picture)
		if err != nil {
			return err
		}
		text := strings.Join(strings.Fields(regexp.MustCompile("<[^>]*>").ReplaceAllString(page, " ")), " ")
		for _, part := range []string{"broker-0", "5_4_0"} {
			if !strings.Contains(strings.ReplaceAll(text, ".", "_"), part) {
				return fmt.Errorf("it shows no %s:\n%s", part, text)
			}
		}
		return nil
	}))
	c.Log.Printf("the dashboard lists the brokers in Chromium")
}

type brokerList struct {
	Brokers map[string]map[string]map[string]string `json:"brokerServer"`
}

func (c *tools) list(ctx context.Context, browser *http.Client) (*brokerList, error) {
	var answer struct {
		Status int
		Data   *brokerList
		ErrMsg string
	}
	if err := call(ctx, browser, http.MethodGet, c.dashboard+"/cluster/list.query", "", &answer); err != nil {
		return nil, err
	}
	if answer.Status != 0 || answer.Data == nil {
		return nil, fmt.Errorf("status %d: %s", answer.Status, answer.ErrMsg)
	}
	return answer.Data, nil
}

// call sends a request and decodes the JSON of the answer.
func call(ctx context.Context, browser *http.Client, method, url, body string, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if strings.HasSuffix(url, ".do") {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := browser.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(into); err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, url, response.Status, text)
	}
	return nil
}

// countsMessages reads the exporter's count of the messages in a topic, which it has from the broker: at least those that the
// ledger sent.
func (c *tools) countsMessages(t *testing.T, topic string, sent int) {
	t.Helper()
	series := regexp.MustCompile(`(?m)^rocketmq_producer_offset\{[^}]*topic="` + topic + `",[^}]*\} ([0-9.E]+)$`)
	var value float64
	ok(t, c.Await(t.Context(), "the exporter to count the messages", 2*time.Minute, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.exporter+"/metrics", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		found := series.FindStringSubmatch(string(text))
		if found == nil {
			return fmt.Errorf("no such series in:\n%s", text)
		}
		if value, err = strconv.ParseFloat(found[1], 64); err != nil {
			return err
		}
		if value < float64(sent) {
			return fmt.Errorf("it says %v", value)
		}
		return nil
	}))
	c.Log.Printf("the exporter counts %v messages", value)
}

const (
	schemaPath = "/schema-registry/v1/subject/looked-at/schema"
	schemaIDL  = `{"type":"record","name":"Order","namespace":"example","fields":[{"name":"id","type":"string"}]}`
)

// keepsSchemas registers an Avro schema and reads it back.
func (c *tools) keepsSchemas(t *testing.T) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"schemaIdl": schemaIDL})
	ok(t, err)
	var answer map[string]any
	ok(t, call(t.Context(), http.DefaultClient, http.MethodPost, c.registry+schemaPath+"/Order", string(body), &answer))
	c.hasSchema(t)
}

func (c *tools) hasSchema(t *testing.T) {
	t.Helper()
	ok(t, c.Await(t.Context(), "the schema to be read back", time.Minute, func(ctx context.Context) error {
		var answer struct{ IDL, Type string }
		if err := call(ctx, http.DefaultClient, http.MethodGet, c.registry+schemaPath, "", &answer); err != nil {
			return err
		}
		if answer.IDL != schemaIDL || answer.Type != "AVRO" {
			return fmt.Errorf("it is %+v", answer)
		}
		return nil
	}))
	c.Log.Printf("the schema is there")
}

// eachPodKnows checks what the running pods of all tools were given, and that none of an older template is left.
func (c *tools) eachPodKnows(t *testing.T, nameServers int) {
	t.Helper()
	seen := map[string]int{}
	var pods corev1.PodList
	ok(t, c.Client.List(t.Context(), &pods, client.InNamespace(c.Name)))
	for _, pod := range pods.Items {
		component := pod.Labels["app.kubernetes.io/component"]
		if !slices.Contains([]string{"console", "exporter", "schemaregistry"}, component) {
			continue
		}
		for _, e := range pod.Spec.Containers[0].Env {
			if e.Name == "NAMESRV_ADDR" {
				seen[component] = len(strings.Split(e.Value, ";"))
			}
		}
	}
	if want := map[string]int{"console": nameServers, "exporter": nameServers, "schemaregistry": nameServers}; !maps.Equal(seen, want) {
		t.Errorf("the pods know %v name servers, want %v", seen, want)
	}
}

// awaitListed waits until a browser is shown both members of a group: the dashboard's whole list fails when one broker does
// not answer in time.
func (c *tools) awaitListed(t *testing.T, browser *http.Client, group string) {
	t.Helper()
	ok(t, c.Await(t.Context(), "the dashboard to list "+group, time.Minute, func(ctx context.Context) error {
		list, err := c.list(ctx, browser)
		if err == nil && len(list.Brokers[group]) != 2 {
			err = fmt.Errorf("it lists %v", list)
		}
		return err
	}))
}

// login switches the login on: the Secret's user gets in, nobody else, and a changed Secret counts without a restart.
func (c *tools) login(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	console := &v1alpha1.Console{}
	console.Name, console.Namespace = "dashboard", c.Name
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec": {"login": {"secretRef": {"name": "dashboard-users"}}}}`))
	ok(t, c.Client.Patch(ctx, console, patch))
	ok(t, c.AwaitResourceReady(ctx, "Console", "dashboard", toolsLimit))

	if list, err := c.list(ctx, http.DefaultClient); err == nil {
		t.Errorf("without a login the dashboard lists %v", list)
	}
	for _, user := range []string{"super=admin", "admin=admin", "user1=user", "user2=user", "rocketmq=1234567", "alice=wrong"} {
		name, password, _ := strings.Cut(user, "=")
		if _, err := c.logIn(ctx, name, password); err == nil {
			t.Errorf("%s gets in with %q", name, password)
		}
	}
	browser, err := c.logIn(ctx, "alice", "first")
	ok(t, err)
	c.awaitListed(t, browser, "broker-0")
	c.Log.Printf("the Secret's user gets in, the dashboard's packaged users do not")

	before, err := c.Lives(ctx)
	ok(t, err)
	secret := &corev1.Secret{}
	secret.Name, secret.Namespace = "dashboard-users", c.Name
	ok(t, c.Client.Patch(ctx, secret, client.RawPatch(types.MergePatchType, []byte(`{"stringData": {"users.properties": "alice=second,1\n"}}`))))
	ok(t, c.Await(ctx, "the new password to count", 3*time.Minute, func(ctx context.Context) error {
		_, err := c.logIn(ctx, "alice", "second")
		return err
	}))
	if _, err := c.logIn(ctx, "alice", "first"); err == nil {
		t.Error("the old password still counts")
	}
	after, err := c.Lives(ctx)
	ok(t, err)
	if !maps.Equal(before, after) {
		t.Errorf("pods were restarted for a password: %v, then %v", before, after)
	}
	c.Log.Printf("a changed password counts without a restart")
}

// logIn as the dashboard's login form does.
func (c *tools) logIn(ctx context.Context, name, password string) (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	browser := &http.Client{Jar: jar}
	var answer struct {
		Status int
		ErrMsg string
	}
	form := url.Values{"username": {name}, "password": {password}}
	if err := call(ctx, browser, http.MethodPost, c.dashboard+"/login/login.do", form.Encode(), &answer); err != nil {
		return nil, err
	}
	if answer.Status != 0 {
		return nil, fmt.Errorf("status %d: %s", answer.Status, answer.ErrMsg)
	}
	return browser, nil
}
