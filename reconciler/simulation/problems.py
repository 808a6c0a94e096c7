"""Validates a whole object after its defaults: finds every problem, as a server lists them.

The rules are those of Kubernetes' validation (pkg/apis/*/validation) that drawn or hand-written
objects can break, and those of the projects' CRDs and webhooks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.lifecycle import cron
from reconciler.lifecycle.cron.fields import CronInvalid
from reconciler.objects.key import ObjectKey, is_dns_label, is_object_name
from reconciler.objects.quantity import amount
from reconciler.simulation import projects
from reconciler.simulation.object_bodies import Problems

__all__ = ["problems"]

Body = Mapping[str, Any]

_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_NAME_PART = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character"
)
_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
)
_PORT = "must be between 1 and 65535, inclusive"


def problems(key: ObjectKey, body: Body) -> Problems:
    """The problems of an object, in the server's order."""
    yield from _metadata(body.get("metadata") or {})
    rule = _WHOLE.get((key.group, key.kind))
    if rule is not None:
        yield from rule(body)
    inner = _RULES.get((key.group, key.kind)) or projects.problems().get(key.group_kind)
    if inner is not None:
        yield from inner(body.get("spec") or {})


def _metadata(metadata: Body) -> Problems:
    for name, value in (metadata.get("labels") or {}).items():
        yield from _qualified("metadata.labels", name)
        if not isinstance(value, str) or _LABEL_VALUE.fullmatch(value) is None:
            yield "metadata.labels", f'Invalid value: "{value}": a valid label is needed'
    for name in metadata.get("annotations") or {}:
        yield from _qualified("metadata.annotations", name.lower())


def _qualified(field: str, name: str) -> Problems:
    prefix, slash, last = name.rpartition("/")
    if slash and not is_object_name(prefix):
        yield field, f'Invalid value: "{name}": prefix part {_SUBDOMAIN}'
    if _LABEL_NAME.fullmatch(last) is None:
        yield field, f'Invalid value: "{name}": {_NAME_PART}'


def _no_fewer(field: str, value: Any, least: int = 0) -> Problems:
    if value is not None and value < least:
        yield field, f"Invalid value: {value}: must be greater than or equal to {least}"


def _one_of(field: str, value: Any, supported: tuple[str, ...]) -> Problems:
    if value not in supported:
        listed = ", ".join(f'"{one}"' for one in supported)
        yield field, f'Unsupported value: "{value}": supported values: {listed}'


# -- pods ------------------------------------------------------------------------------------------


def _workload(spec: Body) -> Problems:
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    yield from _no_fewer("spec.replicas", spec["replicas"])
    template = spec["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    if spec.get("selector") == {}:
        yield "spec.selector", "Invalid value: {}: empty selector is invalid for deployment"
    elif not spec.get("selector"):
        yield "spec.selector", "Required value"
    if spec.get("selector") != {} and not (wanted and wanted.items() <= labels.items()):
        why = "Invalid value: `selector` does not match template `labels`"
        yield "spec.template.metadata.labels", why
    yield from _pod(template["spec"], "spec.template.spec", ("Always",))


def _pod(spec: Body, path: str, policies: tuple[str, ...]) -> Problems:
    containers = spec.get("containers") or []
    if not containers:
        yield f"{path}.containers", "Required value"
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    for index, container in enumerate(containers):
        yield from _container(container, f"{path}.containers[{index}]", volumes)
    yield from _one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), policies)
    account = spec.get("serviceAccountName")
    if account and not is_object_name(account):
        yield f"{path}.serviceAccountName", f'Invalid value: "{account}": {_SUBDOMAIN}'


def _container(container: Body, path_at: str, volumes: set[Any]) -> Problems:
    for field in ("name", "image"):
        if not container.get(field):
            yield f"{path_at}.{field}", "Required value"
    name = container.get("name")
    if name and not is_dns_label(str(name)):
        yield f"{path_at}.name", f'Invalid value: "{name}": must be an RFC 1123 label'
    for index, port in enumerate(container.get("ports") or ()):
        yield from _port(f"{path_at}.ports[{index}].containerPort", port.get("containerPort"))
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        if mount.get("name") not in volumes:
            yield f"{path_at}.volumeMounts[{index}].name", f'Not found: "{mount.get("name")}"'
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        for action in ("httpGet", "tcpSocket", "grpc"):
            port = ((container.get(probe) or {}).get(action) or {}).get("port")
            if isinstance(port, int):
                yield from _port(f"{path_at}.{probe}.{action}.port", port)
    yield from _resources(container.get("resources") or {}, f"{path_at}.resources")


def _resources(resources: Body, path_at: str) -> Problems:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, request in requests.items():
        limit = limits.get(name)
        extended = "/" in name and not name.startswith("kubernetes.io/")
        if limit is None and extended:
            why = "Required value: Limit must be set for non overcommitable resources"
            yield f"{path_at}.limits", why
        elif limit is not None and extended and amount(request) != amount(limit):
            yield (
                f"{path_at}.requests",
                f'Invalid value: "{request}": must be equal to {name} limit',
            )
        elif limit is not None and amount(request) > amount(limit):
            why = f"must be less than or equal to {name} limit of {limit}"
            yield f"{path_at}.requests", f'Invalid value: "{request}": {why}'


def _port(field: str, port: Any) -> Problems:
    if not isinstance(port, int) or not 1 <= port <= 65535:
        yield field, f"Invalid value: {port}: {_PORT}"


# -- built-in kinds --------------------------------------------------------------------------------

_JOB_POLICIES = ("OnFailure", "Never")


def _job(spec: Body, path: str = "spec") -> Problems:
    for field in ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit"):
        yield from _no_fewer(f"{path}.{field}", spec.get(field))
    yield from _pod(spec["template"]["spec"], f"{path}.template.spec", _JOB_POLICIES)


def _cron_job(spec: Body) -> Problems:
    schedule = str(spec.get("schedule", ""))
    for field, text, zone in (
        ("schedule", schedule, "UTC"),
        ("timeZone", "0 0 * * *", str(spec.get("timeZone") or "UTC")),
    ):
        try:
            cron.parse(text, zone)
        except CronInvalid as wrong:
            yield f"spec.{field}", f'Invalid value: "{spec.get(field)}": {wrong}'
    policies = ("Allow", "Forbid", "Replace")
    yield from _one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), policies)
    yield from _job(spec["jobTemplate"]["spec"], "spec.jobTemplate.spec")


def _service(spec: Body) -> Problems:
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec.get("type") != "ExternalName":
        yield "spec.ports", "Required value"
    for index, port in enumerate(ports):
        path_at = f"spec.ports[{index}]"
        if len(ports) > 1 and not port.get("name"):
            yield f"{path_at}.name", "Required value"
        yield from _port(f"{path_at}.port", port.get("port"))
        if isinstance(port.get("targetPort"), int):
            yield from _port(f"{path_at}.targetPort", port["targetPort"])


def _claim(spec: Body) -> Problems:
    if not spec.get("accessModes"):
        yield "spec.accessModes", "Required value: at least 1 access mode is required"
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        yield "spec.resources[storage]", "Required value"


def _quota(spec: Body) -> Problems:
    for name, text in (spec.get("hard") or {}).items():
        if amount(text) < 0:
            why = f'Invalid value: "{text}": must be greater than or equal to 0'
            yield f"spec.hard[{name}]", why


def _autoscaler(spec: Body) -> Problems:
    most = spec.get("maxReplicas")
    if not most:
        yield "spec.maxReplicas", "Required value: must be set and greater than 0"
    if (most or 0) < spec.get("minReplicas", 1):
        yield "spec.maxReplicas", "Invalid value: must be greater than or equal to `minReplicas`"


def _disruption_budget(spec: Body) -> Problems:
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield "spec", "Invalid value: minAvailable and maxUnavailable cannot be both set"


def _data(body: Body) -> Problems:
    for part in ("data", "binaryData"):
        for name in body.get(part) or {}:
            if _DATA_KEY.fullmatch(name) is None:
                yield f"{part}[{name}]", f'Invalid value: "{name}": a valid config key is needed'


def _role(body: Body) -> Problems:
    for index, rule in enumerate(body.get("rules") or ()):
        if not rule.get("verbs"):
            yield f"rules[{index}].verbs", "Required value: verbs must contain at least one value"


_POD_POLICIES = ("Always", "OnFailure", "Never")
#: Rules about fields outside the spec.
_WHOLE: dict[tuple[str, str], Callable[[Body], Problems]] = {
    ("", "ConfigMap"): _data,
    ("", "Secret"): _data,
    ("rbac.authorization.k8s.io", "Role"): _role,
}
_RULES: dict[tuple[str, str], Callable[[Body], Problems]] = {
    ("apps", "Deployment"): _workload,
    ("apps", "StatefulSet"): _workload,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cron_job,
    ("", "Pod"): lambda spec: _pod(spec, "spec", _POD_POLICIES),
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "ResourceQuota"): _quota,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("policy", "PodDisruptionBudget"): _disruption_budget,
}
