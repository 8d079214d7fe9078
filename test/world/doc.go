// SPDX-License-Identifier: Apache-2.0

// Package world plays everybody but the operator, for tests of the reconcilers against a real API server: the user, the
// controllers of StatefulSets and Deployments, the kubelets, and RocketMQ (package fakemq).
//
// A test makes a World, which is a namespace, and an operator that works on it: Manage runs one as its program does, with
// a manager, caches and watches, so that a wake-up that is missing, or a read that is old, can fail the test. Start gives
// one whose passes the test makes itself: for what is about single writes (a crash after each of them, no write at all).
package world

import (
	"flag"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/rocketmq-operator/rocketmq-operator/test/apiserver"
)

var server *rest.Config // set once, before any test

// Main runs a package's tests with an API server, for TestMain. With -short there is none, and what needs it is skipped.
func Main(m *testing.M) {
	// Tests mostly wait: for a probe, for a pod to have been ready for a second. So more of them run than there are CPUs.
	flag.Parse()
	if err := flag.Set("test.parallel", "24"); err != nil {
		panic(err)
	}
	ctrl.SetLogger(logr.Discard())
	os.Exit(apiserver.Run(func(c *rest.Config) int {
		server = c
		return m.Run()
	}))
}
