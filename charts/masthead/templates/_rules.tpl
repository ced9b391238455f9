{{/*
What the operator may do where it works: the rules of its ClusterRole, or, with watchNamespaces,
of its Role in each of those namespaces. A verb that the code does not use does not belong here;
one that it uses and is missing shows as a 403 in the tests.
*/}}
{{- define "masthead.operatorRules" -}}
# Its own kinds: it reads them and writes their status. Of AlertRules it also makes a stack's
# default ones; stacks it never changes.
- apiGroups: [masthead.dev]
  resources: [monitoringstacks]
  verbs: [get, list, watch]
- apiGroups: [masthead.dev]
  resources: [alertrules]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [masthead.dev]
  resources: [monitoringstacks/status, alertrules/status]
  verbs: [patch]
# Children name their stack as the owner that waits for them; where the admission plugin
# OwnerReferencesPermissionEnforcement is on (OpenShift), that takes this right.
- apiGroups: [masthead.dev]
  resources: [monitoringstacks/finalizers]
  verbs: [update]
# Pods: read for the status; patched to touch an annotation, so that the kubelet projects new
# configuration at once.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
- apiGroups: [""]
  resources: [services, serviceaccounts, configmaps]
  verbs: [get, list, watch, create, patch, delete]
# Volumes may grow; the operator never deletes one.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, create, patch]
# Secrets are never watched.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, create, patch, delete]
# Why a pod does not start, for the status.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [apps]
  resources: [statefulsets, deployments, daemonsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies, ingresses]
  verbs: [get, list, watch, create, patch, delete]
# The redirect to HTTPS, where Traefik's kinds are there.
- apiGroups: [traefik.io]
  resources: [middlewares]
  verbs: [get, list, watch, create, patch, delete]
# prometheus-operator's kinds, where they are installed: read, never written.
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors, podmonitors, probes, scrapeconfigs, prometheusrules]
  verbs: [list, watch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings]
  verbs: [get, list, watch, create, patch, delete]
# It may hand out the roles below and no other.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles]
  verbs: [bind]
  resourceNames:
    - {{ include "masthead.fullname" . }}-agent
    - {{ include "masthead.fullname" . }}-prometheus
    {{- if not .Values.watchNamespaces }}
    - {{ include "masthead.fullname" . }}-prometheus-nodes
    {{- end }}
{{- end -}}

{{/* What it may do beyond namespaces: in the ClusterRole only. */}}
{{- define "masthead.operatorClusterRules" -}}
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterrolebindings]
  verbs: [get, list, watch, create, patch, delete]
# Which namespaces a selector means.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list]
# Whether a volume may grow.
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [get]
{{- end -}}
