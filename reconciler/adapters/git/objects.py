"""Reads a commit's files from the object database: without a check-out, no filter or hook runs and
no link is followed.

Every object is hashed again when it is read: git trusts the name of a loose object, and this
program's caches are keyed by it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from reconciler.adapters.git import rules
from reconciler.adapters.git.command import Git
from reconciler.adapters.git.place import find, is_ancestor, resolve_in
from reconciler.diagnostics import Diagnostic
from reconciler.errors import SourceError
from reconciler.ports import Blob
from reconciler.secrets import printable

__all__ = ["DAMAGED", "OURS", "CommitTree", "list_ids", "object_id", "open_commit"]

#: Marker files in a cache: this program made the cache; a reader found the cache damaged.
OURS = "reconciler-cache"
DAMAGED = "reconciler-damaged"

_AT_ONCE = 8 << 20
# Folders and files together. Without a limit, a tree of nested repeats could list for ever.
_MOST_RECORDS = 3 * rules.MOST_FILES
_FEW_COMMITS = 8
_HISTORY = 256 * 1024 * 1024
_REGULAR = ("100644", "100755", "100664")


def open_commit(path: str | Path, revision: str = "HEAD", root: str = "") -> CommitTree:
    """The config tree of a commit. `path` is a repository, bare or not, or a folder in one; `root`
    is the path from there to the config root. The work tree is not read.

    Raises SourceError. Cost: four short git processes; only `read` reads contents.
    """
    place = find(path)
    if place is None:
        raise SourceError(
            f"{printable(str(path))} is not a Git repository",
            hint="name a repository, or read the folder as a work tree",
        )
    commit = resolve_in(place.git, revision)
    inside = "/".join(part for part in (place.prefix, root.strip("/")) if part not in ("", "."))
    if inside:
        rules.check_path(inside.encode())
    tree = CommitTree(place.git, commit, inside)
    tree.blobs()
    return tree


@dataclass(slots=True)
class CommitTree:
    """Implements `ports.Tree` for a commit: all files of its config folders."""

    git: Git
    commit: str
    root: str = ""
    _files: Mapping[str, Blob] | None = field(default=None, repr=False)
    _faults: tuple[Diagnostic, ...] = field(default=(), repr=False)
    _executable: set[str] = field(default_factory=set, repr=False)

    @property
    def label(self) -> str:
        return self.commit[:7]

    def blobs(self) -> Mapping[str, Blob]:
        """The files by path, without the entries that are not allowed (see `rules`). Raises
        SourceError for a damaged repository."""
        if self._files is None:
            self._files = self._list()
        return self._files

    def faults(self) -> tuple[Diagnostic, ...]:
        self.blobs()
        return self._faults

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        wanted = rules.find_files(paths, self.blobs())
        while wanted:
            size, count = 0, 0
            while count < len(wanted) and (count == 0 or size + wanted[count].size <= _AT_ONCE):
                size += wanted[count].size
                count += 1
            now, wanted = wanted[:count], wanted[count:]
            contents = _objects(self.git, [(blob.blob_id, "blob") for blob in now])
            yield from zip((blob.path for blob in now), contents, strict=True)

    def unrelated(self, commits: Iterable[str]) -> frozenset[str]:
        """As `ports.Tree.unrelated`. Raises SourceError when the history is cut and the answer is
        not known. Cost: a few processes per commit for up to 8 commits, one listing of the whole
        history for more."""
        wanted = frozenset(commits)
        if len(wanted) <= _FEW_COMMITS:
            repo = self.git.git_dir
            return frozenset(c for c in wanted if not is_ancestor(repo, c, self.commit))
        if self.git.run("rev-parse", "--is-shallow-repository").strip() == b"true":
            raise SourceError(
                f"the history of {self.label} is cut: the applied commits may be in it or not",
                hint="fetch the whole history (no depth)",
            )
        listed = self.git.run("rev-list", self.commit, limit=_HISTORY)
        return wanted - frozenset(listed.decode().split())

    def is_executable(self, path: str) -> bool:
        return path in self._executable

    def _list(self) -> Mapping[str, Blob]:
        top = self._top()
        check = rules.TreeCheck()
        folders = [top]
        for entry in _entries(self.git, top, recursive=False):
            if entry.path.decode("utf-8", "replace").casefold() in rules.CONFIG_FOLDERS:
                path = check.path(entry.path)
                if path is not None:
                    check.name(path)
        for entry in _entries(self.git, top, recursive=True):
            if entry.mode == "040000":
                folders.append(entry.id)
            path = check.path(entry.path)
            if path is None:
                continue
            match entry.mode:
                case "040000":
                    check.name(path)
                case "120000":
                    check.refuse(path, rules.refuse_symlink(path))
                case "160000":
                    check.refuse(path, rules.refuse_submodule(path))
                case mode if mode in _REGULAR and entry.kind == "blob":
                    check.add(path, entry.id, _size(self.git, entry))
                    if mode == "100755":
                        self._executable.add(path)
                case mode:
                    raise SourceError(
                        f"{rules.show_path(path)} is a {printable(entry.kind)} of mode {mode}: "
                        "the tree is malformed"
                    )
        for _ in _objects(self.git, [(tree, "tree") for tree in dict.fromkeys(folders)]):
            pass
        self._faults = check.errors()
        return check.files()

    def _top(self) -> str:
        """The id of the config root's tree."""
        for _ in _objects(self.git, [(self.commit, "commit")]):
            pass
        # The id comes first, so that git cannot read the folder's name as an option.
        name = f"{self.commit}:{self.root}" if self.root else f"{self.commit}^{{tree}}"
        answer = self.git.ask("rev-parse", "--verify", "--quiet", name)
        if answer.code != 0:
            if self.root:
                raise SourceError(f"{self.label} has no folder {rules.show_path(self.root)}")
            raise explain_damage(
                self.git, f"the tree of {self.label} cannot be read: {answer.reason}"
            )
        kind = self.git.ask("cat-file", "-t", answer.text)
        if kind.code == 0 and kind.text != "tree":
            raise SourceError(f"{rules.show_path(self.root)} of {self.label} is not a folder")
        return answer.text


def list_ids(git: Git, commit: str, root: str = "") -> Mapping[str, str]:
    """The ids of the regular files in a commit's config folders, by path from `root`. Only to say
    what differs: nothing is checked, as `CommitTree` does. Raises SourceError. Cost: one process.
    """
    prefix = f"{root}/" if root else ""
    folders = [prefix + name for name in rules.CONFIG_FOLDERS]
    listing = git.run(
        "ls-tree", "-r", "-z", "--full-tree", commit, "--", *folders, records=_MOST_RECORDS
    )
    out: dict[str, str] = {}
    for record in listing.split(b"\0"):
        fields, _, path = record.decode("utf-8", "replace").partition("\t")
        mode, _, rest = fields.partition(" ")
        if mode in _REGULAR:
            out[path.removeprefix(prefix)] = rest.rpartition(" ")[2]
    return out


class _Entry(NamedTuple):
    mode: str
    kind: str
    id: str
    size: str
    path: bytes


def _entries(git: Git, tree: str, *, recursive: bool) -> Iterator[_Entry]:
    deeply = ("-r", "-t") if recursive else ()
    folders = ("--", *rules.CONFIG_FOLDERS) if recursive else ()
    try:
        listing = git.run(
            "ls-tree", "-z", "-l", "--full-tree", *deeply, tree, *folders, records=_MOST_RECORDS
        )
    except SourceError as cause:
        if cause.code == "E_SIZE":
            raise
        raise explain_damage(
            git, f"the tree {tree[:12]} cannot be read: {cause.message}"
        ) from cause
    for record in listing.split(b"\0"):
        if not record:
            continue
        fields, tab, path = record.partition(b"\t")
        parts = fields.decode("ascii", "replace").split()
        if not tab or len(parts) != 4:
            raise SourceError(f"the tree {tree[:12]} is malformed")
        mode, kind, name, size = parts
        yield _Entry(mode, kind, name, size, path)


def _size(git: Git, entry: _Entry) -> int:
    if not entry.size.isdigit():
        what = f"the content of {rules.show_path(entry.path)} ({entry.id[:12]})"
        raise explain_damage(git, f"{what} is missing or damaged")
    return int(entry.size)


def explain_damage(git: Git, message: str) -> SourceError:
    """The error for a damaged repository. Marks a cache, so that the next fetch replaces it."""
    cache = Path(git.git_dir)
    if (cache / OURS).is_file():
        with contextlib.suppress(OSError):
            (cache / DAMAGED).touch()
        return SourceError(message, hint="the next run fetches it again")
    return SourceError(message, hint="run `git fsck`, or clone again")


def object_id(kind: str, content: bytes, length: int = 40) -> str:
    """Git's id of an object with this content; `length` is 40 for SHA-1, 64 for SHA-256."""
    digest = hashlib.sha1(usedforsecurity=False) if length == 40 else hashlib.sha256()
    digest.update(b"%s %d\0" % (kind.encode(), len(content)))
    digest.update(content)
    return digest.hexdigest()


def _objects(git: Git, wanted: list[tuple[str, str]]) -> Iterator[bytes]:
    """The verified contents of (id, kind), in order. Raises SourceError for an object that is
    missing, is of another kind, or does not match its id."""
    if not wanted:
        return
    lines = "".join(f"{name}\n" for name, _ in wanted).encode()
    answer = git.ask("cat-file", "--batch", "--buffer", given=lines)
    output, at = memoryview(answer.output), 0
    for name, kind in wanted:
        end = answer.output.find(b"\n", at)
        header = answer.output[at:end].split() if end >= 0 else []
        if len(header) != 3 or header[0] != name.encode():
            detail = f": {answer.reason}" if answer.errors else ""
            raise explain_damage(git, f"the {kind} {name[:12]} is missing or damaged{detail}")
        at = end + 1 + int(header[2])
        content = bytes(output[end + 1 : at])
        if header[1] != kind.encode() or object_id(kind, content, len(name)) != name:
            raise explain_damage(
                git, f"the content of the {kind} {name[:12]} does not match its id"
            )
        at += 1
        yield content
