// SPDX-License-Identifier: Apache-2.0

// Package config embeds the manifests that install the operator, as they are in this directory.
package config

import "embed"

// Manifests is this directory, without what only the Operator Lifecycle Manager needs.
//
//go:embed crd default manager rbac
var Manifests embed.FS
