"""What the API server refuses about an object: names, required fields, types, immutable fields.

The codes are those that were measured on a real server: a wrong type or an unknown field under
apply is a 500 without a reason, everything else that is wrong with an object a 422.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from reconciler.objects.key import ObjectKey, is_dns_label, is_object_name
from reconciler.objects.outcome import Refusal
from reconciler.simulation.fault import ApiFault
from reconciler.simulation.schema import Shape

__all__ = ["LARGEST_OBJECT", "check", "check_name", "check_size", "check_types", "check_update"]

#: Bytes; etcd's own request limit.
LARGEST_OBJECT = 1_500_000
_LARGEST_DATA = 1024 * 1024
_LABELLED = frozenset({"Namespace", "Service", "Pod"})
_CRON = re.compile(
    r"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every\s+\S+"
    r"|[A-Za-z0-9*,/?-]+(\s+[A-Za-z0-9*,/?-]+){4})$"
)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


def _invalid(key: ObjectKey, field: str, why: str) -> ApiFault:
    full = f"{key.kind}.{key.group}" if key.group else key.kind
    refusal = Refusal.IMMUTABLE if "immutable" in why else Refusal.INVALID
    return ApiFault(refusal, 422, f'{full} "{key.name}" is invalid: {field}: {why}', (field,))


def check_name(key: ObjectKey) -> None:
    """Names become parts of URLs: RFC 1123, a label where the kind wants one."""
    labelled = key.kind in _LABELLED and not key.group
    if not is_object_name(key.name) or (labelled and not is_dns_label(key.name)):
        what = "label" if labelled else "subdomain"
        raise _invalid(
            key,
            "metadata.name",
            f'Invalid value: "{key.name}": a lowercase RFC 1123 {what} must consist of lower case '
            "alphanumeric characters or '-'" + ("" if labelled else " or '.'"),
        )


def check_size(key: ObjectKey, body: Mapping[str, Any]) -> None:
    """Raises for what etcd would not store, and for ConfigMaps and Secrets above 1 MiB."""
    if key.kind in ("ConfigMap", "Secret") and not key.group:
        size = sum(
            len(k) + len(str(v).encode())
            for part in ("data", "binaryData")
            for k, v in (body.get(part) or {}).items()
        )
        if size > _LARGEST_DATA:
            raise _invalid(key, "data", f"Too long: may not be more than {_LARGEST_DATA} bytes")
    if len(orjson.dumps(body)) > LARGEST_OBJECT:
        raise ApiFault(Refusal.INVALID, 413, "Request entity too large: limit is 1.5 MB")


# -- types -----------------------------------------------------------------------------------------


def check_types(
    key: ObjectKey, shape: Shape, body: Mapping[str, Any], *, applied: bool = True
) -> None:
    """Raises what server-side apply answers to an undeclared field or a wrong type; a POST or PUT
    lets undeclared fields pass and calls a wrong type a bad request."""
    wrong = list(_wrong(shape, body, ""))
    if not applied:
        wrong = [w for w in wrong if not w.endswith("not declared in schema")]
    if wrong and not applied:
        raise ApiFault(Refusal.INVALID, 400, f"{key.kind} in version cannot be handled: {wrong[0]}")
    if wrong:
        api_version = body.get("apiVersion", "")
        where = f"{key.namespace}/{key.name}; {api_version}, Kind={key.kind}"
        listed = wrong[0] if len(wrong) == 1 else "errors:\n" + "\n".join(f"  {w}" for w in wrong)
        message = f"failed to create typed patch object ({where}): {listed}"
        raise ApiFault(Refusal.INVALID, 500, message, tuple(w.split(":")[0] for w in wrong))


_EXPECTED: dict[str, tuple[type | tuple[type, ...], str]] = {
    "str": (str, "string"),
    "int": (int, "numeric (int or float)"),
    "bool": (bool, "boolean"),
    "intstr": ((int, str), "int or string"),
    "num-or-str": ((int, float, str), "scalar"),
}


def _wrong(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if value is None:
        return
    if shape.what in _EXPECTED:
        types, name = _EXPECTED[shape.what]
        if not isinstance(value, types) or (isinstance(value, bool) and shape.what != "bool"):
            yield f"{path}: expected {name}, got {_spelt(value)}"
    elif shape.what in ("struct", "open", "map"):
        if not isinstance(value, dict):
            yield f"{path}: expected map, got {_spelt(value)}"
            return
        for name, child in value.items():
            inner = shape.child(name)
            if inner is None:
                yield f"{path}.{name}: field not declared in schema"
            else:
                yield from _wrong(inner, child, f"{path}.{name}")
    elif shape.what in ("keyed", "set"):
        yield from _wrong_list(shape, value, path)


def _wrong_list(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: expected list, got {_spelt(value)}"
        return
    seen = set()
    for index, element in enumerate(value):
        if shape.what == "keyed":
            if not isinstance(element, dict):
                yield f"{path}[{index}]: expected map, got {_spelt(element)}"
                continue
            if shape.keys[0] not in element:
                yield (
                    f"{path}: element {index}: associative list with keys has an element that "
                    f'omits key field "{shape.keys[0]}"'
                )
                continue
            key = tuple(element.get(k, "TCP" if k == "protocol" else None) for k in shape.keys)
            if key in seen:
                pairs = ",".join(f'{k}="{v}"' for k, v in zip(shape.keys, key, strict=True))
                yield f"{path}: duplicate entries for key [{pairs}]"
            seen.add(key)
        yield from _wrong(shape.element, element, f"{path}[{index}]")


def _spelt(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return f"numeric ({value})"
        case str():
            return "string"
        case list():
            return "list"
        case _:
            return "map"


# -- content ---------------------------------------------------------------------------------------

Problems = Iterator[tuple[str, str]]
Body = Mapping[str, Any]


def check(key: ObjectKey, body: Body) -> None:
    """Raises the first thing that is wrong with a whole object, after its defaults."""
    for name, value in ((body.get("metadata") or {}).get("labels") or {}).items():
        if not isinstance(value, str) or _LABEL_VALUE.fullmatch(value) is None:
            raise _invalid(key, "metadata.labels", f'Invalid value: "{value}" of {name}')
    rule = _RULES.get((key.group, key.kind))
    for field, why in rule(body.get("spec") or {}) if rule is not None else ():
        raise _invalid(key, field, why)


def _workload(spec: Body) -> Problems:
    wanted = (spec.get("selector") or {}).get("matchLabels") or {}
    if not spec.get("selector"):
        yield "spec.selector", "Required value"
    elif not wanted.items() <= (spec["template"]["metadata"].get("labels") or {}).items():
        why = "Invalid value: `selector` does not match template `labels`"
        yield "spec.template.metadata.labels", why
    yield from _pod(spec["template"]["spec"], "spec.template.spec", ("Always",))
    if spec["replicas"] < 0:
        why = f"Invalid value: {spec['replicas']}: must be greater than or equal to 0"
        yield "spec.replicas", why


def _pod(spec: Body, path: str, policies: tuple[str, ...]) -> Problems:
    containers = spec.get("containers") or []
    if not containers:
        yield f"{path}.containers", "Required value"
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    for index, container in enumerate(containers):
        at = f"{path}.containers[{index}]"
        for field in ("name", "image"):
            if not container.get(field):
                yield f"{at}.{field}", "Required value"
        if not is_dns_label(str(container.get("name"))):
            yield f"{at}.name", "Invalid value: must be an RFC 1123 label"
        for mount in container.get("volumeMounts") or ():
            if mount.get("name") not in volumes:
                yield f"{at}.volumeMounts[0].name", f'Not found: "{mount.get("name")}"'
    if spec.get("restartPolicy") not in policies:
        supported = ", ".join(f'"{p}"' for p in policies)
        why = f'Unsupported value: "{spec.get("restartPolicy")}": supported values: {supported}'
        yield f"{path}.restartPolicy", why


def _service(spec: Body) -> Problems:
    named = spec.get("ports") or spec.get("clusterIP") == "None"
    if not named and spec.get("type") != "ExternalName":
        yield "spec.ports", "Required value"


def _claim(spec: Body) -> Problems:
    if not spec.get("accessModes"):
        yield "spec.accessModes", "Required value: at least 1 access mode is required"


def _cron_workflow(spec: Body) -> Problems:
    schedules = spec.get("schedules") or []
    if not schedules:
        yield "spec.schedules", "Required value"
    for index, text in enumerate(schedules):
        if _CRON.match(str(text)) is None:
            yield f"spec.schedules[{index}]", f'Invalid value: "{text}": should match the pattern'
    policy = spec.get("concurrencyPolicy", "")
    if policy not in ("Allow", "Forbid", "Replace", ""):
        yield "spec.concurrencyPolicy", f'Unsupported value: "{policy}"'


def _route(spec: Body) -> Problems:
    for rule in spec.get("rules") or ():
        for backend in rule.get("backendRefs") or ():
            if not 0 <= int(backend.get("weight", 1)) <= 1_000_000:
                yield "spec.rules[0].backendRefs[0].weight", "Invalid value: out of range"


def _trainer(field: str, container: str) -> Callable[[Body], Problems]:
    """The training operator's webhook."""

    def rule(spec: Body) -> Problems:
        replicas = spec.get(field)
        if not replicas:
            yield f"spec.{field}", "Required value: must be specified"
            return
        for role, one in replicas.items():
            pod = ((one.get("template") or {}).get("spec") or {}).get("containers") or []
            if container not in {c.get("name") for c in pod}:
                at = f"spec.{field}[{role}].template.spec.containers"
                yield at, f"Required value: must have a container with name {container}"

    return rule


_JOB_POLICIES = ("OnFailure", "Never")
_POD_POLICIES = ("Always", "OnFailure", "Never")
_RULES: dict[tuple[str, str], Callable[[Body], Problems]] = {
    ("apps", "Deployment"): _workload,
    ("apps", "StatefulSet"): _workload,
    ("batch", "Job"): lambda s: _pod(s["template"]["spec"], "spec.template.spec", _JOB_POLICIES),
    ("", "Pod"): lambda s: _pod(s, "spec", _POD_POLICIES),
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _claim,
    ("argoproj.io", "CronWorkflow"): _cron_workflow,
    ("gateway.networking.k8s.io", "HTTPRoute"): _route,
    ("kubeflow.org", "PyTorchJob"): _trainer("pytorchReplicaSpecs", "pytorch"),
    ("kubeflow.org", "TFJob"): _trainer("tfReplicaSpecs", "tensorflow"),
}


# -- updates ---------------------------------------------------------------------------------------

#: Fields that an update may not change, and the words of the cause.
_IMMUTABLE: dict[tuple[str, str], dict[str, str]] = {
    ("apps", "Deployment"): {"spec.selector": "Invalid value: field is immutable"},
    ("batch", "Job"): {
        "spec.template": "Invalid value: field is immutable",
        "spec.selector": "Invalid value: field is immutable",
        "spec.completionMode": "Invalid value: field is immutable",
    },
    ("", "Secret"): {"type": "Invalid value: field is immutable"},
    ("rbac.authorization.k8s.io", "RoleBinding"): {
        "roleRef": "Invalid value: cannot change roleRef: immutable"
    },
}
_STATEFULSET_MUTABLE = frozenset(
    {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    }
)


def check_update(key: ObjectKey, before: Body, after: Body) -> None:
    """Raises when an update changes what may not change."""
    kind = (key.group, key.kind)
    for field, why in _IMMUTABLE.get(kind, {}).items():
        if _at(before, field) != _at(after, field):
            raise _invalid(key, field, why)
    old, new = before.get("spec") or {}, after.get("spec") or {}
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    if kind == ("apps", "StatefulSet") and changed - _STATEFULSET_MUTABLE:
        why = (
            "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', "
            "'template', 'updateStrategy' and 'minReadySeconds' are forbidden"
        )
        raise _invalid(key, "spec", why)
    if kind == ("", "Service") and old.get("clusterIP") and "clusterIP" in changed:
        raise _invalid(key, "spec.clusterIP", "Invalid value: field is immutable")
    if kind == ("", "PersistentVolumeClaim") and changed - {"resources"}:
        why = "Forbidden: spec is immutable after creation except resources.requests"
        raise _invalid(key, "spec", why)
    if kind in (("", "ConfigMap"), ("", "Secret")) and before.get("immutable"):
        for field in ("data", "binaryData", "immutable"):
            if before.get(field) != after.get(field):
                why = "Forbidden: field is immutable when `immutable` is set"
                raise _invalid(key, field, why)


def _at(body: Body, path: str) -> Any:
    node: Any = body
    for name in path.split("."):
        node = (node or {}).get(name)
    return node
