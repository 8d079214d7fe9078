// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// container is the operator's own among those of its pod.
const container = "operator"

// What the downward API tells the operator of its pod.
const (
	envNamespace = "POD_NAMESPACE"
	envName      = "POD_NAME"
)

// findImage takes the image that the operator's pod runs from where no other was given. The pod's name comes from the downward
// API.
func (o *options) findImage(ctx context.Context, reader client.Reader) (err error) {
	if o.agentImage != "" {
		return nil
	}
	key := client.ObjectKey{Namespace: os.Getenv(envNamespace), Name: os.Getenv(envName)}
	if key.Namespace == "" || key.Name == "" {
		return errors.New("POD_NAMESPACE and POD_NAME are not set: set both by the downward API, or give --agent-image")
	}
	o.agentImage, err = imageOf(ctx, reader, key)
	return err
}

// imageOf is the image that the operator's pod runs from. No variable of the downward API holds it, and a copy beside
// `image` in the manifest would not follow the tools that change only that: kustomize's images, a webhook that mirrors.
func imageOf(ctx context.Context, reader client.Reader, key client.ObjectKey) (string, error) {
	var pod corev1.Pod
	if err := reader.Get(ctx, key, &pod); err != nil {
		return "", fmt.Errorf("read this pod for its image: %w; let the operator get pods in its own namespace, or give --agent-image", err)
	}
	for _, c := range pod.Spec.Containers {
		if c.Name == container {
			return c.Image, nil
		}
	}
	return "", fmt.Errorf("pod %s has no container %q: name the operator's container so, or give --agent-image", key, container)
}
