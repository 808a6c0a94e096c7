{{/* Everything of the pod but what differs: restart policy, arguments, probes. */}}
{{- define "reconciler.name" -}}
{{- if .Values.config.environment }}reconciler-{{ .Values.config.environment }}{{ else }}reconciler{{ end -}}
{{- end }}

{{- define "reconciler.labels" -}}
app.kubernetes.io/name: ml-reconciler
{{- end }}

{{- define "reconciler.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag }}{{ end }}
{{- end }}

{{- define "reconciler.podHead" -}}
serviceAccountName: {{ .Values.serviceAccount }}
terminationGracePeriodSeconds: 30
enableServiceLinks: false
{{- if .Values.priorityClassName }}
priorityClassName: {{ .Values.priorityClassName }}
{{- end }}
{{- if .Values.nodeSelector }}
nodeSelector: {{ toJson .Values.nodeSelector }}
{{- end }}
{{- if .Values.tolerations }}
tolerations: {{ toJson .Values.tolerations }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
volumes:
- name: scratch
  emptyDir: {sizeLimit: 1Gi}
{{- if .Values.git.sshSecret }}
- name: git-ssh
  secret: {secretName: {{ .Values.git.sshSecret }}, defaultMode: 256}
{{- end }}
{{- end }}

{{- define "reconciler.arguments" -}}
- {{ printf "--repo=%s" .Values.config.repo | quote }}
- {{ printf "--revision=%s" .Values.config.revision | quote }}
{{- if .Values.config.environment }}
- {{ printf "--environment=%s" .Values.config.environment | quote }}
{{- end }}
- --in-cluster
- --deadline={{ .Values.deadline }}
- --log-format=json
{{- end }}

{{- define "reconciler.container" -}}
image: {{ include "reconciler.image" . | quote }}
env:
- {name: HOME, value: /scratch}
- {name: TMPDIR, value: /scratch}
- {name: RECONCILER_CACHE_DIR, value: /scratch/cache}
{{- if .Values.git.sshSecret }}
- {name: RECONCILER_GIT_SSH_KEY, value: /git-ssh/identity}
- {name: RECONCILER_GIT_KNOWN_HOSTS, value: /git-ssh/known_hosts}
{{- end }}
{{- if .Values.git.tokenSecret }}
- name: RECONCILER_GIT_TOKEN
  valueFrom: {secretKeyRef: {name: {{ .Values.git.tokenSecret }}, key: token}}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources: {{ toJson .Values.resources }}
volumeMounts:
- {name: scratch, mountPath: /scratch}
{{- if .Values.git.sshSecret }}
- {name: git-ssh, mountPath: /git-ssh, readOnly: true}
{{- end }}
{{- end }}
