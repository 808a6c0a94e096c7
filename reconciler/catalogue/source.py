"""Codes of the config repo: Git, files, and edits of them."""

from __future__ import annotations

from reconciler.catalogue.entry import Entry

__all__ = ["ENTRIES"]

ENTRIES = (
    Entry(
        "E_BRANCH",
        "The branch for a proposal cannot be made: its name is not allowed, or it exists with "
        "other commits.",
        "Merge or delete the branch, or name another one with `--branch`.",
        "$ reconciler promote mnist --to prod --version v3 --branch main\n"
        "error[E_BRANCH]: the branch 'main' cannot be made: it exists\n"
        "   help: merge or delete it, or name another branch",
    ),
    Entry(
        "E_CASE",
        "Two paths of the config differ only by upper and lower case, or by the form of a letter "
        "with an accent. Many file systems hold only one of the two.",
        "Rename one of them. Until then the apps that read either are stopped.",
        "error[E_CASE]: models/web differs from models/Web only by case or by Unicode form\n"
        "  --> models/web\n"
        "   help: rename one of them: many file systems hold only one of the two",
    ),
    Entry(
        "E_EDIT",
        "A file cannot be edited at one path without changing something else: an anchor is used "
        "elsewhere, or the path runs through a list.",
        "Edit the file by hand; the help of the message says what to write.",
        "error[E_EDIT]: environments/prod/web.yaml cannot be edited at serving.version without "
        "changing something else\n   help: edit it by hand: version: v2",
    ),
    Entry(
        "E_PROMOTE",
        "A promotion is not possible: there is no such model, version or environment, the version "
        "is served already, or a group overrides the pointer.",
        "Follow the help of the message.",
        "$ reconciler promote mnist --to prod --version v9\n"
        "error[E_PROMOTE]: mnist has no record of version 'v9'\n"
        "   help: recorded versions: v1, v2; a record is models/mnist/versions/<version>.yaml",
    ),
    Entry(
        "E_SOURCE",
        "The config repo or a revision of it could not be read. Nothing in the cluster is touched.",
        "Correct the path, URL or revision; check access and network.",
    ),
    Entry(
        "E_SUBMODULE",
        "A path of the config is a submodule. The program reads one repository. The apps that read "
        "something there are stopped; the rest goes on.",
        "Put the files themselves there.",
        "error[E_SUBMODULE]: models/web is a submodule (another repository)\n"
        "  --> models/web\n"
        "   help: put the files themselves there",
    ),
    Entry(
        "E_SYMLINK",
        "A path of the config is a symbolic link. A link could lead outside of the repo. The apps "
        "that read it are stopped; the rest goes on.",
        "Put the file itself there; layers are the way to share values.",
        "error[E_SYMLINK]: environments/base.yaml is a symbolic link\n"
        "  --> environments/base.yaml\n"
        "   help: put the file itself there; layers share values, links do not",
    ),
    Entry(
        "E_URL",
        "The URL of the config repo is refused: only https and ssh are allowed, and a URL holds no "
        "password.",
        "Write https://host/path or user@host:path; give credentials by a file.",
    ),
)
