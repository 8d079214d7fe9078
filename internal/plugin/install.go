// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/rocketmq-operator/rocketmq-operator/config"
	"github.com/rocketmq-operator/rocketmq-operator/internal/buildinfo"
)

const (
	// operatorName is that of the Deployment, and of the label of its pods; operatorNamespace is where config/default has it.
	operatorName      = "rocketmq-operator"
	operatorNamespace = "rocketmq-operator-system"
	// developedImage is the one that config/ names, and developedDomain the DNS domain.
	developedImage  = "rocketmq-operator/rocketmq-operator:dev"
	developedDomain = "--cluster-domain=cluster.local"
	// installer is the field manager, that of install-operator.sh: what one has applied the other may take away.
	installer = "install-operator"
	// installTimeout leaves time to pull the image.
	installTimeout = 5 * time.Minute
	// lookEvery is how often the operator's pods are looked at.
	lookEvery = time.Second
)

// installation is what to install.
type installation struct {
	image, domain string
	dryRun, print bool
	// given reports whether the user has given a flag.
	given func(flag string) bool
}

func (o *options) installCommand() *cobra.Command {
	i := &installation{}
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install the operator, or upgrade it and its CRDs",
		Long: "Install the operator of this plugin's version, or upgrade an installed one and its CRDs, and wait until it runs.\n" +
			"It is what install-operator.sh does, with the manifests that this plugin was built with. It does not upgrade what Helm or\n" +
			"the Operator Lifecycle Manager have installed: use those again. Over an installed operator, what it was told and is not told\n" +
			"again is kept: image, DNS domain, watched namespaces and the like. You need the rights of a cluster administrator.",
		Example:           "  kubectl rocketmq install --dry-run\n  kubectl rocketmq install --print > install.yaml",
		Args:              arguments(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.StringVar(&i.image, "image", buildinfo.Image(), "the operator's image; an installed one of another registry or name is kept, if not given")
	flags.StringVar(&i.domain, "cluster-domain", "cluster.local",
		"the DNS domain of the Kubernetes cluster; brokers register under names that end with it, so do not change it later\n"+
			"(the one of an installed operator, if not given)")
	flags.BoolVar(&i.dryRun, "dry-run", false, "say what would change, and change nothing")
	flags.BoolVar(&i.print, "print", false, "print the manifests, and ask no cluster")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "print")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		i.given = cmd.Flags().Changed
		if err := i.check(); err != nil {
			return err
		}
		if i.print {
			return i.printManifests(cmd)
		}
		if !cmd.Flags().Changed("timeout") {
			o.timeout = installTimeout
		}
		p := o.progress(cmd.ErrOrStderr())
		return o.run(func(ctx context.Context, a *Access, _ []string) (report, error) {
			defer p.end()
			return i.install(ctx, a, p)
		})(cmd, args)
	}
	return cmd
}

// domains are what DNS takes, so that the flag cannot become another argument of the operator.
var domains = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)

// check the flags, before anything is asked or applied.
func (i *installation) check() error {
	switch {
	case i.given("image") && !images.MatchString(i.image):
		return fmt.Errorf("--image %q is no image: use something like registry.example/rocketmq-operator:v1.2.3, "+
			"without spaces and, but for host and tag, in lower case", i.image)
	case !domains.MatchString(i.domain):
		return fmt.Errorf("--cluster-domain %q is no DNS domain: use something like cluster.local", i.domain)
	}
	return nil
}

// manifests are config/default with the image and the domain: first the CRDs and namespaces, which the others need.
func (i *installation) manifests() ([]*unstructured.Unstructured, error) {
	rendered, err := renderManifests()
	if err != nil {
		return nil, err
	}
	if i.image != "" {
		rendered = bytes.ReplaceAll(rendered, []byte(developedImage), []byte(i.image))
	}
	rendered = bytes.ReplaceAll(rendered, []byte(developedDomain), []byte("--cluster-domain="+i.domain))
	var objects []*unstructured.Unstructured
	for document := range bytes.SplitSeq(rendered, []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			return nil, fmt.Errorf("read the embedded manifests: %w", err)
		}
		objects = append(objects, object)
	}
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return rank(a) - rank(b) })
	return objects, nil
}

func rank(object *unstructured.Unstructured) int {
	switch object.GetKind() {
	case "Namespace":
		return 0
	case "CustomResourceDefinition":
		return 1
	}
	return 2
}

// renderManifests does what kubectl kustomize config/default does.
func renderManifests() ([]byte, error) {
	files := filesys.MakeFsInMemory()
	err := fs.WalkDir(config.Manifests, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := config.Manifests.ReadFile(path)
		if err != nil {
			return err
		}
		return files.WriteFile(path, content)
	})
	if err != nil {
		return nil, fmt.Errorf("read the embedded manifests: %w", err)
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, "default")
	if err != nil {
		return nil, fmt.Errorf("render the embedded manifests: %w", err)
	}
	return built.AsYaml()
}

func (i *installation) printManifests(cmd *cobra.Command) error {
	objects, err := i.manifests()
	if err != nil {
		return err
	}
	if i.image == "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: this build of the plugin belongs to no release, and the image %s of these manifests is not published: "+
			"give --image with one that your cluster can pull\n", developedImage)
	}
	for _, object := range objects {
		content, err := yaml.Marshal(object.Object)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "---\n%s", content); err != nil {
			return err
		}
	}
	return nil
}

type installReport struct {
	Version string `json:"version"`
	Image   string `json:"image"`
	// Before is the image of an operator that was installed already.
	Before string `json:"before,omitempty"`
	// Kept is what the installed operator was told, and stays.
	Kept   []string `json:"kept,omitempty"`
	DryRun bool     `json:"dryRun,omitempty"`
	// Objects in the order in which they were applied.
	Objects []installedObject `json:"objects"`
	// Running: the operator of this image is ready.
	Running bool `json:"running"`
}

type installedObject struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Result is created, changed or unchanged.
	Result string `json:"result"`
}

func (i *installation) install(ctx context.Context, a *Access, p *progress) (report, error) {
	before, err := a.installed(ctx)
	if err != nil {
		return nil, err
	}
	r := &installReport{Version: buildinfo.Version(), DryRun: i.dryRun}
	var keeps kept
	if before != nil {
		keeps = i.keep(before)
		r.Before, r.Kept = operatorContainer(before).Image, keeps.text()
	}
	if i.image == "" {
		return nil, errors.New("this build of the plugin belongs to no release, so it does not know the operator's image:\n" +
			"give --image, such as the one that make images has built")
	}
	r.Image = i.image
	objects, err := i.manifests()
	if err != nil {
		return nil, err
	}
	if err := keeps.add(objects); err != nil {
		return nil, err
	}
	for n, object := range objects {
		p.detail("applying %d of %d: %s %s", n+1, len(objects), object.GetKind(), object.GetName())
		if rank(object) == 2 && n > 0 && rank(objects[n-1]) == 1 && !i.dryRun {
			if err := a.awaitCRDs(ctx, objects[:n], p); err != nil {
				return r, err
			}
		}
		result, err := i.apply(ctx, a, object)
		if err != nil {
			return r, fmt.Errorf("apply %s %s: %w\nWhat was applied before it stays, and trying again does no harm",
				object.GetKind(), object.GetName(), err)
		}
		r.Objects = append(r.Objects, installedObject{object.GetKind(), object.GetNamespace(), object.GetName(), result})
	}
	if i.dryRun {
		return r, nil
	}
	if err := a.awaitOperator(ctx, p); err != nil {
		return r, err
	}
	r.Running = true
	return r, nil
}

// apply an object on the server's side, because that has no limit of size, and by force, because CRDs may come from
// apache/rocketmq-operator.
func (i *installation) apply(ctx context.Context, a *Access, object *unstructured.Unstructured) (result string, err error) {
	before := object.DeepCopy()
	err = a.Client.Get(ctx, client.ObjectKeyFromObject(object), before)
	exists := err == nil
	if client.IgnoreNotFound(err) != nil {
		return "", err
	}
	options := []client.ApplyOption{client.FieldOwner(installer), client.ForceOwnership}
	if i.dryRun {
		options = append(options, client.DryRunAll)
	}
	applied := object.DeepCopy()
	err = a.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), options...)
	if i.dryRun && !exists && apierrors.IsNotFound(err) { // its namespace would be created before
		err = nil
	}
	switch {
	case err != nil:
		return "", err
	case !exists:
		return "created", nil
	case i.dryRun && !sameSpec(before, applied), !i.dryRun && before.GetResourceVersion() != applied.GetResourceVersion():
		return "changed", nil
	}
	return "unchanged", nil
}

// sameSpec compares what a dry run would make with what is there, but for the bookkeeping.
func sameSpec(a, b *unstructured.Unstructured) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	for _, object := range []*unstructured.Unstructured{a, b} {
		for _, field := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"} {
			unstructured.RemoveNestedField(object.Object, "metadata", field)
		}
		unstructured.RemoveNestedField(object.Object, "status")
	}
	first, errA := a.MarshalJSON()
	second, errB := b.MarshalJSON()
	return errA == nil && errB == nil && bytes.Equal(first, second)
}

// awaitCRDs waits until the API server serves them.
func (a *Access) awaitCRDs(ctx context.Context, objects []*unstructured.Unstructured, p *progress) error {
	return await(ctx, func() (done bool, err error) {
		for _, object := range objects {
			if object.GetKind() != "CustomResourceDefinition" {
				continue
			}
			var crd apiextensionsv1.CustomResourceDefinition
			if err := a.Client.Get(ctx, client.ObjectKey{Name: object.GetName()}, &crd); err != nil {
				return false, err
			}
			established := slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
				return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
			})
			if !established {
				p.detail("waiting for CRD %s to be served", crd.Name)
				return false, fmt.Errorf("CRD %s is not served: kubectl describe crd %s", crd.Name, crd.Name)
			}
		}
		return true, nil
	})
}

// awaitOperator waits until its Deployment has rolled out.
func (a *Access) awaitOperator(ctx context.Context, p *progress) error {
	err := await(ctx, func() (done bool, err error) {
		var d appsv1.Deployment
		if err := a.Client.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: operatorName}, &d); err != nil {
			return false, err
		}
		want := int32(1)
		if d.Spec.Replicas != nil {
			want = *d.Spec.Replicas
		}
		s := d.Status
		if s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == want && s.AvailableReplicas == want && s.Replicas == want {
			return true, nil
		}
		trouble := a.podTrouble(ctx)
		ready := max(0, s.AvailableReplicas-(s.Replicas-s.UpdatedReplicas)) // the others are of before
		p.step("waiting for the operator: %d of %d pods are ready%s", ready, want, trouble)
		return false, fmt.Errorf("%d of %d pods are ready%s", ready, want, trouble)
	})
	if err == nil {
		return nil
	}
	return fmt.Errorf("the operator does not start: %w\n"+
		"If its image cannot be pulled, push it to a registry of yours and say so with --image. Otherwise see\n"+
		"  kubectl --namespace %s describe pods\n  kubectl --namespace %s logs deployment/%s\nTrying again does no harm",
		err, operatorNamespace, operatorNamespace, operatorName)
}

// podTrouble is what keeps the operator's containers from running.
func (a *Access) podTrouble(ctx context.Context) string {
	var pods corev1.PodList
	named := client.MatchingLabels{"app.kubernetes.io/name": operatorName}
	if err := a.Client.List(ctx, &pods, client.InNamespace(operatorNamespace), named); err != nil {
		return "" // it is only more detail
	}
	for i := range pods.Items {
		for _, c := range pods.Items[i].Status.ContainerStatuses {
			if w := c.State.Waiting; w != nil {
				return fmt.Sprintf(": %s: %s", pods.Items[i].Name, strings.TrimSuffix(w.Reason+": "+w.Message, ": "))
			}
		}
		for _, c := range pods.Items[i].Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
				return fmt.Sprintf(": %s: %s", pods.Items[i].Name, c.Message)
			}
		}
	}
	return ""
}

// await looks until it is done, and returns the last look's error if the time is over before.
func await(ctx context.Context, look func() (done bool, err error)) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last error
	for {
		done, err := look()
		if done {
			return err
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(last, ctx.Err())
		case <-tick.C:
		}
	}
}

func (r *installReport) text() string {
	t := newTable("RESULT", "KIND", "NAMESPACE", "NAME")
	count := map[string]int{}
	for _, o := range r.Objects {
		count[o.Result]++
		if o.Result != "unchanged" {
			t.row(o.Result, o.Kind, or(o.Namespace), o.Name)
		}
	}
	var out strings.Builder
	if changed := len(r.Objects) - count["unchanged"]; changed > 0 {
		fmt.Fprintf(&out, "%s\n", t)
	}
	would := ""
	if r.DryRun {
		would = " (a dry run: nothing was changed)"
	}
	fmt.Fprintf(&out, "%d created, %d changed, %d unchanged%s.\n", count["created"], count["changed"], count["unchanged"], would)
	if len(r.Kept) > 0 {
		fmt.Fprintf(&out, "Kept as the installed operator has it: %s. To change it, give the flag, or edit the Deployment.\n", strings.Join(r.Kept, ", "))
	}
	switch {
	case r.Running && r.Before != "" && r.Before != r.Image:
		fmt.Fprintf(&out, "The operator runs, %s instead of %s.\n", r.Image, r.Before)
	case r.Running:
		fmt.Fprintf(&out, "The operator runs, %s. Next: kubectl apply a RocketMQCluster, then kubectl rocketmq status --watch\n", r.Image)
	}
	return out.String()
}
