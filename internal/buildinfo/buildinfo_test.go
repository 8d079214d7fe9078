// SPDX-License-Identifier: Apache-2.0

package buildinfo

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The linker sets what a release says of itself; it keeps silent about a name that is wrong.
func TestAReleaseSaysItsVersion(t *testing.T) {
	const self = "github.com/rocketmq-operator/rocketmq-operator/internal/buildinfo"
	flags := "-s -w -X " + self + ".version=v1.2.3 -X " + self + ".commit=0123456789ab"
	program := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-ldflags", flags, "-o", program, "../../cmd/rocketmq-agent")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	out, err := exec.Command(program, "--version").Output()
	if want := "rocketmq-agent v1.2.3 (commit 0123456789ab, go"; err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("--version printed %q (%v), want %q", out, err, want)
	}
}

func TestABuildThatIsNoReleaseSaysSo(t *testing.T) {
	if Version() != "dev" || !strings.HasPrefix(Details(), "dev (go") {
		t.Errorf("version %q, details %q", Version(), Details())
	}
}

// The plugin of a release installs the operator's image of that release.
func TestAReleaseKnowsItsImage(t *testing.T) {
	if testing.Short() {
		t.Skip("links the plugin")
	}
	const self = "github.com/rocketmq-operator/rocketmq-operator/internal/buildinfo"
	program := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-ldflags", "-s -w -X "+self+".image=registry.example/op:v1.2.3", "-o", program, "../../cmd/kubectl-rocketmq")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	out, err := exec.Command(program, "install", "--print").Output()
	if err != nil || !strings.Contains(string(out), "image: registry.example/op:v1.2.3\n") {
		t.Errorf("install --print printed no such image: %v", err)
	}
}
