"""The name and address of the person who runs the program, as git finds them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from reconciler.adapters.git.objects import open_commit

__all__ = ["find"]

_UNKNOWN = ("reconciler", "reconciler@localhost")


def find(path: str | Path) -> tuple[str, str]:
    """Name and address for a commit in the repository of `path`: GIT_AUTHOR_NAME and
    GIT_AUTHOR_EMAIL, else `user.name` and `user.email` of the repository's and the user's config.
    The program's own when git knows none. Raises SourceError for a folder without a commit."""
    name, email = (os.environ.get(f"GIT_AUTHOR_{part}", "") for part in ("NAME", "EMAIL"))
    home = os.environ.get("HOME", "")
    other = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    chosen = os.environ.get("GIT_CONFIG_GLOBAL")
    for config in [chosen] if chosen else [f"{home}/.gitconfig", f"{other}/git/config"]:
        if name and email:
            break
        git = open_commit(path, "HEAD").git
        asked = replace(git, environment={"GIT_CONFIG_GLOBAL": config, "HOME": home})
        name = name or asked.ask("config", "--get", "user.name").text
        email = email or asked.ask("config", "--get", "user.email").text
    return (name, email) if name and email else _UNKNOWN
