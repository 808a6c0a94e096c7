"""The quality-of-service class that Kubernetes gives a pod.

The class is that of the pod as it is written: what a controller adds to it, or a LimitRange, is
not counted. Source: k8s.io/kubernetes/pkg/apis/core/v1/helper/qos, qos.go; the defaults of requests
are those of pkg/apis/core/v1/defaults.go.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Any

from reconciler.objects.quantity import amount, is_quantity

__all__ = ["QosClass", "list_pods", "qos_class"]

_COUNTED = ("cpu", "memory")


class QosClass(StrEnum):
    """Which pods a node that runs out of memory ends first: BestEffort, then Burstable."""

    BEST_EFFORT = "BestEffort"
    BURSTABLE = "Burstable"
    GUARANTEED = "Guaranteed"


def qos_class(pod: Mapping[str, Any]) -> QosClass | None:
    """The class of a pod with this spec; None where its controller chooses a container's size (a
    model of KServe without `resources` has those of its runtime)."""
    whole = pod.get("resources")
    if isinstance(whole, Mapping) and any(whole.get(name) for name in ("requests", "limits")):
        blocks = [whole]
    else:
        model = pod.get("model")
        if isinstance(model, Mapping) and not model.get("resources"):
            return None
        containers = [*_listed(pod, "containers"), *_listed(pod, "initContainers")]
        if isinstance(model, Mapping):
            containers.append(model)
        blocks = [container.get("resources") or {} for container in containers]
    requests: Counter[str] = Counter()
    limits: Counter[str] = Counter()
    is_limited = True
    for block in blocks:
        most = _amounts(block.get("limits"))
        limits.update(most)
        requests.update({**most, **_amounts(block.get("requests"))})
        is_limited = is_limited and len(most) == len(_COUNTED)
    if not requests and not limits:
        return QosClass.BEST_EFFORT
    return QosClass.GUARANTEED if is_limited and requests == limits else QosClass.BURSTABLE


def list_pods(body: Any) -> Iterator[Mapping[str, Any]]:
    """The specs of the pods of a plain object: in its templates, as a predictor of KServe, and in
    the objects that it holds as text."""
    if isinstance(body, Mapping):
        model = body.get("model")
        is_model = isinstance(model, Mapping) and "modelFormat" in model
        if isinstance(body.get("containers"), list) or is_model:
            yield body
            return
        for child in body.values():
            yield from list_pods(child)
    elif isinstance(body, list):
        for child in body:
            yield from list_pods(child)
    elif isinstance(body, str) and body.startswith("{"):
        try:
            yield from list_pods(json.loads(body))
        except ValueError:
            return


def _listed(pod: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = pod.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _amounts(block: Any) -> dict[str, Any]:
    """The amounts above zero that the class is made of."""
    found: dict[str, Decimal] = {}
    for name, size in block.items() if isinstance(block, Mapping) else ():
        if name in _COUNTED and is_quantity(size) and amount(size) > 0:
            found[name] = amount(size)
    return found
