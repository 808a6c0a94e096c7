"""The guard against fights: when this program and another manager have set fields of an object in
turn, again and again, a person must say who is right.

The passes count in the group's status how often they took the same object's fields back. A new
commit begins the count anew, because it may be the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.engine.guards.guard import Guard
from reconciler.plan.change import Change, Plan, Refusal
from reconciler.plan.statuses import GroupStatus

__all__ = ["MOST_FLIPS", "guard"]

_CODE = "E_FIGHT"
#: How often a value is taken back at one commit before the object is held.
MOST_FLIPS = 3


def guard(statuses: Mapping[str, GroupStatus], stands_on: Callable[[], str] = lambda: "") -> Guard:
    """The guard of a run; `statuses` are the recorded ones by group. Without them nothing counts as
    a fight. `stands_on` is asked for the commit that a plan without a commit equals, once and only
    where fights are recorded."""

    def refuse(plan: Plan) -> Iterator[Refusal]:
        commit = plan.commit
        for app in plan.apps:
            status = statuses.get(app.unit.group_id)
            recorded = status.apps.get(app.unit) if status is not None else None
            if recorded is None or not recorded.status.get("fights"):
                continue
            commit = commit or stands_on()
            fights = recorded.fights(commit)
            for change in app.changes():
                count, managers = fights.get(change.key.full(), (0, ()))
                rivals = sorted(set(managers) & set(change.takes_over))
                if not change.goes or count < MOST_FLIPS or not rivals:
                    continue
                who = ", ".join(rivals)
                yield Refusal(
                    _CODE,
                    f"{who} and this program set {_name_fields(change)} in turn, {count} times: "
                    f"held; stop {who}, or change Git: a new commit goes on",
                    "",
                    app.unit,
                    app.place,
                    frozenset([change.key]),
                    is_of_one=True,
                )

    return refuse


def _name_fields(change: Change) -> str:
    names = [".".join(map(str, field.own_path)) for field in change.fields[:3]]
    return ", ".join(names) or "fields"
