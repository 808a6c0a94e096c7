"""Values that a shell completes: environments, groups, models, apps and versions, by the names of
the files in the work tree. Nothing is parsed, so a key press costs a few milliseconds. Without a
work tree nothing is offered, and nothing is ever printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import click

__all__ = ["apps", "environments", "groups", "models", "versions"]

Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], list[str]]

#: Files of a folder of environments that are no models.
_OWN = ("environment", "group")


def _offer(find: Callable[[Path, click.Context], Iterable[str]]) -> Complete:
    """A function for `shell_complete`: the names that begin with what was typed, sorted."""

    def complete(context: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        try:
            repo = Path(str(context.params.get("repo") or "."))
            names = {name for name in find(repo, context) if name.startswith(incomplete)}
        except (OSError, ValueError):
            return []  # no work tree here, or a path that is none
        return sorted(names)

    return complete


def _environments(repo: Path, _context: click.Context) -> Iterable[str]:
    return (file.parent.name for file in repo.glob("environments/*/environment.yaml"))


def _groups(repo: Path, _context: click.Context) -> Iterable[str]:
    for file in repo.glob("environments/*/*/group.yaml"):
        yield file.parent.name
        yield f"{file.parent.parent.name}/{file.parent.name}"


def _models(repo: Path, _context: click.Context) -> Iterable[str]:
    return (file.parent.name for file in repo.glob("models/*/model.yaml"))


def _apps(repo: Path, _context: click.Context) -> Iterable[str]:
    for group in repo.glob("environments/*/*/group.yaml"):
        for file in group.parent.glob("*.yaml"):
            if file.stem not in _OWN:
                yield f"{group.parent.parent.name}/{group.parent.name}/{file.stem}"


def _versions(repo: Path, context: click.Context) -> Iterable[str]:
    """The recorded versions of the model that the command names; without one those of all."""
    # While an option still lacks its value, the words before it are not yet parameters.
    given = context.params.get("model") or context.params.get("models") or context.args
    named = (given,) if isinstance(given, str) else tuple(given)
    for file in repo.glob("models/*/versions/*.yaml"):
        if not named or file.parent.parent.name in named:
            yield file.stem


environments = _offer(_environments)
groups = _offer(_groups)
models = _offer(_models)
apps = _offer(_apps)
versions = _offer(_versions)
