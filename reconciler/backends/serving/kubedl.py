"""KubeDL: one Inference with one predictor per version, with a route that the router draws.

KubeDL's controller crashes on a second predictor, and `trafficWeight` has never split traffic. So
each version is an Inference of its own, and the route holds the weights. The controller creates a
predictor's Deployment and Service once and never changes them. So the Inference's name ends in a
digest of the predictor: a changed predictor gets a new name, and thus new objects.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson

from reconciler.apps.app import App
from reconciler.backends import kubedl_pods, overlay, pod
from reconciler.backends.contract import Endpoint, Lookup, Serving, Version, check_name_fits
from reconciler.diagnostics import Diagnostic, Related, error, warning
from reconciler.lifecycle.facts import Capacity
from reconciler.objects.draft import Draft, Tree, walk
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.status import count_of, mapping_of, mappings_of, status_of
from reconciler.origin import Value, built_in, derive, plain
from reconciler.spec import serving as spec
from reconciler.spec.constraint import AbsolutePath

__all__ = ["SERVING"]

_KIND = GroupKind("serving.kubedl.io", "Inference")
_SERVICE = GroupKind("", "Service")
_PREDICTOR = "p"
#: The ports of KubeDL's Services, whichever the container has.
_REACHED = (8080, 9000)


@dataclass(frozen=True, slots=True)
class Options:
    """`serving.kubedl`"""

    model_path: Value[AbsolutePath] | None = None
    """Where the server finds the model. Without it KubeDL's default applies."""


def _predictor(app: App, version: Version) -> dict[str, Tree]:
    serving = app.spec.serving
    assert serving is not None
    options: Options = app.options.get("kubedl") or Options()
    pool = pod.pool_of(app, serving.pool)
    assert serving.image is not None
    server = pod.container(
        "server",
        serving.image,
        command=serving.command,
        args=serving.args,
        variables=serving.env,
        sized=pod.resources(serving.resources, pool),
        mounts=serving.volumes,
    )
    server["ports"] = pod.ports(serving)
    if serving.probe is not None:
        server["readinessProbe"] = pod.readiness(serving.probe, serving.port)
    labels = pod.pod_labels(app, **{"ml-reconciler.dev/version": version.name})
    parts = overlay.parts_of(app, pool, serving.pod)
    spec = parts.over_spec(pod.spec(app, [server], mounts=serving.volumes, pool=pool))
    tree: dict[str, Tree] = {
        "name": _PREDICTOR,
        "replicas": version.replicas,
        "template": {"metadata": parts.metadata(labels), "spec": spec},
    }
    if version.record.model_version is not None:
        tree["modelVersion"] = version.record.model_version
    if options.model_path is not None:
        tree["modelPath"] = options.model_path
    return tree


def _name(app: App, version: Version) -> Value[str]:
    """`<model>-<version>-<digest>`, derived from every leaf of the predictor, because the
    controller ignores a change to any of them."""
    predictor = _predictor(app, version)
    leaves = [leaf for _, leaf in walk(predictor) if isinstance(leaf, Value)]
    framework = _framework(app)
    raw = orjson.dumps([plain(predictor), framework.value], option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(raw).hexdigest()[:5]
    return derive(f"{_stem(app, version)}-{digest}", version.name, framework, *leaves)


def _stem(app: App, version: Version) -> str:
    """What the names of all generations of a version's objects begin with."""
    return f"{app.model}-{pod.version_slug(version.name.value)}"


def _framework(app: App) -> Value[str]:
    serving = app.spec.serving
    assert serving is not None
    return built_in("TFServing") if serving.framework is None else serving.framework


def _draw(app: App, version: Version) -> tuple[Draft, ...]:
    name = _name(app, version)
    metadata = {
        "name": name,
        "labels": {"ml-reconciler.dev/version": version.name},
        "annotations": {"ml-reconciler.dev/digest": version.record.digest},
    }
    spec = {"framework": _framework(app), "predictors": [_predictor(app, version)]}
    key = ObjectKey(*_KIND, app.namespace, name.value)
    tree = {"metadata": metadata, "spec": spec}
    inference = Draft(key, "serving.kubedl.io/v1alpha1", tree, "kubedl", _stem(app, version))
    return (inference, _entry(app, version, name))


def _entry(app: App, version: Version, name: Value[str]) -> Draft:
    """The Service by the Inference's own name. KubeDL makes it when it does not exist, changes it
    never, and leaves it behind when the Inference goes; drawn, it goes with the Inference."""
    ports = [
        {"name": label, "port": port, "protocol": "TCP", "targetPort": port}
        for label, port in (("http", 8080), ("grpc", 9000))
    ]
    selector = {"kubedl.io/inference-name": name}
    metadata = {"name": name, "labels": {"ml-reconciler.dev/version": version.name}}
    tree = {"metadata": metadata, "spec": {"ports": ports, "selector": selector}}
    key = ObjectKey(*_SERVICE, app.namespace, name.value)
    return Draft(key, "v1", tree, "kubedl", _stem(app, version))


def _endpoint(app: App, version: Version) -> Endpoint:
    # KubeDL's Services always listen on 8080 (http), because its port lookup can never match.
    return Endpoint(_name(app, version).map(lambda text: f"{text}-{_PREDICTOR}"), built_in(8080))


def _main(app: App, service: str) -> ObjectKey:
    return ObjectKey(*_KIND, app.namespace, service.removesuffix(f"-{_PREDICTOR}"))


def _service_of(key: ObjectKey) -> str:
    # The entry Service has the Inference's name, and goes when the Inference may go.
    return f"{key.name}-{_PREDICTOR}" if key.group_kind in (_KIND, _SERVICE) else ""


def _capacity(app: App, service: str, lookup: Lookup) -> Capacity | None:
    live = lookup(_main(app, service))
    if not live.is_present:
        return None if live.why else Capacity(0, 0)
    body = live.body or {}
    predictors = mappings_of(mapping_of(body, "spec"), "predictors")
    statuses = mappings_of(status_of(body), "predictorStatuses")
    ready = sum(count_of(p, "readyReplicas") for p in statuses)
    return Capacity(ready, sum(count_of(p, "replicas", 1) for p in predictors))


def _check(app: App) -> Iterable[Diagnostic]:
    serving = app.spec.serving
    assert serving is not None
    if not app.serves:
        return
    if serving.image is None:
        yield error(
            "E_MISSING",
            "a KubeDL predictor needs the server's image",
            serving.backend.site,
            path="serving.image",
            help="set serving.image",
        )
        return
    yield from _check_framework(serving)
    yield from _check_records(app)
    yield from _check_model_path(app, serving)
    yield from _check_ports(serving)
    if serving.autoscaler is not None:
        yield error(
            "E_AUTOSCALER",
            "KubeDL cannot leave the number of pods to an autoscaler: a changed predictor is a "
            "new object under a new name, which the autoscaler does not know",
            serving.autoscaler.site,
            path="serving.autoscaler",
            related=[Related(serving.backend.site, "serving.backend: kubedl")],
            help="set serving.replicas instead, or use another backend (kserve, deployment)",
        )
    for name, record in app.records.items():
        version = Version(Value(name, record.version.origin), record, serving.replicas)
        yield from check_name_fits(
            _KIND, f"{_name(app, version).value}-{_PREDICTOR}", record.version
        )


def _check_records(app: App) -> Iterator[Diagnostic]:
    serving = app.spec.serving
    assert serving is not None
    for version in pod.served_versions(serving):
        record = app.records.get(version)
        if record is not None and record.model_version is None:
            yield error(
                "E_RECORD",
                f"KubeDL serves a ModelVersion, and the record of {version} names none",
                record.version.site,
                path="modelVersion",
                help="add modelVersion to the version record",
            )


def _check_ports(serving: spec.Serving) -> Iterator[Diagnostic]:
    given = [(serving.port, "TCP", "serving.port", 8080)]
    for more in serving.ports:
        path = f"serving.ports[name={more.name.value}].port"
        given.append((more.port, more.protocol.value, path, 9000))
    for port, protocol, path, usual in given:
        if port.value not in _REACHED or protocol != "TCP":
            shown = port.value if protocol == "TCP" else f"{port.value}/{protocol}"
            yield warning(
                "W_KUBEDL_PORT",
                f"KubeDL's Services only reach the container ports 8080 and 9000, not {shown}",
                port.site,
                path=path,
                help=f"let the server listen on {usual}",
            )


def _check_model_path(app: App, serving: spec.Serving) -> Iterator[Diagnostic]:
    options: Options = app.options.get("kubedl") or Options()
    path = options.model_path
    if _framework(app).value != "TFServing" or (
        path is not None and path.value.rstrip("/").rpartition("/")[2].isdigit()
    ):
        return
    where = path.value if path is not None else "/kubedl-model/<ModelVersion>"
    yield warning(
        "W_KUBEDL_MODEL_PATH",
        f"KubeDL mounts the model at {where}, and TF Serving loads only a folder whose name is a "
        "number",
        (path if path is not None else serving.backend).site,
        path="serving.kubedl.modelPath",
        help="set serving.kubedl.modelPath, e.g. /models/x/1, and --model_base_path=/models/x",
    )


def _check_framework(serving: spec.Serving) -> Iterator[Diagnostic]:
    named = serving.framework
    if named is not None and named.value not in ("TFServing", "Triton"):
        yield warning(
            "W_KUBEDL_FRAMEWORK",
            f"KubeDL prepares servers of TFServing alone and knows Triton; {named.value!r} starts "
            "without its settings",
            named.site,
            path="serving.framework",
            help="write TFServing or Triton, or give the server its model by command and args",
        )


SERVING = Serving(
    "kubedl",
    (_KIND, _SERVICE),
    _draw,
    _endpoint,
    _main,
    _service_of,
    _capacity,
    _check,
    Options,
    lacks=kubedl_pods.LACKS,
)
