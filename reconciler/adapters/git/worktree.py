"""Reads the files of a folder as they are, which `check` and `plan` do before a commit exists.

No link is followed: every folder and file is opened relative to the open folder above it, with
O_NOFOLLOW. git only says which untracked files are ignored, and which folders are submodules; the
commands run no hook.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.adapters.git import rules
from reconciler.adapters.git.command import Git
from reconciler.adapters.git.objects import list_ids, object_id, open_commit
from reconciler.adapters.git.place import Place, find, folder_of, head
from reconciler.diagnostics import Diagnostic
from reconciler.errors import SourceError
from reconciler.ports import Blob

__all__ = ["WorkTree", "open_worktree"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEEPEST = 32


def open_worktree(path: str | Path) -> WorkTree:
    """The config tree in a folder: the tracked files as they are now, and the untracked files that
    are not ignored. A folder outside of Git is read as a whole.

    The tree's `commit` is "". Raises SourceError. Cost: three short git processes, and one read of
    every config file.
    """
    folder = folder_of(path)
    place = find(folder)
    if place is not None and place.top is None:
        raise SourceError(
            f"{rules.show_path(str(path))} is a bare repository: it has no work tree",
            hint="name a commit with --revision",
        )
    commit = head(place.git) if place is not None else ""
    tree = WorkTree(folder, place, commit)
    tree.blobs()
    return tree


@dataclass(slots=True)
class WorkTree:
    """Implements `ports.Tree` for a folder. Contents are kept as read, so that they match the blob
    ids."""

    folder: Path
    place: Place | None = None
    head: str = ""
    _files: Mapping[str, Blob] | None = field(default=None, repr=False)
    _faults: tuple[Diagnostic, ...] = field(default=(), repr=False)
    _contents: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def commit(self) -> str:
        return ""

    @property
    def label(self) -> str:
        return f"worktree@{self.head[:7]}" if self.head else "worktree"

    def blobs(self) -> Mapping[str, Blob]:
        """The files by path, without the entries that are not allowed (see `rules`)."""
        if self._files is None:
            self._files = self._list()
        return self._files

    def faults(self) -> tuple[Diagnostic, ...]:
        self.blobs()
        return self._faults

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for blob in rules.find_files(paths, self.blobs()):
            content = self._contents.get(blob.path)
            if content is None:
                content = self._read_named(blob)
            yield blob.path, content

    def unrelated(self, commits: Iterable[str]) -> frozenset[str]:
        """As `ports.Tree.unrelated`, by the history of HEAD, on which the uncommitted files stand.
        Empty for a folder outside of Git."""
        wanted = frozenset(commits) - {self.head}
        if self.place is None or not self.head or not wanted:
            return frozenset()
        return open_commit(self.folder, self.head).unrelated(wanted)

    def uncommitted(self) -> tuple[str, ...]:
        """The config files that differ from HEAD, are new, or are gone; sorted. A path that cannot
        be read counts when HEAD has nothing there. Cost: one git process."""
        before: Mapping[str, str] = {}
        if self.place is not None and self.head:
            before = list_ids(self.place.git, self.head, self.place.prefix)
        now = {path: blob.blob_id for path, blob in self.blobs().items()}
        unread = {d.site.file for d in self.faults() if d.site is not None}
        names = {n for n in before.keys() | now.keys() if before.get(n) != now.get(n)}
        known = {n for n in names if any(n == p or n.startswith(f"{p}/") for p in unread)}
        fresh = {p for p in unread if not any(n == p or n.startswith(f"{p}/") for n in before)}
        return tuple(sorted(names - known | fresh))

    def _list(self) -> Mapping[str, Blob]:
        check = rules.TreeCheck()
        ignored = self._ignored(check)
        top = os.open(self.folder, _FOLDER)
        try:
            self._walk(top, "", ignored, check)
        except OSError as cause:
            raise _unreadable(cause, str(self.folder)) from cause
        finally:
            os.close(top)
        self._faults, self._contents = check.errors(), check.contents
        return check.files()

    def _ignored(self, check: rules.TreeCheck) -> frozenset[str]:
        """The ignored files and folders (with a slash at the end), relative to the config root.
        Refuses submodules, which the index lists even when their folders are empty."""
        if self.place is None:
            return frozenset()
        git = Git(self.place.git.git_dir, str(self.place.top))
        prefix = f"{self.place.prefix}/" if self.place.prefix else ""
        folders = [prefix + name for name in rules.CONFIG_FOLDERS]
        for record in git.run("ls-files", "-z", "--stage", "--", *folders).split(b"\0"):
            if record.startswith(b"160000 "):
                raw = record.partition(b"\t")[2].removeprefix(os.fsencode(prefix))
                path = check.path(raw)
                if path is not None:
                    check.refuse(path, rules.refuse_submodule(path))
        options = ("--others", "--ignored", "--exclude-standard", "--directory")
        listed = git.run("ls-files", "-z", *options, "--", *folders)
        return frozenset(
            os.fsdecode(record).removeprefix(prefix) for record in listed.split(b"\0") if record
        )

    def _walk(
        self, folder: int, prefix: str, ignored: frozenset[str], check: rules.TreeCheck
    ) -> None:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            name = prefix + entry.name
            is_config = bool(prefix) or entry.name.casefold() in rules.CONFIG_FOLDERS
            if not is_config or name in ignored or f"{name}/" in ignored:
                continue
            if prefix and entry.name == ".git":
                above = prefix.rstrip("/")
                check.refuse(above, rules.refuse_submodule(above), is_folder=True)
                return
            path = check.path(os.fsencode(name))
            if path is None or not check.name(path):
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    self._folder(folder, entry.name, path, ignored, check)
                elif entry.is_file(follow_symlinks=False):
                    self._file(folder, entry.name, path, check)
                elif entry.is_symlink():
                    check.refuse(path, rules.refuse_symlink(path))
                else:
                    check.refuse(path, rules.refuse_special(path))
            except PermissionError as cause:
                check.refuse(path, _unreadable(cause, path))

    def _folder(
        self, above: int, name: str, path: str, ignored: frozenset[str], check: rules.TreeCheck
    ) -> None:
        if path.count("/") >= _DEEPEST:
            text = f"{rules.show_path(path)} lies deeper than {_DEEPEST} folders"
            check.refuse(path, SourceError(text, code="E_PATH", hint="move it up"))
            return
        below = os.open(name, _FOLDER, dir_fd=above)
        try:
            self._walk(below, f"{path}/", ignored, check)
        finally:
            os.close(below)

    def _file(self, folder: int, name: str, path: str, check: rules.TreeCheck) -> None:
        descriptor = os.open(name, _FILE, dir_fd=folder)
        try:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode):
                raise SourceError(f"{rules.show_path(path)} changed while it was read")
            if info.st_size > rules.MOST_BYTES:
                # `add` leaves out a config file of this size; others are listed without an id.
                check.add(path, "", info.st_size)
                return
            content = _content(descriptor, info.st_size)
        finally:
            os.close(descriptor)
        name_of = object_id("blob", content, len(self.head) or 40)
        check.add(path, name_of, len(content), content if rules.is_read(path) else None)

    def _read_named(self, blob: Blob) -> bytes:
        """The content of a file that is read only because a config file names it."""
        descriptor = os.open(self.folder, _FOLDER)
        try:
            *folders, name = blob.path.split("/")
            for folder in folders:
                below = os.open(folder, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            with os.fdopen(os.open(name, _FILE, dir_fd=descriptor), "rb") as file:
                content = file.read(rules.MOST_BYTES + 1)
        except OSError as cause:
            raise _unreadable(cause, blob.path) from cause
        finally:
            os.close(descriptor)
        name_now = object_id("blob", content, len(self.head) or 40)
        if blob.blob_id not in ("", name_now):
            raise SourceError(f"{rules.show_path(blob.path)} changed while it was read")
        return content


def _content(descriptor: int, size: int) -> bytes:
    """A file's content, up to one byte more than is allowed, because the file may grow while it is
    read. A buffer of the largest size per file would cost more than all other work here."""
    content = os.read(descriptor, size + 1)
    if len(content) == size:
        return content
    parts = [content]
    remaining = rules.MOST_BYTES + 1 - len(content)
    while remaining > 0 and (more := os.read(descriptor, remaining)):
        parts.append(more)
        remaining -= len(more)
    return b"".join(parts)


def _unreadable(cause: OSError, path: str) -> SourceError:
    where = cause.filename if isinstance(cause.filename, str) and "/" in cause.filename else path
    return SourceError(f"{rules.show_path(where)} cannot be read: {cause.strerror}")
