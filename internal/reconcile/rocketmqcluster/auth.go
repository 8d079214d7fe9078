// SPDX-License-Identifier: Apache-2.0

package rocketmqcluster

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rocketmq-operator/rocketmq-operator/api/v1alpha1"
	"github.com/rocketmq-operator/rocketmq-operator/internal/kube"
)

func (p *clusterPass) stageAuth(context.Context) (*kube.Waiting, error) {
	stageAuth(p.cluster.Spec.Auth.Wanted(), p.parts)
	return nil, nil
}

// stageAuth switches authentication of a running cluster in steps, so that whoever has credentials is never refused: proxies may ask
// for credentials only while all brokers have users, and brokers only when all proxies sign.
//
//	on:  brokers Permissive, proxies Enforcing, brokers Enforcing
//	off: brokers Permissive, proxies off, brokers off
func stageAuth(wanted v1alpha1.AuthMode, parts []*part) {
	var brokers, proxies []*part
	for _, p := range parts {
		switch p.Object.(type) {
		case *v1alpha1.Broker:
			brokers = append(brokers, p)
		case *v1alpha1.Proxy:
			proxies = append(proxies, p)
		}
	}

	sign := wanted == v1alpha1.AuthEnforcing
	brokersReady := all(brokers, func(p *part) bool { return p.authMode() == wanted || p.permissive() })
	for _, p := range proxies {
		if signs := p.authMode() == v1alpha1.AuthEnforcing; p.live != nil && signs != sign && !brokersReady {
			p.setAuth(p.authMode())
		} else if !sign {
			p.setAuth(v1alpha1.AuthDisabled)
		}
	}

	proxiesReady := all(proxies, func(p *part) bool { return (p.authMode() == v1alpha1.AuthEnforcing) == sign && p.upToDate() })
	for _, p := range brokers {
		if p.live != nil && p.authMode() != wanted && !(brokersReady && proxiesReady) {
			p.setAuth(v1alpha1.AuthPermissive)
		}
	}
}

// all reports whether something is so with each of the parts that exist.
func all(parts []*part, is func(*part) bool) bool {
	for _, p := range parts {
		if p.live != nil && !is(p) {
			return false
		}
	}
	return true
}

// authMode that a part was asked to have, "" if there is none.
func (p *part) authMode() v1alpha1.AuthMode {
	switch live := p.live.(type) {
	case *v1alpha1.Broker:
		return live.Spec.Auth.Wanted()
	case *v1alpha1.Proxy:
		return live.Spec.Auth.Wanted()
	}
	return ""
}

// permissive reports whether all brokers of a part have users and take every request.
func (p *part) permissive() bool {
	b := p.live.(*v1alpha1.Broker)
	return p.authMode() == v1alpha1.AuthPermissive && b.Status.Auth != nil && b.Status.Auth.Mode == v1alpha1.AuthPermissive && p.upToDate()
}

func (p *part) upToDate() bool {
	return p.condition(v1alpha1.ConditionUpToDate).Status == metav1.ConditionTrue
}

// setAuth lets a part have this mode for now. One that the cluster asks for none of keeps the accounts that it has.
func (p *part) setAuth(mode v1alpha1.AuthMode) {
	switch wanted := p.Object.(type) {
	case *v1alpha1.Broker:
		wanted.Spec.Auth = inMode(mode, wanted.Spec.Auth, p.live.(*v1alpha1.Broker).Spec.Auth)
	case *v1alpha1.Proxy:
		var live *v1alpha1.AuthSettings
		if p.live != nil {
			live = p.live.(*v1alpha1.Proxy).Spec.Auth
		}
		wanted.Spec.Auth = inMode(mode, wanted.Spec.Auth, live)
	}
}

func inMode(mode v1alpha1.AuthMode, wanted, live *v1alpha1.AuthSettings) *v1alpha1.AuthSettings {
	if mode == v1alpha1.AuthDisabled {
		return nil
	}
	auth := wanted
	if !auth.On() {
		auth = live
	}
	auth = auth.DeepCopy()
	auth.Mode = mode
	return auth
}
