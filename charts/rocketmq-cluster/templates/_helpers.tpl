{{- define "cluster.name" -}}
{{- $name := .Values.name | default .Release.Name -}}
{{- if or (gt (len $name) 24) (not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name)) -}}
{{- fail (printf "a RocketMQCluster cannot have the name %q: at most 24 lower-case letters, digits and '-', a letter first. It is the release's name unless the value name says another: --set name=shop" $name) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{- /* The chart's own labels tell Helm what is its own. */}}
{{- define "cluster.labels" -}}
{{- $own := dict
  "app.kubernetes.io/managed-by" .Release.Service
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- range $label, $_ := .Values.labels }}
{{- if hasKey $own $label }}
{{- fail (printf "the chart itself sets the label %s: remove it from the value labels" $label) }}
{{- end }}
{{- end }}
{{- merge $own (.Values.labels | default dict) | toYaml }}
{{- end }}
