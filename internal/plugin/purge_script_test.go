// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// purge runs purge-operator.sh with a kubectl that answers with the given resources of the only kind and with the given Deployments of
// operators. It returns what the script says, and what it asked for.
func purge(t *testing.T, resources, operators string) (said, asked string, err error) {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	script, err := filepath.Abs("../../purge-operator.sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	kubectl := `#!/bin/sh
echo "$*" >> '` + dir + `/asked'
case "$*" in
"get crds"*) echo topics.rocketmq.apache.org ;;
"get topics"*) printf '%s' '` + resources + `' ;;
"get rocketmq"*) exit 1 ;;
"get deployments"*) printf '%s' '` + operators + `' ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(kubectl), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bash, script)
	cmd.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	log, readErr := os.ReadFile(filepath.Join(dir, "asked"))
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(out), string(log), err
}

// TestPurgeScript: it refuses while there is anything of the kinds, removes Roles too, and names the operators that stay.
func TestPurgeScript(t *testing.T) {
	said, asked, err := purge(t, "Topic shop/orders", "")
	if err == nil || strings.Contains(said, "clusters:") || !strings.Contains(said, "Topic shop/orders") || strings.Contains(asked, "delete") {
		t.Errorf("with a topic: %v\n%s\nasked\n%s", err, said, asked)
	}
	said, asked, err = purge(t, "", "")
	if err != nil || !strings.Contains(asked, "delete rolebindings,roles --all-namespaces") || strings.Contains(said, "Other operators") {
		t.Errorf("of nothing else: %v\n%s\nasked\n%s", err, said, asked)
	}
	said, _, err = purge(t, "", "  kubectl --namespace mq delete deployment mine\n")
	if err != nil || !strings.Contains(said, "Other operators stay") || !strings.Contains(said, "delete deployment mine") {
		t.Errorf("of an operator elsewhere: %v\n%s", err, said)
	}
}
