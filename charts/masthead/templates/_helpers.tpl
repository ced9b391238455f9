{{/* The name of every object, and the prefix of the ClusterRoles. */}}
{{- define "masthead.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains "masthead" .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-masthead" (.Release.Name | trunc 31 | trimSuffix "-") }}
{{- end -}}
{{- end -}}

{{- define "masthead.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (include "masthead.fullname" .) }}
{{- end -}}

{{/* The image reference: the operator's own, and what it gives the agents. */}}
{{- define "masthead.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/*
The labels that select the operator's pods. They never change. The NetworkPolicies of stacks admit
pods with app.kubernetes.io/name: masthead from this namespace.
*/}}
{{- define "masthead.selectorLabels" -}}
app.kubernetes.io/name: masthead
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "masthead.labels" -}}
{{ include "masthead.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: masthead
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/*
Takes x-kubernetes-validations out of a definition, at every depth. Servers before 1.25 do not know
the field, and Helm would not install the definition there.
*/}}
{{- define "masthead.dropValidations" -}}
{{- if kindIs "map" . -}}
{{- $_ := unset . "x-kubernetes-validations" -}}
{{- range . -}}{{- include "masthead.dropValidations" . -}}{{- end -}}
{{- else if kindIs "slice" . -}}
{{- range . -}}{{- include "masthead.dropValidations" . -}}{{- end -}}
{{- end -}}
{{- end -}}
