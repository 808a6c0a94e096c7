"""The guard over fields of others: a field that neither we nor `kubectl` own is left to its owner,
unless a person allows us to take it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.engine.guards.guard import Guard
from reconciler.plan import conflicts
from reconciler.plan.change import Plan, Refusal, Standing

__all__ = ["guard"]

_CODE = "E_FIELD_CONFLICT"


def guard(approved: frozenset[str]) -> Guard:
    """The guard for a run. `approved` are hashes of `plan.conflicts.approval_of`."""

    def refuse(plan: Plan) -> Iterator[Refusal]:
        for app in plan.apps:
            for change in app.changes():
                contest = change.contest
                if contest is None or change.standing is not Standing.GO:
                    continue
                approval = conflicts.approval_of(change.key, contest)
                if approval in approved:
                    continue
                owners = ", ".join(contest.managers) or "another manager"
                way_out = f"to take it: --approve-conflict {approval}"
                yield Refusal(
                    _CODE,
                    f"{owners} owns {', '.join(contest.fields[:3])}; {way_out}",
                    way_out,
                    app.unit,
                    app.place,
                    frozenset([change.key]),
                    approval,
                    is_of_one=True,
                )

    return refuse
