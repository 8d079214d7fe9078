{{- /*
Two operators of one API group would both write to the same resources. Only an installation for all namespaces looks, because
whoever installs for a few may not be allowed to.
*/}}
{{- define "operator.refuseSecond" -}}
{{- if not .Values.watchNamespaces }}
{{- range get (lookup "apps/v1" "Deployment" "" "") "items" | default list }}
{{- $deployment := . }}
{{- range .spec.template.spec.containers }}
{{- if and $deployment.spec.replicas (regexMatch "(^|/)apache/rocketmq-operator([:@]|$)" .image) }}
{{- fail (printf "apache/rocketmq-operator runs in namespace %s and would manage the same resources. Stop it first; RocketMQ itself goes on running: kubectl --namespace %s scale deployment %s --replicas=0" $deployment.metadata.namespace $deployment.metadata.namespace $deployment.metadata.name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
