// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"strings"
)

// Helm runs Helm, of the version that tests the charts, in the root of the repository.
func (p *Place) Helm(ctx context.Context, args ...string) (string, error) {
	program, err := p.run(ctx, "", "make", "--silent", "helm")
	if err != nil {
		return "", err
	}
	return p.run(ctx, "", strings.TrimSpace(program), args...)
}

// LoadOperator gives the cluster this checkout's operator under another tag, as its next version.
func (p *Place) LoadOperator(ctx context.Context, tag string) error {
	p.log.Printf("building the image of the operator: %s", tag)
	return p.loadImage(ctx, "operator", "--tag", tag)
}
