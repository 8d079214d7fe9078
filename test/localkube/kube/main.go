// SPDX-License-Identifier: Apache-2.0

// Command kube is every Kubernetes part of a local cluster in one executable, so that the shared packages
// are compiled and linked once. It acts as the part whose name it is called by (the build makes links).
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	_ "time/tzdata" // CronJob time zones

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// Only the constructor of the part asked for may be called: each registers flags and metrics of its own.
func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		component(apiserver.NewAPIServerCommand())
	case "kube-controller-manager":
		component(controllermanager.NewControllerManagerCommand())
	case "kube-scheduler":
		component(scheduler.NewSchedulerCommand())
	case "kubelet":
		component(kubelet.NewKubeletCommand(context.Background()))
	case "kube-proxy":
		component(proxy.NewProxyCommand())
	case "kubectl":
		if _, err := logs.GlogSetter(cmd.GetLogVerbosity(os.Args)); err != nil {
			util.CheckErr(err)
		}
		if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
			util.CheckErr(err)
		}
	case "provisioner":
		provisioner(os.Args[1:])
	case "network-policy":
		networkPolicy(os.Args[1:])
	default:
		fmt.Fprintf(os.Stderr, "%s: call me by the name of a part, such as kubectl\n", name)
		os.Exit(2)
	}
}

func component(c *cobra.Command) { os.Exit(cli.Run(c)) }
