"""Which remotes are spoken to: https and ssh, and nothing that git could read as a command.

Checked before git starts; what git itself refuses is the second fence, not the first.
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
    """A checked remote. `protocol` is the one that git may speak to it."""

    url: str
    protocol: str
    host: str


def show_url(url: str) -> str:
    """A URL for messages: whatever may be a credential is gone, even from a URL that is wrong."""
    text = url.split("?", 1)[0].split("#", 1)[0]
    if "@" in text:
        scheme, mark, rest = text.rpartition("@")[0].partition("://")
        text = (f"{scheme}://" if mark and rest else "") + "***@" + text.rpartition("@")[2]
    text = printable(text).replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= 200 else text[:200] + "…"


def validate(url: str, *, allow_loopback: bool = False) -> Remote:
    """The remote that a URL names. `allow_loopback` also takes http and git on this machine's own
    address, and file, for tests. Raises SourceError (E_URL)."""
    if not url or len(url) > _LONGEST:
        raise _refused(url, "it is empty or too long")
    if not url.isprintable() or " " in url or "\\" in url:
        raise _refused(url, "it holds a blank, a backslash or a control character")
    if url.startswith("-"):
        raise _refused(url, "it begins like an option")
    if "::" in url.split("[", 1)[0]:
        raise _refused(url, "remote helpers (`name::`) are not used")
    if "://" not in url:
        match = _SHORT_SSH.fullmatch(url)
        if match is None:
            raise _refused(url, "it is a local path or not a URL")
        return Remote(url, "ssh", match["host"])
    return _with_scheme(url, allow_loopback)


def _with_scheme(url: str, allow_loopback: bool) -> Remote:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as cause:
        raise _refused(url, "it is not a URL") from cause
    here = allow_loopback and host in _LOOPBACK
    if parts.scheme == "file" and allow_loopback and not parts.netloc and parts.path != "/":
        return Remote(url, "file", "")
    if parts.scheme not in ("https", "ssh") and not (here and parts.scheme in ("http", "git")):
        raise _refused(url, f"the scheme {printable(parts.scheme)!r} is not used")
    if "?" in url or "#" in url:
        raise _refused(url, "it has a query or a fragment")
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise _refused(url, "it holds a user or a password", "give credentials outside the URL")
    if parts.username is not None and re.fullmatch(_USER, parts.username) is None:
        raise _refused(url, "its user is not a plain name")
    if not here and re.fullmatch(_HOST, host) is None:
        raise _refused(url, "its host is not a host name")
    if parts.path in ("", "/"):
        raise _refused(url, "it names no repository")
    return Remote(url, parts.scheme, host)


def _refused(url: str, why: str, hint: str = "") -> SourceError:
    return SourceError(
        f"the repository URL {show_url(url)!r} is refused: {why}",
        code="E_URL",
        hint=hint or "use https://host/path or ssh://user@host/path",
    )
