"""The memo cache of Argo's controller: outputs of templates with `memoize`, in ConfigMaps of the
controller's own namespace, found by the cache's name and the key alone.

A hit on a template that has a `retryStrategy` as well makes a Retry node without children, which
has no outbound node: nothing that depends on it begins, and the Workflow never ends (Argo 4.1.2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from reconciler.simulation.controller import ControllerClient, moment
from reconciler.simulation.object_bodies import stamp

__all__ = ["MemoInvalid", "hangs", "look_up", "remember"]

_NAMESPACE = "argo"
_MANAGER = "workflow-controller"
_KEY = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class MemoInvalid(ValueError):
    """Argo ends the node as an error: the key or the age is none."""


def look_up(
    client: ControllerClient, memoize: Mapping[str, Any], key: str
) -> dict[str, Any] | None:
    """The remembered outputs; None without an entry that is young enough. Raises MemoInvalid."""
    if _KEY.fullmatch(key) is None:
        raise MemoInvalid(f"invalid cache key: {key}")
    age = _age(str(memoize.get("maxAge") or ""))
    found = client.get(("", "ConfigMap"), _NAMESPACE, _cache(memoize))
    text = ((found or {}).get("data") or {}).get(key)
    if text is None:
        return None
    entry = orjson.loads(text)
    if age is not None and client.now >= moment(entry["creationTimestamp"]) + age:
        return None
    outputs: dict[str, Any] = entry["outputs"]
    return outputs


def remember(
    client: ControllerClient, memoize: Mapping[str, Any], key: str, node: Mapping[str, Any]
) -> None:
    """Keeps the outputs of a node that has succeeded."""
    entry = {
        "nodeID": node["id"],
        "outputs": node.get("outputs") or {},
        "creationTimestamp": stamp(client.now),
    }
    text = orjson.dumps(entry, option=orjson.OPT_SORT_KEYS).decode()
    client.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}}, _MANAGER
    )
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": _cache(memoize),
            "namespace": _NAMESPACE,
            "labels": {"workflows.argoproj.io/configmap-type": "Cache"},
        },
    }
    client.change(
        client.create(body, _MANAGER),
        lambda fresh: fresh.setdefault("data", {}).update({key: text}),
        _MANAGER,
    )


def hangs(node: Mapping[str, Any]) -> bool:
    """Whether a node is a memo hit of a template that retries."""
    return node["type"] == "Retry" and not node.get("children")


def _cache(memoize: Mapping[str, Any]) -> str:
    return str(((memoize.get("cache") or {}).get("configMap") or {}).get("name", ""))


def _age(text: str) -> timedelta | None:
    """A Go duration; None for "", which never ends. Raises MemoInvalid."""
    parts = _PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise MemoInvalid(f"invalid maxAge: {text}")
    return timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in parts)) if parts else None
