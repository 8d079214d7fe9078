{{- /*
Two operators of one API group would both write to the same resources. Whoever installs for a few namespaces and without the kinds may not
be allowed to look elsewhere, so only the release's namespace is looked at then. helm template sees no cluster, and refuses nothing.
*/}}
{{- define "operator.refuseSecond" -}}
{{- if not .Values.allowSecondOperator }}
{{- $where := and (not (empty .Values.watchNamespaces)) (not .Values.crds.install) | ternary .Release.Namespace "" }}
{{- range get (lookup "apps/v1" "Deployment" $where "") "items" | default list }}
{{- $meta := .metadata }}
{{- $own := and (eq $meta.namespace $.Release.Namespace) (eq $meta.name (include "operator.fullname" $)) }}
{{- if and .spec.replicas (not $own) }}
{{- $stop := printf "RocketMQ itself goes on running: kubectl --namespace %s scale deployment %s --replicas=0" $meta.namespace $meta.name }}
{{- if and (include "operator.isPredecessor" .) (not $.Values.watchNamespaces) }}
{{- fail (printf "apache/rocketmq-operator runs in namespace %s and would manage the same resources. Stop it first; %s" $meta.namespace $stop) }}
{{- end }}
{{- with include "operator.shared" (dict "deployment" . "namespaces" $.Values.watchNamespaces) }}
{{- $is := printf "Deployment %s in namespace %s is an operator that would manage the same resources, in %s." $meta.name $meta.namespace . }}
{{- fail (printf "%s Give each operator watchNamespaces of its own, or stop the other one; %s" $is $stop) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "operator.isPredecessor" -}}
{{- range .spec.template.spec.containers }}
{{- if regexMatch "(^|/)apache/rocketmq-operator([:@]|$)" .image }}yes{{ end }}
{{- end }}
{{- end }}

{{- /*
shared takes a dictionary: deployment, namespaces. It names the namespaces that an operator of this project would have with an
installation for these; "" if there are none, or if it is none. No namespaces stand for all.
*/}}
{{- define "operator.shared" -}}
{{- if eq (get (.deployment.metadata.labels | default dict) "app.kubernetes.io/name") "rocketmq-operator" }}
{{- $theirs := list }}
{{- range .deployment.spec.template.spec.containers }}
{{- range .args | default list }}
{{- if hasPrefix "--watch-namespaces=" . }}
{{- $theirs = trimPrefix "--watch-namespaces=" . | splitList "," }}
{{- end }}
{{- end }}
{{- end }}
{{- $shared := .namespaces | default $theirs }}
{{- if and .namespaces $theirs }}
{{- $shared = list }}
{{- range .namespaces }}
{{- if has . $theirs }}
{{- $shared = append $shared . }}
{{- end }}
{{- end }}
{{- end }}
{{- if $shared }}
{{- printf "namespace %s" (join ", " $shared) }}
{{- else if not (and .namespaces $theirs) }}
{{- print "all namespaces" }}
{{- end }}
{{- end }}
{{- end }}
