"""Writes files atomically."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["replace"]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def replace(
    path: str | os.PathLike[str],
    content: bytes,
    *,
    mode: int = 0o644,
    folder: int | None = None,
    beside: str | None = None,
) -> None:
    """Replaces a file atomically: a reader, also after a crash, finds either the whole old content
    or the whole new one. `mode` are the permissions; the umask does not matter.

    `folder` is the descriptor of the folder that `path` is relative to. `beside` names the
    temporary file in the same folder: with a fixed name, the second of two writers at once gets
    FileExistsError. Raises OSError, and then leaves no temporary file.
    """
    path = Path(path)
    part = path.with_name(beside or f".{path.name[:200]}.{os.urandom(6).hex()}.part")
    descriptor = os.open(part, _NEW, mode, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(part, path, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part, dir_fd=folder)
        raise
