"""The CEL functions that Kubernetes adds and the engine lacks, in Python, and the names of the
functions that are missing.

Source: k8s.io/apiserver/pkg/cel/library (quantity.go, lists.go, regex.go, urls.go) and cel-go's
sets extension. The engine has no opaque types for Python, so a quantity or a URL is a map with one
special key; equal quantities are equal maps. A function raises ValueError for an evaluation error.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from reconciler.objects import quantity

__all__ = ["FUNCTIONS", "OFFLINE_MISSING", "Overload"]

_QUANTITY = "kubernetes.Quantity"
_URL = "kubernetes.URL"
#: The largest number of steps of a match. Python's matching backtracks; RE2's takes linear time.
_REGEX_STEPS = 20_000_000
_LONGEST_PATTERN = 1000


class Overload(NamedTuple):
    """One signature of a function. `takes` are the types of its arguments (the target first, for a
    member function) and `gives` the type of its result, by CEL's names."""

    name: str
    takes: tuple[str, ...]
    gives: str
    member: bool
    run: Callable[..., Any]


# -- quantities ------------------------------------------------------------------------------------


def _quantity(text: str) -> dict[str, str]:
    amount = quantity.amount(text)
    return {_QUANTITY: format(amount.normalize(), "f")}


def _amount(value: Any) -> Decimal:
    if isinstance(value, dict) and _QUANTITY in value:
        return Decimal(value[_QUANTITY])
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    raise ValueError("not a quantity")


def _compare(left: Any, right: Any) -> int:
    a, b = _amount(left), _amount(right)
    return (a > b) - (a < b)


def _as_integer(value: Any) -> int:
    amount = _amount(value)
    if amount != int(amount) or not -(2**63) <= amount < 2**63:
        raise ValueError("cannot convert the quantity to an integer")
    return int(amount)


def _is_integer(value: Any) -> bool:
    amount = _amount(value)
    return amount == int(amount) and -(2**63) <= amount < 2**63


def _sum_of(left: Any, right: Any, sign: int = 1) -> dict[str, str]:
    return {_QUANTITY: format((_amount(left) + sign * _amount(right)).normalize(), "f")}


# -- lists and sets --------------------------------------------------------------------------------


def _comparable(items: list[Any]) -> list[Any]:
    kinds = {float if type(i) is int else type(i) for i in items}
    if len(kinds) > 1 or kinds & {dict, list, type(None)}:
        raise ValueError("the elements cannot be compared with each other")
    return items


def _sum(items: list[Any]) -> Any:
    if any(type(i) not in (int, float) for i in items):
        raise ValueError("only numbers can be summed up")
    total = sum(items)
    if isinstance(total, int) and not -(2**63) <= total < 2**63:
        raise ValueError("integer overflow")
    return total


def _extreme(choose: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    def run(items: list[Any]) -> Any:
        if not items:
            raise ValueError("min or max called on an empty list")
        return choose(_comparable(items))

    return run


def _is_sorted(items: list[Any]) -> bool:
    _comparable(items)
    return all(a <= b for a, b in itertools.pairwise(items))


def _equal(left: Any, right: Any) -> bool:
    """CEL's equality: numbers are compared by value, and a bool never equals a number."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)


def _has(items: list[Any], wanted: Any) -> bool:
    return any(_equal(i, wanted) for i in items)


def _contains(items: list[Any], wanted: list[Any]) -> bool:
    return all(_has(items, w) for w in wanted)


# -- regular expressions ---------------------------------------------------------------------------


def _pattern(text: str, subject: str) -> re.Pattern[str]:
    """The compiled pattern. Raises ValueError for a pattern that RE2 and Python do not read alike,
    and for one that may take too long on `subject`."""
    if len(text) > _LONGEST_PATTERN:
        raise ValueError(f"the pattern has {len(text)} characters; at most {_LONGEST_PATTERN} work")
    bare = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]])*+\]", "x", text)
    # Escapes are looked at by themselves: `bare` has none any more.
    if any(escape[1] in "123456789C" for escape in re.findall(r"\\.", text)) or re.search(
        r"\(\?(?![:imsP])|\(\?P[^<]|[*+?}][+]", bare
    ):
        raise ValueError(f"RE2 does not accept the pattern {text!r}")
    loops = len(re.findall(r"[*+]|\{\d+,\d*\}", bare))
    if re.search(r"\)(?:[*+]|\{)", bare) or len(subject) ** (loops + 1) > _REGEX_STEPS:
        raise ValueError(f"the pattern {text!r} may take too long; use matches()")
    try:
        return re.compile(text)
    except re.error as invalid:
        raise ValueError(f"the pattern {text!r} is invalid: {invalid}") from invalid


def _find(text: str, pattern: str) -> str:
    found = _pattern(pattern, text).search(text)
    return found.group() if found is not None else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [m.group() for m in _pattern(pattern, text).finditer(text)]
    return found if limit < 0 else found[:limit]


# -- URLs ------------------------------------------------------------------------------------------


def _url(text: str) -> dict[str, str]:
    parts = urlsplit(text)
    if not parts.scheme and not text.startswith("/"):
        raise ValueError(f"{text!r} is not an absolute URL")
    return {_URL: text}


def _is_url(text: str) -> bool:
    try:
        _url(text)
    except ValueError:
        return False
    return True


def _part(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        if not isinstance(value, dict) or _URL not in value:
            raise ValueError("not a URL")
        return read(urlsplit(value[_URL]))

    return run


def _host(parts: Any) -> str:
    return str(parts.netloc.rpartition("@")[2])


def _hostname(parts: Any) -> str:
    return _host(parts).rsplit(":", 1)[0].strip("[]") if _port(parts) else _host(parts).strip("[]")


def _port(parts: Any) -> str:
    return str(parts.port) if parts.port is not None else ""


def _on_quantities() -> tuple[Overload, ...]:
    compare: dict[str, Callable[[Any, Any], Any]] = {
        "isGreaterThan": lambda a, b: _compare(a, b) > 0,
        "isLessThan": lambda a, b: _compare(a, b) < 0,
        "compareTo": _compare,
    }
    gives = {"isGreaterThan": "bool", "isLessThan": "bool", "compareTo": "int"}
    out = [Overload(n, ("map", "map"), gives[n], True, run) for n, run in compare.items()]
    for other in ("map", "int"):
        out.append(Overload("add", ("map", other), "dyn", True, _sum_of))
        out.append(Overload("sub", ("map", other), "dyn", True, lambda a, b: _sum_of(a, b, -1)))
    return (
        *out,
        Overload("quantity", ("string",), "dyn", False, _quantity),
        Overload("isQuantity", ("string",), "bool", False, quantity.is_quantity),
        Overload("asInteger", ("map",), "int", True, _as_integer),
        Overload("isInteger", ("map",), "bool", True, _is_integer),
        Overload("asApproximateFloat", ("map",), "double", True, lambda q: float(_amount(q))),
        Overload("sign", ("map",), "int", True, lambda q: _compare(q, 0)),
    )


def _on_lists() -> tuple[Overload, ...]:
    return (
        Overload("isSorted", ("list",), "bool", True, _is_sorted),
        Overload("sum", ("list",), "dyn", True, _sum),
        Overload("min", ("list",), "dyn", True, _extreme(min)),
        Overload("max", ("list",), "dyn", True, _extreme(max)),
        Overload("sets.contains", ("list", "list"), "bool", False, _contains),
        Overload(
            "sets.equivalent",
            ("list", "list"),
            "bool",
            False,
            lambda a, b: _contains(a, b) and _contains(b, a),
        ),
        Overload(
            "sets.intersects",
            ("list", "list"),
            "bool",
            False,
            lambda a, b: any(_has(a, i) for i in b),
        ),
    )


def _on_texts() -> tuple[Overload, ...]:
    parts: dict[str, Callable[[Any], Any]] = {
        "getScheme": lambda p: p.scheme,
        "getHost": _host,
        "getHostname": _hostname,
        "getPort": _port,
        "getEscapedPath": lambda p: p.path,
        "getQuery": lambda p: parse_qs(p.query, keep_blank_values=True),
    }
    return (
        Overload("find", ("string", "string"), "string", True, _find),
        Overload("findAll", ("string", "string"), "dyn", True, _find_all),
        Overload("findAll", ("string", "string", "int"), "dyn", True, _find_all),
        Overload("url", ("string",), "dyn", False, _url),
        Overload("isURL", ("string",), "bool", False, _is_url),
        *(Overload(n, ("map",), "dyn", True, _part(run)) for n, run in parts.items()),
    )


FUNCTIONS: tuple[Overload, ...] = (*_on_quantities(), *_on_lists(), *_on_texts())

#: The functions that an API server has and this engine lacks, with the reason. An expression that
#: uses one is "not evaluable offline"; any other unknown name is a mistake.
OFFLINE_MISSING: dict[str, str] = {
    "authorizer": "it asks the API server's authorizer",
    **dict.fromkeys(
        [
            "ip",
            "isIP",
            "ip.isCanonical",
            "family",
            "isUnspecified",
            "isLoopback",
            "isLinkLocalMulticast",
            "isLinkLocalUnicast",
            "isGlobalUnicast",
            "cidr",
            "isCIDR",
            "containsIP",
            "containsCIDR",
            "masked",
            "prefixLength",
        ],
        "the IP and CIDR library is not built in",
    ),
    **dict.fromkeys(
        ["semver", "isSemver", "major", "minor", "patch"], "the semver library is not built in"
    ),
    **dict.fromkeys(["format.named", "format", "validate"], "the named formats are not built in"),
    **dict.fromkeys(
        ["sort", "sortBy", "lists.range", "lists", "distinct", "flatten", "slice", "first", "last"],
        "lists of version 3 are not built in",
    ),
    **dict.fromkeys(
        # The engine lacks only their forms with two loop variables.
        ["all", "exists", "existsOne", "transformList", "transformMap", "transformMapEntry"],
        "loops over two variables are not built in",
    ),
}
