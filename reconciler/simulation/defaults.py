"""What the API server fills in, as far as it could look like drift.

Defaults have no owner. Source: pkg/apis/*/v1/defaults.go of Kubernetes, and the defaults in the
CustomResourceDefinition of HTTPRoute.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from reconciler.objects.key import GroupKind
from reconciler.objects.quantity import amount

__all__ = ["fill"]


def fill(kind: GroupKind, body: dict[str, Any]) -> None:
    """Fills in the defaults of a kind, in place. `body` is a private copy."""
    rule = _RULES.get((kind.group, kind.kind))
    if rule is not None:
        rule(body)


def _default(node: dict[str, Any], **values: Any) -> None:
    for name, value in values.items():
        if node.get(name) is None:
            node[name] = value


def _map(node: dict[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(node.get(name), dict):
        node[name] = {}
    found: dict[str, Any] = node[name]
    return found


def _maps(node: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    for element in node.get(name) or ():
        if isinstance(element, dict):
            yield element


# -- pods ------------------------------------------------------------------------------------------


def _pod(spec: dict[str, Any]) -> None:
    _default(
        spec,
        restartPolicy="Always",
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        terminationGracePeriodSeconds=30,
        securityContext={},
    )
    if spec.get("serviceAccountName"):
        _default(spec, serviceAccount=spec["serviceAccountName"])
    for group in ("initContainers", "containers"):
        for container in _maps(spec, group):
            _container(container)
    for volume in _maps(spec, "volumes"):
        for source in ("configMap", "secret", "projected", "downwardAPI"):
            if isinstance(volume.get(source), dict):
                _default(volume[source], defaultMode=420)
        if isinstance(volume.get("hostPath"), dict):
            _default(volume["hostPath"], type="")


def _container(container: dict[str, Any]) -> None:
    image = str(container.get("image", ""))
    last = image.rpartition("/")[2]
    floats = "@" not in image and (":" not in last or last.endswith(":latest"))
    _default(
        container,
        imagePullPolicy="Always" if floats else "IfNotPresent",
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        resources={},
    )
    resources = container["resources"]
    limits = resources.get("limits") or {}
    if limits:
        # A limit without a request is the request.
        resources["requests"] = {**limits, **(resources.get("requests") or {})}
    for part in ("limits", "requests"):
        _amounts(resources, part)
    for port in _maps(container, "ports"):
        _default(port, protocol="TCP")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(probe), dict):
            _probe(container[probe])
    for variable in _maps(container, "env"):
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if isinstance(reference, dict):
            _default(reference, apiVersion="v1")


def _probe(probe: dict[str, Any]) -> None:
    _default(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if isinstance(probe.get("httpGet"), dict):
        _default(probe["httpGet"], path="/", scheme="HTTP")


def _amounts(node: dict[str, Any], name: str) -> None:
    """Quantities in their canonical spelling, as typed objects come back."""
    if isinstance(node.get(name), dict):
        node[name] = {key: _canonical(text) for key, text in node[name].items()}


def _canonical(text: Any) -> Any:
    try:
        value = amount(text)
    except ValueError:
        return text
    spelt = str(text)
    if spelt.endswith("i"):
        for suffix, size in (
            ("Ei", 60),
            ("Pi", 50),
            ("Ti", 40),
            ("Gi", 30),
            ("Mi", 20),
            ("Ki", 10),
        ):
            if value and value % 2**size == 0:
                return f"{int(value / 2**size)}{suffix}"
        return str(int(value))
    if value != value.to_integral_value():
        thousandths = value * 1000
        exact = thousandths == thousandths.to_integral_value()
        return f"{int(thousandths)}m" if exact else spelt
    whole = int(value)
    for suffix, power in (("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3)):
        if whole and whole % 10**power == 0:
            return f"{whole // 10**power}{suffix}"
    return str(whole)


def _template(owner: dict[str, Any]) -> None:
    template = _map(owner, "template")
    _map(template, "metadata")
    _pod(_map(template, "spec"))


# -- kinds -----------------------------------------------------------------------------------------


def _namespace(body: dict[str, Any]) -> None:
    _default(_map(body, "spec"), finalizers=["kubernetes"])
    _default(_map(body, "status"), phase="Active")
    labels = _map(body["metadata"], "labels")
    labels["kubernetes.io/metadata.name"] = body["metadata"]["name"]


def _secret(body: dict[str, Any]) -> None:
    _default(body, type="Opaque")
    plain = body.pop("stringData", None)
    if plain:
        encoded = {k: base64.b64encode(str(v).encode()).decode() for k, v in plain.items()}
        body["data"] = {**(body.get("data") or {}), **encoded}


def _service(body: dict[str, Any]) -> None:
    spec = _map(body, "spec")
    _default(spec, type="ClusterIP", sessionAffinity="None")
    for port in _maps(spec, "ports"):
        _default(port, protocol="TCP")
        _default(port, targetPort=port.get("port"))
    if spec["type"] != "ExternalName":
        if spec.get("clusterIP") is None:
            seed = f"{body['metadata'].get('namespace')}/{body['metadata']['name']}"
            digest = hashlib.sha256(seed.encode()).digest()
            spec["clusterIP"] = f"10.96.{digest[0]}.{digest[1] % 253 + 1}"
        _default(
            spec,
            clusterIPs=[spec["clusterIP"]],
            internalTrafficPolicy="Cluster",
            ipFamilies=["IPv4"],
            ipFamilyPolicy="SingleStack",
        )
    _default(_map(body, "status"), loadBalancer={})


def _deployment(body: dict[str, Any]) -> None:
    spec = _map(body, "spec")
    _template(spec)
    _default(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    strategy = spec["strategy"]
    _default(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _default(_map(strategy, "rollingUpdate"), maxSurge="25%", maxUnavailable="25%")


def _statefulset(body: dict[str, Any]) -> None:
    spec = _map(body, "spec")
    _template(spec)
    _default(
        spec,
        replicas=1,
        revisionHistoryLimit=10,
        podManagementPolicy="OrderedReady",
        updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        persistentVolumeClaimRetentionPolicy={"whenDeleted": "Retain", "whenScaled": "Retain"},
    )


def _job(body: dict[str, Any]) -> None:
    spec = _map(body, "spec")
    _job_spec(spec)
    uid = body["metadata"].get("uid")
    if uid and not spec.get("manualSelector"):
        spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
        labels = _map(_map(spec["template"], "metadata"), "labels")
        name = body["metadata"]["name"]
        _default(
            labels,
            **{
                "batch.kubernetes.io/controller-uid": uid,
                "batch.kubernetes.io/job-name": name,
                "controller-uid": uid,
                "job-name": name,
            },
        )


def _job_spec(spec: dict[str, Any]) -> None:
    _template(spec)
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    _default(
        spec,
        parallelism=1,
        backoffLimit=6,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="TerminatingOrFailed",
    )


def _cronjob(body: dict[str, Any]) -> None:
    spec = _map(body, "spec")
    _default(
        spec,
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )
    inner = _map(_map(spec, "jobTemplate"), "spec")
    _template(inner)


def _claim(body: dict[str, Any]) -> None:
    spec = _map(body, "spec")
    _default(spec, volumeMode="Filesystem")
    _amounts(_map(spec, "resources"), "requests")
    _default(_map(body, "status"), phase="Pending")


def _quota(body: dict[str, Any]) -> None:
    _amounts(_map(body, "spec"), "hard")


def _policy(body: dict[str, Any]) -> None:
    spec = _map(body, "spec")
    _default(spec, policyTypes=["Ingress", "Egress"] if "egress" in spec else ["Ingress"])


def _route(body: dict[str, Any]) -> None:
    group = "gateway.networking.k8s.io"
    spec = _map(body, "spec")
    for parent in _maps(spec, "parentRefs"):
        _default(parent, group=group, kind="Gateway")
    _default(spec, rules=[{}])
    for rule in _maps(spec, "rules"):
        _default(rule, matches=[{}])
        for match in _maps(rule, "matches"):
            _default(match, path={"type": "PathPrefix", "value": "/"})
        for backend in _maps(rule, "backendRefs"):
            _default(backend, group="", kind="Service", weight=1)


_RULES: dict[tuple[str, str], Callable[[dict[str, Any]], None]] = {
    ("", "Namespace"): _namespace,
    ("", "Secret"): _secret,
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "ResourceQuota"): _quota,
    ("", "Pod"): lambda body: _pod(_map(body, "spec")),
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _statefulset,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cronjob,
    ("networking.k8s.io", "NetworkPolicy"): _policy,
    ("gateway.networking.k8s.io", "HTTPRoute"): _route,
}
