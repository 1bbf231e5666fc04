{{/* What everything of a release is called: the release, with "fairlead" in it once. A Service's name begins with a letter, and has no dot. */}}
{{- define "fairlead.name" -}}
{{- $name := .Release.Name | replace "." "-" -}}
{{- if not (contains "fairlead" $name) -}}{{- $name = printf "%s-fairlead" $name -}}{{- end -}}
{{- if regexMatch "^[0-9]" $name -}}
  {{- fail (printf "release name %s: a Service's name cannot begin with a digit: choose another, such as bgp-%s" .Release.Name .Release.Name) -}}
{{- end -}}
{{ $name | trunc 53 | trimSuffix "-" }}
{{- end -}}

{{/* The name of what lies outside of the release's namespace. Two releases in two namespaces may have the same name. */}}
{{- define "fairlead.clusterName" -}}
{{ .Release.Namespace }}:{{ include "fairlead.name" . }}
{{- end -}}

{{/* What chooses the pods. It never changes, because a DaemonSet's selector cannot. */}}
{{- define "fairlead.selector" -}}
app.kubernetes.io/name: fairlead
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The same for FRR's own pods, which must be no agents'. */}}
{{- define "fairlead.frrSelector" -}}
app.kubernetes.io/name: fairlead-frr
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Whether FRR has pods of its own: "true", or nothing. */}}
{{- define "fairlead.apart" -}}
{{- if eq .Values.config.frr.mode "external" -}}true{{- end -}}
{{- end -}}

{{- define "fairlead.labels" -}}
{{ include "fairlead.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | trunc 63 | trimSuffix "." | trimSuffix "-" | trimSuffix "_" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The image of every container; where there is a digest, the tag says only what it is called. */}}
{{- define "fairlead.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end -}}

{{/* Where the agent serves metrics and health, config.status.listen; "" means nowhere. */}}
{{- define "fairlead.listen" -}}
{{- $status := .Values.config.status | default dict -}}
{{- if hasKey $status "listen" -}}{{ $status.listen }}{{- else -}}:7473{{- end -}}
{{- end -}}

{{/* Its port. */}}
{{- define "fairlead.port" -}}
{{ include "fairlead.listen" . | splitList ":" | last }}
{{- end -}}

{{/* The address that a probe asks: none where the agent listens on every one, which is the node's. */}}
{{- define "fairlead.host" -}}
{{- $host := include "fairlead.listen" . | trimSuffix (printf ":%s" (include "fairlead.port" .)) | trimPrefix "[" | trimSuffix "]" -}}
{{- if not (has $host (list "" "0.0.0.0" "::")) -}}{{ $host }}{{- end -}}
{{- end -}}

{{/* The Secrets that passwordSecretRefs name, as a JSON object: namespace to names. */}}
{{- define "fairlead.secrets" -}}
{{- $secrets := dict -}}
{{- $defaults := .Values.config.neighborDefaults | default dict -}}
{{- range .Values.config.neighbors -}}
  {{- $ref := ternary .passwordSecretRef $defaults.passwordSecretRef (hasKey . "passwordSecretRef") | default dict -}}
  {{- if $ref.name -}}
    {{- $namespace := $ref.namespace | default $.Release.Namespace -}}
    {{- $_ := set $secrets $namespace (append (get $secrets $namespace | default list) $ref.name | uniq | sortAlpha) -}}
  {{- end -}}
{{- end -}}
{{ toJson $secrets }}
{{- end -}}

{{/* What of the configuration an agent reads once, when it starts. All else it follows, so only this begins new pods. */}}
{{- define "fairlead.readOnce" -}}
{{- $once := pick .Values.config "kubernetes" "natGateway" "status" "events" -}}
{{- $_ := set $once "frr" (omit (.Values.config.frr | default dict) "audit" "foreign") -}}
{{- $verify := .Values.config.verify | default dict -}}
{{- $_ := set $once "verify" (omit $verify "bmp") -}}
{{- $_ := set $once "station" (omit ($verify.bmp | default dict) "feed") -}}
{{ toJson $once | sha256sum | trunc 16 }}
{{- end -}}

{{/* What a pod's spec begins with, whosever it is. */}}
{{- define "fairlead.node" -}}
# The sessions are the node's: its addresses, its interfaces, its routing table.
hostNetwork: true
dnsPolicy: ClusterFirstWithHostNet
priorityClassName: {{ .Values.priorityClassName | quote }}
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/*
The container that gives frr.conf to the image's user frr, who reads it: called with . and a test of sh. -e has all that is there given,
since the host's folder is root's when it is made, and the image before may have had another number for that user. -O has only what is
root's given: the FRR of another pod may be of another image, and goes on.
*/}}
{{- define "fairlead.state" -}}
{{- $test := index . 1 }}
{{- with index . 0 -}}
initContainers:
- name: state
  image: {{ include "fairlead.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  # What else lies in the folder stays whose it is. Into the one with the sockets only root may go: a user of the node may have the number
  # of the image's user frr, whose FRR's sockets are.
  command:
  - sh
  - -ec
  - for f in "$0" "$0"/frr.conf*; do if [ {{ $test }} "$f" ]; then chown -h frr:frr "$f"; fi; done; chmod 0700 /run/fairlead
  - {{ dir .Values.config.frr.paths.config | quote }}
  securityContext:
    readOnlyRootFilesystem: true
    allowPrivilegeEscalation: false
    capabilities: {drop: [ALL], add: [CHOWN]}
  volumeMounts:
  - {name: state, mountPath: {{ dir .Values.config.frr.paths.config | quote }}}
  - {name: run, mountPath: /run/fairlead}
{{- end }}
{{- end -}}

{{/* The volumes by which an agent and its FRR meet, in one pod or in two. */}}
{{- define "fairlead.volumes" -}}
# frr.conf, from which FRR starts when the API server is away, with the last good configuration in it.
- name: state
  hostPath: {path: {{ .Values.stateDir | quote }}, type: DirectoryOrCreate}
# In memory alone: what FRR is given goes through these, passwords too.
{{- if include "fairlead.apart" . }}
- name: run
  hostPath: {path: {{ .Values.frr.runDir | quote }}, type: DirectoryOrCreate}
- name: frr-run
  hostPath: {path: {{ printf "%s/frr" .Values.frr.runDir | quote }}, type: DirectoryOrCreate}
{{- else }}
- name: run
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: frr-run
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- end -}}
