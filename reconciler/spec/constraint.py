"""Constraints on leaves, as plain data. `apps.validate` and `apps.schema` read them."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from reconciler.origin import SecretRef

__all__ = [
    "AbsolutePath",
    "AtLeast",
    "AtMost",
    "Count",
    "CronText",
    "Digest",
    "Duration",
    "Hostname",
    "Image",
    "Label",
    "Number",
    "ObjectName",
    "Pattern",
    "Percent",
    "Port",
    "PortName",
    "Positive",
    "Quantity",
    "QuantityText",
    "ShortLabel",
    "StorageUri",
    "Text",
    "Time",
    "UrlPath",
    "VariableName",
    "VersionName",
    "seconds",
]


@dataclass(frozen=True, slots=True)
class Pattern:
    """The whole text must match `regex`. `what` completes the message "expected …". `longest` is
    the largest number of characters; 0 means any number."""

    regex: str
    what: str
    longest: int = 0


@dataclass(frozen=True, slots=True)
class AtLeast:
    least: int


@dataclass(frozen=True, slots=True)
class AtMost:
    most: int


@dataclass(frozen=True, slots=True)
class QuantityText:
    """A Kubernetes quantity: `4`, `500m`, `8Gi`."""


_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"

Text: TypeAlias = str
Number: TypeAlias = float
# The counts of Kubernetes are int32.
Count: TypeAlias = Annotated[int, AtLeast(0), AtMost(2**31 - 1)]
Positive: TypeAlias = Annotated[int, AtLeast(1), AtMost(2**31 - 1)]
Percent: TypeAlias = Annotated[int, AtLeast(0), AtMost(100)]
Port: TypeAlias = Annotated[int, AtLeast(1), AtMost(65535)]
Label: TypeAlias = Annotated[
    str, Pattern(_LABEL, "an RFC 1123 label (a-z, 0-9 and - inside, at most 63 characters)", 63)
]
ShortLabel: TypeAlias = Annotated[
    str, Pattern(_LABEL, "an RFC 1123 label of at most 20 characters", 20)
]
ObjectName: TypeAlias = Annotated[
    str, Pattern(rf"{_LABEL}(\.{_LABEL})*", "the name of an object (a-z, 0-9, - and . inside)", 253)
]
PortName: TypeAlias = Annotated[
    str,
    # IANA_SVC_NAME (RFC 6335).
    Pattern(
        r"(?=[0-9-]*[a-z])(?!.*--)[a-z0-9]([a-z0-9-]*[a-z0-9])?",
        "the name of a port (a-z, 0-9 and single dashes inside, a letter, at most 15 characters)",
        15,
    ),
]
VersionName: TypeAlias = Annotated[
    str,
    Pattern(
        # A version is a label's value and a part of names, so it may not end in a dot or a dash.
        r"[a-z0-9]([a-z0-9.-]{0,28}[a-z0-9])?",
        "a version name (a-z, 0-9, and . or - inside, at most 30 characters)",
    ),
]
Duration: TypeAlias = Annotated[
    str, Pattern(r"(\d+(ms|s|m|h|d))+", "a duration such as 90s, 10m or 1h30m")
]
Image: TypeAlias = Annotated[
    str,
    Pattern(
        r"[a-zA-Z0-9][a-zA-Z0-9._:/-]*(@sha256:[0-9a-f]{64})?",
        "an image reference such as registry.example/name:tag or registry.example/name@sha256:…",
    ),
]
Digest: TypeAlias = Annotated[
    str, Pattern(r"sha256:[0-9a-f]{64}", "a digest: sha256: and 64 hex digits")
]
AbsolutePath: TypeAlias = Annotated[
    str, Pattern(r"/[^:\n]*", "an absolute path without colons, such as /data")
]
UrlPath: TypeAlias = Annotated[str, Pattern(r"/\S*", "a path such as /healthz")]
StorageUri: TypeAlias = Annotated[
    str,
    Pattern(r"[a-z][a-z0-9+.-]*://\S+", "a URI such as pvc://claim/path, s3://… or oci://…"),
]
Hostname: TypeAlias = Annotated[
    str,
    # The Gateway API's rule: only the first label may be a wildcard; no port and no scheme.
    Pattern(
        rf"(\*\.)?{_LABEL}(\.{_LABEL})*", "a host name such as api.example or *.api.example", 253
    ),
]
ModelName: TypeAlias = Annotated[
    str,
    Pattern(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", "a name (letters, digits, . _ - inside)"),
]
VariableName: TypeAlias = Annotated[
    str,
    Pattern(r"[-._a-zA-Z][-._a-zA-Z0-9]*", "the name of an environment variable, e.g. LOG_LEVEL"),
]
Time: TypeAlias = Annotated[
    str,
    Pattern(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
        'a time with its zone, such as "2026-11-23T02:00:00+08:00"',
    ),
]
CronText: TypeAlias = Annotated[str, Pattern(r"[^\n]+", "a cron expression of five fields")]
Quantity: TypeAlias = Annotated[str | int | float, QuantityText()]
EnvText: TypeAlias = str | int | float | bool | SecretRef

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@functools.lru_cache(maxsize=1024)
def seconds(duration: str) -> float:
    """A duration in seconds: 5400 for `1h30m`. The text must match `Duration`."""
    return sum(
        int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|s|m|h|d)", duration)
    )
