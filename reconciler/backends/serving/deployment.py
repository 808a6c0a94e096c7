"""A plain Deployment and its Service: one pair per version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.apps.app import App
from reconciler.backends import overlay, pod, scaling
from reconciler.backends.contract import Endpoint, Lookup, Serving, Version, check_name_fits
from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.lifecycle.facts import Capacity
from reconciler.objects.draft import Draft, Tree
from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.origin import Value, derive
from reconciler.spec import serving as spec

__all__ = ["SERVING"]

_KIND = GroupKind("apps", "Deployment")
_KINDS = (_KIND, GroupKind("", "Service"))


def _key(app: App, version: str) -> ObjectKey:
    return ObjectKey(*_KIND, app.namespace, f"{app.model}-{pod.version_slug(version)}")


def _name(app: App, version: Version) -> Value[str]:
    return version.name.map(lambda text: f"{app.model}-{pod.version_slug(text)}")


def _draw(app: App, version: Version) -> tuple[Draft, ...]:
    serving = app.spec.serving
    assert serving is not None
    pool = pod.pool_of(app, serving.pool)
    # A Deployment's selector is immutable, so it holds only the two names.
    selector: dict[str, Tree] = {
        "app.kubernetes.io/name": app.model,
        "ml-reconciler.dev/version": version.name,
    }
    image = serving.image if serving.image is not None else version.record.image
    assert image is not None
    server = pod.container(
        "server",
        image,
        command=serving.command,
        args=serving.args,
        variables=serving.env,
        sized=pod.resources(serving.resources, pool),
        mounts=serving.volumes,
    )
    server["ports"] = pod.ports(serving)
    facts = {"MODEL_VERSION": version.name, "MODEL_URI": version.record.storage_uri}
    server["env"] = server.get("env", []) + pod.facts(serving.env, facts)
    if serving.probe is not None:
        server["readinessProbe"] = pod.readiness(serving.probe, serving.port)
    parts = overlay.parts_of(app, pool, serving.pod)
    tree = parts.over_spec(pod.spec(app, [server], mounts=serving.volumes, pool=pool))
    pod.drain(tree)
    labels = pod.pod_labels(app, **{"ml-reconciler.dev/version": version.name})
    notes = {"ml-reconciler.dev/digest": version.record.digest}
    template = {"metadata": parts.metadata(labels, **notes), "spec": tree}
    metadata: dict[str, Tree] = {
        "name": _name(app, version),
        "labels": {"ml-reconciler.dev/version": version.name},
    }
    notes = scaling.annotations_of(serving)
    scaled = metadata | ({"annotations": notes} if notes else {})
    key = _key(app, version.name.value)
    deployment = {
        "replicas": version.replicas,
        "selector": {"matchLabels": selector},
        "template": template,
    }
    service = {"selector": selector, "ports": list(_service_ports(serving))}
    return (
        Draft(key, "apps/v1", {"metadata": scaled, "spec": deployment}, "deployment"),
        Draft(
            ObjectKey("", "Service", app.namespace, key.name),
            "v1",
            {"metadata": metadata, "spec": service},
            "deployment",
        ),
    )


def _service_ports(serving: spec.Serving) -> Iterator[Tree]:
    yield {"name": "http", "port": 80, "targetPort": serving.port, "protocol": "TCP"}
    for more in serving.ports:
        yield {
            "name": more.name,
            "port": more.port,
            "targetPort": more.port,
            "protocol": more.protocol,
        }


def _endpoint(app: App, version: Version) -> Endpoint:
    return Endpoint(_name(app, version), derive(80, version.name))


def _main(app: App, service: str) -> ObjectKey:
    return ObjectKey(*_KIND, app.namespace, service)


def _service_of(key: ObjectKey) -> str:
    return key.name if key.group_kind in _KINDS else ""


def _capacity(app: App, service: str, lookup: Lookup) -> Capacity | None:
    live = lookup(_main(app, service))
    if not live.is_present:
        return None if live.why else Capacity(0, 0)
    return Capacity(*pod.count_replicas(live.body or {}))


def _check(app: App) -> Iterable[Diagnostic]:
    serving = app.spec.serving
    assert serving is not None
    # Every recorded version: during a rollout the stable version is drawn beside the new one.
    for version, record in app.records.items():
        if app.serves and serving.image is None and record.image is None:
            yield error(
                "E_MISSING",
                "a Deployment needs an image, and neither serving.image nor the record of "
                f"{version} gives one",
                serving.backend.site,
                path="serving.image",
                related=[Related(record.version.site, f"the record of {version}")],
                help="set serving.image, or image in the version record",
            )
    for version, record in app.records.items():
        name = _key(app, version).name
        yield from check_name_fits(_KIND, name, record.version)
        yield from check_name_fits(GroupKind("", "Service"), name, record.version)


SERVING = Serving(
    "deployment",
    _KINDS,
    _draw,
    _endpoint,
    _main,
    _service_of,
    _capacity,
    _check,
    reads_uri=True,
)
