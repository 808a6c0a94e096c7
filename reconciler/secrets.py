"""Redaction by value, for every sink.

Masking by kind or path alone has failed others; here every string that was ever seen in a secret
slot is remembered for the run and replaced wherever it turns up, in its plain, base64, URL and
JSON spellings. Nothing here prints.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

__all__ = ["Redactor", "mask_secret_body", "printable", "strip_userinfo"]

_SHORTEST = 4
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_USERINFO = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)(?P<user>[^/@\s]+)@")
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)


class Redactor:
    """Remembers secret strings and replaces them by `<redacted:xxxxxxxx>`.

    The eight digits are an HMAC under a key of this run, so "changed" shows while low-entropy
    values cannot be guessed offline. Values shorter than four characters are not searched for.
    """

    def __init__(self, key: bytes, values: Iterable[str] = ()) -> None:
        self._key = key
        self._marks: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        for value in values:
            self.learn(value)

    def mark(self, value: str) -> str:
        digest = hmac.new(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"<redacted:{digest.hexdigest()[:8]}>"

    def learn(self, value: str) -> None:
        if len(value) < _SHORTEST:
            return
        mark = self.mark(value)
        raw = value.encode("utf-8", "surrogatepass")
        spellings = {
            value,
            base64.b64encode(raw).decode(),
            base64.b64encode(raw).decode().rstrip("="),
            base64.urlsafe_b64encode(raw).decode(),
            quote(value, safe="", errors="replace"),
            json.dumps(value)[1:-1],
        }
        for spelling in spellings:
            self._marks.setdefault(spelling, mark)
        self._pattern = None

    def redact(self, text: str) -> str:
        text = strip_userinfo(text)
        if not self._marks:
            return text
        if self._pattern is None:
            longest_first = sorted(self._marks, key=len, reverse=True)
            self._pattern = re.compile("|".join(re.escape(s) for s in longest_first))
        return self._pattern.sub(lambda m: self._marks[m.group()], text)


def strip_userinfo(text: str) -> str:
    """URLs lose their `user:password@`."""
    return _USERINFO.sub(lambda m: m["scheme"] + "***@", text)


def printable(text: str) -> str:
    """Control characters, bidi controls and zero-width characters shown as visible escapes.

    Line feed and tab stay. For terminals and files alike.
    """
    return _UNSAFE.sub(lambda m: m.group().encode("unicode_escape").decode("ascii"), text)


def mask_secret_body(body: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """A Secret's body (also inside a List) with each value replaced by its mark.

    The values are learnt on the way, and kubectl's last-applied annotation is dropped.
    """
    out: dict[str, Any] = dict(body)
    if isinstance(out.get("items"), list):
        out["items"] = [mask_secret_body(item, redactor) for item in out["items"]]
    meta = out.get("metadata")
    if isinstance(meta, dict) and _LAST_APPLIED in (meta.get("annotations") or {}):
        annotations = {k: v for k, v in meta["annotations"].items() if k != _LAST_APPLIED}
        out["metadata"] = {**meta, "annotations": annotations}
    if out.get("kind") != "Secret":
        return out
    for field in ("data", "stringData"):
        values = out.get(field)
        if not isinstance(values, Mapping):
            continue
        for value in values.values():
            text = str(value)
            redactor.learn(text)
            if field == "data":
                try:
                    redactor.learn(base64.b64decode(text, validate=True).decode())
                except (ValueError, UnicodeDecodeError):
                    continue
        out[field] = {name: redactor.mark(str(value)) for name, value in values.items()}
    return out
