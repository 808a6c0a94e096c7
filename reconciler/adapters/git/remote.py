"""Fetches one ref of a remote into a bare repository in the cache.

The remote is not trusted: a fetch asks for one ref and has limits of time and size; every object is
checked before it is used, and the remote's texts are redacted before a message shows them.
GitPython is not used here, because it passes the caller's environment on to git.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from reconciler.adapters.git import urls
from reconciler.adapters.git.command import Git, GitAnswer, is_object_id
from reconciler.adapters.git.objects import DAMAGED, OURS
from reconciler.errors import SourceError
from reconciler.secrets import Redactor, printable

__all__ = ["Credentials", "FetchLimits", "FetchResult", "fetch", "last_seen"]

_BRANCHES, _TAGS = "refs/heads/", "refs/tags/"
_REF_PART = r"[A-Za-z0-9_][A-Za-z0-9_.+#@=-]*"
_REF = re.compile(rf"{_REF_PART}(?:/{_REF_PART})*")
_KEPT = "refs/reconciler/source"
_INCOMING = "refs/reconciler/incoming"
_LISTING = 1 << 20
_MOST_ON_DISK = 1 << 30
_NOT_TRUSTED = (
    "ssl certificate problem", "certificate verification failed", "certificate verify failed",
    "unable to get local issuer", "no alternative certificate subject name",
)  # fmt: skip
_NOT_AUTHORISED = ("could not read username", "could not read password", "askpass", "403")
_ASKPASS = """#!{python} -IS
import os, sys
asked = sys.argv[1] if len(sys.argv) > 1 else ""
known = os.environ["RECONCILER_GIT_HOST"]
rest = asked.partition("://")[2].rpartition("@")[2]
if rest.partition("'")[0].rpartition(":")[0] != known and rest.partition("'")[0] != known:
    sys.exit(1)
print(os.environ["RECONCILER_GIT_" + ("PASSWORD" if asked.startswith("Password") else "USER")])
"""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials for a remote, given by the operator. The password (a token) is sent only to the
    host of the URL. It is passed in the environment of git's helper, never as an argument.
    `authorities` is a file of certificates to trust for https."""

    user: str = "git"
    password: str = ""
    ssh_key: Path | None = None
    known_hosts: Path | None = None
    authorities: Path | None = None

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r})"


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """The limits of a fetch. `depth` 0 fetches the whole history, which `is_ancestor` needs.
    `timeout` is in seconds per git command."""

    depth: int = 0
    timeout: float = 120.0


class FetchResult(NamedTuple):
    """The bare repository of the cache, and the full commit id that the ref pointed to."""

    repo: Path
    commit: str


def fetch(
    url: str,
    ref: str,
    cache_dir: str | Path,
    *,
    credentials: Credentials | None = None,
    limits: FetchLimits | None = None,
    allow_loopback: bool = False,
) -> FetchResult:
    """Fetches the commit of one ref into the cache below `cache_dir`.

    `ref` is a full name (`refs/heads/main`), or a short name that either a branch or a tag has, but
    not both. A damaged cache is replaced by a new one. Raises SourceError: E_URL before git starts,
    E_SOURCE for everything else.
    """
    limits = limits or FetchLimits()
    remote = urls.validate(url, allow_loopback=allow_loopback)
    names = _candidates(ref)
    with _open_connection(credentials or Credentials(), remote, limits.timeout) as connection:
        wanted, tip = _look_up(connection, remote, names, ref)
        folder = Path(cache_dir).expanduser().resolve()
        repo = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}.git"
        with _lock(folder, repo):
            commit = _fetch_into(connection, remote, repo, wanted, tip, limits.depth)
    return FetchResult(repo, commit)


class _Connection(NamedTuple):
    """A git that may speak to one remote; `timeout` is in seconds per command."""

    git: Git
    timeout: float


def _candidates(ref: str) -> tuple[str, ...]:
    short = ref.removeprefix(_BRANCHES).removeprefix(_TAGS)
    parts = short.split("/")
    if (
        _REF.fullmatch(short) is None
        or ".." in short
        or "@{" in short
        or short == "HEAD"
        or short.startswith("refs/")
        or any(part.endswith((".", ".lock")) for part in parts)
    ):
        raise SourceError(
            f"{printable(ref)[:200]!r} is not a branch or a tag that can be followed",
            hint="give a full ref, e.g. refs/heads/main",
        )
    return (ref,) if short != ref else (_BRANCHES + ref, _TAGS + ref)


def _look_up(
    connection: _Connection, remote: urls.Remote, names: tuple[str, ...], ref: str
) -> tuple[str, str]:
    answer = connection.git.ask(
        "ls-remote", "--quiet", "--end-of-options", remote.url, *names,
        limit=_LISTING, timeout=connection.timeout,
    )  # fmt: skip
    place = urls.show_url(remote.url)
    if answer.code != 0:
        cause, hint = _cause(answer)
        raise SourceError(f"{place} cannot be read: {cause}", hint=hint)
    tips: dict[str, str] = {}
    for line in answer.text.splitlines():
        name, _, found = line.partition("\t")
        if found in names and is_object_id(name):
            tips[found] = name
    if len(tips) > 1:
        raise SourceError(
            f"{place} has a branch and a tag of the name {ref!r}",
            hint=f"give the full ref: {' or '.join(sorted(tips))}",
        )
    if not tips:
        raise SourceError(
            f"{place} has no ref {ref!r}", hint="was the branch deleted, or is nothing pushed yet?"
        )
    return next(iter(tips.items()))


def _cause(answer: GitAnswer) -> tuple[str, str]:
    """What went wrong between git and a remote, in words for people, and the way out."""
    errors = answer.errors.lower()
    if "host key verification failed" in errors or "no matching host key" in errors:
        changed = "has changed" in errors
        return (
            "the host's key is not the one that is known"
            if changed
            else "the host's key is not known",
            "the key may have been replaced on purpose, or somebody is between: compare it with "
            "the host's published keys, then put it into the file RECONCILER_GIT_KNOWN_HOSTS"
            if changed
            else "put the host's published key into the file that RECONCILER_GIT_KNOWN_HOSTS names",
        )
    if "permission denied (" in errors:
        return (
            "the host did not accept the SSH key",
            "is the key of RECONCILER_GIT_SSH_KEY a deploy key of this repository?",
        )
    if any(word in errors for word in _NOT_TRUSTED):
        return (
            f"the host's certificate is not trusted ({answer.reason})",
            "RECONCILER_GIT_CA_FILE names a file with the certificates of a private authority",
        )
    if any(word in errors for word in _NOT_AUTHORISED):
        return (
            f"the credentials were not accepted ({answer.reason})",
            "check RECONCILER_GIT_USER and RECONCILER_GIT_TOKEN: is the token still valid, and may "
            "it read this repository?",
        )
    return answer.reason, "check the URL, the network and the credentials"


def _fetch_into(
    connection: _Connection, remote: urls.Remote, repo: Path, wanted: str, tip: str, depth: int
) -> str:
    try:
        if not repo.exists():
            _create(repo, len(tip))
        return _update(
            replace(connection.git, git_dir=str(repo)), connection, remote, wanted, tip, depth
        )
    except _Damaged:
        # A new copy repairs a damaged cache; damage of the remote shows again.
        _discard(repo)
        _create(repo, len(tip))
        try:
            return _update(
                replace(connection.git, git_dir=str(repo)), connection, remote, wanted, tip, depth
            )
        except _Damaged as again:
            _discard(repo)
            raise SourceError(again.message, hint=again.hint) from again


class _Damaged(SourceError):
    """The cache, or the fetched history, is damaged or incomplete."""


def _create(repo: Path, digits: int) -> None:
    repo.mkdir(parents=True, mode=0o700)
    (repo / OURS).touch()
    form = "sha256" if digits == 64 else "sha1"
    Git("").run("init", "--quiet", "--bare", "--template=", f"--object-format={form}", str(repo))


def _discard(repo: Path) -> None:
    if not (repo / OURS).is_file():
        raise SourceError(
            f"{printable(str(repo))} is damaged, and not deleted: this tool did not make it"
        )
    shutil.rmtree(repo)


def _update(
    cache: Git, connection: _Connection, remote: urls.Remote, wanted: str, tip: str, depth: int
) -> str:
    place = urls.show_url(remote.url)
    if (Path(cache.git_dir) / DAMAGED).exists():
        raise _Damaged(f"the copy of {place} was found damaged")
    kept = cache.ask("rev-parse", "--verify", "--quiet", _KEPT)
    cut = depth == 0 and (Path(cache.git_dir) / "shallow").exists()
    found = kept
    if cut or kept.code != 0 or kept.text != tip:
        # Into a ref that does not exist: git also succeeds when it leaves an existing ref as it is.
        cache.run("update-ref", "-d", _INCOMING)
        deep = (f"--depth={depth}",) if depth > 0 else ("--unshallow",) if cut else ()
        answer = cache.ask(
            "fetch", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
            "--no-auto-maintenance", "--force", *deep, "--end-of-options", remote.url,
            f"+{wanted}:{_INCOMING}", timeout=connection.timeout,
        )  # fmt: skip
        if answer.code != 0:
            raise _explain_fetch(place, wanted, answer)
        found = cache.ask("rev-parse", "--verify", "--quiet", _INCOMING)
        if found.code != 0:
            raise SourceError(
                f"git fetched nothing from {place}: perhaps its history is cut (a shallow copy)",
                hint="fetch from a complete repository, or set a depth",
            )
    kind = cache.ask("cat-file", "-t", found.text) if is_object_id(found.text) else found
    if kind.code != 0:
        raise _Damaged(f"what {place} sent for {wanted} cannot be read: {kind.reason}")
    if kind.text != "commit":
        raise SourceError(
            f"{wanted} of {place} points to a {kind.text}, not to a commit",
            hint="follow a branch; a release is a commit of it",
        )
    # Checks now that all objects of the commit exist, so that no read fails later in the run.
    whole = cache.ask("rev-list", "--objects", "--quiet", "--max-count=1", found.text)
    if whole.code != 0:
        raise _Damaged(f"the copy of {place} is damaged: {whole.reason}")
    if found is not kept:
        cache.run("update-ref", "--no-deref", _KEPT, found.text)
        cache.run("update-ref", "-d", _INCOMING)
    seen = _seen_ref(wanted)
    if cache.ask("rev-parse", "--verify", "--quiet", seen).text != found.text:
        cache.run("update-ref", "--no-deref", seen, found.text)
    return found.text


def _seen_ref(wanted: str) -> str:
    """The cache's own ref for the commit that a ref of the remote pointed to last. A cache is used
    for all refs of its remote, and one of them must never stand in for another."""
    return f"refs/reconciler/seen/{hashlib.sha256(wanted.encode()).hexdigest()[:24]}"


def last_seen(url: str, ref: str, cache_dir: str | Path) -> FetchResult | None:
    """The commit that the ref pointed to when it was fetched last, without asking the remote; None
    when the cache has none, or a branch and a tag of the short name."""
    folder = Path(cache_dir).expanduser().resolve()
    repo = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:24]}.git"
    if not (repo / OURS).is_file() or (repo / DAMAGED).exists():
        return None
    cache = Git(str(repo))
    names = [_seen_ref(name) for name in _candidates(ref)]
    answers = [cache.ask("rev-parse", "--verify", "--quiet", f"{n}^{{commit}}") for n in names]
    found = [a.text for a in answers if a.code == 0 and is_object_id(a.text)]
    return FetchResult(repo, found[0]) if len(found) == 1 else None


def _explain_fetch(place: str, wanted: str, answer: GitAnswer) -> SourceError:
    broken = ("corrupt", "bad object", "missing", "unable to read", "not a valid object", "inflate")
    kind = _Damaged if any(word in answer.errors for word in broken) else SourceError
    cause, hint = _cause(answer)
    return kind(f"{wanted} of {place} cannot be fetched: {cause}", hint=hint)


@contextlib.contextmanager
def _lock(folder: Path, repo: Path) -> Iterator[None]:
    """Allows one fetch per cache at a time. Readers need no lock: objects are only added."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with repo.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _open_connection(
    credentials: Credentials, remote: urls.Remote, timeout: float
) -> Iterator[_Connection]:
    redact = _make_redact(credentials)
    environment: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        if remote.protocol == "ssh":
            environment |= {"GIT_SSH_COMMAND": _ssh_command(credentials), "GIT_SSH_VARIANT": "ssh"}
        elif credentials.authorities is not None:
            environment["GIT_SSL_CAINFO"] = str(credentials.authorities)
        if remote.protocol != "ssh" and credentials.password:
            helper = _write_helper(stack)
            environment |= {
                "GIT_ASKPASS": str(helper),
                "RECONCILER_GIT_HOST": remote.host,
                "RECONCILER_GIT_USER": credentials.user,
                "RECONCILER_GIT_PASSWORD": credentials.password,
            }
        git = Git(
            "",
            protocols=(remote.protocol,),
            environment=environment,
            redact=redact,
            file_limit=_MOST_ON_DISK,
        )
        yield _Connection(git, timeout)


def _write_helper(stack: contextlib.ExitStack) -> Path:
    """The program that gives git the password; it is deleted when the stack closes."""
    try:
        made = tempfile.TemporaryDirectory(prefix="reconciler-")
        helper = Path(stack.enter_context(made)) / "askpass"
        helper.write_text(_ASKPASS.format(python=sys.executable))
        helper.chmod(stat.S_IRWXU)
    except OSError as cause:
        raise SourceError(
            f"git's helper for the password could not be written: {cause.strerror}",
            hint="is there room, and does TMPDIR name a folder that may be written to?",
        ) from cause
    return helper


def _make_redact(credentials: Credentials) -> Callable[[str], str]:
    redactor = Redactor(os.urandom(16))
    if credentials.password:
        redactor.learn(credentials.password)
        redactor.learn(f"{credentials.user}:{credentials.password}")
    return redactor.redact


def _ssh_command(credentials: Credentials) -> str:
    options = ["ssh", "-F", "none", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes"]
    options += ["-oConnectTimeout=15", "-oIdentitiesOnly=yes", "-oForwardAgent=no"]
    if credentials.known_hosts is not None:
        options += [
            f'-oUserKnownHostsFile="{credentials.known_hosts}"',
            "-oGlobalKnownHostsFile=none",
        ]
    if credentials.ssh_key is not None:
        options += ["-i", str(credentials.ssh_key)]
    return shlex.join(options)
