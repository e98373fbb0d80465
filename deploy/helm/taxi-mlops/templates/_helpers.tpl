{{- define "taxi.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* At most 40 characters: names of pods and Services have it in front. */}}
{{- define "taxi.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "taxi.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "taxi.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "taxi.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "taxi.selector" -}}
app.kubernetes.io/name: {{ include "taxi.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "taxi.labels" -}}
{{ include "taxi.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "taxi.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "taxi.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* What every pod has: no token of the API, no addresses of Services in its environment (settings begin with TAXI_, too). */}}
{{- define "taxi.pod" -}}
serviceAccountName: {{ include "taxi.fullname" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "taxi.podSecurity" . | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "taxi.container" -}}
image: {{ include "taxi.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "taxi.containerSecurity" . | nindent 2 }}
{{- end }}

{{- /* Where pods of a component run: (dict "root" $ "values" .Values.worker "component" "worker") */}}
{{- define "taxi.placement" -}}
topologySpreadConstraints:
  {{- range tuple "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "taxi.selector" $.root | nindent 8 }}
        app.kubernetes.io/component: {{ $.component }}
  {{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Of a volume that one node alone can use, all pods are there. The first of them may go anywhere. */}}
{{- define "taxi.besideRuns" -}}
podAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "taxi.selector" . | nindent 10 }}
          taxi-mlops/runs: mounted
{{- end }}

{{- define "taxi.claim" -}}
{{- default (printf "%s-runs" (include "taxi.fullname" .)) .Values.runs.existingClaim }}
{{- end }}

{{- /* Settings that are no secrets. */}}
{{- define "taxi.environment" -}}
- {name: TAXI_SECRETS_DIR, value: /etc/taxi/secrets}
- {name: TAXI_RUNS_DIR, value: /runs}
- {name: TAXI_CACHE_DIR, value: {{ .cache }}}
{{- with .root.Values.services }}
{{- with .objectStore.url }}
- {name: TAXI_OBJECT_STORE_URL, value: {{ . | quote }}}
- {name: TAXI_OBJECT_STORE_REGION, value: {{ $.root.Values.services.objectStore.region | quote }}}
{{- end }}
{{- with .prefect.url }}
- {name: TAXI_PREFECT_API_URL, value: {{ . | quote }}}
- {name: TAXI_PREFECT_WORK_POOL, value: {{ $.root.Values.worker.workPool | quote }}}
{{- end }}
{{- /* Without a server, SQLite in the folder of runs would be used, which several hosts must not share. */}}
{{- if not .experiments.existingSecret.name }}
- {name: TAXI_EXPERIMENTS_URL, value: "off"}
{{- end }}
- {name: TAXI_MLFLOW_URI, value: {{ default "off" .mlflow.url | quote }}}
{{- if .mlflow.url }}
{{- if .mlflow.existingSecret.name }}
- {name: TAXI_MLFLOW_USERNAME, value: {{ .mlflow.username | quote }}}
{{- end }}
{{- end }}
{{- with .pushgateway.url }}
- {name: TAXI_PUSHGATEWAY_URL, value: {{ . | quote }}}
{{- end }}
{{- with .traces.url }}
- {name: TAXI_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- with .logs.url }}
- {name: TAXI_OTLP_LOGS_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- if .certificateAuthority.existingConfigMap }}
- {name: TAXI_CA_FILE, value: /etc/taxi/authority/ca.crt}
{{- end }}
{{- end }}
{{- range $name, $value := .root.Values.settings }}
- {name: {{ printf "TAXI_%s" (upper $name) }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- end }}

{{- define "taxi.mounts" -}}
- {name: scratch, mountPath: /tmp}
- {name: secrets, mountPath: /etc/taxi/secrets, readOnly: true}
{{- if .Values.services.certificateAuthority.existingConfigMap }}
- {name: authority, mountPath: /etc/taxi/authority, readOnly: true}
{{- end }}
{{- end }}

{{- /* Secrets are files, each named as its setting; none is in the environment, which a trial would inherit. */}}
{{- define "taxi.volumes" -}}
- name: scratch
  emptyDir: {sizeLimit: {{ .scratchSize }}}
- name: secrets
  projected:
    defaultMode: 0440
    {{- $sources := list }}
    {{- with .root.Values.services }}
    {{- range tuple
      (tuple .experiments.existingSecret.name .experiments.existingSecret.key "taxi_experiments_url")
      (tuple .redis.existingSecret.name .redis.existingSecret.key "taxi_redis_url")
      (tuple .objectStore.existingSecret.name .objectStore.existingSecret.accessKeyKey "taxi_object_store_access_key")
      (tuple .objectStore.existingSecret.name .objectStore.existingSecret.secretKeyKey "taxi_object_store_secret_key")
      (tuple .prefect.existingSecret.name .prefect.existingSecret.key "taxi_prefect_api_auth")
      (tuple .mlflow.existingSecret.name .mlflow.existingSecret.key "taxi_mlflow_password") }}
    {{- if index . 0 }}
    {{- $item := dict "key" (index . 1) "path" (index . 2) }}
    {{- $sources = append $sources (dict "secret" (dict "name" (index . 0) "items" (list $item))) }}
    {{- end }}
    {{- end }}
    {{- end }}
    sources: {{ toJson $sources }}
{{- with .root.Values.services.certificateAuthority }}
{{- if .existingConfigMap }}
- name: authority
  configMap:
    name: {{ .existingConfigMap }}
    items: [{key: {{ .key | quote }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- end }}

{{- /* The port of a URL, that of its scheme if it names none. */}}
{{- define "taxi.port" -}}
{{- $url := urlParse . }}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" }}
{{- default (ternary "443" "80" (eq $url.scheme "https")) $port }}
{{- end }}

{{- /* Ports of the services of a list of names, as a list in JSON. */}}
{{- define "taxi.ports" -}}
{{- $ports := list }}
{{- $services := .root.Values.services }}
{{- range .names }}
{{- $service := index $services . }}
{{- if hasKey $service "port" }}
{{- if $service.existingSecret.name }}{{ $ports = append $ports (int $service.port) }}{{ end }}
{{- else if $service.url }}
{{- $ports = append $ports (int (include "taxi.port" $service.url)) }}
{{- end }}
{{- end }}
{{- $ports | uniq | sortAlpha | toJson }}
{{- end }}
