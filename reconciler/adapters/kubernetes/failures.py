"""Maps the API server's error answers to outcomes; no other module reads error answers.

The table was measured on kube-apiserver 1.36.3; `tests/contract` checks every row of it on a real
server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from reconciler.adapters.kubernetes.transport import HttpAnswer
from reconciler.objects.outcome import RefusalCause, Refused, Unknown

__all__ = ["explain_failure"]

#: Server-side apply answers with one of these texts, as 500 without a reason, to a wrong type, an
#: unknown field, and an invalid quantity, integer or base64 text: sending it again does not help.
_PERMANENT = ("failed to create typed patch object", "failed to convert new object")
_MANAGER = re.compile(r'conflict with "((?:[^"\\]|\\.)*)"')
_FIELD_OF_TEXT = re.compile(r"(?:^|[:\s])(\.[\w.\[\]=\"-]+): ", re.MULTILINE)


def explain_failure(answer: HttpAnswer, plural: str) -> Refused | Unknown:
    """The outcome of a request that failed; `plural` is its resource, for example `configmaps`.

    A message about a Secret has no text of the server, which could repeat a value.
    """
    status = _status(answer.data)
    details = status.get("details") or {}
    causes: Sequence[Mapping[str, Any]] = details.get("causes") or ()
    text = str(status.get("message") or answer.data[:500].decode("utf-8", "replace").strip())
    refusal = _refusal(answer.status, status, causes, text, plural)
    fields = tuple(str(c["field"]) for c in causes if c.get("field"))
    managers: tuple[str, ...] = ()
    if refusal is RefusalCause.FIELD_CONFLICT:
        managers = tuple(_manager(str(c.get("message", ""))) for c in causes if c.get("field"))
    if not fields and refusal is RefusalCause.INVALID and answer.status == 500:
        fields = tuple(_FIELD_OF_TEXT.findall(text))
    if refusal is RefusalCause.NOT_SERVED:
        # The server's text is "page not found", which does not name the missing kind.
        text = f"{plural} of this version is not served ({text})"
    if plural == "secrets":
        text = f"{answer.status} {status.get('reason', '')}".strip()
        text = f"{text}: {', '.join(fields)}" if fields else text
    if refusal is None:
        return Unknown(text if plural == "secrets" else f"{answer.status}: {text}")
    wait = answer.retry_after if refusal is RefusalCause.TOO_MANY else None
    return Refused(refusal, answer.status, text, fields, managers, wait)


def _status(data: bytes) -> dict[str, Any]:
    """The Status object of an answer; {} for any other answer (plain text, a proxy's page)."""
    try:
        status = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(status, dict) or status.get("kind") != "Status":
        return {}
    return status


def _manager(text: str) -> str:
    found = _MANAGER.search(text)
    return re.sub(r"\\(.)", r"\1", found[1]) if found is not None else ""


_BY_CODE = {
    400: RefusalCause.INVALID,
    401: RefusalCause.UNAUTHORIZED,
    405: RefusalCause.INVALID,
    410: RefusalCause.EXPIRED,
    413: RefusalCause.INVALID,
    415: RefusalCause.INVALID,
    429: RefusalCause.TOO_MANY,
}


def _refusal(
    code: int,
    status: Mapping[str, Any],
    causes: Sequence[Mapping[str, Any]],
    text: str,
    plural: str,
) -> RefusalCause | None:
    """The cause of a refusal; None when the request may have been carried out."""
    reasons = {c.get("reason") for c in causes}
    match code:
        case 403:
            terminating = "NamespaceTerminating" in reasons
            return RefusalCause.TERMINATING if terminating else RefusalCause.FORBIDDEN
        case 404:
            return _missing(status, plural)
        case 409:
            if status.get("reason") == "AlreadyExists":
                return RefusalCause.ALREADY_EXISTS
            conflict = "FieldManagerConflict" in reasons
            return RefusalCause.FIELD_CONFLICT if conflict else RefusalCause.STALE
        case 422:
            if any(c.get("field") == "metadata.uid" for c in causes):
                return RefusalCause.STALE
            immutable = any("immutable" in str(c.get("message", "")) for c in causes)
            return RefusalCause.IMMUTABLE if immutable else RefusalCause.INVALID
        case 500:
            return RefusalCause.INVALID if text.startswith(_PERMANENT) else None
        case _:
            return _BY_CODE.get(code)


def _missing(status: Mapping[str, Any], plural: str) -> RefusalCause:
    """The cause of a 404. The server answers to a path that it does not serve with plain text, or
    with a Status that names no kind."""
    kind = (status.get("details") or {}).get("kind")
    if not kind:
        return RefusalCause.NOT_SERVED
    if kind == "namespaces" and plural != "namespaces":
        return RefusalCause.NAMESPACE_MISSING
    return RefusalCause.ABSENT
