"""Runs git processes with a clean environment, with limits, and with redacted errors.

A repository's config may come from anybody. So hooks, filters, fsmonitor, helpers and lazy fetches
are switched off on the command line, which overrides every config file, and the caller's variables
(GIT_DIR, GIT_SSH_COMMAND, GIT_TRACE and the like) are not passed to a process.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from reconciler.errors import SourceError
from reconciler.secrets import printable, strip_userinfo

__all__ = ["Git", "GitAnswer", "is_object_id"]

_OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TIMEOUT = 60.0
_LIMIT = 64 << 20
_ERRORS_KEPT = 64 << 10
_CHUNK = 1 << 16
_OVERRIDES = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.excludesFile=/dev/null",
    "core.attributesFile=/dev/null",
    "core.symlinks=false",
    "core.quotePath=false",
    "core.warnAmbiguousRefs=true",
    "core.alternateRefsCommand=",
    "core.askPass=",
    "core.sshCommand=",
    "core.gitProxy=",
    "credential.helper=",
    "protocol.ext.allow=never",
    "safe.directory=*",
    "safe.bareRepository=explicit",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "transfer.fsckObjects=true",
    "fetch.fsckObjects=true",
    "transfer.bundleURI=false",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
    "gc.auto=0",
    "maintenance.auto=false",
    "i18n.commitEncoding=UTF-8",
    "init.templateDir=",
)


def is_object_id(text: str) -> bool:
    """Whether a text is a full object id, SHA-1 or SHA-256, in lower case."""
    return _OBJECT_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class GitAnswer:
    """The answer of a git process. `code` is negative for a signal; `errors` is its standard error,
    redacted and printable."""

    code: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace").strip()

    @property
    def reason(self) -> str:
        """git's first error message, in one line."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith(("fatal:", "error:"))] or lines[-1:]
        text = errors[0].split(": ", 1)[-1] if errors else f"git ended with status {self.code}"
        return text[:400]


@dataclass(frozen=True, slots=True)
class Git:
    """Runs commands on one repository. `protocols` are the network protocols that git may use; none
    by default, so that no config of a repository can make a read use the network."""

    git_dir: str
    work_tree: str = ""
    protocols: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    redact: Callable[[str], str] = strip_userinfo
    file_limit: int = 0
    """The most bytes that git may write to one file, on systems with such a limit; 0 for no limit.
    """

    def run(
        self,
        *args: str,
        given: bytes = b"",
        limit: int = _LIMIT,
        records: int = 0,
        timeout: float = _TIMEOUT,
    ) -> bytes:
        """As `ask`, for a command that must succeed: returns its output. Raises SourceError."""
        answer = self.ask(*args, given=given, limit=limit, records=records, timeout=timeout)
        if answer.code != 0:
            raise SourceError(f"git {args[0]} failed: {answer.reason}")
        return answer.output

    def ask(
        self,
        *args: str,
        given: bytes = b"",
        limit: int = _LIMIT,
        records: int = 0,
        timeout: float = _TIMEOUT,
    ) -> GitAnswer:
        """Runs one command with the input `given`. Stops it, with all its children, and raises
        SourceError when it takes longer than `timeout` seconds, and E_SIZE when its output has more
        than `limit` bytes or, unless 0, more than `records` NUL-ended records."""
        with _open_input(given) as source:
            try:
                process = subprocess.Popen(
                    self._command(args),
                    stdin=source,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=self.work_tree or "/",
                    env=self._environment(),
                    start_new_session=True,
                )
            except OSError as cause:
                raise SourceError(
                    f"git could not be started: {cause.strerror}", hint="is git on the PATH?"
                ) from cause
        try:
            if self.file_limit and hasattr(resource, "prlimit"):
                size = (self.file_limit, self.file_limit)
                with contextlib.suppress(OSError):
                    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, size)
            output, errors = _collect(process, limit, records, timeout)
        finally:
            _kill(process)
        text = printable(self.redact(errors.decode("utf-8", "replace")))
        return GitAnswer(process.returncode, output, text)

    def _command(self, args: tuple[str, ...]) -> list[str]:
        settings = [part for item in _OVERRIDES for part in ("-c", item)]
        place = [f"--git-dir={self.git_dir}"] if self.git_dir else []
        if self.work_tree:
            place.append(f"--work-tree={self.work_tree}")
        return ["git", "--no-pager", "--literal-pathspecs", *settings, *place, *args]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            # Empty and not absent, so that git calls no helper of a config, and no terminal.
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_ALLOW_PROTOCOL": ":".join(self.protocols) or "none",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            **self.environment,
        }


def _open_input(given: bytes) -> IO[bytes]:
    """The input of a process: nothing, or bytes in memory when the system can do that, because
    there may be no writable folder. Raises SourceError."""
    if not given:
        return Path(os.devnull).open("rb")
    try:
        if hasattr(os, "memfd_create"):
            source: IO[bytes] = os.fdopen(os.memfd_create("git"), "w+b")
        else:
            import tempfile

            source = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's
        source.write(given)
        source.seek(0)
    except OSError as cause:
        raise SourceError(
            f"git's input could not be written: {cause.strerror}",
            hint="is there room, and does TMPDIR name a folder that may be written to?",
        ) from cause
    return source


def _collect(
    process: subprocess.Popen[bytes], limit: int, records: int, timeout: float
) -> tuple[bytes, bytes]:
    assert process.stdout is not None
    assert process.stderr is not None
    deadline = time.monotonic() + timeout
    output, errors = bytearray(), bytearray()
    ended = 0
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ, output)
        waiting.register(process.stderr, selectors.EVENT_READ, errors)
        while waiting.get_map():
            ready = waiting.select(max(0.0, deadline - time.monotonic()))
            if not ready and time.monotonic() >= deadline:
                raise _timed_out(timeout)
            for key, _ in ready:
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    waiting.unregister(key.fileobj)
                elif key.data is errors:
                    # The rest is read and dropped: a process must not block on a full pipe.
                    errors += chunk[: _ERRORS_KEPT - len(errors)]
                else:
                    output += chunk
                    ended += chunk.count(0)
            if len(output) > limit or (records and ended > records):
                raise SourceError(
                    "the repository holds more than this tool reads: "
                    + (f"over {records} entries" if records else f"over {limit} bytes"),
                    code="E_SIZE",
                )
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as cause:
        raise _timed_out(timeout) from cause
    return bytes(output), bytes(errors)


def _timed_out(timeout: float) -> SourceError:
    return SourceError(
        f"git did not finish within {timeout:g} seconds and was stopped",
        hint="is the remote reachable?",
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and its group if they still run, and closes the pipes."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
