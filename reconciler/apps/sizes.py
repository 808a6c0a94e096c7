"""Rules for `resources`: which resources a container may ask for, and how requests and limits fit.

Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidateContainerResourceRequirements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.apps.messages import list_overridden
from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.objects.quantity import (
    HUGE_PAGES,
    NATIVE,
    amount,
    has_equal_limit,
    is_extended,
    is_quantity,
)
from reconciler.origin import Value
from reconciler.spec.workload import Resources
from reconciler.suggest import did_you_mean, question

__all__ = ["check_bytes", "check_extended", "check_resources"]

# With less memory no container starts. `512m` means half a byte, and `4` means four bytes.
_LEAST_BYTES = 2**20
_BYTES = ("memory", "ephemeral-storage")
_PREFIX = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
_WITH_DOMAIN = re.compile(
    rf"(?=[^/]{{1,244}}/){_PREFIX}/[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
)
_SHORT = ("cpu", "memory")


def check_resources(resources: Resources | None, path: str) -> Iterator[Diagnostic]:
    """The mistakes in one block `resources`, which stands at `path`."""
    if resources is None:
        return
    if resources.memory is not None:
        yield from check_bytes(resources.memory, "memory", f"{path}.memory")
    for block, amounts in (("requests", resources.requests), ("limits", resources.limits)):
        for name, value in amounts.items():
            place = _join(f"{path}.{block}", name)
            yield from _check_name(name, value, f"{path}.{block}", place)
            yield from _check_amount(name, value, place)
            yield from _check_short(resources, name, value, path, place)
    for name, request in resources.requests.items():
        limit = resources.limits.get(name)
        if limit is not None:
            yield from _check_pair(name, request, limit, _join(f"{path}.requests", name))
    yield from _check_huge_pages(resources, path)


def check_extended(name: Value[str], path: str) -> Iterator[Diagnostic]:
    """An error for a text that is not the name of an extended resource."""
    if not is_extended(name.value) or _is_misspelt(name.value):
        yield error(
            "E_NAME",
            f"{name.value!r} is not an extended resource: its name has a domain, e.g. "
            "nvidia.com/gpu",
            name.site,
            path=path,
            related=list_overridden(name.origin),
            help="write it as the nodes of the pool report it (`kubectl describe node`)",
        )


def check_bytes(size: Value[Any], resource: str, path: str) -> Iterator[Diagnostic]:
    """An error for less than 1Mi of `memory` or `ephemeral-storage`."""
    if amount(size.value) < _LEAST_BYTES:
        text = str(size.value)
        guess = f"{text.rstrip('m')}{'Mi' if text.endswith('m') else 'Gi'}"
        why = "no process fits" if resource == "memory" else "no file fits"
        yield error(
            "E_VALUE",
            f"{text} of {resource} is less than 1Mi: {why}"
            + (" (`m` is a thousandth)" if text.endswith("m") else ""),
            size.site,
            path=path,
            related=list_overridden(size.origin),
            help=question(guess),
        )


def _is_misspelt(name: str) -> bool:
    return name.startswith("requests.") or _WITH_DOMAIN.fullmatch(name) is None


def _check_name(name: str, at: Value[Any], block: str, path: str) -> Iterator[Diagnostic]:
    if name in NATIVE or (name.startswith(HUGE_PAGES) and _page(name) is not None):
        return
    if "/" in name:
        if _is_misspelt(name):
            yield error(
                "E_NAME",
                f"{name!r} cannot be the name of a resource: letters, digits, -, _ and . inside, "
                "at most 63 characters, after `domain.example/`",
                at.site,
                path=path,
                related=list_overridden(at.origin),
            )
        return
    known = f"known without a domain: {', '.join(NATIVE)}, {HUGE_PAGES}2Mi"
    if name == "gpu":
        short = f"{block.rpartition('.')[0]}.gpu"
        hint = (
            f"did you mean the short form, `{short}`? A limit names the device, e.g. nvidia.com/gpu"
        )
    else:
        hint = did_you_mean(name, (*NATIVE, f"{HUGE_PAGES}2Mi", f"{HUGE_PAGES}1Gi"), also=known)
    yield error(
        "E_UNKNOWN_KEY",
        f"Kubernetes has no resource {name!r}, and the name of a device has a domain",
        at.site,
        path=path,
        related=list_overridden(at.origin),
        help=hint or known,
    )


def _page(name: str) -> Any:
    """The size of the huge pages of a resource; None for a name that gives none."""
    text = name.removeprefix(HUGE_PAGES)
    return amount(text) if is_quantity(text) and amount(text) > 0 else None


def _check_amount(name: str, value: Value[Any], path: str) -> Iterator[Diagnostic]:
    size = amount(value.value)
    wrong = ""
    if is_extended(name) and size % 1:
        wrong = f"{name} is counted in whole numbers"
    elif name.startswith(HUGE_PAGES) and (page := _page(name)) and size % page:
        wrong = f"huge pages come whole, in multiples of {name.removeprefix(HUGE_PAGES)}"
    elif name in _BYTES:
        yield from check_bytes(value, name, path)
    if wrong:
        yield error(
            "E_VALUE",
            f"{wrong}, found {value.value}",
            value.site,
            path=path,
            related=list_overridden(value.origin),
        )


def _check_short(
    resources: Resources, name: str, value: Value[Any], path: str, place: str
) -> Iterator[Diagnostic]:
    short = getattr(resources, name) if name in _SHORT else None
    if short is not None:
        yield error(
            "E_EXCLUDES",
            f"{name} is given twice: `{path}.{name}` sets its request and its limit already",
            value.site,
            path=place,
            related=[Related(short.site, f"{path}.{name}"), *list_overridden(value.origin)],
            help=f"leave one of them out (`{name}: null` removes that of a lower layer)",
        )


def _check_pair(
    name: str, request: Value[Any], limit: Value[Any], path: str
) -> Iterator[Diagnostic]:
    asked, most = amount(request.value), amount(limit.value)
    if has_equal_limit(name) and asked != most:
        message = f"the request of {name} is {request.value} and its limit {limit.value}; "
        message += "Kubernetes takes them only as equals"
        hint = "give one of them; the other is drawn equal"
    elif asked > most:
        message = f"the request of {name}, {request.value}, is above its limit, {limit.value}"
        hint = "raise the limit or lower the request"
    else:
        return
    yield error(
        "E_VALUE",
        message,
        request.site,
        path=path,
        related=[Related(limit.site, "the limit"), *list_overridden(request.origin)],
        help=hint,
    )


def _check_huge_pages(resources: Resources, path: str) -> Iterator[Diagnostic]:
    named: Mapping[str, Value[Any]] = {**resources.requests, **resources.limits}
    pages = next((n for n in named if n.startswith(HUGE_PAGES) and _page(n) is not None), None)
    sized = any(getattr(resources, name) is not None or name in named for name in _SHORT)
    if pages is not None and not sized:
        yield error(
            "E_MISSING",
            f"a container with {pages} must ask for cpu or memory too",
            named[pages].site,
            path=path,
            help=f"set {path}.memory or {path}.cpu",
        )


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if re.fullmatch(r"[\w-]+", key) else f'{path}."{key}"'
