// SPDX-License-Identifier: Apache-2.0

package blank

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestText(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a line of a properties file", "a=1\nsecretKey=S3 cr,et}\nb=2", "a=1\nsecretKey=(blanked)\nb=2"},
		{"a list in YAML", "accounts:\n- accessKey: RocketMQ\n  secretKey: 12345678\n  admin: true", "accounts:\n- accessKey: (blanked)\n  secretKey: (blanked)\n  admin: true"},
		{"JSON", `x={"accessKey":"a","secretKey":"b\"c","n":1}`, `x={"accessKey":(blanked),"secretKey":(blanked),"n":1}`},
		{"JSON within JSON", `{"c":"{\"password\":\"b\",\"n\":1}"}`, `{"c":"{\"password\":(blanked),\"n\":1}"}`},
		{"a log", "12:00 INFO config accessKey=abc, secretKey=def, port=1", "12:00 INFO config accessKey=(blanked) secretKey=(blanked) port=1"},
		{"credentials as JSON", `12:00 innerClientAuthenticationCredentials={"accessKey":"a", "secretKey":"b"} c=d`, `12:00 innerClientAuthenticationCredentials=(blanked) c=d`},
		{"an argument of java", "java -Djavax.net.ssl.keyStorePassword=changeit -Xmx1g", "java -Djavax.net.ssl.keyStorePassword=(blanked) -Xmx1g"},
		{"a header", "Authorization: Bearer eyJhbGciOi.abc-def", "Authorization: Bearer (blanked)"},
		{"an address", "amqp://user:pa$$@host:1/x", "amqp://user:(blanked)@host:1/x"},
		{"a key", "x\n-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\ny", "x\n(blanked)\ny"},
		{"a key that is cut off", "x\n-----BEGIN PRIVATE KEY-----\nabc\n", "x\n(blanked)"},
		{"a broker's user", `initAuthenticationUser={"username":"u","password":"p"}`, "initAuthenticationUser=(blanked)"},
		{"other words for it", "CLIENT_SECRET=a\nMYSQL_PWD=b\nDB_PASS=c\napp.secret=d\nclientSecret: e",
			"CLIENT_SECRET=(blanked)\nMYSQL_PWD=(blanked)\nDB_PASS=(blanked)\napp.secret=(blanked)\nclientSecret: (blanked)"},
		{"an address without a user", "redis://:pa$$@host:1", "redis://:(blanked)@host:1"},
		{"names of Secrets", "secretName: users\nsecretRef: {name: users}\nimagePullSecrets: [registry]", "secretName: users\nsecretRef: {name: users}\nimagePullSecrets: [registry]"},
		{"a block", "a:\n  password: |\n    b\n\n    c\n  d: e", "a:\n  password: |\n    (blanked)\n  d: e"},
		{"a value in the next line", "- secretKey:\n    b\n  d: e", "- secretKey:\n    (blanked)\n  d: e"},
		{"a word in the next line of a log", "2026-05-01T12:00:00Z password:\n2026-05-01T12:00:00Z b\nc", "2026-05-01T12:00:00Z password:\n2026-05-01T12:00:00Z   (blanked)\nc"},
		{"an empty value", "password=\nport=1", "password=\nport=1"},
		{"nothing", "authenticationEnabled=true\naclEnable: true\nflushDiskType=ASYNC_FLUSH", "authenticationEnabled=true\naclEnable: true\nflushDiskType=ASYNC_FLUSH"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Text(c.text)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

const pod = `
metadata:
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{"spec":{"password":"hidden"}}'
    checksum: abc
  managedFields: [{manager: x}]
binaryData: {tables.json.gz: H4sIAAAA}
spec:
  automountServiceAccountToken: false
  imagePullSecrets: [{name: registry}]
  config:
    adminAccessKey: hidden
    brokerIP1: 10.0.0.1
    innerClientAuthenticationCredentials: '{"accessKey":"hidden","secretKey":"hidden"}'
  containers:
  - args: [--password=hidden, --verbose]
    env:
    - {name: DB_PASSWORD, value: hidden}
    - {name: LOG_LEVEL, value: info}
    - {name: OTHER, valueFrom: {secretKeyRef: {name: s, key: password}}}
`

const blanked = `
metadata:
  annotations:
    checksum: abc
binaryData: (left out)
spec:
  automountServiceAccountToken: false
  imagePullSecrets: [{name: registry}]
  config:
    adminAccessKey: (blanked)
    brokerIP1: 10.0.0.1
    innerClientAuthenticationCredentials: (blanked)
  containers:
  - args: [--password=(blanked), --verbose]
    env:
    - {name: DB_PASSWORD, value: (blanked)}
    - {name: LOG_LEVEL, value: info}
    - {name: OTHER, valueFrom: {secretKeyRef: {name: s, key: password}}}
`

func TestObject(t *testing.T) {
	var given, want any
	if err := yaml.Unmarshal([]byte(pod), &given); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(blanked), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, Object(given)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMap(t *testing.T) {
	got := Map(map[string]string{"secretKey": "hidden", "emptyPassword": "", "a": `{"password":"hidden"}`, "b": "c"})
	want := map[string]string{"secretKey": Blanked, "emptyPassword": "", "a": `{"password":"(blanked)"}`, "b": "c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
