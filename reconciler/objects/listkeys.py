"""Matches the elements of two lists of maps: by the keys that the kind declares, otherwise by a
usual key such as `name`."""

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
#: The keys that an element may leave out, with the server's default.
_DEFAULTS = {"protocol": "TCP"}


def keys_of(element: Mapping[str, Any], keys: Sequence[str]) -> tuple[Any, ...] | None:
    """The values of an element's keys, with defaults filled in. None when a key is missing."""
    found = tuple(element.get(key, _DEFAULTS.get(key)) for key in keys)
    return found if all(isinstance(value, str | int) for value in found) else None


def usual_keys(elements: Sequence[Any]) -> tuple[str, ...] | None:
    """The first usual key that every element has, as a tuple of one. None when there is none."""
    if not elements or not all(isinstance(element, Mapping) for element in elements):
        return None
    for key in _USUAL:
        if all(isinstance(element.get(key), str | int) for element in elements):
            return (key,)
    return None
