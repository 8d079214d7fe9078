// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// provisionerName is what the StorageClasses of this cluster name.
const provisionerName = "local.test/directory"

// directories provisions each volume as a directory below root.
type directories struct{ root string }

func (d directories) Provision(_ context.Context, o controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	path := filepath.Join(d.root, o.PVName)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningNoChange, err
	}
	if err := os.Chmod(path, 0o777); err != nil { // not subject to the umask
		return nil, controller.ProvisioningNoChange, err
	}
	// All nodes share one file system, so any of them may mount the volume, as with a network disk;
	// parameter pinned=true ties it to the node that was chosen, as with a disk of that node.
	req := v1.NodeSelectorRequirement{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpExists}
	if o.StorageClass.Parameters["pinned"] == "true" && o.SelectedNodeName != "" {
		req.Operator, req.Values = v1.NodeSelectorOpIn, []string{o.SelectedNodeName}
	}
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: o.PVC.Spec.Resources.Requests[v1.ResourceStorage]},
			// "local", not "hostPath": the kubelet applies fsGroup to the former only.
			PersistentVolumeSource: v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: path}},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{
				{MatchExpressions: []v1.NodeSelectorRequirement{req}}}}},
		},
	}, controller.ProvisioningFinished, nil
}

func (d directories) Delete(_ context.Context, pv *v1.PersistentVolume) error {
	if pv.Spec.Local == nil || filepath.Dir(pv.Spec.Local.Path) != filepath.Clean(d.root) {
		return fmt.Errorf("volume %s is not below %s", pv.Name, d.root)
	}
	return os.RemoveAll(pv.Spec.Local.Path)
}

// expand grants a claim the size it asks for: a directory has no limit, so only the numbers change.
func expand(ctx context.Context, c kubernetes.Interface, pvc *v1.PersistentVolumeClaim) error {
	want := pvc.Spec.Resources.Requests[v1.ResourceStorage]
	if have := pvc.Status.Capacity[v1.ResourceStorage]; pvc.Status.Phase != v1.ClaimBound || want.Cmp(have) <= 0 {
		return nil
	}
	pv, err := c.CoreV1().PersistentVolumes().Get(ctx, pvc.Spec.VolumeName, metav1.GetOptions{})
	if err != nil || pv.Annotations["pv.kubernetes.io/provisioned-by"] != provisionerName {
		return err
	}
	pv.Spec.Capacity[v1.ResourceStorage] = want
	if _, err = c.CoreV1().PersistentVolumes().Update(ctx, pv, metav1.UpdateOptions{}); err != nil {
		return err
	}
	pvc = pvc.DeepCopy()
	pvc.Status.Capacity[v1.ResourceStorage] = want
	pvc.Status.Conditions = nil
	pvc.Status.AllocatedResources = nil
	pvc.Status.AllocatedResourceStatuses = nil
	_, err = c.CoreV1().PersistentVolumeClaims(pvc.Namespace).UpdateStatus(ctx, pvc, metav1.UpdateOptions{})
	return err
}

// provisioner makes, expands and deletes volumes until it is told to end.
func provisioner(args []string) {
	flags := flag.NewFlagSet("provisioner", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	root := flags.String("root", "", "directory that holds the volumes")
	_ = flags.Parse(args) // exits on errors
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	ctx = klog.NewContext(ctx, klog.Background())
	cfg, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	client := kubernetes.NewForConfigOrDie(cfg)
	factory := informers.NewSharedInformerFactory(client, time.Minute)
	onClaim := func(o any) {
		if pvc, ok := o.(*v1.PersistentVolumeClaim); ok {
			if err := expand(ctx, client, pvc); err != nil {
				klog.ErrorS(err, "expand", "claim", klog.KObj(pvc)) // tried again at the next resync or change
			}
		}
	}
	if _, err := factory.Core().V1().PersistentVolumeClaims().Informer().AddEventHandler(
		cache.ResourceEventHandlerFuncs{AddFunc: onClaim, UpdateFunc: func(_, o any) { onClaim(o) }}); err != nil {
		klog.Fatal(err)
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	controller.NewProvisionController(ctx, client, provisionerName, directories{*root},
		controller.LeaderElection(false), controller.ExponentialBackOffOnError(true), controller.ResyncPeriod(time.Minute)).Run(ctx)
}
