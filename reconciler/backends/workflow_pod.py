"""Brings the overlays of a pod into an Argo template.

Argo has its own fields for a part of the PodSpec; some exist only for all pods of a Workflow, and
the rest goes through `podSpecPatch`, which Argo merges into the pod as a strategic merge patch.
Source: Argo Workflows 4.1, types.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from reconciler.backends.overlay import Parts
from reconciler.objects.draft import Tree, list_leaves
from reconciler.origin import Value, derive, plain

__all__ = ["fields_of_template", "fields_of_workflow"]

#: Fields of a PodSpec that a template has under the same name.
_OF_TEMPLATE = frozenset(
    {
        "affinity",
        "automountServiceAccountToken",
        "hostAliases",
        "initContainers",
        "nodeSelector",
        "priorityClassName",
        "schedulerName",
        "securityContext",
        "tolerations",
        "volumes",
    }
)
#: Fields that exist for all pods of a Workflow, those of the program's own steps included.
_OF_WORKFLOW = frozenset({"dnsConfig", "dnsPolicy", "hostNetwork", "imagePullSecrets"})


def fields_of_template(parts: Parts, *inputs: Value[Any]) -> dict[str, Tree]:
    """The fields of a template, beside its container, that give its pod the overlays. `inputs` are
    the values that decided which overlays these are."""
    out: dict[str, Tree] = {k: v for k, v in parts.spec.items() if k in _OF_TEMPLATE}
    known = _OF_TEMPLATE | _OF_WORKFLOW
    rest = {key: value for key, value in parts.spec.items() if key not in known}
    if rest:
        out["podSpecPatch"] = _as_text(rest, inputs)
    metadata = {"labels": parts.labels, "annotations": parts.annotations}
    if given := {key: dict(value) for key, value in metadata.items() if value}:
        out["metadata"] = given
    return out


def fields_of_workflow(parts: Parts) -> dict[str, Tree]:
    """The fields of a Workflow's spec that give its pods the overlays."""
    return {key: value for key, value in parts.spec.items() if key in _OF_WORKFLOW}


def _as_text(tree: Mapping[str, Tree], inputs: tuple[Value[Any], ...]) -> Value[str]:
    raw = orjson.dumps(plain(tree), option=orjson.OPT_SORT_KEYS).decode()
    leaves = (leaf for leaf in list_leaves(tree) if isinstance(leaf, Value))
    return derive(raw, *leaves, *inputs)
