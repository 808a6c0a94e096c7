"""Kubernetes quantities, compared by amount: `1000m` equals `1`. Which resources a container may
ask for, and which of these have no request below their limit.

Source: k8s.io/apimachinery/pkg/api/resource, quantity.go; k8s.io/kubernetes/pkg/apis/core,
helper/helpers.go and validation/validation.go.
"""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = [
    "HUGE_PAGES",
    "NATIVE",
    "amount",
    "has_equal_limit",
    "is_extended",
    "is_quantity",
]

#: The resources without a domain that a container may ask for, beside huge pages.
NATIVE = ("cpu", "memory", "ephemeral-storage")
#: `hugepages-2Mi`: pages of 2Mi.
HUGE_PAGES = "hugepages-"

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(\d+\.?\d*|\.\d+))(?P<suffix>[eE][+-]?\d+|[KMGTPE]i|[numkMGTPE])?"
)
_SUFFIX = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}


def amount(text: str | int | float) -> Decimal:
    """The amount of a quantity. Raises ValueError for a text that is no quantity."""
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity")
    suffix = match["suffix"] or ""
    if suffix[:1] in "eE" and len(suffix) > 1 and suffix[1] != "i":
        return Decimal(match["number"] + suffix)
    return Decimal(match["number"]) * _SUFFIX[suffix]


def is_quantity(text: str | int | float) -> bool:
    return _QUANTITY.fullmatch(str(text)) is not None


def is_extended(resource: str) -> bool:
    """Whether the name is that of an extended resource, such as a device: it has a domain, and not
    one of Kubernetes. Its amounts are whole numbers."""
    return "/" in resource and "kubernetes.io/" not in resource


def has_equal_limit(resource: str) -> bool:
    """Whether the request of this resource equals its limit, because nobody can lend a part."""
    return is_extended(resource) or resource.startswith(HUGE_PAGES)
