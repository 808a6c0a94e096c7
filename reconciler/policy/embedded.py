"""Objects inside objects: a WorkflowTemplate carries each training job as a JSON text, and the
cluster sees the job only when a step creates it. Policies must see it before that.

The text has one origin, derived from every leaf of the job (`backends.orchestrators.argo`), so a
leaf of the job finds its own config line again by its value among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from reconciler.objects.draft import Manifest, digest_of_body, walk
from reconciler.objects.key import ObjectKey, split_version
from reconciler.origin import Origin

__all__ = ["inside"]

_CARRIERS = frozenset({"WorkflowTemplate", "ClusterWorkflowTemplate", "Workflow", "CronWorkflow"})
_GROUP = "argoproj.io"
_OPEN = "${{"
_CLOSE = "}}"


def inside(manifest: Manifest) -> Iterator[Manifest]:
    """The objects that a manifest carries as JSON texts, in its order."""
    if manifest.key.group != _GROUP or manifest.key.kind not in _CARRIERS:
        return
    for (_, leaf), origin in zip(walk(manifest.body), manifest.origins, strict=True):
        if isinstance(leaf, str) and leaf.startswith("{") and '"apiVersion"' in leaf:
            body = _object(leaf)
            if body is not None:
                yield _manifest(body, origin, manifest)


def _object(text: str) -> dict[str, Any] | None:
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        return None
    named = all(isinstance(body.get(f), str) for f in ("apiVersion", "kind"))
    return body if named and isinstance(body["metadata"].get("name"), str) else None


def _manifest(body: dict[str, Any], origin: Origin | None, carrier: Manifest) -> Manifest:
    group, _ = split_version(body["apiVersion"])
    namespace = body["metadata"].get("namespace")
    key = ObjectKey(
        group,
        body["kind"],
        namespace if isinstance(namespace, str) else carrier.key.namespace,
        body["metadata"]["name"],
    )
    links = (origin, *origin.through) if origin is not None else ()
    known = [link for link in links if link.is_scalar]
    origins = tuple(_origin(leaf, known) for _, leaf in walk(body))
    return Manifest(key, body["apiVersion"], body, digest_of_body(body), origins, carrier.rule)


def _origin(leaf: Any, known: Iterable[Origin]) -> Origin | None:
    """The config line that wrote a leaf; a text with references by what stands around them."""
    text = str(leaf)
    partial: Origin | None = None
    for link in known:
        if link.value is None:
            continue
        written = str(link.value)
        if written == text:
            return link
        if partial is None and _OPEN in written and _resembles(written, text):
            partial = link
    return partial


def _resembles(written: str, text: str) -> bool:
    head, tail = written.partition(_OPEN)[0], written.rpartition(_CLOSE)[2]
    return bool(head or tail) and text.startswith(head) and text.endswith(tail)
