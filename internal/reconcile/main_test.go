package reconcile

import (
	"os"
	"testing"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/go-logr/logr"

	"github.com/rocketmq-operator/rocketmq-operator/test/apiserver"
)

var restConfig *rest.Config // set once, before any test

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(apiserver.Run(func(c *rest.Config) int {
		restConfig = c
		return m.Run()
	}))
}
