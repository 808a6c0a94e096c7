"""The rules for the entries of a config tree, which are checked before any content is read.

Only the config folders are checked and read; other folders of a repository are ignored.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.errors import SourceError
from reconciler.ports import Blob
from reconciler.secrets import printable

__all__ = [
    "CONFIG_FOLDERS",
    "MOST_BYTES",
    "MOST_FILES",
    "MOST_TOTAL",
    "TreeCheck",
    "check_path",
    "find_files",
    "in_config",
    "is_read",
    "refuse_size",
    "refuse_submodule",
    "refuse_symlink",
    "show_path",
]

CONFIG_FOLDERS = ("environments", "models", "policies")
MOST_BYTES = 1 << 20
MOST_FILES = 20_000
MOST_TOTAL = 64 << 20
_LONGEST_COMPONENT = 255
_READ = (".yaml", ".yml")


def in_config(path: str) -> bool:
    return path.split("/", 1)[0] in CONFIG_FOLDERS


def is_read(path: str) -> bool:
    """Whether the program reads a file because of its path; it reads other files only when a config
    file names them."""
    return in_config(path) and path.endswith(_READ)


def show_path(path: str | bytes) -> str:
    """A path for messages: printable, and at most 200 characters long."""
    text = path.decode("utf-8", "backslashreplace") if isinstance(path, bytes) else path
    text = printable(text).replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= 200 else text[:200] + "…"


def refuse_symlink(path: str) -> SourceError:
    return SourceError(
        f"{show_path(path)} is a symbolic link",
        code="E_SYMLINK",
        hint="put the file itself there; layers share values, links do not",
    )


def refuse_submodule(path: str) -> SourceError:
    return SourceError(
        f"{show_path(path)} is a submodule (another repository)",
        code="E_SUBMODULE",
        hint="put the files themselves there",
    )


def refuse_size(path: str, size: int) -> SourceError:
    return SourceError(
        f"{show_path(path)} has {size:,} bytes; at most {MOST_BYTES:,} are read",
        code="E_SIZE",
        hint="split the file",
    )


def _wrong_path(path: str | bytes, what: str) -> SourceError:
    return SourceError(f"{show_path(path)}: {what}", code="E_PATH", hint="rename it")


def refuse_case(path: str, other: str) -> SourceError:
    return _wrong_path(path, f"differs from {show_path(other)} only by case or by Unicode form")


def check_path(raw: bytes) -> str:
    """The path as text. Raises SourceError (E_PATH) unless it is a plain relative path."""
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise _wrong_path(raw, "the name is not UTF-8") from cause
    # A printable ASCII path has none of these; a look-up per letter would cost more than the read.
    is_plain = path.isascii() and path.isprintable()
    if not is_plain and any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in path):
        raise _wrong_path(raw, "the name holds a control or invisible character")
    if "\\" in path:
        raise _wrong_path(path, "the name holds a backslash")
    for part in path.split("/"):
        if part in ("", ".", ".."):
            raise _wrong_path(path, f"a part of the path is {part!r}")
        if part.casefold() == ".git":
            raise _wrong_path(path, "a part of the path is Git's own folder")
        if len(part.encode()) > _LONGEST_COMPONENT:
            raise _wrong_path(path, f"a name is longer than {_LONGEST_COMPONENT} bytes")
    return path


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


@dataclass(slots=True)
class TreeCheck:
    """Collects the entries of one tree, and raises at the first that is not allowed."""

    found: dict[str, Blob] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=lambda: {name: name for name in CONFIG_FOLDERS})
    """The folded form of every file and folder name → its spelling."""
    seen: set[str] = field(default_factory=set)
    count: int = 0
    total: int = 0

    def add(self, path: str, blob_id: str, size: int) -> None:
        """Adds a regular file. Raises SourceError (E_SIZE, E_PATH)."""
        if path in self.found:
            raise _wrong_path(path, "two entries have this name")
        if in_config(path):
            self._count(path, size)
        self.found[path] = Blob(path, blob_id, size)
        self.name(path)

    def _count(self, path: str, size: int) -> None:
        self.count += 1
        if self.count > MOST_FILES:
            raise SourceError(
                f"the config folders hold more than {MOST_FILES:,} files", code="E_SIZE"
            )
        if not is_read(path):
            return
        if size > MOST_BYTES:
            raise refuse_size(path, size)
        self.total += size
        if self.total > MOST_TOTAL:
            raise SourceError(
                f"the config files have more than {MOST_TOTAL:,} bytes together", code="E_SIZE"
            )

    def name(self, path: str) -> None:
        """Adds the name of a file and of each folder above it. Raises SourceError (E_PATH) when two
        names are the same on a file system that folds case or Unicode forms."""
        if path in self.seen or path.split("/", 1)[0].casefold() not in CONFIG_FOLDERS:
            return
        end = -1
        while end < len(path):
            end = path.find("/", end + 1)
            end = len(path) if end < 0 else end
            part = path[:end]
            if part in self.seen:
                continue
            self.seen.add(part)
            other = self.names.setdefault(_folded(part), part)
            if other != part:
                raise refuse_case(part, other)

    def files(self) -> Mapping[str, Blob]:
        return dict(sorted(self.found.items()))


def find_files(paths: Iterable[str], files: Mapping[str, Blob]) -> list[Blob]:
    """The files of `paths`, in that order. Raises SourceError for a missing file, and for one above
    the size limit."""
    out: list[Blob] = []
    for path in paths:
        blob = files.get(path)
        if blob is None:
            raise SourceError(f"{show_path(path)} is not a file of this tree")
        if blob.size > MOST_BYTES:
            raise refuse_size(path, blob.size)
        out.append(blob)
    return out
