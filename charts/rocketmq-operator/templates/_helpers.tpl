{{- /*
fullname leaves room for what objects add to it. A name that does not fit gets a checksum, so that no two releases meet in one name.
*/}}
{{- define "operator.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $name = contains .Chart.Name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) -}}
{{- end -}}
{{- $label := replace "." "-" $name -}}
{{- if or (ne $label $name) (gt (len $name) 50) -}}
{{- $label = printf "%s-%s" ($label | trunc 41 | trimSuffix "-") ($name | sha256sum | trunc 8) -}}
{{- end -}}
{{- $label -}}
{{- end }}

{{- define "operator.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "operator.fullname" .) }}
{{- end }}

{{- define "operator.image" -}}
{{- $image := .Values.image -}}
{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "operator.selector" -}}
{{ dict "app.kubernetes.io/name" "rocketmq-operator" "app.kubernetes.io/instance" .Release.Name | toYaml }}
{{- end }}

{{- /*
labels takes a dictionary: root (the top-level context), and optionally labels. Of the same label, that of the object counts.
The chart's own select pods, and tell Helm what is its own.
*/}}
{{- define "operator.labels" -}}
{{- $own := merge (include "operator.selector" .root | fromYaml) (dict
  "app.kubernetes.io/part-of" "rocketmq-operator"
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_")) -}}
{{- $given := merge (dict) (get . "labels" | default dict) (.root.Values.commonLabels | default dict) -}}
{{- range $label, $_ := $given }}
{{- if hasKey $own $label }}
{{- fail (printf "the chart itself sets the label %s: remove it from commonLabels and all other values that are labels" $label) }}
{{- end }}
{{- end }}
{{- merge $own $given | toYaml }}
{{- end }}

{{- /*
metadata takes a dictionary: root (the top-level context), name, and optionally namespace, labels and annotations of its own.
*/}}
{{- define "operator.metadata" -}}
name: {{ .name | quote }}
{{- with get . "namespace" }}
namespace: {{ . | quote }}
{{- end }}
labels:
  {{- include "operator.labels" . | nindent 2 }}
{{- with merge (dict) (get . "annotations" | default dict) (.root.Values.commonAnnotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "operator.serviceAccount" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
{{- end }}
