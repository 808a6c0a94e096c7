"""How the elements of a list of maps are matched: by the keys that a kind declares, else by the
usual ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["POD_LISTS", "keys_of", "usual_keys"]

#: The lists of a PodSpec that the API server merges by key (Kubernetes' OpenAPI, 1.36).
POD_LISTS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "claims": ("name",),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "ownerReferences": ("uid",),
}

_USUAL = ("name", "type", "containerPort", "port", "mountPath", "key", "topologyKey")
#: A list key that may be left out, with the value that the server then takes.
_DEFAULTS = {"protocol": "TCP"}


def keys_of(element: Mapping[str, Any], keys: Sequence[str]) -> tuple[Any, ...] | None:
    """An element's values of the list's keys, defaults filled in; None where one is missing."""
    found = tuple(element.get(key, _DEFAULTS.get(key)) for key in keys)
    return found if all(isinstance(value, str | int) for value in found) else None


def usual_keys(elements: Sequence[Any]) -> tuple[str, ...] | None:
    """The first usual key that every element has; None for a list that has none."""
    if not elements or not all(isinstance(element, Mapping) for element in elements):
        return None
    for key in _USUAL:
        if all(isinstance(element.get(key), str | int) for element in elements):
            return (key,)
    return None
