"""Steps of the protocol ahead of a write: the dry-runs that were not possible while the plan was
made, and the delete of an object that is replaced. They yield effects and do no I/O."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

from reconciler.apply.effect import Delete, DryRun, Effect, Read, WaitGone
from reconciler.apply.result import EffectAnswer
from reconciler.objects.key import ObjectKey
from reconciler.objects.observed import Observed, Presence
from reconciler.objects.outcome import Done, RefusalCause, Refused, Unknown
from reconciler.plan.change import Action, Change, Expected

__all__ = ["ask_server", "explain_failure", "make_room", "without_old_uid"]


def ask_server(
    waves: Sequence[Sequence[Change]], asked: set[ObjectKey]
) -> Generator[Effect, EffectAnswer, list[tuple[ObjectKey | None, str]]]:
    """Dry-runs the unverified changes of the waves, and returns what the server refuses: (object,
    why). Leaves out changes whose namespace or kind these waves create, and changes in `asked`;
    adds the others to `asked`."""
    created_namespaces = {
        f"Namespace {c.key.name}" for w in waves for c in w if c.key.kind == "Namespace"
    }
    defines = any(c.key.kind == "CustomResourceDefinition" for w in waves for c in w)
    wrong: list[tuple[ObjectKey | None, str]] = []
    for change in (c for wave in waves for c in wave):
        awaits = change.unverified
        is_early = awaits in created_namespaces or (
            defines and awaits == str(change.key.group_kind)
        )
        if not awaits or is_early or change.key in asked:
            continue
        asked.add(change.key)
        answer = yield DryRun(change)
        if not isinstance(answer, Done):
            wrong.append((change.key, _text(answer)))
    return wrong


def make_room(change: Change) -> Generator[Effect, EffectAnswer, str]:
    """For a replace, deletes the old object and waits until it is absent. Returns why that failed,
    or "". An old object that is already absent, for example after a killed run, needs no delete."""
    if change.action is not Action.REPLACE:
        return ""
    seen = yield Read(change.key)
    if not isinstance(seen, Observed):
        raise TypeError(seen)
    if seen.presence is Presence.ABSENT:
        return ""
    if seen.presence is Presence.UNREAD:
        return f"not replaced: {seen.why}"
    if seen.uid != change.expects.uid:
        return "not replaced: another object now has the name"
    answer = yield Delete(change, seen.resource_version)
    if not isinstance(answer, Done):
        return f"not replaced: {_text(answer)}"
    remaining = yield WaitGone(change.key)
    if isinstance(remaining, Observed) and remaining.presence is Presence.ABSENT:
        return ""
    return "not replaced yet: it is being deleted; a finalizer holds it"


def without_old_uid(change: Change) -> Change:
    """The change for its apply. A replace is not bound to the uid of the old object."""
    if change.action is not Action.REPLACE:
        return change
    return replace(change, expects=Expected())


def explain_failure(change: Change, answer: Refused | Unknown) -> str:
    """Why a change was not applied."""
    is_taken = isinstance(answer, Refused) and answer.refusal is RefusalCause.STALE
    if is_taken and change.action is Action.CREATE:
        return "somebody made it after the plan found it absent; the next run plans again"
    return answer.message


def _text(answer: EffectAnswer) -> str:
    return answer.message if isinstance(answer, Refused | Unknown) else ""
