// SPDX-License-Identifier: Apache-2.0

package blank

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// fragments are what logs, events and ConfigMaps of real clusters hold. What is hidden has hunter in it; kept must stay, because it is
// what somebody looks for.
var fragments = []struct{ name, text, kept string }{
	// Arguments.
	{"an option and its value", "mqadmin updateAcl --password hunter2 -n ns:9876", "-n ns:9876"},
	{"an option with an equals sign", "run --secret=hunter2 --verbose", "--verbose"},
	{"a short option", "exec: mysql -p hunter2 -h db.example", "-h db.example"},
	{"a list of arguments in JSON", `args: ["--password", "hunter2", "--verbose"]`, `"--verbose"]`},
	{"a list of arguments in JSON, without spaces", `{"args":["--accessKey","hunter2","--v"]}`, `"--v"]}`},
	{"a list of arguments in JSON within JSON", `{"x":"{\"args\":[\"-p\",\"hunter2\",\"--v\"]}"}`, `\"--v\"]}"}`},
	{"a list of arguments in YAML", "args:\n- --password\n- hunter2\n- --verbose\n", "- --verbose"},
	{"a list of quoted arguments in YAML", "  args:\n    - \"--secretKey\"\n    - 'hunter2 and more'\n    - start", "    - start"},
	{"a list of arguments in Go", "command [broker --token hunter2 -c conf]", "-c conf]"},
	{"an option of curl", "curl -u admin:hunter2 http://dashboard:8080", "http://dashboard:8080"},
	{"a long option of curl", "curl --user 'admin:hunter2 x' http://dashboard:8080", "http://dashboard:8080"},

	// YAML.
	{"a value in the next line", "password:\n  hunter2\nport: 1", "port: 1"},
	{"a block", "auth:\n  password: |\n    hunter2\n    hunter3\n  port: 1", "  port: 1"},
	{"a folded block with an empty line", "password: >-\n  hunter2\n\n  hunter3\nport: 1", "port: 1"},
	{"a block that is an item", "- password: |-\n    hunter2\n  port: 1", "  port: 1"},
	{"a value that goes on", "password: hunter2\n  hunter3\nport: 1", "port: 1"},
	{"a quoted value that goes on", "password: \"hunter2\n  hunter3\"\nport: 1", "port: 1"},
	{"a quoted value with a quote", "password: 'hunter2''s hunter3'\nport: 1", "port: 1"},
	{"a value with a comment", "password: \"hunter2\" # for tests\nport: 1", "port: 1"},
	{"a list of values", "passwords:\n- hunter2\n- hunter3\nport: 1", "port: 1"},
	{"an inner object", "credentials:\n  user: hunter1\n  pass: hunter2\nport: 1", "port: 1"},
	{"a flow", "credentials: {user: hunter1, pass: hunter2}\nport: 1", "port: 1"},
	{"a number", "password: 12345678hunter\nport: 1", "port: 1"},
	{"a name and a value", "env:\n- name: DB_PASSWORD\n  value: hunter2\n- name: LEVEL\n  value: info", "  value: info"},
	{"a name and a quoted value", "  - name: \"SECRET_KEY\"\n    value: \"hunter 2\"\n  - name: LEVEL", "  - name: LEVEL"},
	{"a name and a block", "- name: TOKEN\n  value: |\n    hunter2\n    hunter3\n- name: LEVEL", "- name: LEVEL"},
	{"a value before its name", "- value: hunter2\n  name: DB_PASSWORD\n- value: info\n  name: LEVEL", "- value: info"},
	{"a key and a value", "- key: accessKey\n  value: hunter2\n- key: level\n  value: info", "  value: info"},
	{"a Secret's manifest", "kind: Secret\nmetadata:\n  name: users\nstringData:\n  admin: hunter2\ntype: Opaque", "  name: users"},
	{"a manifest of users", "kind: ConfigMap\ndata:\n  users.properties: |\n    admin=hunter2,1\n    guest=hunter3\n  level: info", "  level: info"},

	// JSON.
	{"a name and a value in JSON", `{"env":[{"name":"DB_PASSWORD","value":"hunter2"},{"name":"LEVEL","value":"info"}]}`, `"value":"info"`},
	{"a value before its name in JSON", `{"value":"hunter2","name":"DB_PASSWORD","x":"y"}`, `"x":"y"`},
	{"a name and a value in lines of JSON", "{\n  \"name\": \"DB_PASSWORD\",\n  \"value\": \"hunter2\"\n},\n{\n  \"name\": \"LEVEL\"", `"name": "LEVEL"`},
	{"a name and a value in JSON within JSON", `{"a":"{\"name\":\"TOKEN\",\"value\":\"hunter2\",\"x\":1}"}`, `\"x\":1}"}`},
	{"a name and a value in Go", `EnvVar{Name:DB_PASSWORD,Value:hunter2,ValueFrom:nil,} done`, "done"},
	{"a number in JSON", `{"password": 77000077, "n": 1}`, `"n": 1}`},
	{"an object in JSON", `x={"credentials":{"a":{"b":"hunter2"}},"n":1}`, `"n":1}`},
	{"a list in JSON", `{"passwords":["hunter2","hunter3"],"n":1}`, `"n":1}`},
	{"JSON within JSON within JSON", `{"a":"{\"b\":\"{\\\"password\\\":\\\"hunter2\\\",\\\"n\\\":1}\"}"}`, `\\\"n\\\":1`},
	{"a registry's account", `{"auths":{"registry.example":{"auth":"aHVudGVy-hunter2"}}}`, "registry.example"},

	// RocketMQ's own files.
	{
		"plain_acl.yml", "globalWhiteRemoteAddresses:\n- 10.0.0.*\naccounts:\n  - accessKey: hunter-RocketMQ\n    secretKey: hunter12345678\n    admin: false\n",
		"    admin: false",
	},
	{"tools.yml", "accessKey: hunter-rocketmq2\nsecretKey: hunter12345678\n", ""},
	{"a broker's first user", `initAuthenticationUser={"username":"hunter1","password":"hunter2"}` + "\nlistenPort=10911", "listenPort=10911"},
	{"a console's properties", "rocketmq.config.accessKey=hunter1\nrocketmq.config.secretKey=hunter2\nserver.port=8080", "server.port=8080"},
	{"tools' options", "ak=hunter1\nsk=hunter2\nnamesrvAddr=ns:9876", "namesrvAddr=ns:9876"},
	{"a user in Java", "user=User(username=admin, password=hunter2, type=SUPER)", "type=SUPER"},
	{"a property over two lines", "password=hunter2\\\n  hunter3\nlistenPort=10911", "listenPort=10911"},
	{"an acl's file in a log", "2026-05-01T12:00:00.000000001Z secretKey=hunter2 hunter3\n2026-05-01T12:00:00.1Z port=1", "port=1"},

	// Logs.
	{"a password with spaces", "12:00 INFO password=hunter2 hunter3, retrying at 10.0.0.1", "retrying at 10.0.0.1"},
	{"a sentence", "the password is hunter2 now", ""},
	{"a quoted password", `WARN refused password "hunter2 x" of admin`, "of admin"},
	{"a password in the next line of a log", "2026-05-01T12:00:00Z INFO Generated password:\n2026-05-01T12:00:00Z hunter2\n2026-05-01T12:00:01Z started", "started"},
	{"a map in Java", "config {secretKey=hunter2, brokerName=a}", "brokerName=a}"},
	{"a block in a log", "2026-05-01T12:00:00Z password: |\n2026-05-01T12:00:00Z   hunter2\n2026-05-01T12:00:00Z port: 1", "port: 1"},
	{"a query", "GET /api?token=hunter2&x=1 200", "GET /api"},
	{"a JDBC address", "jdbc:mysql://db:3306/mq?user=root&password=hunter2&useSSL=false", "jdbc:mysql://db:3306/mq"},
	{"a header", "Authorization: Basic aHVudGVyMg=hunter2", "Authorization: Basic"},
	{"a bare header", `{"Authorization":["hunter2hunter2hunter2"],"Accept":["*/*"]}`, `"Accept":["*/*"]`},
	{"a cookie", "Cookie: JSESSIONID=hunter2; b=hunter3\nAccept: text", "Accept: text"},
	{"XML", "<password>hunter2</password><port>1</port>", "<port>1</port>"},
	{"XML as Hadoop has it", "<name>db.password</name><value>hunter2</value>", ""},
	{"XML as Hadoop has it, in lines", "<property>\n  <name>db.password</name>\n  <value>hunter2</value>\n</property>", "</property>"},

	// Forms.
	{"an address", "dial mongodb://admin:hunter2@db-0:27017/admin", "db-0:27017"},
	{"an address with a slash and an @ in the password", "amqp://u:hunter/p@ss@db:1", "@db:1"},
	{"an address with a token", "git clone https://hunter2@git.example/x", "git.example/x"},
	{"addresses in JSON", `{"a":"redis://:hunter2@h1:1","b":"redis://h2:1"}`, `"b":"redis://h2:1"`},
	{"an address of Go's MySQL", "root:hunter2@tcp(db:3306)/mq", "tcp(db:3306)/mq"},
	{"a JSON web token", "got eyJhbGciOiJIUzI1NiJ9.eyJodW50ZXIiOjJ9.hunter2hunter2 of x", "of x"},
	{"a hash", "admin:$2a$10$hunter2hunter2hunter2 x", "admin:"},
	{"a key in JSON", `{"key":"-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n","n":1}`, `"n":1`},
	{"a key in a log", "2026-05-01T12:00:00Z -----BEGIN EC PRIVATE KEY-----\n2026-05-01T12:00:00Z hunter2\n2026-05-01T12:00:00Z -----END EC PRIVATE KEY-----\nnext", "next"},
	{
		"a key whose beginning is cut off", strings.Repeat("hunter2a", 8) + "\n" + strings.Repeat("hunter2b", 8) + "\n-----END RSA PRIVATE KEY-----\nnext",
		"next",
	},
	{"a kubeconfig", "client-certificate-data: LS0tLS1CRUdJTihunter1\nclient-key-data: LS0tLS1CRUdJTihunter2\nname: me", "name: me"},
	{"a token of GitHub", "push with ghp_hunter2hunter2hunter2hunter2 failed", "failed"},
}

func TestFragments(t *testing.T) {
	for _, f := range fragments {
		t.Run(f.name, func(t *testing.T) {
			got := Text(f.text)
			if strings.Contains(got, "hunter") || strings.Contains(got, "77000077") || !strings.Contains(got, Blanked) {
				t.Errorf("it leaks:\n%s", got)
			}
			if !strings.Contains(got, f.kept) {
				t.Errorf("%q is gone:\n%s", f.kept, got)
			}
			if again := Text(got); again != got {
				t.Errorf("a second time it differs:\n%s", cmp.Diff(got, again))
			}
		})
	}
}

// TestNeededText is no credential, and is what somebody looks for who is to help.
func TestNeededText(t *testing.T) {
	for _, text := range []string{
		`MountVolume.SetUp failed for volume "x" : secret "users" not found`,
		"couldn't find key operator-password in Secret mq/users",
		"RefusedCredentials: broker quickstart-0-0 refuses the operator's account",
		"stat /var/run/secrets/kubernetes.io/serviceaccount/token: no such file or directory",
		"secretName: users\nsecretRef: {name: users}",
		"automountServiceAccountToken: false",
		"org.apache.rocketmq.auth.TokenException: refused\n\tat a.B.c(B.java:1)\n\tat a.B.d(B.java:2)",
		"brokerName=a\nlistenPort=10911\nkeyPrefix: x\nmessageIndexEnable=true",
		"dial tcp 10.0.0.1:10911: connect: connection refused",
		"2026-05-01 12:00:00 INFO PullRequestHoldService - received key: order-1, topic orders",
		"quickstart-ns-0.quickstart-ns-nameserver-headless.mq.svc.cluster.local:9876",
		"http://console.mq:8080/#/topic and mail me@example.com",
	} {
		if diff := cmp.Diff(text, Text(text)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

const leaks = `
metadata:
  annotations:
    team/config: '{"spec":{"env":[{"name":"TOKEN","value":"hunter2"}],"password":77,"size":3}}'
    text: "password: hunter2\nport: 1"
spec:
  password: 12345
  accessKeys: [hunter1, hunter2]
  credentialsSecretRef: {name: users}
  credentials: {user: hunter1, more: {pass: hunter2}}
  volumes:
  - {name: s, secret: {secretName: users}}
  containers:
  - command: [sh, -c, "mqadmin --password hunter2 -n ns:9876"]
    args: [--password, hunter2, -p, hunter3, -u, "admin:hunter4", --level, info]
    env:
    - {value: hunter2, name: DB_PASSWORD}
    - {name: JAVA_OPT, value: "-Drocketmq.config.secretKey=hunter2 -Xmx1g"}
data:
  users.properties: "# user=password,role\nadmin=hunter2,1\nguest: hunter3\n"
  plain_acl.yml: "accounts:\n- accessKey: hunter1\n  secretKey: hunter2\n"
  .dockerconfigjson: '{"auths":{"registry.example":{"auth":"hunter2"}}}'
items:
- kind: Secret
  metadata: {name: users}
  data: {admin: hunter2}
`

const withoutLeaks = `
metadata:
  annotations:
    team/config: '{"spec":{"env":[{"name":"TOKEN","value":"(blanked)"}],"password":"(blanked)","size":3}}'
    text: "password: (blanked)\nport: 1"
spec:
  password: (blanked)
  accessKeys: [(blanked), (blanked)]
  credentialsSecretRef: {name: users}
  credentials: {user: (blanked), more: {pass: (blanked)}}
  volumes:
  - {name: s, secret: {secretName: users}}
  containers:
  - command: [sh, -c, "mqadmin --password (blanked) -n ns:9876"]
    args: [--password, (blanked), -p, (blanked), -u, (blanked), --level, info]
    env:
    - {value: (blanked), name: DB_PASSWORD}
    - {name: JAVA_OPT, value: "-Drocketmq.config.secretKey=(blanked) -Xmx1g"}
data:
  users.properties: "# user=password,role\nadmin=(blanked)\nguest: (blanked)\n"
  plain_acl.yml: "accounts:\n- accessKey: (blanked)\n  secretKey: (blanked)\n"
  .dockerconfigjson: '{"auths":{"registry.example":{"auth":"(blanked)"}}}'
items:
- kind: Secret
  metadata: {name: users}
  data: {admin: (blanked)}
`

func TestObjectsOfRealClusters(t *testing.T) {
	var given, want any
	if err := yaml.Unmarshal([]byte(leaks), &given); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(withoutLeaks), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, Object(given)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func BenchmarkText(b *testing.B) {
	line := "2026-05-01T12:00:00.000000001Z 2026-05-01 12:00:00 INFO SendMessageThread_1 - topic orders key order-1 queue 3 offset 42 stored\n"
	log := strings.Repeat(line, 1<<20/len(line))
	b.SetBytes(int64(len(log)))
	for b.Loop() {
		Text(log)
	}
}
