#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the operator, or brings an installed one up to date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage='usage: ./install-operator.sh [--image IMAGE] [--cluster-domain DOMAIN]
Installs the RocketMQ operator into the cluster that kubectl talks to, with the rights to run RocketMQ in all namespaces.
  --image IMAGE            the operator'\''s image, if it is not to be the one of the manifests
  --cluster-domain DOMAIN  the DNS domain of the Kubernetes cluster, if it is not cluster.local; brokers register
                           under names that end with it, so do not change it later
Over an installed operator, what it was told and is not told again is kept: DNS domain, watched namespaces and the like,
replicas, and an image of another registry or name than that of the manifests.'

fail() { echo "install-operator: $*" >&2; exit 1; }

# As of kubectl rocketmq install.
images='^(([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]+)?|[A-Za-z0-9-]+:[0-9]+)/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*'\
'(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[a-z0-9]+:[0-9a-f]{32,})?$'
domains='^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$'

set_image() {
  image=$1
  [[ $image =~ $images ]] || fail "--image \"$image\" is no image: use something like registry.example/rocketmq-operator:v1.2.3," \
    "without spaces and, but for host and tag, in lower case"
}

set_domain() {
  domain=$1
  [[ $domain =~ $domains ]] || fail "--cluster-domain \"$domain\" is no DNS domain: use something like cluster.local"
}

namespace=rocketmq-operator-system
image=
domain=
while [ $# -gt 0 ]; do
  case $1 in
    --image | --cluster-domain)
      [ $# -gt 1 ] || fail "$1 needs a value: see --help"
      if [ "$1" = --image ]; then set_image "$2"; else set_domain "$2"; fi
      shift 2
      ;;
    --image=*) set_image "${1#*=}"; shift ;;
    --cluster-domain=*) set_domain "${1#*=}"; shift ;;
    -h | --help) echo "$usage"; exit ;;
    *) echo "$usage" >&2; exit 2 ;;
  esac
done

command -v kubectl >/dev/null || fail "kubectl is not in PATH: install it, or use localkube's (go run -C test/localkube ./cmd/localkube env)"
kubectl version >/dev/null 2>&1 || fail "kubectl reaches no cluster: set KUBECONFIG, and try kubectl get nodes"

# Two operators of one API group would both write to the same resources, and what Helm or OLM has installed is theirs to change.
# As of kubectl rocketmq install.
deployments=$(kubectl get deployments --all-namespaces --output \
  jsonpath='{range .items[*]}{.metadata.namespace}|{.metadata.name}|{.spec.replicas}|{.metadata.annotations.meta\.helm\.sh/release-name}|{.metadata.labels.olm\.owner}|{.metadata.labels.app\.kubernetes\.io/name}|{.spec.template.spec.containers[*].image}{"\n"}{end}')

# is_operator NAMESPACE NAME LABEL IMAGES: this operator, or the one of apache/rocketmq-operator.
is_operator() {
  [ "$3" = rocketmq-operator ] && return
  [ "$2" = rocketmq-operator ] || return
  [ "$1" = "$namespace" ] || [[ " $4" =~ [\ /]apache/rocketmq-operator ]]
}

while IFS='|' read -r where name count helm olm label containers; do
  is_operator "$where" "$name" "$label" "$containers" || continue
  [ -z "$helm" ] || fail "the operator in namespace $where was installed by Helm, as release $helm: upgrade it with helm upgrade"
  [ -z "$olm" ] || fail "the operator in namespace $where was installed by the Operator Lifecycle Manager, as $olm: it is upgraded there"
  [ "$where/$name" != "$namespace/rocketmq-operator" ] || continue
  [ "$count" = 0 ] || fail "Deployment $name in namespace $where is an operator that would manage the same resources.
Stop it first; RocketMQ itself goes on running: kubectl --namespace $where scale deployment $name --replicas=0"
done <<<"$deployments"

if [ -f dist/install.yaml ]; then
  manifests=$(cat dist/install.yaml)
else
  manifests=$(kubectl kustomize config/default)
fi
default=$(awk '/^ *(- )?image: [^ ]/ {print $NF; exit}' <<<"$manifests")

# repository is an image without tag and digest.
repository() {
  local name=${1%%@*}
  case ${name##*/} in *:*) name=${name%:*} ;; esac
  echo "$name"
}

# What the installed operator was told and is not told again is kept: its replicas, its image, then its arguments, a line each.
installed=$(kubectl --namespace "$namespace" get deployment rocketmq-operator --ignore-not-found --output \
  jsonpath='{.spec.replicas}{"\n"}{.spec.template.spec.containers[?(@.name=="operator")].image}{"\n"}{range .spec.template.spec.containers[?(@.name=="operator")].args[*]}{@}{"\n"}{end}')
kept=
arguments=
replicas=1
if [ -n "$installed" ]; then
  { read -r replicas; read -r before || true; } <<<"$installed"
  if [ -z "$image" ] && [ -n "$before" ] && [ "$(repository "$before")" != "$(repository "$default")" ]; then
    image=$before
    kept=", --image=$before"
  fi
  while read -r argument; do
    case $argument in
      --cluster-domain=*)
        if [ -z "$domain" ] && [ "$argument" != --cluster-domain=cluster.local ]; then
          domain=${argument#*=}
          kept="$kept, $argument"
        fi
        ;;
      --watch-namespaces=* | --agent-image=* | --observe-interval=* | --debug | --debug=*)
        arguments="$arguments $argument"
        kept="$kept, $argument"
        ;;
    esac
  done < <(tail -n +3 <<<"$installed")
  if [ "$replicas" -gt 1 ]; then
    kept="$kept, $replicas replicas"
  fi
fi
[ -z "$kept" ] || echo "Kept as the installed operator has it: ${kept#, }. To change it, give the flag, or edit the Deployment."

manifests=$(awk -v default="$default" -v image="${image:-$default}" -v domain="${domain:-cluster.local}" -v arguments="$arguments" \
  -v replicas="$replicas" '
  /^kind: / {kind = $2}
  kind == "Deployment" && /^  replicas: / && replicas > 1 {print "  replicas: " replicas; next}
  $NF == default && /^ *(- )?image: / {sub(/image: .*/, "image: " image)}
  /^ *- --cluster-domain=/ {
    indent = $0
    sub(/-.*/, "", indent)
    print indent "- --cluster-domain=" domain
    count = split(arguments, more, " ")
    for (i = 1; i <= count; i++) print indent "- " more[i]
    next
  }
  {print}' <<<"$manifests")

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
