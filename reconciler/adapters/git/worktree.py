"""The files of a folder as they lie there: what `check` and `plan` look at before a commit.

No link is followed: every folder and file is opened relative to the open folder above it, with
O_NOFOLLOW. git is asked only which untracked files are ignored, by commands that run no hook.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.adapters.git import rules
from reconciler.adapters.git.command import Git
from reconciler.adapters.git.objects import object_id
from reconciler.adapters.git.place import Place, find, folder_of, head
from reconciler.errors import SourceError
from reconciler.ports import Blob

__all__ = ["WorkTree", "open_worktree"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEEPEST = 32


def open_worktree(path: str | Path) -> WorkTree:
    """The config tree in a folder: tracked files as they are now, and untracked ones that are not
    ignored. A folder that is no Git repository is read as a whole.

    `commit` is "": what is not committed has no id. Raises SourceError. Cost: three short git
    processes, and one read of every config file.
    """
    folder = folder_of(path)
    place = find(folder)
    if place is not None and place.top is None:
        raise SourceError(
            f"{rules.show_path(str(path))} is a bare repository: it has no work tree",
            hint="read a commit of it",
        )
    commit = head(place.git) if place is not None else ""
    tree = WorkTree(folder, place, commit)
    tree.blobs()
    return tree


@dataclass(slots=True)
class WorkTree:
    """Fulfils `ports.Tree`. A snapshot: contents are those that the blob ids were made from."""

    folder: Path
    place: Place | None = None
    head: str = ""
    _files: Mapping[str, Blob] | None = field(default=None, repr=False)
    _contents: dict[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def commit(self) -> str:
        return ""

    @property
    def label(self) -> str:
        return f"worktree@{self.head[:7]}" if self.head else "worktree"

    def blobs(self) -> Mapping[str, Blob]:
        """Raises SourceError for what a tree may not hold (`git_rules`)."""
        if self._files is None:
            self._files = self._list()
        return self._files

    def read(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for blob in rules.known(paths, self.blobs()):
            content = self._contents.get(blob.path)
            if content is None:
                content = self._again(blob)
            yield blob.path, content

    def unrelated(self, commits: Iterable[str]) -> frozenset[str]:  # noqa: ARG002 - of a port
        """None: what is not committed follows whatever is applied."""
        return frozenset()

    def _list(self) -> Mapping[str, Blob]:
        ignored = self._ignored()
        gathering = rules.TreeCheck()
        top = os.open(self.folder, _FOLDER)
        try:
            self._walk(top, "", ignored, gathering)
        except OSError as cause:
            raise _unreadable(cause, str(self.folder)) from cause
        finally:
            os.close(top)
        return gathering.files()

    def _ignored(self) -> frozenset[str]:
        """Ignored files and folders (with a slash at the end), from the config root. A submodule
        shows in the index even where its folder is empty."""
        if self.place is None:
            return frozenset()
        git = Git(self.place.git.git_dir, str(self.place.top))
        prefix = f"{self.place.prefix}/" if self.place.prefix else ""
        folders = [prefix + name for name in rules.CONFIG_FOLDERS]
        for record in git.run("ls-files", "-z", "--stage", "--", *folders).split(b"\0"):
            if record.startswith(b"160000 "):
                path = record.partition(b"\t")[2].decode("utf-8", "replace")
                raise rules.refuse_submodule(path.removeprefix(prefix))
        options = ("--others", "--ignored", "--exclude-standard", "--directory")
        listed = git.run("ls-files", "-z", *options, "--", *folders)
        return frozenset(
            os.fsdecode(record).removeprefix(prefix) for record in listed.split(b"\0") if record
        )

    def _walk(
        self, folder: int, prefix: str, ignored: frozenset[str], gathering: rules.TreeCheck
    ) -> None:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            name = prefix + entry.name
            is_config = bool(prefix) or entry.name.casefold() in rules.CONFIG_FOLDERS
            if not is_config or name in ignored or f"{name}/" in ignored:
                continue
            if prefix and entry.name == ".git":
                raise rules.refuse_submodule(prefix.rstrip("/"))
            path = rules.check_path(os.fsencode(name))
            gathering.name(path)
            if entry.is_dir(follow_symlinks=False):
                if path.count("/") >= _DEEPEST:
                    raise SourceError(
                        f"{rules.show_path(path)} lies deeper than {_DEEPEST} folders",
                        code="E_PATH",
                    )
                below = os.open(entry.name, _FOLDER, dir_fd=folder)
                try:
                    self._walk(below, f"{path}/", ignored, gathering)
                finally:
                    os.close(below)
            elif entry.is_file(follow_symlinks=False):
                self._file(folder, entry.name, path, gathering)
            elif entry.is_symlink():
                raise rules.refuse_symlink(path)
            else:
                raise SourceError(f"{rules.show_path(path)} is not a regular file", code="E_PATH")

    def _file(self, folder: int, name: str, path: str, gathering: rules.TreeCheck) -> None:
        descriptor = os.open(name, _FILE, dir_fd=folder)
        try:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise SourceError(f"{rules.show_path(path)} changed while it was read")
            if about.st_size > rules.MOST_BYTES:
                # Listed for people; a config file of this size is refused in here.
                gathering.add(path, "", about.st_size)
                return
            content = _content(descriptor, about.st_size)
        finally:
            os.close(descriptor)
        gathering.add(path, object_id("blob", content, len(self.head) or 40), len(content))
        if rules.is_read(path):
            self._contents[path] = content

    def _again(self, blob: Blob) -> bytes:
        """A file that is config only because another one names it."""
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
    """A file to its end, or to one byte more than is allowed: it may grow while it is read. A
    buffer of the largest size for each file would cost more than everything else here."""
    content = os.read(descriptor, size + 1)
    if len(content) == size:
        return content
    parts = [content]
    left = rules.MOST_BYTES + 1 - len(content)
    while left > 0 and (more := os.read(descriptor, left)):
        parts.append(more)
        left -= len(more)
    return b"".join(parts)


def _unreadable(cause: OSError, path: str) -> SourceError:
    where = cause.filename if isinstance(cause.filename, str) else path
    return SourceError(f"{rules.show_path(where)} cannot be read: {cause.strerror}")
