"""Redaction by value, for all output.

Masking by kind or path alone leaks: a password may also stand in an argument or a URL. So a
Redactor remembers, for the run, each string that stood in the place of a secret, and replaces it
in all output, in its plain, base64, URL, HTML and JSON spellings. Nothing here prints.
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

from reconciler.secret_texts import named_values, scalars_of, secret_values

__all__ = [
    "MASK",
    "Redactor",
    "find_flag",
    "holds_secret",
    "holds_userinfo",
    "is_secret_name",
    "json_safe",
    "mask_secret_body",
    "printable",
    "strip_userinfo",
]

#: What people see in place of a secret. It has no digits as a mark has: the key differs per run,
#: and a comment on a pull request must not change with it.
MASK = "<redacted>"
_MARK = re.compile(r"<redacted:[0-9a-f]{8}>")
_SHORTEST = 4
#: A shorter value whose name alone makes it a secret is masked in its own place, not everywhere.
_SHORTEST_GUESS = 6
_LONG = 8
#: A longer spelling is searched for by itself: as a branch of a pattern, its cost would be its
#: length at each place of a text that resembles it.
_LONGEST_BRANCH = 128
_COMMON = frozenset(
    {"default", "disabled", "enabled", "password", "changeme", "secret", "required"}
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
#: Each pattern below reads its text once, also when it matches nothing: a run of characters is
#: entered at its first one only, and what was consumed is not given back (`++`, `*+`).
_USERINFO = re.compile(r"(?P<scheme>(?<=[a-zA-Z0-9+.-])://)(?P<user>[^/@\s]++)@")
_BEARER = re.compile(
    r"(?i)(?<![a-z])(?P<scheme>bearer|basic)(?P<space>[ \t]++|%20)"
    r"(?=[A-Za-z0-9._~+/-]*(?:[0-9=]|%3d))[A-Za-z0-9._~+/-]{8,}+=*+"
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
#: `SECRET_NAME` and `TOKEN_FILE` say where a secret is; they do not hold one.
_REFERS = frozenset(
    {"name", "ref", "file", "path", "dir", "url", "uri", "type", "class", "id", "mount", "volume"}
    | {"provider", "namespace"}
)
_FLAG = re.compile(r"--?(?P<name>[A-Za-z][\w.-]*)(?:=(?P<value>.*))?", re.DOTALL)
_NAME = r"(?<![\w.-])(?:(?![A-Za-z_])[\w.-])*+(?P<name>[A-Za-z_][\w.-]*+)"
_ASSIGNED = re.compile(_NAME + r"=(?P<value>[^\s&;,\"'}\])]++)")
_FLAGGED = re.compile(
    r"(?<![\w-])--?(?P<name>[A-Za-z][\w.-]*+)[\"']?+[ \t\r]*+(?:,\s*+|\n\s*+-\s++|(?<=[ \t]))"
    r"(?P<value>[^\s,\]-][^\s,\]]*+)"
)
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)


class Redactor:
    """Remembers secret strings and replaces them in texts.

    In an object's body a value becomes a mark, `<redacted:xxxxxxxx>`. The digits are an HMAC under
    a key of this run: two equal values have equal marks, and nobody can test guesses without the
    key. In text for people it becomes `<redacted>`. A value shorter than four characters is not
    searched for.
    """

    def __init__(self, key: bytes, values: Iterable[str] = ()) -> None:
        self._key = key
        self._spellings: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._long: list[str] = []
        for value in values:
            self.learn(value)

    def mark(self, value: str) -> str:
        """The text that stands for a value within this run: `<redacted:xxxxxxxx>`."""
        digest = hmac.new(self._key, value.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"<redacted:{digest.hexdigest()[:8]}>"

    def learn(self, value: str) -> None:
        """Remembers a secret in all its spellings."""
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
            self._spellings |= {_base64_within(raw, shift) for shift in (1, 2)}
        self._pattern = None

    def learn_stored(self, value: str) -> None:
        """Remembers a value of a Secret object. A short plain word (a user's name, `true`) is not
        remembered: it is masked in the Secret itself, and elsewhere it is no secret."""
        if len(value) >= _LONG or not value.replace("-", "").isalpha():
            self.learn(value)

    def guess(self, name: str, value: object) -> None:
        """Remembers a value that stands under a name such as DB_PASSWORD. Short and common words
        are not remembered: replacing them everywhere would garble texts that hold no secret."""
        if not isinstance(value, str) or len(value) < _SHORTEST_GUESS or not is_secret_name(name):
            return
        if value.lower() not in _COMMON and not value.startswith(("${", "$(", "<redacted")):
            self.learn(value)
            scheme, _, rest = value.partition(" ")
            if scheme.lower() in ("basic", "bearer"):
                self.learn(rest.strip())

    def learn_tree(self, datum: Any) -> None:
        """Remembers each likely secret of a manifest or a config tree: variables, headers and map
        entries by their names, arguments by their flags, passwords in URLs, bearer tokens."""
        for name, value in _named_texts(datum):
            self.guess(name, value)
            if "://" in value:
                for found in _USERINFO.finditer(value):
                    self._learn_userinfo(found["user"])
            if found_bearer := _BEARER.search(value):
                self.learn(found_bearer.group().split()[-1])

    def learn_text(self, text: str) -> None:
        """Remembers each likely secret of a config file's text, which may not parse, and the values
        of the Secrets that it holds. Cost: linear in the text's length."""
        for name, value in named_values(text):
            self.guess(name, value)
        for value in secret_values(text):
            self.learn_stored(value)
        for pattern in (_FLAGGED, _ASSIGNED):
            for found in pattern.finditer(text):
                for value in scalars_of(found["value"]):
                    self.guess(found["name"], value)
        for found in _USERINFO.finditer(text):
            self._learn_userinfo(found["user"])

    def _learn_userinfo(self, user: str) -> None:
        _, colon, password = user.partition(":")
        if colon and len(password) >= _SHORTEST_GUESS:
            self.learn(password)

    def redact(self, text: str) -> str:
        """The text without secrets: all spellings of remembered values, the user part of URLs, and
        bearer and basic credentials are replaced."""
        text = _BEARER.sub(lambda m: m["scheme"] + m["space"] + "***", strip_userinfo(text))
        if self._spellings:
            if self._pattern is None:
                longest_first = sorted(self._spellings, key=lambda s: (-len(s), s))
                self._long = [s for s in longest_first if len(s) > _LONGEST_BRANCH]
                short = longest_first[len(self._long) :]
                self._pattern = re.compile("|".join(re.escape(s) for s in short) or "(?!)")
            for spelling in self._long:
                text = text.replace(spelling, MASK)
            text = self._pattern.sub(MASK, text)
        return _MARK.sub(MASK, text)


def is_secret_name(name: str) -> bool:
    """Whether a name says that its value is a secret: DB_PASSWORD, apiToken, x-api-key do;
    MAX_TOKENS, TOKEN_FILE, secretName do not."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _REFERS:
        return False
    if any(word in _SECRET_WORDS or word.endswith("password") for word in words):
        return True
    is_variable = name.isupper() and len(words) > 1 and words[-1] == "key"
    return is_variable or any(
        kind in _KEY_KINDS and key == "key" for kind, key in itertools.pairwise(words)
    )


#: Texts that stand in the place of a secret and are none.
_REFERENCES = ("${", "$(", "{{", "<redacted", "ENC[", "vault:", "ref+")
_SETTINGS = frozenset({"", "true", "false", "none", "null", "disabled", "enabled", "required"})
#: Words before `token` that name a token of a text, as tokenizers have them: PAD_TOKEN.
_OF_TEXT = frozenset(
    {"pad", "eos", "bos", "unk", "sep", "cls", "mask", "stop", "start", "end", "special", "max"}
    | {"min", "per", "num"}
)
_NUMBER = re.compile(r"[0-9.]+[smhd]?")
_PASSWORDS = ("password", "passwd", "passphrase", "pwd")


def holds_secret(name: str, value: str) -> bool:
    """Whether a plain text under a name is likely a secret that should not stand in Git. References
    (`$(VAR)`), settings (`required`) and tokens of texts (`PAD_TOKEN`) are none; a number is one
    only under the name of a password."""
    if not is_secret_name(name) or value.lower() in _SETTINGS or value.startswith(_REFERENCES):
        return False
    words = [word.lower() for word in _WORD.findall(name)]
    if words[-1] == "token" and len(words) > 1 and words[-2] in _OF_TEXT:
        return False
    return _NUMBER.fullmatch(value) is None or words[-1].endswith(_PASSWORDS)


def holds_userinfo(text: str) -> bool:
    """Whether a text holds a URL with a password (`https://user:password@host`)."""
    if "://" not in text:
        return False
    passwords = [found["user"].partition(":")[2] for found in _USERINFO.finditer(text)]
    return any(p and not p.startswith(_REFERENCES) for p in passwords)


def find_flag(argument: str) -> tuple[str, str | None]:
    """The name of a flag (`--token=x`) and its value, None without `=`; ("", None) for another
    argument."""
    found = _FLAG.fullmatch(argument)
    return (found["name"], found["value"]) if found is not None else ("", None)


def _named_texts(datum: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Each text of a tree, with the name of its variable, key or flag."""
    if isinstance(datum, str):
        yield name, datum
    elif isinstance(datum, Mapping):
        label, value = datum.get("name"), datum.get("value")
        if isinstance(label, str) and isinstance(value, str):
            yield label, value
        for key, child in datum.items():
            yield from _named_texts(child, str(key))
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
            yield from _named_texts(child, name)


def _base64_within(raw: bytes, shift: int) -> str:
    """The part of a text's base64 that stays the same inside a longer text, where the text begins
    `shift` bytes after a multiple of three."""
    inner = raw[3 - shift :]
    return base64.b64encode(inner[: len(inner) // 3 * 3]).decode()


def strip_userinfo(text: str) -> str:
    """The text with `***@` in place of each URL's `user:password@`."""
    return _USERINFO.sub(lambda m: m["scheme"] + "***@", text)


def printable(text: str) -> str:
    r"""The text with visible escapes (`\x1b`) in place of control characters, bidi controls and
    zero-width characters. Line feed and tab stay."""
    return _UNSAFE.sub(lambda m: m.group().encode("unicode_escape").decode("ascii"), text)


def json_safe(document: str) -> str:
    """A JSON text with those characters written as JSON escapes; its values stay the same."""
    return _UNSAFE.sub(lambda m: f"\\u{ord(m.group()):04x}", document)


def mask_secret_body(body: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """A body in which each value of a Secret (also inside a List) is replaced by its mark.

    `redactor` learns the values. kubectl's last-applied annotation is dropped from any object.
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
