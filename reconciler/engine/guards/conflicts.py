"""The guard of other managers' fields: a field that neither this program nor `kubectl` owns stays
with its owner, unless a person approves taking it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.engine.guards.guard import Guard
from reconciler.plan import conflicts
from reconciler.plan.change import Plan, Refusal, Standing

__all__ = ["guard"]

_CODE = "E_FIELD_CONFLICT"


def guard(approved: frozenset[str]) -> Guard:
    """The guard of a run. `approved` holds hashes as `plan.conflicts.approval_of` returns them."""

    def refuse(plan: Plan) -> Iterator[Refusal]:
        for app in plan.apps:
            for change in app.changes():
                conflict = change.conflict
                if conflict is None or change.standing is not Standing.GO:
                    continue
                approval = conflicts.approval_of(change.key, conflict)
                if approval in approved:
                    continue
                owners = ", ".join(conflict.managers) or "another manager"
                way_out = f"to take it: --approve-conflict {approval}"
                yield Refusal(
                    _CODE,
                    f"{owners} owns {', '.join(conflict.fields[:3])}; {way_out}",
                    way_out,
                    app.unit,
                    app.place,
                    frozenset([change.key]),
                    approval,
                    is_of_one=True,
                )

    return refuse
