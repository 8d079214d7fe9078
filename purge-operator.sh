#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Removes the operator, its rights and its kinds.
set -euo pipefail

usage='usage: ./purge-operator.sh [--with-clusters]
Removes the RocketMQ operator from the cluster that kubectl talks to.
  --with-clusters  remove all RocketMQ clusters too, and all other resources of its kinds; volumes stay, as far as their
                   retention policy says so
What Helm or OLM installed is removed by them.'

clusters=
case ${1:-} in
  "") ;;
  --with-clusters) clusters=yes ;;
  -h | --help) echo "$usage"; exit ;;
  *) echo "$usage" >&2; exit 2 ;;
esac

fail() { echo "purge-operator: $*" >&2; exit 1; }

kubectl version >/dev/null 2>&1 || fail "kubectl reaches no cluster: set KUBECONFIG, and try kubectl get nodes"

label=app.kubernetes.io/part-of=rocketmq-operator
ours=app.kubernetes.io/managed-by=rocketmq-operator

# The kinds go last: with them go all resources of theirs. RocketMQClusters go first, which would make the others anew.
kinds=$(kubectl get crds --selector "$label" --output jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}' |
  awk '/^rocketmqclusters[.]/ {print; next} {rest = rest $0 "\n"} END {printf "%s", rest}')
for kind in $kinds; do
  resources=$(kubectl get "$kind" --all-namespaces --output \
    jsonpath='{range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name}{"\n"}{end}')
  [ -n "$resources" ] || continue
  if [ -z "$clusters" ]; then
    fail "there are still resources of the operator's kinds:
$(kubectl get rocketmq --all-namespaces 2>/dev/null || echo "$resources")
Without the operator nobody looks after them. Remove them first, or use --with-clusters, which removes all of them."
  fi
  echo "$resources" | sed 's/^/removing /'
  kubectl delete "$kind" --all --all-namespaces --timeout=180s >/dev/null
done
if [ -n "$clusters" ]; then
  echo "waiting for the pods to stop"
  kubectl wait pods --all-namespaces --selector "$ours" --for=delete --timeout=300s >/dev/null
fi

kubectl delete namespace rocketmq-operator-system --ignore-not-found --timeout=180s
kubectl delete clusterrolebindings,clusterroles --selector "$label"
kubectl delete rolebindings,roles --all-namespaces --selector "$label"
kubectl delete crds --selector "$label" --timeout=180s
# Operators elsewhere were not installed by the script, so it does not know what else belongs to them.
others=$(kubectl get deployments --all-namespaces --selector app.kubernetes.io/name=rocketmq-operator --output \
  jsonpath='{range .items[*]}  kubectl --namespace {.metadata.namespace} delete deployment {.metadata.name}{"\n"}{end}')
[ -z "$others" ] || echo "Other operators stay, without rights and kinds. What Helm installed: helm uninstall. Otherwise:
$others"

volumes=$(kubectl get persistentvolumeclaims --all-namespaces --selector "$ours" --no-headers 2>/dev/null)
if [ -n "$volumes" ]; then
  echo "The operator is removed. The volumes stay, with all messages; a cluster of the same name would use them again:"
  echo "$volumes"
  echo "To delete them: kubectl delete persistentvolumeclaims --all-namespaces --selector $ours"
else
  echo "The operator is removed. No volumes are left."
fi
