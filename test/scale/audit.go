// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// requests of one user to the API server: how many of each kind, as "verb resource" or leaderElection.
type requests map[string]int

// leaderElection are the requests for the leader's Lease, and for its events.
const leaderElection = "leader election"

// Verbs of requests that change something.
func writeVerbs() []string {
	return []string{"create", "update", "patch", "delete", "deletecollection"}
}

// writes among them, leader election aside.
func (r requests) writes() int { return r.count(true) }

// reads among them, leader election aside.
func (r requests) reads() int { return r.count(false) }

func (r requests) count(writes bool) (n int) {
	for kind, times := range r {
		verb, _, _ := strings.Cut(kind, " ")
		if kind != leaderElection && slices.Contains(writeVerbs(), verb) == writes {
			n += times
		}
	}
	return n
}

// tally is what a part of the audit log tells.
type tally struct {
	Requests map[string]requests // by user
	// Idle are the writes that changed nothing, of all users, as "verb resource": at least so many, and none if the log has
	// no bodies.
	Idle requests
}

// audited requests between two sizes of the log. The Lease of the leader is in a namespace of its own.
func audited(log, leaseNamespace string, from, to int64) (tally, error) {
	file, err := os.Open(log)
	if err != nil {
		return tally{}, err
	}
	defer file.Close()
	return tallyOf(io.NewSectionReader(file, from, to-from), leaseNamespace)
}

func tallyOf(log io.Reader, leaseNamespace string) (tally, error) {
	out := tally{Requests: map[string]requests{}, Idle: requests{}}
	var done revisions
	in := bufio.NewReader(log)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return out, nil // a line without its end is still being written
		}
		if err != nil {
			return out, err
		}
		var e auditv1.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return out, fmt.Errorf("audit log: %w", err)
		}
		if e.Verb == "watch" && e.Stage == auditv1.StageResponseComplete {
			continue // it was counted when it began
		}
		kind := e.Verb + " " + resource(&e)
		if e.ObjectRef != nil && e.ObjectRef.Namespace == leaseNamespace {
			kind = leaderElection
		}
		if out.Requests[e.User.Username] == nil {
			out.Requests[e.User.Username] = requests{}
		}
		out.Requests[e.User.Username][kind]++
		if slices.Contains(writeVerbs(), e.Verb) && done.idle(&e) {
			out.Idle[kind]++
		}
	}
}

// resource of a request, with its subresource; the path of one that is for none.
func resource(e *auditv1.Event) string {
	switch {
	case e.ObjectRef == nil:
		path, _, _ := strings.Cut(e.RequestURI, "?")
		return path
	case e.ObjectRef.Subresource != "":
		return e.ObjectRef.Resource + "/" + e.ObjectRef.Subresource
	}
	return e.ObjectRef.Resource
}

// revisions that writes made, in the order in which they ended.
type revisions []revision

type revision struct {
	at     time.Time
	number uint64 // etcd's, which grows with every change of any object
}

// idle tells whether a write changed nothing: then its answer shows a revision that was there before it was asked for.
func (r *revisions) idle(e *auditv1.Event) bool {
	if e.ResponseObject == nil {
		return false
	}
	var object struct{ Metadata metav1.ObjectMeta }
	if err := json.Unmarshal(e.ResponseObject.Raw, &object); err != nil {
		return false
	}
	number, err := strconv.ParseUint(object.Metadata.ResourceVersion, 10, 64)
	if err != nil {
		return false
	}
	asked := e.RequestReceivedTimestamp.Time
	before, _ := slices.BinarySearchFunc(*r, asked, func(known revision, at time.Time) int { return known.at.Compare(at) })
	idle := before > 0 && number <= (*r)[before-1].number
	r.add(revision{e.StageTimestamp.Time, number})
	return idle
}

// add what is known from a moment on.
func (r *revisions) add(next revision) {
	if len(*r) > 0 {
		last := (*r)[len(*r)-1]
		if next.number <= last.number {
			return
		}
		if next.at.Before(last.at) { // requests end at the same time and are logged in any order
			next.at = last.at
		}
	}
	*r = append(*r, next)
}
