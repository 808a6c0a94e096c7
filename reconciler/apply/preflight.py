"""What comes ahead of writing one object: the question that the plan could not ask, and room for an
object that is made anew. Parts of the protocol; they yield effects and know no I/O."""

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
    """What the server would not take of the waves from the first one on, as far as it can be asked
    by now: all that does not wait for what these waves make themselves. `asked` grows."""
    made = {f"Namespace {c.key.name}" for w in waves for c in w if c.key.kind == "Namespace"}
    defines = any(c.key.kind == "CustomResourceDefinition" for w in waves for c in w)
    wrong: list[tuple[ObjectKey | None, str]] = []
    for change in (c for wave in waves for c in wave):
        awaits = change.unverified
        early = awaits in made or (defines and awaits == str(change.key.group_kind))
        if not awaits or early or change.key in asked:
            continue
        asked.add(change.key)
        answer = yield DryRun(change)
        if not isinstance(answer, Done):
            wrong.append((change.key, _text(answer)))
    return wrong


def make_room(change: Change) -> Generator[Effect, EffectAnswer, str]:
    """Deletes what a replace takes the place of, and sees it gone; why it could not be, or "". One
    that is gone already, or was killed half-way, is simply made."""
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
        return "not replaced: another object bears the name by now"
    answer = yield Delete(change, seen.resource_version)
    if not isinstance(answer, Done):
        return f"not replaced: {_text(answer)}"
    left = yield WaitGone(change.key)
    if isinstance(left, Observed) and left.presence is Presence.ABSENT:
        return ""
    return "not replaced yet: it is being deleted; a finalizer holds it"


def without_old_uid(change: Change) -> Change:
    """The change as it is applied: what is made anew is not bound to the uid of the old."""
    if change.action is not Action.REPLACE:
        return change
    return replace(change, expects=Expected())


def explain_failure(change: Change, answer: Refused | Unknown) -> str:
    """Why a change was not applied."""
    taken = isinstance(answer, Refused) and answer.refusal is RefusalCause.STALE
    if taken and change.action is Action.CREATE:
        return "somebody made it after it was seen absent; the next run decides anew"
    return answer.message


def _text(answer: EffectAnswer) -> str:
    return answer.message if isinstance(answer, Refused | Unknown) else ""
