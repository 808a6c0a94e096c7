"""Where edits of the config go: into the work tree, or into a commit on a branch of their own."""

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


def _checked(edits: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    """The edits by path. Raises SourceError: outside the config folders, no plain path, too big."""
    for path, content in edits.items():
        rules.check_path(path.encode("utf-8", "surrogateescape"))
        if not rules.in_config(path) or "/" not in path:
            raise SourceError(
                f"{rules.show_path(path)} is outside the config folders: not written",
                code="E_PATH",
            )
        if len(content) > rules.MOST_BYTES:
            raise rules.refuse_size(path, len(content))
    return sorted(edits.items())


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


@dataclass(frozen=True, slots=True)
class WorktreeProposals:
    """Fulfils `ports.Proposals`: files below a folder, each replaced as a whole or not at all."""

    path: str | Path

    def write(self, edits: Mapping[str, bytes], message: str) -> str:  # noqa: ARG002
        """All paths are checked before the first is written. Follows no link: raises SourceError
        (E_SYMLINK) where one is in the way. The message is the committer's to write."""
        wanted = _checked(edits)
        top = os.open(folder_of(self.path), _FOLDER)
        try:
            for path, _ in wanted:
                with _parent(top, path, make=False) as parent:
                    _mode(parent, path)
            for path, content in wanted:
                with _parent(top, path, make=True) as parent:
                    assert parent is not None
                    _replace(parent, path, content)
        finally:
            os.close(top)
        return f"{_files(len(wanted))} in the working tree"


@contextlib.contextmanager
def _parent(top: int, path: str, *, make: bool) -> Iterator[int | None]:
    """The open folder that a file is in; None when it is not there and must not be made."""
    at: int | None = os.dup(top)
    done = ""
    try:
        for name in path.split("/")[:-1]:
            assert at is not None
            done = f"{done}/{name}" if done else name
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=at)
            below = _step(at, name, done)
            os.close(at)
            at = below
            if at is None:
                break
        yield at
    finally:
        if at is not None:
            os.close(at)


def _step(at: int, name: str, path: str) -> int | None:
    try:
        return os.open(name, _FOLDER, dir_fd=at)
    except FileNotFoundError:
        return None
    except OSError as cause:
        with contextlib.suppress(OSError):
            if stat.S_ISLNK(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                raise rules.refuse_symlink(path) from cause
        raise _unwritable(path, cause) from cause


def _mode(parent: int | None, path: str) -> int:
    """The permissions that the file has or shall have. Raises for what is no regular file."""
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
    # A fixed name beside the file: two writers at once are refused instead of mixed.
    beside = f".{name[:200]}.reconciler-new"
    mode = _mode(parent, path)
    try:
        files.replace(name, content, mode=mode, folder=parent, beside=beside)
    except FileExistsError as cause:
        raise SourceError(
            f"{rules.show_path(path)} is being written by another run",
            hint=f"or by one that was killed: then delete {rules.show_path(beside)} beside it",
        ) from cause
    except OSError as cause:
        raise _unwritable(path, cause) from cause


def _unwritable(path: str, cause: OSError) -> SourceError:
    return SourceError(f"{rules.show_path(path)} cannot be written: {cause.strerror}")


@dataclass(frozen=True, slots=True)
class BranchProposals:
    """Fulfils `ports.Proposals`: one commit on a new branch, made in the object database. Neither
    the work tree nor the index nor HEAD moves, and no hook runs.

    `base` is what the commit stands on; `root` leads from `path` to the config root.
    """

    path: str | Path
    branch: str
    author: str = "reconciler"
    email: str = "reconciler@localhost"
    base: str = "HEAD"
    root: str = ""
    clock: Clock = field(default_factory=SystemClock)

    def write(self, edits: Mapping[str, bytes], message: str) -> str:
        """The branch and the commit's short id. Raises SourceError: E_BRANCH when the name is
        wrong or taken, else what reading `base` raises. The same edits on the same base again
        are the commit that is there already."""
        wanted = _checked(edits)
        tree = open_commit(self.path, self.base, self.root)
        _fits(tree, wanted)
        ref = _ref(tree.git, self.branch)
        content = _tree(tree, wanted)
        there = tree.git.ask("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if there.code == 0:
            if _same(tree, there.text, content):
                return f"{self.branch} ({there.text[:7]}, as before)"
            raise _taken(self.branch)
        commit = self._commit(tree, content, message)
        # An old value of zeros: the ref is made only when it does not exist at that moment.
        made = tree.git.ask("update-ref", "--no-deref", ref, commit, "0" * len(commit))
        if made.code != 0:
            raise _taken(self.branch, made.reason)
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
        # GitPython's import costs more than all git processes here together: only now. It runs
        # `git version` on the way, with whatever GIT_TRACE the caller has.
        with _without_git_variables():
            from git import Actor, Commit, GitConfigParser, Repo, Tree

        class Aside:
            """What a commit asks of a repository: nobody's config, and a place for it. GitPython's
            own place hands the caller's environment (GIT_DIR) on to git."""

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

        place = cast(Repo, Aside())
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


def _fits(tree: CommitTree, wanted: list[tuple[str, bytes]]) -> None:
    """No edit may turn a file into a folder or the reverse, nor differ from a file by case."""
    files = tree.blobs()
    folders = {path[:end] for path in files for end in range(len(path)) if path[end] == "/"}
    names = rules.TreeCheck()
    for path in (*files, *(path for path, _ in wanted)):
        names.name(path)
    for path, _ in wanted:
        above = [path[:end] for end in range(len(path)) if path[end] == "/"]
        if path in folders or any(folder in files for folder in above):
            raise SourceError(
                f"{rules.show_path(path)} is a folder where a file is, or the reverse",
                code="E_PATH",
            )


def _ref(git: Git, branch: str) -> str:
    plain = branch.isprintable() and not branch.startswith(("-", "refs/")) and branch != "HEAD"
    checked = plain and git.ask("check-ref-format", f"refs/heads/{branch}").code == 0
    if not checked:
        raise SourceError(f"{printable(branch)!r} is not a branch name", code="E_BRANCH")
    return f"refs/heads/{branch}"


def _taken(branch: str, reason: str = "") -> SourceError:
    return SourceError(
        f"the branch {branch!r} cannot be made" + (f": {reason}" if reason else ": it exists"),
        code="E_BRANCH",
        hint="merge or delete it, or name another branch",
    )


def _tree(tree: CommitTree, wanted: list[tuple[str, bytes]]) -> str:
    """The id of the base's whole tree with the edits in it, by an index of its own."""
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


def _same(tree: CommitTree, commit: str, content: str) -> bool:
    told = tree.git.run("rev-parse", f"{commit}^{{tree}}", f"{commit}^@").decode().split()
    return told == [content, tree.commit]
