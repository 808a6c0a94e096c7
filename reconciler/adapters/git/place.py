"""Finds a repository and its git folder, and resolves revisions to commits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reconciler.adapters.git.command import Git, is_object_id
from reconciler.errors import SourceError
from reconciler.secrets import printable

__all__ = ["Place", "find", "folder_of", "head", "is_ancestor", "is_repository", "resolve"]

_LONGEST_REVISION = 250


@dataclass(frozen=True, slots=True)
class Place:
    """A repository. `top` is its work tree, None for a bare one. `prefix` is the path from the top
    to the folder that was asked for; "" at the top."""

    git: Git
    top: Path | None
    prefix: str


def folder_of(path: str | Path) -> Path:
    """The absolute path of an operator's folder, with links resolved. Raises SourceError."""
    real = Path(path).expanduser().resolve()
    if not real.is_dir():
        raise SourceError(f"{printable(str(path))} is not a folder")
    return real


def find(path: str | Path) -> Place | None:
    """The repository of a folder, or None. Only a `.git` is searched in the parent folders: a bare
    repository must be named itself."""
    folder = folder_of(path)
    if not (folder / ".git").exists() and _is_bare(folder):
        return Place(Git(str(folder)), None, "")
    for top in (folder, *folder.parents):
        if (top / ".git").exists():
            prefix = folder.relative_to(top).as_posix()
            return Place(Git(str(top / ".git")), top, "" if prefix == "." else prefix)
    return None


def is_repository(path: str | Path) -> bool:
    """Whether a folder is a repository, or lies in one."""
    return find(path) is not None


def _is_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and all((folder / n).is_dir() for n in ("objects", "refs"))


def head(git: Git) -> str:
    """The full id of HEAD's commit; "" when there is none yet."""
    answer = git.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return answer.text if answer.code == 0 and is_object_id(answer.text) else ""


def resolve(repo: str | Path, revision: str) -> str:
    """The full commit id that a revision names (`HEAD`, `main`, `v1.2`, `HEAD~3`, an id).

    Raises SourceError: not a repository, unknown, ambiguous, not a commit, or no commit yet.
    """
    place = find(repo)
    if place is None:
        raise SourceError(
            f"{printable(str(repo))} is not a Git repository", hint="run `git init`, or clone one"
        )
    return resolve_in(place.git, revision)


def resolve_in(git: Git, revision: str) -> str:
    shown = repr(printable(revision[:_LONGEST_REVISION]))
    # The text follows --end-of-options; even so these forms have another meaning to git.
    if (
        not revision
        or len(revision) > _LONGEST_REVISION
        or revision.startswith(("-", ":", "^"))
        or ".." in revision
        or not revision.isprintable()
    ):
        raise SourceError(
            f"{shown} does not name one commit", hint="give a branch, a tag or a commit id"
        )
    # Without --quiet, because git's warning about an ambiguous name is read below.
    answer = git.ask("rev-parse", "--verify", "--end-of-options", revision + "^{commit}")
    if "is ambiguous" in answer.errors:
        raise SourceError(
            f"{shown} names a branch and a tag, or several objects",
            hint=f"write it in full, e.g. refs/heads/{printable(revision)}",
        )
    if answer.code == 0 and is_object_id(answer.text):
        return answer.text
    raise SourceError(*_explain_unresolved(git, revision, shown))


def _explain_unresolved(git: Git, revision: str, shown: str) -> tuple[str]:
    answer = git.ask("rev-parse", "--verify", "--quiet", "--end-of-options", revision)
    if answer.code == 0 and is_object_id(answer.text):
        kind = git.ask("cat-file", "-t", answer.text)
        if kind.code == 0 and kind.text != "commit":
            return (f"{shown} is a {kind.text}, not a commit",)
        return (f"the commit of {shown} ({answer.text[:12]}) is missing or damaged",)
    if answer.code == 0 or answer.code == 1:
        refs = git.ask("for-each-ref", "--count=1")
        if refs.code == 0 and not refs.output and not head(git):
            return ("the repository has no commit yet",)
        return (f"there is no revision {shown}",)
    return (f"{shown} cannot be read: {answer.reason}",)


def is_ancestor(repo: str | Path, older: str, newer: str) -> bool:
    """Whether the commit `older` is in the history of `newer`; both are full ids. False for an
    `older` that the repository does not have.

    Raises SourceError when the history is cut (a shallow clone) and the answer is not known.
    """
    place = find(repo)
    for commit in (older, newer):
        if not is_object_id(commit):
            raise SourceError(f"{printable(commit)!r} is not a full commit id")
    if place is None:
        raise SourceError(f"{printable(str(repo))} is not a Git repository")
    git = place.git
    resolve_in(git, newer)
    known = git.ask("rev-parse", "--verify", "--quiet", older + "^{commit}").code == 0
    if known:
        answer = git.ask("merge-base", "--is-ancestor", older, newer)
        if answer.code == 0:
            return True
        if answer.code != 1:
            raise SourceError(f"the history of {newer[:12]} cannot be read: {answer.reason}")
    if git.run("rev-parse", "--is-shallow-repository").strip() == b"true":
        raise SourceError(
            f"whether {older[:12]} is in the history of {newer[:12]} is not known: the history is "
            "cut",
            hint="fetch the whole history (no depth)",
        )
    return False
