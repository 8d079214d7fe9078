// SPDX-License-Identifier: Apache-2.0

//go:build long

package validation

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/test/kit"
)

// exception is a change that refuses what resources may say at the earlier operator, or gives it another meaning.
type exception struct {
	kinds  []string
	change string // its beginning
	reason string
}

func wanted() []exception {
	const looser = "white space around the value does not count any more: it takes more than before"
	const ofAuth = "it counts only with spec.auth, which is new"
	broker := []string{"Broker"}
	return []exception{
		{broker, ".spec: a new rule: hostPath cannot change", "brokers would start without their messages"},
		{[]string{"Controller"}, ".spec: a new rule: hostPath cannot change", "controllers would start without their record of the groups"},
		{[]string{"NameService"}, ".spec: a new rule: hostPath cannot change", "as for the other kinds"},
		{broker, ".spec: a new rule: config.mappedFileSizeCommitLog cannot change", "brokers do not start on files of another size"},
		{broker, ".spec: a new rule: config.mappedFileSizeConsumeQueue cannot change", "brokers do not start on files of another size"},
		{broker, ".spec: a new rule: config.mappedFileSizeTimerLog cannot change", "brokers do not start on files of another size"},
		{broker, ".spec: a new rule: config.storeType cannot change", looser},
		{broker, ".spec: a new rule: config.configManagerVersion cannot change", looser},
		{broker, ".spec: a new rule: storage.size must hold at least four commit-log files", looser},
		{[]string{"Broker", "RocketMQCluster"}, ".spec: a new rule: auth.credentialsSecretRef cannot change", ofAuth},
		{[]string{"Broker", "Proxy"}, ".spec: a new rule: 'set by the operator, because spec.auth is enabled; remove from config:'", ofAuth},
		{
			[]string{"Broker", "Console", "Exporter", "SchemaRegistry"}, ".spec.nameServers: its pattern became ",
			"it takes IPv6 addresses in brackets too, and refuses brackets around anything else, which no server could be reached by",
		},
		{
			[]string{"RocketMQCluster"}, ".spec.brokers[].size: its default 1 became none",
			"an autoscaler's size must not be taken back; the Broker of the pool has the default 1",
		},
		{
			[]string{"RocketMQCluster"}, ".spec.proxy.replicas: its default 1 became none",
			"an autoscaler's replicas must not be taken back; the Proxy has the default 1",
		},
	}
}

// TestKindsAreCompatible: resources of the operator that users upgrade from are taken by the kinds of today, and mean the same.
func TestKindsAreCompatible(t *testing.T) {
	earlier := earlierKinds(t)
	changes := map[string][]string{}
	for file, text := range earlier {
		old := parseKind(t, text)
		today, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Errorf("resources of the kind %s could not be read any more: %v", old.Spec.Names.Kind, err)
			continue
		}
		changes[old.Spec.Names.Kind] = tightened(old, parseKind(t, today))
	}

	for _, e := range wanted() {
		for _, kind := range e.kinds {
			before := len(changes[kind])
			changes[kind] = slices.DeleteFunc(changes[kind], func(change string) bool { return strings.HasPrefix(change, e.change) })
			if seen := before - len(changes[kind]); seen != 1 {
				t.Errorf("%s: %s: there are %d such changes since commit %s, want 1: correct wanted", kind, e.change, seen, kit.EarlierCommit)
			}
		}
	}
	for kind, left := range changes {
		for _, change := range left {
			t.Errorf("%s: %s: this is new since commit %s, and refuses what users have, or changes what it means. Take it back; "+
				"or, if it must be, add it to wanted with its reason, and to CHANGELOG.md", kind, change, kit.EarlierCommit)
		}
	}
}

// earlierKinds are the files of the definitions as the commit has them.
func earlierKinds(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, file := range strings.Fields(string(git(t, "ls-tree", "--name-only", kit.EarlierCommit, "config/crd/"))) {
		if strings.HasPrefix(path.Base(file), "rocketmq.apache.org_") {
			files[file] = git(t, "show", kit.EarlierCommit+":"+file)
		}
	}
	if len(files) < 9 {
		t.Fatalf("commit %s has the definitions of %d kinds, want 9", kit.EarlierCommit, len(files))
	}
	return files
}

func git(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	var said strings.Builder
	cmd.Dir, cmd.Stderr = root, &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %s: %v: %s\nIf the clone is shallow, the commit is not in it: run git fetch --unshallow", strings.Join(args, " "), err,
			strings.TrimSpace(said.String()))
	}
	return out
}

func parseKind(t *testing.T, text []byte) *apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, crd); err != nil {
		t.Fatal(err)
	}
	return crd
}
