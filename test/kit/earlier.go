// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// EarlierCommit is the operator that users upgrade from: the last one without Topics, ConsumerGroups, consent across namespaces,
// handovers of stops that nobody announced, and the names that its packages have today.
const EarlierCommit = "c141221f2208"

// Earlier is the operator of an earlier commit.
type Earlier struct {
	// Tag of its image, which is also that of the agents of its pods.
	Tag  string
	tree *Place // of that commit
}

// Earlier takes the tree of a commit out of git's history and gives the cluster the operator that it makes. Remove it.
func (p *Place) Earlier(ctx context.Context, commit string) (*Earlier, error) {
	root, err := os.MkdirTemp("", "earlier-")
	if err != nil {
		return nil, err
	}
	e := &Earlier{Tag: "before-" + commit, tree: &Place{root: root, log: p.log, Local: p.Local}}
	archive := filepath.Join(root, "tree.tar")
	if _, err := p.run(ctx, "", "git", "archive", "--output", archive, commit); err != nil {
		e.Remove()
		return nil, fmt.Errorf("take commit %s out of the history; if the clone is shallow, run git fetch --unshallow: %w", commit, err)
	}
	if _, err := p.run(ctx, "", "tar", "--extract", "--directory", root, "--file", archive); err != nil {
		e.Remove()
		return nil, err
	}
	p.log.Printf("building the operator of %s", commit)
	built, err := e.tree.run(ctx, "", "go", "run", "./test/images", "operator", "--tag", e.Tag)
	if err != nil {
		e.Remove()
		return nil, err
	}
	return e, p.loadArchives(ctx, strings.Fields(built)...)
}

// Remove its tree.
func (e *Earlier) Remove() { _ = os.RemoveAll(e.tree.root) }

// Install it as a user did at that commit, over the operator that is there, and wait for it.
func (e *Earlier) Install(ctx context.Context, c *Cluster) error {
	image := "rocketmq-operator/rocketmq-operator:" + e.Tag
	e.tree.log.Printf("installing the operator of before: ./install-operator.sh --image %s", image)
	if _, err := e.tree.run(ctx, "", "./install-operator.sh", "--image", image); err != nil {
		return err
	}
	return (&Namespace{Cluster: c, Name: OperatorNamespace, Log: e.tree.log}).AwaitOperator(ctx, 2*time.Minute)
}
