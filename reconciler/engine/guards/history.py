"""The guard against a rewritten history: the applied commit must be in the history of the commit to
apply, unless a person approves to leave exactly that commit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from reconciler.engine.guards.guard import Guard
from reconciler.plan.change import Plan, Refusal
from reconciler.ports import Tree

__all__ = ["find_lost_commits", "guard", "restate_rewinds"]

_CODE = "E_HISTORY"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def find_lost_commits(plan: Plan, tree: Tree) -> frozenset[str]:
    """The applied commits that are not in the tree's history.

    Reads Git only when an app's applied commit is not the tree's own. A work tree has the history
    of its HEAD, so that a plan of it shows what `apply` would refuse. Raises SourceError."""
    applied = {app.recorded.revision for app in plan.apps if app.recorded is not None}
    asked = {c for c in applied if _COMMIT.fullmatch(c) and c != tree.commit}
    return tree.unrelated(asked) if asked else frozenset()


def restate_rewinds(plan: Plan, lost: frozenset[str], allowed: frozenset[str]) -> Plan:
    """The plan in which every app with an approved rewind records the new commit, so that the next
    run needs no approval."""
    return replace(
        plan,
        apps=tuple(
            replace(app, restates=True)
            if app.recorded is not None
            and app.recorded.revision in lost
            and _is_allowed(app.recorded.revision, allowed)
            else app
            for app in plan.apps
        ),
    )


def guard(lost: frozenset[str], label: str, allowed: frozenset[str]) -> Guard:
    """The guard of a run. It refuses every app with changes whose applied commit is among `lost`.
    `allowed` holds full commit ids, or their first seven digits or more, that a person approved to
    leave. `label` names the new revision."""

    def refuse(plan: Plan) -> Iterator[Refusal]:
        for app in plan.apps:
            commit = app.recorded.revision if app.recorded is not None else ""
            if commit not in lost or _is_allowed(commit, allowed) or not app.goes:
                continue
            yield Refusal(
                _CODE,
                f"{commit[:12]} is applied, and {label} does not follow it: a force-push, or a "
                "step back",
                f"if meant: --allow-rewind {commit}",
                app.unit,
                app.place,
            )

    return refuse


def _is_allowed(commit: str, allowed: frozenset[str]) -> bool:
    return any(len(text) >= 7 and commit.startswith(text) for text in allowed)
