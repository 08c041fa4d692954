{{/* The chart's name, short enough for a label. */}}
{{- define "utilitarian-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of what the release makes: the release's, with the chart's unless it says so already. A release may have dots
in its name and start with a digit; a Service may not. */}}
{{- define "utilitarian-operator.fullname" -}}
{{- $name := include "utilitarian-operator.name" . -}}
{{- $full := .Release.Name | replace "." "-" -}}
{{- if .Values.fullnameOverride -}}
{{- $full = .Values.fullnameOverride -}}
{{- else if not (contains $name $full) -}}
{{- $full = printf "%s-%s" $full $name -}}
{{- end -}}
{{- if regexMatch "^[0-9]" $full -}}
{{- $full = printf "r-%s" $full -}}
{{- end -}}
{{- $full | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The metrics Service: a Service's name has 63 characters at most. */}}
{{- define "utilitarian-operator.metrics" -}}
{{- printf "%s-metrics" (include "utilitarian-operator.fullname" . | trunc 55 | trimSuffix "-") -}}
{{- end -}}

{{/* The name of what is not in the release's namespace. Neither part has a dot, so no two releases have the same. */}}
{{- define "utilitarian-operator.clusterName" -}}
{{- printf "%s.%s" .Release.Namespace (include "utilitarian-operator.fullname" .) -}}
{{- end -}}

{{/* What selects the operator's pods; never changes, since a Deployment's selector can't. */}}
{{- define "utilitarian-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "utilitarian-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "utilitarian-operator.labels" -}}
{{ include "utilitarian-operator.selectorLabels" . }}
app.kubernetes.io/part-of: utilitarian-operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* The labels with more beside them, which never take the place of ours: (dict "context" $ "more" LABELS). */}}
{{- define "utilitarian-operator.labelsAnd" -}}
{{- merge (include "utilitarian-operator.labels" .context | fromYaml) .more | toYaml -}}
{{- end -}}

{{- define "utilitarian-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "utilitarian-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name the service account to use, since serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The admission webhook's Service, Secret and rights. */}}
{{- define "utilitarian-operator.admission" -}}
{{- printf "%s-admission" (include "utilitarian-operator.fullname" . | trunc 53 | trimSuffix "-") -}}
{{- end -}}

{{- define "utilitarian-operator.image" -}}
{{- if or (contains "@" .Values.image.repository) (regexMatch ":[^/]*$" .Values.image.repository) -}}
{{- fail (printf "image.repository: %s has a tag or digest: write it to image.tag or image.digest" .Values.image.repository) -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The admission webhook's objects that are not in the release's namespace. */}}
{{- define "utilitarian-operator.clusterAdmission" -}}
{{- printf "%s.%s" .Release.Namespace (include "utilitarian-operator.admission" .) -}}
{{- end -}}

{{- define "utilitarian-operator.secretRule" -}}
- apiGroups: [""]
  resources: [secrets]
  {{- with .Values.rbac.secrets.names }}
  resourceNames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  verbs: [get]
{{- end -}}

{{/* What the operator may do where its fleets live, and no more. */}}
{{- define "utilitarian-operator.fleetRules" -}}
- apiGroups: [utilitarian.io]
  resources: [utilitarianworkerpools]
  verbs: [get, list, watch]
- apiGroups: [utilitarian.io]
  resources: [utilitarianworkerpools/status]
  verbs: [get, patch]
# What it makes blocks the deletion of its owner, and some clusters allow that only to those who may do this.
- apiGroups: [utilitarian.io]
  resources: [utilitarianworkerpools/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [get, patch]
# The last accepted versions of each resource, never changed.
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [list, create, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# What else scales the workers is named.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch, delete]
- apiGroups: [""]
  resources: [pods/status]
  verbs: [patch]
# Only what a resource names is read, one by one; a list would hand over every secret of the namespace.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
{{- if or .Values.watchNamespaces (not .Values.rbac.secrets.namespaces) }}
{{ include "utilitarian-operator.secretRule" . }}
{{- end }}
# Beat's volume is made once and never deleted: it keeps when each task was last run.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, create]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# Of a worker that crashed, only what the broker refused it is looked for in the last lines of its log.
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
# What workers use of CPU and memory, where the cluster measures it.
- apiGroups: [metrics.k8s.io]
  resources: [pods]
  verbs: [get, list]
# Kubernetes says in an event alone that a pod's volume can't be mounted.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
# Which of several operators works on the fleets of a namespace is agreed on by a Lease in it. A name can't be asked of
# what is being made.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [utilitarian-fleets]
  verbs: [get, patch]
{{- end -}}
