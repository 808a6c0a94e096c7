"""KServe: one InferenceService per version, in Standard mode, with a route that the router draws.

KServe's canary fields shift no traffic in Standard mode (kserve #5335, #4074), and in Knative mode
a fresh cluster sends all traffic to the candidate. One InferenceService per version works in every
release. The route points at the Service `<name>-predictor`, which KServe creates. KServe copies
`observedGeneration` from a child object, so this module does not compare it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson

import reconciler
from reconciler.apps.app import App
from reconciler.backends import overlay, pod, scaling
from reconciler.backends.contract import Endpoint, Lookup, Serving, Version, check_name_fits
from reconciler.diagnostics import Diagnostic, Related, error, warning
from reconciler.lifecycle.facts import Capacity
from reconciler.objects.draft import Draft, Tree, walk
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.status import count_of, mapping_of, status_of, text_of
from reconciler.origin import BUILT_IN, Value, built_in, derive, plain
from reconciler.spec import serving as spec
from reconciler.spec.constraint import ModelName
from reconciler.spec.environment import Pool

__all__ = ["SERVING"]

_KIND = GroupKind("serving.kserve.io", "InferenceService")
_CHILD = GroupKind("apps", "Deployment")
#: Formats whose servers take `--model_name` (KServe 0.20, protocol v1).
_NAMED = frozenset(
    {"tensorflow", "sklearn", "xgboost", "lightgbm", "pmml", "paddle", "huggingface"}
)
_AUTOSCALER_CLASS = "serving.kserve.io/autoscalerClass"
_CONTENT = f"{reconciler.API_DOMAIN}/content"


@dataclass(frozen=True, slots=True)
class Options:
    """`serving.kserve`"""

    deployment_mode: Value[Literal["Standard"]] = built_in("Standard")
    protocol: Value[Literal["v1", "v2"]] | None = None
    model_name: Value[ModelName] | None = None
    """The name of the model in the request path, the same for every version. Without it the model's
    name, for the servers that take `--model_name`."""


def _key(app: App, version: str) -> ObjectKey:
    return ObjectKey(*_KIND, app.namespace, f"{app.model}-{pod.version_slug(version)}")


def _name(app: App, version: Version) -> Value[str]:
    return version.name.map(lambda text: f"{app.model}-{pod.version_slug(text)}")


def _draw(app: App, version: Version) -> tuple[Draft, ...]:
    serving = app.spec.serving
    assert serving is not None
    options: Options = app.options.get("kserve") or Options()
    pool = pod.pool_of(app, serving.pool)
    model = _model(app, version, pool)
    parts = overlay.parts_of(app, pool, serving.pod)
    spec = parts.over_spec(pod.spec(app, [model], mounts=serving.volumes, pool=pool))
    model, *sidecars = spec.pop("containers")
    labels = pod.pod_labels(app, **{"ml-reconciler.dev/version": version.name})
    predictor: dict[str, Tree] = {**parts.metadata(labels), "model": model, **spec}
    if sidecars:
        predictor["containers"] = sidecars
    # KServe copies the annotation to the pods: by it a change is known to have reached them.
    notes = {_CONTENT: _digest(predictor), **predictor.pop("annotations", {})}
    key = _key(app, version.name.value)
    scaler = scaling.scaler_of(app, f"{key.name}-predictor")
    own = {"minReplicas": version.replicas, "maxReplicas": version.replicas}
    predictor = {
        # KServe reads no number of an object that others scale.
        **(own if scaler is None else {}),
        "annotations": notes,
        **predictor,
    }
    metadata = {
        "name": _name(app, version),
        "labels": {"ml-reconciler.dev/version": version.name},
        "annotations": {
            # With an autoscaler of its own KServe starts one pod and is ready with it. `external`:
            # KServe makes none, and leaves the Deployment's number alone.
            _AUTOSCALER_CLASS: "none" if scaler is None else derive("external", scaler),
            **scaling.annotations_of(serving),
            "serving.kserve.io/deploymentMode": options.deployment_mode,
            "ml-reconciler.dev/digest": version.record.digest,
        },
    }
    tree = {"metadata": metadata, "spec": {"predictor": predictor}}
    return (Draft(key, "serving.kserve.io/v1beta1", tree, "kserve"),)


def _model(app: App, version: Version, pool: Pool | None) -> dict[str, Tree]:
    """The server's container, which KServe calls the model."""
    serving = app.spec.serving
    assert serving is not None
    options: Options = app.options.get("kserve") or Options()
    model: dict[str, Tree] = {
        "modelFormat": {"name": serving.framework},
    }
    if version.record.storage_uri is not None:
        model["storageUri"] = version.record.storage_uri
    if options.protocol is not None:
        model["protocolVersion"] = options.protocol
    if serving.image is not None:
        model["image"] = serving.image
    if serving.command:
        model["command"] = list(serving.command)
    if args := [*_name_args(app, serving), *serving.args]:
        model["args"] = args
    if serving.ports:
        # KServe makes its Service of these: port 80 of the first, and of the others their numbers.
        first, *others = pod.ports(serving)
        model["ports"] = [{**first, "protocol": "TCP"}, *others]
    elif serving.port.origin is not BUILT_IN:
        # Without a configured port, the serving runtime's port stays.
        model["ports"] = [{"containerPort": serving.port, "protocol": "TCP"}]
    if variables := pod.env(serving.env):
        model["env"] = variables
    if sized := pod.resources(serving.resources, pool):
        model["resources"] = sized
    if mounts := pod.volume_mounts(serving.volumes):
        model["volumeMounts"] = mounts
    if serving.probe is not None:
        model["readinessProbe"] = pod.readiness(serving.probe, serving.port)
    return model


def _name_args(app: App, serving: spec.Serving) -> Iterator[Value[str]]:
    """The argument that keeps the request path the same for all versions: a runtime's own argument
    is the name of the object (`--model_name={{.Name}}`). KServe puts a model's arguments behind the
    runtime's, and these servers take the last one."""
    options: Options = app.options.get("kserve") or Options()
    if options.model_name is not None:
        yield options.model_name.map(lambda name: f"--model_name={name}")
    elif _takes_name(serving, options):
        assert serving.framework is not None
        yield derive(f"--model_name={app.model}", serving.framework)


def _takes_name(serving: spec.Serving, options: Options) -> bool:
    named = serving.framework is not None and serving.framework.value in _NAMED
    is_plain = options.protocol is None or options.protocol.value == "v1"
    return named and is_plain and _find_own_name(serving) is None and not serving.command


def _find_own_name(serving: spec.Serving) -> Value[Any] | None:
    """The argument, or the name of the variable, by which a user names the model to the server."""
    given: list[Value[Any]] = [*serving.args, *(item.name for item in serving.env)]
    return next((v for v in given if "model_name" in v.value.lower().replace("-", "_")), None)


def _digest(predictor: Tree) -> Value[str]:
    """A digest of what becomes the pods, derived from every leaf of it."""
    leaves = [leaf for _, leaf in walk(predictor) if isinstance(leaf, Value)]
    raw = orjson.dumps(plain(predictor), option=orjson.OPT_SORT_KEYS)
    return derive(hashlib.sha256(raw).hexdigest()[:10], *leaves)


def _endpoint(app: App, version: Version) -> Endpoint:
    # In Standard mode the predictor's Service listens on port 80.
    return Endpoint(_name(app, version).map(lambda text: f"{text}-predictor"), built_in(80))


def _main(app: App, service: str) -> ObjectKey:
    return ObjectKey(*_KIND, app.namespace, service.removesuffix("-predictor"))


def _service_of(key: ObjectKey) -> str:
    return f"{key.name}-predictor" if key.group_kind == _KIND else ""


def _capacity(app: App, service: str, lookup: Lookup) -> Capacity | None:
    live = lookup(_main(app, service))
    # KServe copies our labels to its Deployment, so the listing by labels holds it.
    child = lookup(ObjectKey(*_CHILD, app.namespace, service))
    if live.why or child.why:
        return None
    if not live.is_present:
        return Capacity(0, 0)
    body = live.body or {}
    predictor = mapping_of(mapping_of(body, "spec"), "predictor")
    ready, scaled = pod.count_replicas(child.body or {}) if child.is_present else (0, 1)
    # An InferenceService that others scale says no number; its Deployment does.
    desired = count_of(predictor, "minReplicas", scaled)
    model = mapping_of(status_of(body), "modelStatus")
    reason = text_of(mapping_of(model, "lastFailureInfo"), "reason")
    transition = text_of(model, "transitionStatus")
    why = f"the model failed to load: {reason or transition}"
    if transition == "InvalidSpec":
        return Capacity(0, desired, failed=why)
    if transition == "BlockedByFailedLoad":
        # One failed attempt of a container gives this, and the next attempt may succeed.
        return Capacity(ready, desired, trouble=why)
    return Capacity(ready, desired)


def _check(app: App) -> Iterable[Diagnostic]:
    serving = app.spec.serving
    if app.serves and serving is not None and serving.framework is None:
        yield error(
            "E_MISSING",
            "KServe chooses the server by the model's format, and none is given",
            serving.backend.site,
            path="serving.framework",
            help="set serving.framework, e.g. tensorflow, pytorch, sklearn, onnx, huggingface",
        )
    if app.serves and serving is not None:
        yield from _check_ports(serving)
    yield from _check_records(app)
    yield from _check_model_name(app)
    for version, record in app.records.items():
        yield from check_name_fits(_KIND, _key(app, version).name, record.version)


def _check_ports(serving: spec.Serving) -> Iterator[Diagnostic]:
    if serving.ports and serving.port.origin is BUILT_IN:
        more = serving.ports[0]
        yield error(
            "E_MISSING",
            "KServe leads port 80 to the first port of the server, and `serving.port` does not "
            "say which one the runtime has",
            more.port.site,
            path="serving.port",
            help="set serving.port, e.g. 8080",
        )


def _check_model_name(app: App) -> Iterator[Diagnostic]:
    serving = app.spec.serving
    options: Options = app.options.get("kserve") or Options()
    if not app.serves or serving is None or serving.framework is None:
        return
    own = _find_own_name(serving)
    if own is not None and options.model_name is not None:
        yield error(
            "E_EXCLUDES",
            "the model is named twice: by this option and by the server's own argument or variable",
            options.model_name.site,
            path="serving.kserve.modelName",
            related=[Related(own.site, "named here too")],
            help="leave one of them out",
        )
    if own is not None or serving.command or options.model_name is not None:
        return
    if _takes_name(serving, options):
        return
    yield warning(
        "W_KSERVE_MODEL_NAME",
        f"the server of {serving.framework.value} may put the version's name "
        f"({app.model}-<version>) into the request path, so each promotion changes the path",
        serving.framework.site,
        path="serving.framework",
        help="set serving.kserve.modelName where the server takes --model_name, or name the model "
        "by serving.args or serving.env",
    )


def _check_records(app: App) -> Iterator[Diagnostic]:
    serving = app.spec.serving
    assert serving is not None
    for version in pod.served_versions(serving):
        record = app.records.get(version)
        if app.serves and record is not None and record.storage_uri is None:
            yield error(
                "E_RECORD",
                f"KServe loads a model from a URI, and the record of {version} has none",
                record.version.site,
                path="storageUri",
                help="add storageUri to the version record",
            )


SERVING = Serving(
    "kserve",
    (_KIND,),
    _draw,
    _endpoint,
    _main,
    _service_of,
    _capacity,
    _check,
    Options,
    (_CHILD,),
    reads_uri=True,
    lacks=frozenset(
        {("PodSpec", "schedulingGroup"), ("PodCertificateProjection", "userAnnotations")}
    ),
)
