"""Files that are written whole or not at all."""

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
    """Puts a file in place of what is there: a reader, and a run after a crash, see the whole old
    content or the whole new content. `mode` are the permissions, whatever the umask.

    `folder` is a descriptor that `path` is relative to. `beside` names the temporary file in the
    same folder; with a name of the caller's, two writers at once are told apart by FileExistsError.
    Raises OSError; no temporary file of this call is left then.
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
