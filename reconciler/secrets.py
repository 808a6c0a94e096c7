"""Redaction by value, for every sink.

Masking by kind or path alone has failed others; here every string that was ever seen in a secret
slot is remembered for the run and replaced wherever it turns up, in its plain, base64, URL and
JSON spellings. Nothing here prints.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

__all__ = [
    "MASK",
    "Redactor",
    "is_secret_name",
    "json_safe",
    "mask_secret_body",
    "printable",
    "strip_userinfo",
]

#: What people see in place of a secret. The digits of a mark are for comparing within a run only:
#: a comment must not change because the run's key did.
MASK = "<redacted>"
_MARK = re.compile(r"<redacted:[0-9a-f]{8}>")
_SHORTEST = 4
#: Below this, a value that only its name makes a secret is masked in its place, not everywhere.
_SHORTEST_GUESS = 6
_LONG = 8
_COMMON = frozenset(
    {"default", "disabled", "enabled", "password", "changeme", "secret", "required"}
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_USERINFO = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)(?P<user>[^/@\s]+)@")
_BEARER = re.compile(
    r"(?i)(?<![a-z])(?P<scheme>bearer|basic)(?P<space>[ \t]+|%20)"
    r"(?=\S*[0-9=])[A-Za-z0-9._~+/-]{8,}=*"
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset(
    {"password", "passwd", "passphrase", "pwd", "secret", "token", "credential", "credentials"}
    | {"apikey", "authorization"}
)
_KEY_KINDS = frozenset(
    {"access", "account", "api", "auth", "encryption", "license", "master", "private", "secret"}
    | {"service", "signing", "ssh", "storage"}
)
#: `SECRET_NAME` and `TOKEN_FILE` say where it is, not what it is.
_REFERS = frozenset(
    {"name", "ref", "file", "path", "dir", "url", "uri", "type", "class", "id", "mount", "volume"}
    | {"provider", "namespace"}
)
_FLAG = re.compile(r"--?(?P<name>[A-Za-z][\w.-]*)(?:=(?P<value>.*))?", re.DOTALL)
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_][\w.-]*)=(?P<value>[^\s&;,\"'}\])]+)")
_PAIR = re.compile(
    r"(?P<quote>[\"']?)(?P<name>[A-Za-z_][\w.-]*)(?P=quote)\s*:\s+(?P<value>[^\s#,{}\[\]][^\n]*)"
)
#: A variable, in either order and with other keys between: the file may be wrong elsewhere.
_NAMED = re.compile(
    r"\bname:\s*[\"']?(?P<name>[\w.-]+)(?:(?!\bname:)[^}]){0,200}?\bvalue:\s*(?P<value>[^\n]+)"
)
_FLAGGED = re.compile(
    r"(?<![\w-])--?(?P<name>[A-Za-z][\w.-]*)[\"']?(?:\s*,\s*|\s*\n\s*-\s+|[ \t]+)"
    r"(?P<value>[^\s,\]-][^\s,\]]*)"
)
_NAMED_LATER = re.compile(
    r"\bvalue:\s*(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^,}\n]+)[^}\n]{0,80}\bname:\s*[\"']?(?P<name>[\w.-]+)"
)
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)


class Redactor:
    """Remembers secret strings and replaces them wherever they turn up.

    In bodies a value becomes `<redacted:xxxxxxxx>`: the digits are an HMAC under a key of this run,
    so that "changed" shows while low-entropy values cannot be guessed offline. In text for people
    it is `<redacted>`. Values shorter than four characters are not searched for.
    """

    def __init__(self, key: bytes, values: Iterable[str] = ()) -> None:
        self._key = key
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for value in values:
            self.learn(value)

    def mark(self, value: str) -> str:
        digest = hmac.new(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"<redacted:{digest.hexdigest()[:8]}>"

    def learn(self, value: str) -> None:
        if len(value) < _SHORTEST or value in self._spellings:
            return
        import html  # here: most runs know no secret

        raw = value.encode("utf-8", "surrogatepass")
        self._spellings |= {
            value,
            base64.b64encode(raw).decode().rstrip("="),
            base64.urlsafe_b64encode(raw).decode().rstrip("="),
            quote(value, safe="", errors="replace"),
            quote(value, errors="replace"),
            quote_plus(value, errors="replace"),
            json.dumps(value)[1:-1],
            json.dumps(value, ensure_ascii=False)[1:-1],
            html.escape(value),
            printable(value),
        }
        if len(raw) >= _LONG:
            self._spellings |= {_inner_base64(raw, shift) for shift in (1, 2)}
        self._pattern = None

    def learn_stored(self, value: str) -> None:
        """Remembers a value of a Secret. A short plain word (a user's name, `true`) is not looked
        for elsewhere: in its place it is masked anyway."""
        if len(value) >= _LONG or not value.replace("-", "").isalpha():
            self.learn(value)

    def guess(self, name: str, value: object) -> None:
        """Remembers a value that stands under a name such as DB_PASSWORD. Short and common words
        are left alone: to replace them everywhere would garble what is no secret."""
        if not isinstance(value, str) or len(value) < _SHORTEST_GUESS or not is_secret_name(name):
            return
        if value.lower() not in _COMMON and not value.startswith(("${", "$(", "<redacted")):
            self.learn(value)
            scheme, _, rest = value.partition(" ")
            if scheme.lower() in ("basic", "bearer"):
                self.learn(rest.strip())

    def learn_tree(self, datum: Any) -> None:
        """Remembers what looks like a secret in a manifest or a values tree: variables, headers and
        map entries by their names, arguments by their flags, URLs by their user and password."""
        for name, value in _named(datum):
            self.guess(name, value)
            if "://" in value:
                for found in _USERINFO.finditer(value):
                    self._userinfo(found["user"])
            if found_bearer := _BEARER.search(value):
                self.learn(found_bearer.group().split()[-1])

    def learn_text(self, text: str) -> None:
        """The same of a config file that may not even parse: by its lines."""
        for pattern in (_NAMED, _NAMED_LATER, _FLAGGED, _PAIR, _ASSIGNED):
            for found in pattern.finditer(text):
                for value in _unquoted(found["value"]):
                    self.guess(found["name"], value)
        for found in _USERINFO.finditer(text):
            self._userinfo(found["user"])

    def _userinfo(self, user: str) -> None:
        _, colon, password = user.partition(":")
        if colon and len(password) >= _SHORTEST_GUESS:
            self.learn(password)

    def redact(self, text: str) -> str:
        """The text as people may see it: every spelling of what is known, every URL's user and
        every bearer header is gone."""
        text = _BEARER.sub(lambda m: m["scheme"] + m["space"] + "***", strip_userinfo(text))
        if self._spellings:
            if self._pattern is None:
                longest_first = sorted(self._spellings, key=lambda s: (-len(s), s))
                self._pattern = re.compile("|".join(re.escape(s) for s in longest_first))
            text = self._pattern.sub(MASK, text)
        return _MARK.sub(MASK, text)


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is a secret, by its words: DB_PASSWORD, apiToken,
    x-api-key; not MAX_TOKENS, TOKEN_FILE, secretName."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _REFERS:
        return False
    if any(word in _SECRET_WORDS for word in words):
        return True
    is_variable = name.isupper() and len(words) > 1 and words[-1] == "key"
    return is_variable or any(
        kind in _KEY_KINDS and key == "key" for kind, key in itertools.pairwise(words)
    )


def _named(datum: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text with the name that it stands under."""
    if isinstance(datum, str):
        yield name, datum
    elif isinstance(datum, Mapping):
        given, value = datum.get("name"), datum.get("value")
        if isinstance(given, str) and isinstance(value, str):
            yield given, value
        for key, child in datum.items():
            yield from _named(child, str(key))
    elif isinstance(datum, list | tuple):
        flag = ""
        for child in datum:
            if flag and isinstance(child, str):
                yield flag, child
            flag = ""
            if isinstance(child, str) and (found := _FLAG.fullmatch(child)):
                if found["value"] is not None:
                    yield found["name"], found["value"]
                else:
                    flag = found["name"]
            yield from _named(child, name)


def _inner_base64(raw: bytes, shift: int) -> str:
    """What of a text's base64 does not depend on what stands around it, at one of the offsets."""
    inner = raw[3 - shift :]
    return base64.b64encode(inner[: len(inner) // 3 * 3]).decode()


def _unquoted(text: str) -> Iterator[str]:
    """A YAML scalar as it may be meant: without quotes, comment and closing brackets."""
    text = text.strip()
    if text[:1] in ("'", '"'):
        inner, closed, _ = text[1:].partition(text[0])
        if closed:
            yield inner
        return
    yield text
    bare = re.split(r"\s#|[,}\]]", text)[0].strip()
    if bare != text:
        yield bare


def strip_userinfo(text: str) -> str:
    """URLs lose their `user:password@`."""
    return _USERINFO.sub(lambda m: m["scheme"] + "***@", text)


def printable(text: str) -> str:
    """Control characters, bidi controls and zero-width characters shown as visible escapes.

    Line feed and tab stay. For terminals and files alike.
    """
    return _UNSAFE.sub(lambda m: m.group().encode("unicode_escape").decode("ascii"), text)


def json_safe(document: str) -> str:
    """The same for a finished JSON text, whose strings keep their meaning."""
    return _UNSAFE.sub(lambda m: f"\\u{ord(m.group()):04x}", document)


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
            redactor.learn_stored(text)
            if field == "data":
                try:
                    redactor.learn_stored(base64.b64decode(text, validate=True).decode())
                except (ValueError, UnicodeDecodeError):
                    continue
        out[field] = {name: redactor.mark(str(value)) for name, value in values.items()}
    return out
