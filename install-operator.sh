#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the operator, or brings an installed one up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage='usage: ./install-operator.sh [--image IMAGE] [--cluster-domain DOMAIN]
Installs the RocketMQ operator into the cluster that kubectl talks to, with the rights to run RocketMQ in all namespaces.
  --image IMAGE            the operator'\''s image, if it is not to be the one of the manifests
  --cluster-domain DOMAIN  the DNS domain of the Kubernetes cluster, if it is not cluster.local; brokers register
                           under names that end with it, so do not change it later'

namespace=rocketmq-operator-system
image=
domain=
while [ $# -gt 0 ]; do
  case $1 in
    --image) image=${2:?"$usage"}; shift 2 ;;
    --image=*) image=${1#*=}; shift ;;
    --cluster-domain) domain=${2:?"$usage"}; shift 2 ;;
    --cluster-domain=*) domain=${1#*=}; shift ;;
    -h | --help) echo "$usage"; exit ;;
    *) echo "$usage" >&2; exit 2 ;;
  esac
done

fail() { echo "install-operator: $*" >&2; exit 1; }

command -v kubectl >/dev/null || fail "kubectl is not in PATH: install it, or use localkube's (go run -C test/localkube ./cmd/localkube env)"
kubectl version >/dev/null 2>&1 || fail "kubectl reaches no cluster: set KUBECONFIG, and try kubectl get nodes"

# Two operators of one API group would both write to the same resources.
deployments=$(kubectl get deployments --all-namespaces --output \
  jsonpath='{range .items[*]}{.metadata.namespace} {.metadata.name} {.spec.replicas} {.spec.template.spec.containers[*].image}{"\n"}{end}')
old=$(awk '$2 == "rocketmq-operator" && $3 != "0" && / ([^ ]*\/)?apache\/rocketmq-operator([:@ ]|$)/ {print $1; exit}' <<<"$deployments")
[ -z "$old" ] || fail "apache/rocketmq-operator runs in namespace $old and would manage the same resources.
Stop it first; RocketMQ itself goes on running:
  kubectl --namespace $old scale deployment rocketmq-operator --replicas=0"

if [ -f dist/install.yaml ]; then
  manifests=$(cat dist/install.yaml)
else
  manifests=$(kubectl kustomize config/default)
fi
if [ -n "$image" ]; then
  manifests=${manifests//rocketmq-operator\/rocketmq-operator:dev/$image}
fi
if [ -n "$domain" ]; then
  manifests=${manifests//--cluster-domain=cluster.local/--cluster-domain=$domain}
fi

# Server-side, because it has no limit of size, and by force, because the CRDs may come from apache/rocketmq-operator.
kubectl apply --server-side --force-conflicts --field-manager=install-operator --filename - <<<"$manifests"
kubectl wait crds --selector app.kubernetes.io/part-of=rocketmq-operator --for=condition=Established --timeout=60s >/dev/null ||
  fail "the CRDs are not accepted: kubectl describe crds --selector app.kubernetes.io/part-of=rocketmq-operator"
# kubectl remembers for hours which resources there are, and would not find kubectl get rocketmq among them. That this
# fails where somebody else's API is down is no reason to stop.
kubectl api-resources --api-group=rocketmq.apache.org >/dev/null 2>&1 || true

if ! kubectl --namespace "$namespace" rollout status deployment rocketmq-operator --timeout=180s; then
  {
    echo
    kubectl --namespace "$namespace" get pods --output wide
    kubectl --namespace "$namespace" get events --field-selector type=Warning | tail -n 5
    kubectl --namespace "$namespace" logs deployment/rocketmq-operator --tail=10 || true
    echo
  } >&2 2>&1
  fail "the operator does not start. If its image cannot be pulled, push it to a registry of yours and say so with --image;
otherwise the lines above tell why. Trying again does no harm."
fi
echo "The operator runs. Next: kubectl apply -f examples/quickstart, then kubectl get rocketmq"
