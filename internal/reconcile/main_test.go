package reconcile

import (
	"flag"
	"os"
	"testing"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/go-logr/logr"

	"github.com/rocketmq-operator/rocketmq-operator/test/apiserver"
)

var restConfig *rest.Config // set once, before any test

func TestMain(m *testing.M) {
	// Tests mostly wait: for a probe, for a pod to have been ready for a second. So more of them run than there are CPUs.
	flag.Parse()
	if err := flag.Set("test.parallel", "24"); err != nil {
		panic(err)
	}
	ctrl.SetLogger(logr.Discard())
	os.Exit(apiserver.Run(func(c *rest.Config) int {
		restConfig = c
		return m.Run()
	}))
}
