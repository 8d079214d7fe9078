// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandLine(t *testing.T) {
	o, err := parse(strings.Fields("-assets bin -clusters 300,100 -phases change,restart -env GOGC=100,GOMAXPROCS=2"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{100, 300}, o.clusters); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"change", "restart"}, o.phases); diff != "" {
		t.Errorf("phases (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"GOGC=100", "GOMAXPROCS=2"}, o.environment); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if o, err := parse([]string{"-assets", "bin", "-phases", ""}); err != nil || len(o.phases) > 0 {
		t.Errorf("no phases: %v, %v", o.phases, err)
	}
	for _, args := range []string{"-clusters 0", "-clusters many", "-phases sleep", "-topology large", "-namespaces no", "more", "-assets="} {
		if _, err := parse(append([]string{"-assets", "bin"}, strings.Fields(args)...)); err == nil {
			t.Errorf("%s is accepted", args)
		}
	}
}

// TestDeployment: the operator is measured as it is deployed.
func TestDeployment(t *testing.T) {
	d, err := readDeployment("../..")
	if err != nil {
		t.Fatal(err)
	}
	if d.namespace == "" || d.image == "" || !slices.Contains(d.arguments, "--leader-elect") || len(d.environment) == 0 {
		t.Errorf("%+v", d)
	}
}
