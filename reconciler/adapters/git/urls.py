"""Checks the URL of a remote: only https and ssh, and nothing that git could read as a command.

The check comes before git starts, and does not rely on what git itself refuses.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from reconciler.errors import SourceError
from reconciler.secrets import printable

__all__ = ["Remote", "show_url", "validate"]

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_USER = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*)"
_SHORT_SSH = re.compile(rf"{_USER}@(?P<host>{_HOST}):(?P<path>[^-:/].*|/.+)")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LONGEST = 2048


class Remote(NamedTuple):
    """A checked remote. `protocol` is the one that git may use for it."""

    url: str
    protocol: str
    host: str


def show_url(url: str) -> str:
    """A URL for messages, without any credentials, even when the URL is malformed."""
    text = url.split("?", 1)[0].split("#", 1)[0]
    if "@" in text:
        scheme, mark, rest = text.rpartition("@")[0].partition("://")
        text = (f"{scheme}://" if mark and rest else "") + "***@" + text.rpartition("@")[2]
    text = printable(text).replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= 200 else text[:200] + "…"


def validate(url: str, *, allow_loopback: bool = False) -> Remote:
    """The remote that a URL names. With `allow_loopback`, for tests, also http and git URLs of this
    machine, and file URLs. Raises SourceError (E_URL)."""
    if not url or len(url) > _LONGEST:
        raise _refuse(url, "it is empty or too long")
    if not url.isprintable() or " " in url or "\\" in url:
        raise _refuse(url, "it has a blank, a backslash or a control character")
    if url.startswith("-"):
        raise _refuse(url, "it begins with `-`, like an option")
    if "::" in url.split("[", 1)[0]:
        raise _refuse(url, "remote helpers (`name::`) are not allowed")
    if "://" not in url:
        match = _SHORT_SSH.fullmatch(url)
        if match is None:
            raise _refuse(url, "it is a local path or not a URL")
        return Remote(url, "ssh", match["host"])
    return _with_scheme(url, allow_loopback)


def _with_scheme(url: str, allow_loopback: bool) -> Remote:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as cause:
        raise _refuse(url, "it is not a URL") from cause
    is_loopback = allow_loopback and host in _LOOPBACK
    if parts.scheme == "file" and allow_loopback and not parts.netloc and parts.path != "/":
        return Remote(url, "file", "")
    if parts.scheme not in ("https", "ssh") and not (
        is_loopback and parts.scheme in ("http", "git")
    ):
        raise _refuse(url, f"the scheme {printable(parts.scheme)!r} is not allowed")
    if "?" in url or "#" in url:
        raise _refuse(url, "it has a query or a fragment")
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise _refuse(url, "it has a user or a password", "give credentials outside the URL")
    if parts.username is not None and re.fullmatch(_USER, parts.username) is None:
        raise _refuse(url, "its user is not a plain name")
    if not is_loopback and re.fullmatch(_HOST, host) is None:
        raise _refuse(url, "its host is not a host name")
    if parts.path in ("", "/"):
        raise _refuse(url, "it names no repository")
    return Remote(url, parts.scheme, host)


def _refuse(url: str, why: str, hint: str = "") -> SourceError:
    return SourceError(
        f"the repository URL {show_url(url)!r} is refused: {why}",
        code="E_URL",
        hint=hint or "use https://host/path or user@host:path",
    )
