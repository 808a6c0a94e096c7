"""One body and more of every built-in kind that the embedded cluster serves, for a namespace `x`."""


def body(api, kind, name, namespace="x", **rest):
    metadata = {"name": name, **rest.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


_PLAIN = [{"name": "c", "image": "i:1"}]
_RICH = {
    "serviceAccountName": "sa",
    "containers": [
        {
            "name": "c",
            "image": "i",
            "command": ["a"],
            "args": ["b"],
            "ports": [
                {"containerPort": 80, "name": "http"},
                {"containerPort": 81, "protocol": "UDP"},
            ],
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            ],
            "envFrom": [{"configMapRef": {"name": "c"}}],
            "resources": {
                "requests": {"cpu": "500m", "memory": "1024Mi", "nvidia.com/gpu": 1},
                "limits": {"nvidia.com/gpu": "1", "memory": "1.5Gi", "cpu": 0.5},
            },
            "readinessProbe": {"httpGet": {"port": "http"}},
            "livenessProbe": {"tcpSocket": {"port": 80}},
            "startupProbe": {"grpc": {"port": 80}},
            "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
            "volumeMounts": [
                {"name": "v", "mountPath": "/v"},
                {"name": "e", "mountPath": "/e", "readOnly": True},
            ],
            "securityContext": {"runAsNonRoot": True},
        }
    ],
    "initContainers": [{"name": "i", "image": "x@sha256:" + "a" * 64}],
    "volumes": [
        {"name": "v", "persistentVolumeClaim": {"claimName": "p"}},
        {"name": "e", "emptyDir": {}},
        {"name": "m", "configMap": {"name": "c"}},
        {"name": "sec", "secret": {"secretName": "s"}},
        {"name": "h", "hostPath": {"path": "/x"}},
        {
            "name": "pr",
            "projected": {
                "sources": [
                    {"serviceAccountToken": {"path": "t"}},
                    {
                        "downwardAPI": {
                            "items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]
                        }
                    },
                ]
            },
        },
        {
            "name": "d",
            "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]},
        },
    ],
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "z",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"a": "b"}},
        }
    ],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}
                ]
            }
        }
    },
    "imagePullSecrets": [{"name": "r"}],
}


def _template(spec):
    return {"metadata": {"labels": {"a": "b"}}, "spec": spec}


_SELECTOR = {"matchLabels": {"a": "b"}}
BODIES = [
    body("v1", "Namespace", "n2", None),
    body("v1", "ConfigMap", "cm", data={"a": "1"}, binaryData={"b": "AAA="}),
    body("v1", "Secret", "s", stringData={"a": "1"}),
    body("v1", "Secret", "s2", data={"a": "MQ=="}, type="Opaque"),
    body("v1", "Service", "svc", spec={"selector": {"a": "b"}, "ports": [{"port": 80}]}),
    body(
        "v1",
        "Service",
        "svc2",
        spec={
            "selector": {"a": "b"},
            "ports": [
                {"port": 80, "targetPort": "http", "name": "h"},
                {"port": 81, "name": "g", "protocol": "UDP"},
            ],
            "clusterIP": "None",
        },
    ),
    body("v1", "Service", "svc3", spec={"type": "ExternalName", "externalName": "a.b"}),
    body("v1", "ServiceAccount", "sa"),
    body(
        "v1",
        "ResourceQuota",
        "q",
        spec={
            "hard": {
                "requests.nvidia.com/gpu": 8,
                "pods": "1000",
                "requests.memory": "2048Mi",
                "requests.cpu": "1500m",
            }
        },
    ),
    body(
        "v1",
        "LimitRange",
        "lr",
        spec={"limits": [{"type": "Container", "default": {"cpu": "1000m"}, "max": {"cpu": 2}}]},
    ),
    body(
        "v1",
        "PersistentVolumeClaim",
        "p",
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Gi"}}},
    ),
    body("v1", "Pod", "pod", spec={"containers": _PLAIN}),
    body("v1", "Pod", "pod2", spec={**_RICH, "serviceAccountName": "default"}),
    body(
        "apps/v1",
        "Deployment",
        "d",
        spec={"selector": _SELECTOR, "template": _template({"containers": _PLAIN})},
    ),
    body(
        "apps/v1",
        "Deployment",
        "d2",
        spec={
            "replicas": 0,
            "selector": _SELECTOR,
            "template": _template(_RICH),
            "strategy": {"type": "Recreate"},
        },
    ),
    body(
        "apps/v1",
        "Deployment",
        "d3",
        spec={
            "selector": _SELECTOR,
            "template": _template({"containers": _PLAIN}),
            "strategy": {"rollingUpdate": {"maxSurge": 1}},
        },
    ),
    body(
        "apps/v1",
        "StatefulSet",
        "ss",
        spec={
            "serviceName": "h",
            "selector": _SELECTOR,
            "template": _template({"containers": _PLAIN}),
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "p"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "1Gi"}},
                    },
                }
            ],
        },
    ),
    body(
        "batch/v1",
        "Job",
        "j",
        spec={"template": {"spec": {"restartPolicy": "Never", "containers": _PLAIN}}},
    ),
    body(
        "batch/v1",
        "Job",
        "j2",
        metadata={"labels": {"mine": "1"}},
        spec={
            "completionMode": "Indexed",
            "completions": 3,
            "parallelism": 3,
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": 5,
            "template": {
                "metadata": {"labels": {"z": "1"}},
                "spec": {"restartPolicy": "OnFailure", "containers": _PLAIN},
            },
        },
    ),
    body(
        "batch/v1",
        "CronJob",
        "cj",
        spec={
            "schedule": "0 2 * * *",
            "timeZone": "Asia/Shanghai",
            "jobTemplate": {
                "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": _PLAIN}}}
            },
        },
    ),
    body(
        "rbac.authorization.k8s.io/v1",
        "Role",
        "r",
        rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    ),
    body(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "rb",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        subjects=[{"kind": "ServiceAccount", "name": "sa", "namespace": "x"}],
    ),
    body(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "rb2",
        roleRef={"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"},
        subjects=[{"kind": "Group", "name": "g"}],
    ),
    body(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "np",
        spec={"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}], "egress": [{}]},
    ),
    body(
        "networking.k8s.io/v1",
        "Ingress",
        "ing",
        spec={
            "rules": [
                {
                    "http": {
                        "paths": [
                            {
                                "path": "/",
                                "pathType": "Prefix",
                                "backend": {"service": {"name": "s", "port": {"number": 80}}},
                            }
                        ]
                    }
                }
            ]
        },
    ),
    body(
        "policy/v1", "PodDisruptionBudget", "pdb", spec={"minAvailable": 1, "selector": _SELECTOR}
    ),
    body(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "hpa",
        spec={
            "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {
                        "name": "cpu",
                        "target": {"type": "Utilization", "averageUtilization": 50},
                    },
                }
            ],
        },
    ),
    body(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "hpa2",
        spec={
            "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d2"},
        },
    ),
    body(
        "coordination.k8s.io/v1",
        "Lease",
        "l",
        spec={
            "holderIdentity": "a",
            "leaseDurationSeconds": 15,
            "acquireTime": "2026-01-01T00:00:00.000000Z",
        },
    ),
    body(
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicy",
        "vap",
        None,
        spec={
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["apps"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["deployments"],
                    }
                ]
            },
            "validations": [{"expression": "true"}],
        },
    ),
    body(
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicyBinding",
        "vapb",
        None,
        spec={"policyName": "vap", "validationActions": ["Deny"]},
    ),
]


def named(kind, name):
    """The body of that kind and name."""
    (found,) = (one for one in BODIES if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found
