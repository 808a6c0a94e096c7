"""The guard against a history that was rewritten: what is applied must be in the past of what is to
be applied, or a person says so for that very commit."""

from __future__ import annotations

import re
from dataclasses import replace

from reconciler.plan.change import Action, AppPlan, Change, Plan, Refusal, Standing
from reconciler.ports import Tree

__all__ = ["REWOUND", "guarded"]

#: The code of the refusal; an app that has it is left exactly as it is.
REWOUND = "E_HISTORY"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def guarded(plan: Plan, tree: Tree, allowed: frozenset[str]) -> Plan:
    """The plan with every app held whose applied commit is not in the tree's history. `allowed`
    are full commit ids, or beginnings of seven digits or more, that may be left behind.

    Cost: nothing where all apps stand at the tree's own commit. Raises SourceError.
    """
    if not tree.commit:
        return plan
    applied = {app.recorded.revision for app in plan.apps if app.recorded is not None}
    asked = {c for c in applied if _COMMIT.fullmatch(c) and c != tree.commit}
    lost = tree.unrelated(asked) if asked else frozenset()
    if not lost:
        return plan
    return replace(plan, apps=tuple(_judged(app, lost, tree.label, allowed) for app in plan.apps))


def _judged(app: AppPlan, lost: frozenset[str], label: str, allowed: frozenset[str]) -> AppPlan:
    """An app without changes is in sync whatever its history; one that is allowed to step back
    records where it stands now, so that nobody is asked twice."""
    if app.recorded is None or app.recorded.revision not in lost:
        return app
    if _is_allowed(app.recorded.revision, allowed):
        return replace(app, restates=True)
    return _held(app, label) if app.goes else app


def _is_allowed(commit: str, allowed: frozenset[str]) -> bool:
    return any(len(text) >= 7 and commit.startswith(text) for text in allowed)


def _held(app: AppPlan, label: str) -> AppPlan:
    assert app.recorded is not None
    commit = app.recorded.revision
    refusal = Refusal(
        REWOUND,
        f"{commit[:12]} is applied, and {label} does not follow it: a force-push, or a step back",
        f"if meant: --allow-rewind {commit}",
    )
    waves = tuple(tuple(_still(change) for change in wave) for wave in app.waves)
    return replace(app, waves=waves, swap=None, refusals=(*app.refusals, refusal))


def _still(change: Change) -> Change:
    if change.action is Action.KEEP or change.standing is not Standing.GO:
        return change
    return replace(change, standing=Standing.HELD)
