// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Tools are the images of the programs beside RocketMQ that tests use.
type Tools struct {
	Dashboard, Exporter, SchemaRegistry string
	// Official lists those that are not stand-ins.
	Official []string
}

// Level says which images a test ran with.
func (t Tools) Level() string {
	if len(t.Official) == 0 {
		return "stand-ins of our own for dashboard, exporter and schema registry"
	}
	return "real images of " + strings.Join(t.Official, ", ") + ", stand-ins for the rest"
}

// LoadTools gives the cluster the images of dashboard, exporter and schema registry: those of DASHBOARD_IMAGE, EXPORTER_IMAGE and
// SCHEMA_REGISTRY_IMAGE, each a name to pull or the path of an archive, and for the others stand-ins, because they can be had
// without a registry.
func (p *Place) LoadTools(ctx context.Context) (Tools, error) {
	const standIn = "docker.io/rocketmq-operator/%s-stand-in:dev"
	t := Tools{}
	for name, image := range map[string]*string{"dashboard": &t.Dashboard, "exporter": &t.Exporter, "schema-registry": &t.SchemaRegistry} {
		given := os.Getenv(strings.ReplaceAll(strings.ToUpper(name), "-", "_") + "_IMAGE")
		if given == "" {
			*image = fmt.Sprintf(standIn, name)
			continue
		}
		t.Official = append(t.Official, name)
		*image = given
		if filepath.Ext(given) == ".tar" {
			var err error
			if *image, err = archiveName(given); err != nil {
				return t, err
			}
			if err := p.loadArchives(ctx, given); err != nil {
				return t, err
			}
		}
	}
	if len(t.Official) < 3 {
		p.log.Printf("building stand-ins for dashboard, exporter and schema registry")
		if err := p.loadImage(ctx, "stand-ins"); err != nil {
			return t, err
		}
	}
	return t, nil
}

// archiveName is the first image's name in a docker-archive.
func archiveName(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	for r := tar.NewReader(file); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("%s is no image archive of docker save: it has no manifest.json", path)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		if header.Name != "manifest.json" {
			continue
		}
		var images []struct{ RepoTags []string }
		if err := json.NewDecoder(r).Decode(&images); err != nil {
			return "", fmt.Errorf("%s: manifest.json: %w", path, err)
		}
		if len(images) == 0 || len(images[0].RepoTags) == 0 {
			return "", fmt.Errorf("%s: the image has no name", path)
		}
		return images[0].RepoTags[0], nil
	}
}

// HTTP returns a handler that passes requests on to a port of the ready pod of a resource, anew for each connection, so that
// it follows a rollout. It is what a browser on this machine can be pointed at.
func (n *Namespace) HTTP(instance, component string, port int) http.Handler {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: n.Dial}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pod, err := n.readyPod(r.Context(), instance, component)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		target := &url.URL{Scheme: "http", Host: fmt.Sprintf("%s.%s:%d", pod, n.Name, port)}
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.Transport = transport
		proxy.ServeHTTP(w, r)
	})
}

// readyPod of a component of a resource, the newest.
func (n *Namespace) readyPod(ctx context.Context, instance, component string) (string, error) {
	var pods corev1.PodList
	err := n.Client.List(ctx, &pods, client.InNamespace(n.Name), client.MatchingLabels{
		"app.kubernetes.io/instance": instance, "app.kubernetes.io/component": component, "app.kubernetes.io/managed-by": "rocketmq-operator"})
	if err != nil {
		return "", err
	}
	var newest *corev1.Pod
	for i := range pods.Items {
		pod := &pods.Items[i]
		if PodReady(pod) && (newest == nil || newest.CreationTimestamp.Before(&pod.CreationTimestamp)) {
			newest = pod
		}
	}
	if newest == nil {
		return "", fmt.Errorf("%s %s has no ready pod", component, instance)
	}
	return newest.Name, nil
}
