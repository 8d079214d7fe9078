// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/buildinfo"
	"github.com/rocketmq-operator/rocketmq-operator/internal/desired"
	"github.com/rocketmq-operator/rocketmq-operator/internal/plugin/blank"
)

const (
	// reportTimeout leaves time for dozens of servers, dead ones among them.
	reportTimeout = 5 * time.Minute
	// maxLogBytes of --log-bytes: all of it is in memory at once.
	maxLogBytes = 256 << 20
)

func (o *options) reportCommand() *cobra.Command {
	var file string
	var logBytes int
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write all that is needed to find the cause of a trouble into one archive",
		Long: "Write all that is needed to find the cause of a trouble into one archive: resources, pods, events, logs, and what the servers\n" +
			"say of themselves. Nothing of Secrets is in it, and values whose names say that they are credentials are blanked. Names of topics,\n" +
			"consumer groups, hosts and clients are in it: look through it before you give it away.\n" +
			"What cannot be had is left out, with the reason in its place and a warning; without any answer of the API server it fails.",
		Args:              arguments(0, 0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags := cmd.Flags()
	flags.StringVarP(&file, "file", "f", "", "the archive to write; rocketmq-report-<time>.tar.gz if empty")
	flags.IntVar(&logBytes, "log-bytes", 5<<20, "how much of the end of each log to take, in bytes")
	flags.BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "take all namespaces with RocketMQ resources")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if logBytes <= 0 || logBytes > maxLogBytes {
			return fmt.Errorf("--log-bytes %d: from 1 to %d can be taken", logBytes, maxLogBytes)
		}
		if !cmd.Flags().Changed("timeout") {
			o.timeout = reportTimeout
		}
		p := o.progress(cmd.ErrOrStderr())
		return o.run(func(ctx context.Context, a *Access, _ []string) (report, error) {
			r, err := o.report(ctx, a, file, logBytes, p)
			p.end()
			if r == nil {
				return nil, err // a nil *bundleReport would be a report
			}
			r.warn(cmd.ErrOrStderr())
			return r, err
		})(cmd, args)
	}
	return cmd
}

type bundleReport struct {
	File  string `json:"file"`
	Files int    `json:"files"`
	// Size of the archive in bytes.
	Size int64 `json:"size"`
	// Missing is what could not be had, and why.
	Missing []string `json:"missing,omitempty"`
}

func (r *bundleReport) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %d files, %.1f MB\n", r.File, r.Files, float64(r.Size)/1e6)
	if len(r.Missing) > 0 {
		fmt.Fprintf(&out, "\nWhat could not be had:\n")
		for _, m := range r.Missing {
			fmt.Fprintf(&out, "  - %s\n", m)
		}
	}
	out.WriteString("\nCredentials are blanked by their names. Look through it before you give it away.\n")
	return out.String()
}

// warn of what is missing: whoever has the archive written by a script does not see the report.
func (r *bundleReport) warn(w io.Writer) {
	if len(r.Missing) > 0 {
		fmt.Fprintf(w, "warning: %s lacks %d parts that could not be had: its README.txt says which, and why\n", r.File, len(r.Missing))
	}
}

// gathering fills a bundle.
type gathering struct {
	*Access
	*bundle
	progress *progress
	logBytes int
}

func (o *options) report(ctx context.Context, a *Access, file string, logBytes int, p *progress) (*bundleReport, error) {
	now := time.Now()
	file = cmp.Or(file, "rocketmq-report-"+now.Format("20060102-150405")+".tar.gz")
	if err := a.answers(ctx); err != nil {
		return nil, err
	}
	namespaces, err := o.namespaces(ctx, a)
	if err != nil {
		return nil, err
	}
	b, err := newBundle(file, now)
	if err != nil {
		return nil, err
	}
	g := &gathering{Access: a, bundle: b, progress: p, logBytes: logBytes}
	for _, namespace := range namespaces {
		g.namespace(ctx, namespace)
		g.statusOf(ctx, o, namespace)
		g.servers(ctx, namespace)
	}
	g.operator(ctx, namespaces)
	g.cluster(ctx)
	if b.files == len(b.missing) {
		return nil, errors.Join(fmt.Errorf("nothing could be had, so no report is written: %s", b.missing[0]), b.discard())
	}
	g.add("README.txt", []byte(g.readme(now, namespaces)))
	size, err := b.close()
	if err != nil {
		return nil, err
	}
	return &bundleReport{File: file, Files: b.files, Size: size, Missing: b.missing}, nil
}

// answers looks whether the API server answers this user at all. That it refuses something, or does not have the kind, is an answer.
func (a *Access) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	err := a.Client.List(ctx, new(v1alpha1.BrokerList), client.InNamespace(a.Namespace), client.Limit(1))
	if status := apierrors.APIStatus(nil); err == nil || errors.As(err, &status) && !apierrors.IsUnauthorized(err) {
		return nil
	}
	return fmt.Errorf("no report is written, because the Kubernetes API server does not answer: %w", err)
}

// namespaces that the report is about.
func (o *options) namespaces(ctx context.Context, a *Access) ([]string, error) {
	if !o.allNamespaces {
		return []string{a.Namespace}, nil
	}
	var found []string
	for _, kind := range v1alpha1.Kinds() {
		list := kind.NewList()
		if err := a.list(ctx, "", list); err != nil {
			return nil, err
		}
		err := meta.EachListItem(list, func(item runtime.Object) error {
			found = append(found, item.(client.Object).GetNamespace())
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", kind.Name, err)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

func (g *gathering) readme(now time.Time, namespaces []string) string {
	var out strings.Builder
	fmt.Fprintf(&out, `A report of kubectl rocketmq %s, made at %s.
Namespaces: %s

objects/      Kubernetes objects, events, and what kubectl rocketmq status shows
logs/         of RocketMQ's containers, and of those that ran before a restart
servers/      what the servers say of themselves
operator/     the operator's objects and logs
cluster/      nodes and CRDs

Nothing of Secrets is in it. Values whose names say that they are credentials are blanked.
`, buildinfo.Details(), now.UTC().Format(time.RFC3339), strings.Join(namespaces, ", "))
	if len(g.missing) > 0 {
		fmt.Fprintf(&out, "\nWhat could not be had:\n- %s\n", strings.Join(g.missing, "\n- "))
	}
	return out.String()
}

// ours are the kinds of which only the operator's own objects are taken. Secrets are none of them.
func ours() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{
		corev1.SchemeGroupVersion.WithKind("Pod"), corev1.SchemeGroupVersion.WithKind("Service"), corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), appsv1.SchemeGroupVersion.WithKind("StatefulSet"),
		appsv1.SchemeGroupVersion.WithKind("Deployment"), policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"),
		networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy"),
	}
}

// namespace takes RocketMQ's objects, the events, and the logs.
func (g *gathering) namespace(ctx context.Context, namespace string) {
	directory := path.Join("objects", namespace)
	for _, kind := range v1alpha1.Kinds() {
		g.objects(ctx, directory, v1alpha1.GroupVersion.WithKind(kind.Name), client.InNamespace(namespace))
	}
	managed := client.MatchingLabels{desired.LabelManagedBy: desired.ManagedBy}
	for _, kind := range ours() {
		g.objects(ctx, directory, kind, client.InNamespace(namespace), managed)
	}
	g.events(ctx, directory, namespace)
	g.logs(ctx, "logs", namespace, managed)
}

// listOf any kind.
func (g *gathering) listOf(
	ctx context.Context, kind schema.GroupVersionKind, options ...client.ListOption,
) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	err := g.Client.List(ctx, list, options...)
	return list.Items, err
}

// objects of a kind, each in a file of its own.
func (g *gathering) objects(ctx context.Context, directory string, kind schema.GroupVersionKind, options ...client.ListOption) {
	g.progress.detail("reading %s objects", kind.Kind)
	items, err := g.listOf(ctx, kind, options...)
	if err != nil {
		g.lacks(path.Join(directory, kind.Kind), err)
	}
	for i := range items {
		g.addYAML(path.Join(directory, kind.Kind, items[i].GetName()+".yaml"), blank.Object(items[i].Object))
	}
}

// events of a namespace, the newest last, one line each.
func (g *gathering) events(ctx context.Context, directory, namespace string) {
	var list corev1.EventList
	if err := g.Client.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		g.lacks(path.Join(directory, "events.txt"), err)
		return
	}
	at := func(e corev1.Event) time.Time {
		return slices.MaxFunc([]time.Time{e.LastTimestamp.Time, e.EventTime.Time, e.CreationTimestamp.Time}, time.Time.Compare)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Event) int { return at(a).Compare(at(b)) })
	t := newTable("TIME", "TYPE", "COUNT", "REASON", "OBJECT", "MESSAGE")
	for i := range list.Items {
		e := &list.Items[i]
		about := e.InvolvedObject.Kind + "/" + e.InvolvedObject.Name
		t.row(at(*e).UTC().Format(time.RFC3339), e.Type, max(1, e.Count), e.Reason, about, strings.ReplaceAll(e.Message, "\n", " "))
	}
	g.add(path.Join(directory, "events.txt"), []byte(blank.Text(t.String())))
}

// logs of the containers of pods, and of those that ran before them.
func (g *gathering) logs(ctx context.Context, directory, namespace string, options ...client.ListOption) {
	var pods corev1.PodList
	if err := g.Client.List(ctx, &pods, append(options, client.InNamespace(namespace))...); err != nil {
		g.lacks(path.Join(directory, namespace), err)
		return
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			file := path.Join(directory, namespace, pod.Name, c.Name)
			if c.State.Running != nil || c.State.Terminated != nil {
				g.log(ctx, pod, file+".log", &corev1.PodLogOptions{Container: c.Name})
			}
			if c.RestartCount > 0 {
				g.log(ctx, pod, file+".previous.log", &corev1.PodLogOptions{Container: c.Name, Previous: true})
			}
		}
	}
}

func (g *gathering) log(ctx context.Context, pod *corev1.Pod, file string, options *corev1.PodLogOptions) {
	g.progress.detail("reading %s", file)
	options.Timestamps = true
	options.TailLines = new(int64(g.logBytes/20 + 1)) // lines with their times are longer
	stream, err := g.Logs(ctx, client.ObjectKeyFromObject(pod), options)
	if err != nil {
		g.lacks(file, err)
		return
	}
	defer stream.Close()
	end := &tail{most: g.logBytes}
	_, err = io.Copy(end, stream)
	g.add(file, []byte(blank.Text(string(end.bytes()))))
	if err != nil {
		g.lacks(file, fmt.Errorf("it breaks off: %w", err))
	}
}

func (g *gathering) statusOf(ctx context.Context, o *options, namespace string) {
	a := *g.Access
	a.Namespace = namespace
	file := path.Join("objects", namespace, "status.txt")
	all := *o
	all.allNamespaces = false
	r, err := all.status(ctx, &a, nil)
	if r != nil {
		g.add(file, []byte(blank.Text(r.text())))
	}
	if err != nil {
		g.lacks(file, err)
	}
}

// operator takes the operator's objects, events and logs.
func (g *gathering) operator(ctx context.Context, taken []string) {
	named := client.MatchingLabels{"app.kubernetes.io/name": operatorName}
	namespaces := []string{operatorNamespace}
	deployments, err := g.listOf(ctx, appsv1.SchemeGroupVersion.WithKind("Deployment"), named)
	if err == nil {
		namespaces = nil
		for i := range deployments {
			namespaces = append(namespaces, deployments[i].GetNamespace())
		}
	} else if !apierrors.IsForbidden(err) {
		g.lacks("operator", err)
		return
	}
	if len(namespaces) == 0 {
		g.lacks("operator", fmt.Errorf("no Deployment has the label app.kubernetes.io/name=%s: the operator is not installed, or has other labels",
			operatorName))
	}
	slices.Sort(namespaces)
	for _, namespace := range slices.Compact(namespaces) {
		directory := path.Join("operator", namespace)
		g.objects(ctx, directory, appsv1.SchemeGroupVersion.WithKind("Deployment"), client.InNamespace(namespace), named)
		g.objects(ctx, directory, corev1.SchemeGroupVersion.WithKind("Pod"), client.InNamespace(namespace), named)
		if !slices.Contains(taken, namespace) {
			g.events(ctx, directory, namespace)
		}
		g.logs(ctx, "operator/logs", namespace, named)
	}
}

// cluster takes nodes, and what is served of the CRDs.
func (g *gathering) cluster(ctx context.Context) {
	g.objects(ctx, "cluster", corev1.SchemeGroupVersion.WithKind("Node"))
	kind := apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition")
	crds, err := g.listOf(ctx, kind, client.MatchingLabels{"app.kubernetes.io/part-of": operatorName})
	if err != nil {
		g.lacks(path.Join("cluster", kind.Kind), err)
	}
	for i := range crds {
		unstructured.RemoveNestedField(crds[i].Object, "spec", "versions") // long, and a release's
		g.addYAML(path.Join("cluster", kind.Kind, crds[i].GetName()+".yaml"), blank.Object(crds[i].Object))
	}
}
