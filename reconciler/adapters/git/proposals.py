"""Writes edits of the config into the work tree, or into a commit on a new branch."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from reconciler.adapters import files
from reconciler.adapters.clock import SystemClock
from reconciler.adapters.git import rules
from reconciler.adapters.git.command import Git
from reconciler.adapters.git.objects import CommitTree, open_commit
from reconciler.adapters.git.place import folder_of
from reconciler.errors import SourceError
from reconciler.ports import Clock
from reconciler.secrets import printable

__all__ = ["BranchProposals", "WorktreeProposals"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _check_edits(edits: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    """The edits, sorted by path. Raises SourceError for a path outside the config folders, a path
    that is not plain, and a content that is too large."""
    for path, content in edits.items():
        rules.check_path(path.encode("utf-8", "surrogateescape"))
        if not rules.in_config(path) or "/" not in path:
            raise SourceError(
                f"{rules.show_path(path)} is outside the config folders and was not written",
                code="E_PATH",
            )
        if len(content) > rules.MOST_BYTES:
            raise rules.refuse_size(path, len(content))
    return sorted(edits.items())


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


@dataclass(frozen=True, slots=True)
class WorktreeProposals:
    """Implements `ports.Proposals` for files below a folder; each file is replaced atomically."""

    path: str | Path

    def write(self, edits: Mapping[str, bytes], message: str) -> str:  # noqa: ARG002
        """Writes the files; checks all paths before the first write. Raises SourceError, with
        E_SYMLINK for a link in a path. Does not use `message`: the user makes the commit."""
        wanted = _check_edits(edits)
        top = os.open(folder_of(self.path), _FOLDER)
        try:
            for path, _ in wanted:
                with _parent(top, path, make=False) as parent:
                    _mode_of(parent, path)
            for path, content in wanted:
                with _parent(top, path, make=True) as parent:
                    assert parent is not None
                    _replace(parent, path, content)
        finally:
            os.close(top)
        return f"{_files(len(wanted))} in the working tree"


@contextlib.contextmanager
def _parent(top: int, path: str, *, make: bool) -> Iterator[int | None]:
    """The descriptor of a file's folder; with `make`, creates the folder. None when it does not
    exist and `make` is False."""
    at: int | None = os.dup(top)
    done = ""
    try:
        for name in path.split("/")[:-1]:
            assert at is not None
            done = f"{done}/{name}" if done else name
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=at)
            below = _open_below(at, name, done)
            os.close(at)
            at = below
            if at is None:
                break
        yield at
    finally:
        if at is not None:
            os.close(at)


def _open_below(at: int, name: str, path: str) -> int | None:
    try:
        return os.open(name, _FOLDER, dir_fd=at)
    except FileNotFoundError:
        return None
    except OSError as cause:
        with contextlib.suppress(OSError):
            if stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                raise rules.refuse_symlink(path) from cause
        raise _unwritable(path, cause) from cause


def _mode_of(parent: int | None, path: str) -> int:
    """The permissions of the file, or those of a new one. Raises SourceError for an entry that is
    not a regular file."""
    if parent is None:
        return 0o644
    try:
        mode = os.stat(path.rsplit("/", 1)[-1], dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return 0o644
    if stat.S_ISLNK(mode):
        raise rules.refuse_symlink(path)
    if not stat.S_ISREG(mode):
        raise SourceError(f"{rules.show_path(path)} is not a regular file", code="E_PATH")
    return stat.S_IMODE(mode)


def _replace(parent: int, path: str, content: bytes) -> None:
    name = path.rsplit("/", 1)[-1]
    # A fixed name for the temporary file: the second of two writers at once is refused.
    beside = f".{name[:200]}.reconciler-new"
    mode = _mode_of(parent, path)
    try:
        files.replace(name, content, mode=mode, folder=parent, beside=beside)
    except FileExistsError as cause:
        raise SourceError(
            f"{rules.show_path(path)} is being written by another run",
            hint="if that run was killed, delete the file "
            f"{rules.show_path(beside)} in the same folder",
        ) from cause
    except OSError as cause:
        raise _unwritable(path, cause) from cause


def _unwritable(path: str, cause: OSError) -> SourceError:
    return SourceError(f"{rules.show_path(path)} cannot be written: {cause.strerror}")


@dataclass(frozen=True, slots=True)
class BranchProposals:
    """Implements `ports.Proposals` with one commit on a new branch, made in the object database.
    The work tree, the index and HEAD do not change, and no hook runs.

    `base` is the revision of the commit's parent; `root` is the path from `path` to the config
    root.
    """

    path: str | Path
    branch: str
    author: str = "reconciler"
    email: str = "reconciler@localhost"
    base: str = "HEAD"
    root: str = ""
    clock: Clock = field(default_factory=SystemClock)

    def write(self, edits: Mapping[str, bytes], message: str) -> str:
        """Makes the commit; returns the branch and the commit's short id. The same edits on the
        same base give the existing commit. Raises SourceError: E_BRANCH for a name that is invalid
        or exists, otherwise as reading `base` does."""
        wanted = _check_edits(edits)
        tree = open_commit(self.path, self.base, self.root)
        _check_fit(tree, wanted)
        ref = _ref(tree.git, self.branch)
        content = _tree(tree, wanted)
        existing = tree.git.ask("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if existing.code == 0:
            if _is_same_proposal(tree, existing.text, content):
                return f"{self.branch} ({existing.text[:7]}, as before)"
            raise _branch_exists(self.branch)
        commit = self._commit(tree, content, message)
        # With an old value of zeros git creates the ref only when it does not exist.
        updated = tree.git.ask("update-ref", "--no-deref", ref, commit, "0" * len(commit))
        if updated.code != 0:
            raise _branch_exists(self.branch, updated.reason)
        return f"{self.branch} ({commit[:7]})"

    def _commit(self, tree: CommitTree, content: str, message: str) -> str:
        if len(tree.commit) != 40:
            raise SourceError(
                "a proposal cannot be committed in a repository of SHA-256 objects",
                hint="write it to the work tree and commit it there",
            )
        for text in (self.author, self.email):
            if not text.isprintable() or "<" in text or ">" in text:
                raise SourceError(f"{printable(text)!r} cannot be an author's name or address")
        # Imported only here, because GitPython's import takes longer than all git processes of a
        # proposal. The import runs `git version`, which would use the caller's GIT_TRACE.
        with _without_git_variables():
            from git import Actor, Commit, GitConfigParser, Repo, Tree

        class CommitStore:
            """The parts of a repository that GitPython's Commit uses: an empty config, and a store
            for the commit. GitPython's own Repo passes the caller's environment (GIT_DIR) to git.
            """

            @property
            def odb(self) -> Any:
                return self

            def store(self, stream: Any) -> Any:
                given = stream.read()
                name = tree.git.run("hash-object", "-t", "commit", "-w", "--stdin", given=given)
                stream.binsha = bytes.fromhex(name.decode().strip())
                return stream

            def config_reader(self) -> Any:
                return GitConfigParser(io.BytesIO(), read_only=True)

        place = cast(Repo, CommitStore())
        person = Actor(self.author, self.email)
        when = self.clock.now()
        commit = Commit.create_from_tree(
            place,
            Tree(place, bytes.fromhex(content)),
            message.replace("\0", "").rstrip() + "\n",
            parent_commits=[Commit(place, bytes.fromhex(tree.commit))],
            author=person,
            committer=person,
            author_date=when,
            commit_date=when,
        )
        return str(commit.hexsha)


@contextlib.contextmanager
def _without_git_variables() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("GIT_")}
    try:
        yield
    finally:
        os.environ.update(kept)


def _check_fit(tree: CommitTree, wanted: list[tuple[str, bytes]]) -> None:
    """Raises SourceError when an edit turns a file into a folder or the reverse, or when its path
    differs from another one only by case."""
    files = tree.blobs()
    folders = {path[:end] for path in files for end in range(len(path)) if path[end] == "/"}
    names = rules.TreeCheck()
    for path in (*files, *(path for path, _ in wanted)):
        names.name(path)
    for item in (*names.errors(), *tree.faults()):
        at = item.site.file if item.site is not None else ""
        if any(f"{path}/".startswith(f"{at}/") for path, _ in wanted):
            raise SourceError(item.message, code=item.code, hint=item.help)
    for path, _ in wanted:
        above = [path[:end] for end in range(len(path)) if path[end] == "/"]
        if path in folders or any(folder in files for folder in above):
            raise SourceError(
                f"{rules.show_path(path)} would be a folder in place of a file, or the reverse",
                code="E_PATH",
            )


def _ref(git: Git, branch: str) -> str:
    plain = branch.isprintable() and not branch.startswith(("-", "refs/")) and branch != "HEAD"
    checked = plain and git.ask("check-ref-format", f"refs/heads/{branch}").code == 0
    if not checked:
        raise SourceError(f"{printable(branch)!r} is not a branch name", code="E_BRANCH")
    return f"refs/heads/{branch}"


def _branch_exists(branch: str, reason: str = "") -> SourceError:
    return SourceError(
        f"the branch {branch!r} cannot be made" + (f": {reason}" if reason else ": it exists"),
        code="E_BRANCH",
        hint="merge or delete it, or name another branch",
    )


def _tree(tree: CommitTree, wanted: list[tuple[str, bytes]]) -> str:
    """The id of the base's whole tree with the edits, made with a temporary index."""
    prefix = f"{tree.root}/" if tree.root else ""
    lines = bytearray()
    for path, content in wanted:
        blob = tree.git.run("hash-object", "-w", "--no-filters", "--stdin", given=content)
        mode = "100755" if tree.is_executable(path) else "100644"
        lines += f"{mode} {blob.decode().strip()}\t{prefix}{path}\0".encode()
    with tempfile.TemporaryDirectory(prefix="reconciler-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git = Git(tree.git.git_dir, environment=index)
        git.run("read-tree", tree.commit)
        git.run("update-index", "-z", "--index-info", given=bytes(lines))
        return git.run("write-tree").decode().strip()


def _is_same_proposal(tree: CommitTree, commit: str, content: str) -> bool:
    found = tree.git.run("rev-parse", f"{commit}^{{tree}}", f"{commit}^@").decode().split()
    return found == [content, tree.commit]
