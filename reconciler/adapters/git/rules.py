"""The rules for the entries of a config tree, which are checked before any content is read.

Only the config folders are checked and read; other folders of a repository are ignored. An entry
that breaks a rule is left out of the tree with an error, and the rest of the tree is read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.diagnostics import Diagnostic, Related, error
from reconciler.errors import SourceError
from reconciler.origin import Site
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
    "refuse_special",
    "refuse_submodule",
    "refuse_symlink",
    "show_path",
]

CONFIG_FOLDERS = ("environments", "models", "policies")
MOST_BYTES = 1 << 20
MOST_FILES = 20_000
MOST_TOTAL = 64 << 20
_LONGEST_COMPONENT = 255
#: A folder is left out alone when fewer than so many of its size would fill the tree.
_FEW_FOLDERS = 100
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
    return SourceError(
        f"{show_path(path)} differs from {show_path(other)} only by case or by Unicode form",
        code="E_CASE",
        hint="rename one of them: many file systems hold only one of the two",
    )


def refuse_special(path: str) -> SourceError:
    return SourceError(
        f"{show_path(path)} is not a regular file",
        code="E_PATH",
        hint="put a plain file there, or move it out of the config folders",
    )


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
    """Collects the entries of one tree. What is not allowed is left out, with all that lies below
    it, and `faults` says why: path → error. So the number of files, and the bytes of all contents,
    stay within the limits at any time."""

    found: dict[str, Blob] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=lambda: {name: name for name in CONFIG_FOLDERS})
    """The folded form of every file and folder name → its spelling."""
    seen: set[str] = field(default_factory=set)
    count: int = 0
    total: int = 0
    faults: dict[str, Diagnostic] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    """Path → content, of those files that the caller has read already."""

    def refuse(
        self, path: str, why: SourceError, other: str = "", *, is_folder: bool = False
    ) -> None:
        """Leaves an entry out. `other` is a second path that the mistake concerns. `is_folder`:
        files below the path may have been added, and are dropped; costs a look at every file."""
        if self.is_refused(path):
            return
        related = [Related(Site(other, 0, 0), "the other one")] if other else []
        self.faults[path] = error(
            why.code, why.message, Site(path, 0, 0), related=related, help=why.hint
        )
        below = [n for n in self.found if n.startswith(f"{path}/")] if is_folder else ()
        for name in (*below, *([path] if path in self.found else ())):
            self._drop(name)

    def is_refused(self, path: str) -> bool:
        """Whether a path, or a folder above it, is left out."""
        if not self.faults:
            return False
        return any(part in self.faults for part in _parts(path))

    def path(self, raw: bytes) -> str | None:
        """An entry's path as text; None for one that is left out."""
        try:
            path = check_path(raw)
        except SourceError:
            self._refuse_name(raw)
            return None
        return None if self.is_refused(path) else path

    def _refuse_name(self, raw: bytes) -> None:
        """Refuses the first part of a path that makes it unusable: one error for a folder, and none
        for the files in it."""
        parts = raw.split(b"/")
        for end in range(1, len(parts) + 1):
            part = b"/".join(parts[:end])
            try:
                check_path(part)
            except SourceError as why:
                self.refuse(show_path(part), why)
                return

    def add(self, path: str, blob_id: str, size: int, content: bytes | None = None) -> None:
        """Adds a regular file."""
        if path in self.found:
            self.refuse(path, _wrong_path(path, "two entries have this name"))
        if self.is_refused(path) or not self.name(path):
            return
        if is_read(path) and size > MOST_BYTES:
            self.refuse(path, refuse_size(path, size))
            return
        self.found[path] = Blob(path, blob_id, size)
        if content is not None:
            self.contents[path] = content
        self._weigh(path, 1)
        while self.count > MOST_FILES or self.total > MOST_TOTAL:
            self._make_room()

    def _weigh(self, path: str, sign: int) -> None:
        if in_config(path):
            self.count += sign
            self.total += sign * (self.found[path].size if is_read(path) else 0)

    def _drop(self, path: str) -> None:
        self._weigh(path, -1)
        del self.found[path]
        self.contents.pop(path, None)

    def _make_room(self) -> None:
        """Leaves out the folder with the most files, or the most bytes: that of an environment or
        of a model, or all of them when none is large by itself."""
        too_many = self.count > MOST_FILES
        weights: dict[str, int] = {}
        for path, blob in self.found.items():
            weight = 1 if too_many else blob.size if is_read(path) else 0
            for folder in _parts(path)[:2] if in_config(path) else ():
                weights[folder] = weights.get(folder, 0) + weight
        limit = MOST_FILES if too_many else MOST_TOTAL
        inner = {f: w for f, w in weights.items() if "/" in f and w * _FEW_FOLDERS > limit}
        outer = {f: w for f, w in weights.items() if "/" not in f}
        folder = max(inner or outer, key=lambda f: (weights[f], f))
        self.refuse(folder, _refuse_folder(folder, too_many, weights[folder]), is_folder=True)

    def name(self, path: str) -> bool:
        """Adds the name of a file and of each folder above it. Returns False when it is left out,
        because two names are the same on a file system that folds case or Unicode forms."""
        if path in self.seen or path.split("/", 1)[0].casefold() not in CONFIG_FOLDERS:
            return True
        for part in _parts(path):
            if part in self.seen:
                continue
            other = self.names.setdefault(_folded(part), part)
            if other != part:
                self.refuse(part, refuse_case(part, other), other)
                return False
            self.seen.add(part)
        return True

    def files(self) -> Mapping[str, Blob]:
        return dict(sorted(self.found.items()))

    def errors(self) -> tuple[Diagnostic, ...]:
        """The error of each entry that is left out, sorted by path."""
        return tuple(item for _, item in sorted(self.faults.items()))


def _parts(path: str) -> list[str]:
    """The folders above a path, the highest first, and the path itself."""
    return [path[:at] for at, letter in enumerate(path) if letter == "/"] + [path]


def _refuse_folder(folder: str, too_many: bool, weight: int) -> SourceError:
    if too_many:
        what = f"the config folders hold more than {MOST_FILES:,} files"
        share = f"{show_path(folder)} is left out, which holds the most ({weight:,})"
    else:
        what = f"the config files have more than {MOST_TOTAL:,} bytes together"
        share = f"{show_path(folder)} is left out, which has the most ({weight:,})"
    return SourceError(
        f"{what}: {share}", code="E_SIZE", hint="move what is no config to another folder"
    )


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
