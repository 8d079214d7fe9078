// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rocketmq-operator/rocketmq-operator/remoting"
	"github.com/rocketmq-operator/rocketmq-operator/test/fakemq"
)

func TestProperties(t *testing.T) {
	defaults := properties{"server.port": "1", "list[0]": "packaged", "a.some-name": "packaged", "untouched": "packaged"}
	environ := []string{
		"SERVER_PORT=2", "LIST_0_=env", "A_SOMENAME=env", "UNKNOWN=env",
		"JAVA_TOOL_OPTIONS=-Dserver.port=3 -Xmx1g -Da.b=java", `SPRING_APPLICATION_JSON={"server.port": 4, "list": ["json"], "c": {"d": true}}`,
	}
	for name, test := range map[string]struct {
		environ, args []string
		want          properties
	}{
		"packaged":  {nil, nil, properties{"server.port": "1", "list[0]": "packaged", "a.some-name": "packaged"}},
		"variables": {environ[:4], nil, properties{"server.port": "2", "list[0]": "env", "a.some-name": "env"}},
		"java":      {environ[:5], nil, properties{"server.port": "3", "list[0]": "env", "a.some-name": "env", "a.b": "java"}},
		"json":      {environ, nil, properties{"server.port": "4", "list[0]": "json", "a.some-name": "env", "a.b": "java", "c.d": "true"}},
		"arguments": {environ, []string{"--server.port=5", "other"}, properties{"server.port": "5", "list[0]": "json", "a.some-name": "env", "a.b": "java", "c.d": "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := load(defaults, test.environ, test.args, "JAVA_TOOL_OPTIONS")
			if err != nil {
				t.Fatal(err)
			}
			test.want["untouched"] = "packaged"
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("properties (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := load(nil, []string{"SPRING_APPLICATION_JSON=nonsense"}, nil); err == nil {
		t.Error("JSON that is none was taken")
	}
}

// servers are one name server, ns:9876, and the master that it knows.
type servers struct{}

func (servers) State(addr string) fakemq.State {
	if addr == "ns:9876" || addr == "b:10911" {
		return fakemq.Serving
	}
	return fakemq.Refused
}

func (servers) Answer(_ string, request remoting.Request) (fakemq.Answer, bool) {
	switch request.Code {
	case remoting.GetBrokerClusterInfo:
		return fakemq.Answer{Body: `{"brokerAddrTable":{"b-0":{"cluster":"c","brokerName":"b-0","brokerAddrs":{0:"b:10911"}}},"clusterAddrTable":{"c":["b-0"]}}`}, true
	case remoting.GetAllTopicConfig:
		return fakemq.Answer{Body: `{"topicConfigTable":{"t":{"topicName":"t","readQueueNums":2,"writeQueueNums":2,"perm":6}},"dataVersion":{"counter":1,"timestamp":1,"stateVersion":0}}`}, true
	case remoting.GetTopicStatsInfo:
		return fakemq.Answer{Body: `{"offsetTable":{{"brokerName":"b-0","queueId":0,"topic":"t"}:{"minOffset":0,"maxOffset":3},{"brokerName":"b-0","queueId":1,"topic":"t"}:{"minOffset":0,"maxOffset":4}}}`}, true
	case remoting.GetRouteInfoByTopic:
		return fakemq.Answer{Body: `{"queueDatas":[{"brokerName":"b-0","readQueueNums":1,"writeQueueNums":1,"perm":6}],"brokerDatas":[{"cluster":"c","brokerName":"b-0","brokerAddrs":{0:"b:10911"}}]}`}, true
	case pullMessage:
		return fakemq.Answer{Code: pullNotFound}, true
	case remoting.GetBrokerRuntimeInfo:
		return fakemq.Answer{Body: `{"table":{"putTps":"1.5 0 0","getTransferredTps":"2 0 0","brokerVersionDesc":"V5_4_0"}}`}, true
	}
	return fakemq.Answer{Code: remoting.SystemError}, true
}

func client(t *testing.T) *remoting.Client {
	t.Helper()
	rc := remoting.NewClient(remoting.Options{Timeout: time.Second, Dialer: fakemq.Dialer(servers{})})
	t.Cleanup(func() { _ = rc.Close() })
	return rc
}

func get(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	response, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDashboard(t *testing.T) {
	directory := t.TempDir()
	start := func(nameServers, login string) string {
		t.Helper()
		handler, err := newDashboard(properties{"rocketmq.config.namesrvAddrs[0]": nameServers, "rocketmq.config.dataPath": directory,
			"rocketmq.config.loginRequired": login}, client(t))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		return server.URL
	}
	open := start("gone:9876;ns:9876", "false")
	if list := get(t, http.DefaultClient, open+"/cluster/list.query"); !strings.Contains(list, `"b-0":{"0":{"brokerVersionDesc":"V5_4_0"`) {
		t.Errorf("list %s", list)
	}
	if list := get(t, http.DefaultClient, start("gone:9876", "false")+"/cluster/list.query"); !strings.Contains(list, `"status":-1`) || !strings.Contains(list, "gone:9876") {
		t.Errorf("of a wrong address %s", list)
	}
	if health := get(t, http.DefaultClient, open+"/actuator/health"); health != `{"status":"UP"}` {
		t.Errorf("health %s", health)
	}

	closed := start("ns:9876", "true")
	login := func(user, password string) (*http.Client, bool) {
		t.Helper()
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		c := &http.Client{Jar: jar}
		response, err := c.PostForm(closed+"/login/login.do", url.Values{"username": {user}, "password": {password}})
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var answer struct{ Status int }
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return c, answer.Status == 0
	}
	if page := get(t, http.DefaultClient, closed+"/cluster/list.query"); strings.Contains(page, "b-0") {
		t.Errorf("nobody is logged in, and sees %s", page)
	}
	// As with the real dashboard, the packaged users are there while there is no file.
	if c, ok := login("super", "admin"); !ok || !strings.Contains(get(t, c, closed+"/cluster/list.query"), "b-0") {
		t.Error("the packaged user does not get in")
	}
	if err := os.WriteFile(filepath.Join(directory, "users.properties"), []byte("# users\nme=mine,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][2]string{{"super", "admin"}, {"me", "yours"}, {"# users", ""}} {
		if _, ok := login(wrong[0], wrong[1]); ok {
			t.Errorf("%q gets in", wrong)
		}
	}
	if _, ok := login("me", "mine"); !ok {
		t.Error("the user of the file does not get in")
	}
}

func TestExporter(t *testing.T) {
	for nameServers, want := range map[string]string{
		"ns:9876":   `rocketmq_producer_offset{cluster="c",broker="b-0",topic="t",} 7.0`,
		"gone:9876": "",
	} {
		server := httptest.NewServer(newExporter(properties{"rocketmq.config.webTelemetryPath": "/stats", "rocketmq.config.namesrvAddr": nameServers}, client(t)))
		got := get(t, http.DefaultClient, server.URL+"/stats")
		server.Close()
		if !strings.Contains(got, want) || (want == "" && got != "") {
			t.Errorf("of %s:\n%s", nameServers, got)
		}
	}
}

// TestImportedProperties: the files of a mounted Secret are properties, which win over what is packaged and over nothing else.
func TestImportedProperties(t *testing.T) {
	directory := t.TempDir()
	if err := os.Mkdir(filepath.Join(directory, "..data"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"rocketmq.config.accessKey": "app\n", "rocketmq.config.secretKey": "pass=word"} {
		if err := os.WriteFile(filepath.Join(directory, "..data", name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(directory, name)); err != nil {
			t.Fatal(err)
		}
	}
	imports := `SPRING_APPLICATION_JSON={"spring.config.import": "configtree:` + directory + `/"}`
	for name, test := range map[string]struct {
		environ []string
		want    string
	}{
		"nothing is imported":   {nil, "/"},
		"a Secret":              {[]string{imports}, "app/pass=word"},
		"a variable beside one": {[]string{imports, "ROCKETMQ_CONFIG_ACCESSKEY=me"}, "me/pass=word"},
	} {
		p, err := load(exporterDefaults(), test.environ, nil)
		if got := p["rocketmq.config.accessKey"] + "/" + p["rocketmq.config.secretKey"]; err != nil || got != test.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for _, place := range []string{"configtree:" + directory + "/none/", "file:" + directory} {
		if _, err := load(nil, []string{`SPRING_APPLICATION_JSON={"spring.config.import": "` + place + `"}`}, nil); err == nil {
			t.Errorf("%s is imported", place)
		}
	}
}

// signedBy answers like servers, and remembers who signed.
type signedBy struct {
	servers
	names chan string
}

func (s signedBy) Answer(addr string, request remoting.Request) (fakemq.Answer, bool) {
	s.names <- request.Fields["AccessKey"]
	return s.servers.Answer(addr, request)
}

// TestAccounts: both sign with the account in their properties, the exporter only if it is told to.
func TestAccounts(t *testing.T) {
	for name, test := range map[string]struct {
		enabled             string
		dashboard, exporter string
	}{"told to": {"true", "app", "app"}, "not told to": {"false", "app", ""}} {
		signers := signedBy{names: make(chan string, 20)}
		rc := remoting.NewClient(remoting.Options{Timeout: time.Second, Dialer: fakemq.Dialer(signers)})
		t.Cleanup(func() { _ = rc.Close() })
		p := properties{
			"rocketmq.config.accessKey": "app", "rocketmq.config.secretKey": "p", "rocketmq.config.enableACL": test.enabled,
			"rocketmq.config.webTelemetryPath": "/metrics", "rocketmq.config.namesrvAddr": "ns:9876",
			"rocketmq.config.namesrvAddrs[0]": "ns:9876", "rocketmq.config.dataPath": t.TempDir(),
		}
		dashboard, err := newDashboard(p, rc)
		if err != nil {
			t.Fatal(err)
		}
		for path, by := range map[string]struct {
			handler http.Handler
			want    string
		}{"/cluster/list.query": {dashboard, test.dashboard}, "/metrics": {newExporter(maps.Clone(p), rc), test.exporter}} {
			by.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
			if got := <-signers.names; got != by.want {
				t.Errorf("%s, %s: signed by %q, want %q", name, path, got, by.want)
			}
			for len(signers.names) > 0 {
				<-signers.names
			}
		}
	}
}

// TestRegistry: its health is never well, and a registry that found no name server when it started says that it is ready and answers
// nothing.
func TestRegistry(t *testing.T) {
	settings := filepath.Join(t.TempDir(), "rocketmq.properties")
	start := func(nameServers, probes string) string {
		t.Helper()
		text := "storage.rocketmq.namesrv=" + nameServers + "\nstorage.local.cache.path=" + filepath.Join(t.TempDir(), "cache") + "\n"
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		handler, err := newRegistry(t.Context(), properties{"schema.storage.type": "rocketmq", "schema.storage.config-path": settings, probesEnabled: probes}, client(t))
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		return server.URL
	}
	const health, ready, list = "/actuator/health", "/actuator/health/readiness", registryAPI + "/cluster/default/tenant/default/subjects"
	for _, test := range []struct {
		nameServers, probes string
		want                map[string]int
	}{
		{"ns:9876", "true", map[string]int{health: 503, ready: 200, list: 200}},
		{"ns:9876", "false", map[string]int{health: 503, ready: 404, list: 200}},
		{"gone:9876", "true", map[string]int{health: 503, ready: 200, list: 500}},
	} {
		url := start(test.nameServers, test.probes)
		got := map[string]int{}
		for path := range test.want {
			response, err := http.Get(url + path)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			got[path] = response.StatusCode
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s, probes %s (-want +got):\n%s", test.nameServers, test.probes, diff)
		}
	}
}

func TestMessageBodies(t *testing.T) {
	message := func(body string) []byte {
		m := make([]byte, 84, 200)
		m = append(m, 0, 0, 0, byte(len(body)))
		m = append(append(m, body...), "\x01t\x00\x00"...)
		m[3] = byte(len(m))
		return m
	}
	got, err := messageBodies(append(message("one"), message("")...))
	if err != nil || len(got) != 2 || string(got[0]) != "one" || len(got[1]) != 0 {
		t.Errorf("%q, %v", got, err)
	}
	broken := message("one")
	broken[87] = 200
	for _, data := range [][]byte{message("one")[:50], message("one")[:90], broken} {
		if got, err := messageBodies(data); err == nil {
			t.Errorf("%d bytes are %q", len(data), got)
		}
	}
}
