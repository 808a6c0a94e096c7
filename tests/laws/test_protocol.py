"""The protocol's invariants I1 to I11, each on the generator itself under scripted answers, and on
the embedded cluster after whole runs with faults."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given as drawn_from
from hypothesis import settings
from hypothesis import strategies as st

import reconciler
from reconciler import kinds
from reconciler.apply import effect as effects
from reconciler.apply.protocol import protocol
from reconciler.apply.result import ApplyStatus
from reconciler.objects.draft import Manifest
from reconciler.objects.observed import absent_object, live_object, unread_object
from reconciler.objects.outcome import Done, RefusalCause, Refused, Unknown, Verb
from reconciler.plan import order
from reconciler.plan.change import Action, AppPlan, Change, Expected, Standing, StateSwap
from reconciler.plan.inventory import Inventory, Member, Phase
from reconciler.unit import UnitId
from tests import flow, support


def given(*strategies):
    """The scripts are short and cheap: many of them."""

    def law(function):
        return settings(max_examples=300)(drawn_from(*strategies)(function))

    return law


KEYS = [
    flow.key("ConfigMap", "ns", "settings"),
    flow.key("ModelVersion", "ns", "v1"),
    flow.key("Deployment", "ns", "web-v1"),
    flow.key("Deployment", "ns", "web-v2"),
    flow.key("CronWorkflow", "ns", "nightly"),
    flow.key("HTTPRoute", "ns", "web"),
]


def uid_of(key):
    return f"uid-{key.kind}-{key.name}"


def body_of(key, version="1", uid="", **more):
    metadata = {"name": key.name, "namespace": key.namespace, "uid": uid or uid_of(key)}
    return {
        "apiVersion": f"{key.group}/v1" if key.group else "v1",
        "kind": key.kind,
        "metadata": {**metadata, "resourceVersion": version, "generation": 1},
        **more,
    }


def manifest(key):
    return Manifest(key, "v1", body_of(key), "new", (), "test")


def change_of(key, action, standing=Standing.GO):
    expects = Expected() if action is Action.CREATE else Expected(uid_of(key), "1", "d")
    desired = manifest(key) if action in (Action.CREATE, Action.UPDATE) else None
    schedule = key.kind == "CronWorkflow" and action is Action.DELETE
    wave = kinds.find(key.group_kind).wave
    return Change(
        key, "v1", action, wave, standing, desired=desired, expects=expects, suspend_first=schedule
    )


STATES = ["unchanged", "create", "update", "delete", "absent"] * 4
STATES += ["delete"] * 8 + ["held", "held-delete", "going"]


@st.composite
def plans(draw):
    """Plans over a handful of objects, each in one of the states that a plan knows."""
    changes, members, recorded = [], [], []
    for key in KEYS:
        state = draw(st.sampled_from(STATES))
        old = Member(key, "v1", uid_of(key), "old", "seen")
        new = Member(key, "v1", "", "new", "")
        if state == "absent":
            continue
        if state == "unchanged":
            members.append(old)
            recorded.append(old)
        elif state == "create":
            members.append(new)
            changes.append(change_of(key, Action.CREATE))
        elif state == "update":
            members.append(Member(key, "v1", uid_of(key), "new", "seen"))
            recorded.append(old)
            changes.append(change_of(key, Action.UPDATE))
        elif state == "held":
            members.append(Member(key, "v1", uid_of(key), "new", "seen"))
            recorded.append(old)
            changes.append(change_of(key, Action.UPDATE, Standing.HELD))
        elif state == "going":
            members.append(old)
            recorded.append(old)
            kept = change_of(key, Action.KEEP, Standing.HELD)
            changes.append(replace(kept, awaited=True))
        else:
            members.append(old)
            recorded.append(old)
            standing = Standing.HELD if state == "held-delete" else Standing.GO
            changes.append(change_of(key, Action.DELETE, standing))
    swap = StateSwap((("stable", "v1"),), "7") if draw(st.booleans()) else None
    known = draw(st.booleans()) or bool(recorded)
    phase = draw(st.sampled_from(list(Phase)))
    inventory = (
        Inventory(UnitId.parse("p/g/m"), tuple(sorted(recorded)), "r0", phase, "5", "inv")
        if known
        else None
    )
    return AppPlan(
        UnitId("p", "g", "m"),
        "p",
        "g",
        "ns",
        "",
        order.order_waves(changes),
        tuple(sorted(members)),
        inventory,
        swap=swap,
    )


REFUSALS = [
    RefusalCause.STALE,
    RefusalCause.FORBIDDEN,
    RefusalCause.INVALID,
    RefusalCause.TOO_MANY,
    RefusalCause.ABSENT,
]


class Script:
    """Answers effects out of drawn numbers and keeps what would be true of the world."""

    def __init__(self, plan, numbers):
        self.plan = plan
        self.numbers = iter(numbers)
        self.log = []
        self.live = {m.key for m in plan.members if m.uid}
        self.stored = plan.recorded
        self.version = 5
        self.swapped = False
        self.seen_gone = set()
        self.active = set()
        self.disturbed = False
        self.stopped = None
        self.swaps_done = set()

    def fate(self):
        return next(self.numbers, 0)

    def answer(self, effect):
        self.log.append(effect)
        fate = self.fate()
        match effect:
            case effects.Wait(keys):
                seen = {k: live_object(body_of(k)) for k in keys}
                late = {k: "late" for k in list(keys)[: 1 if fate > 7 else 0]}
                if late:
                    self.stop()
                return effects.WaitResult(seen, late)
            case effects.Read(key):
                if key.name.endswith(".inventory"):
                    if fate == 9:
                        return unread_object(key, "gone quiet")
                    self.disturbed |= fate > 9
                    version = self.version + (fate > 9)
                    return live_object(body_of(key, str(version), "inv"))
                self.active.discard(key)
                if fate == 5:
                    self.active.add(key)
                    status = {"active": [{"name": "run-1"}]}
                    return live_object(body_of(key, "9", status=status))
                if fate in (7, 8):
                    self.seen_gone.add(key)
                return {8: absent_object(key), 9: unread_object(key, "gone quiet")}.get(
                    fate, live_object(body_of(key, "9", "other" if fate == 7 else ""))
                )
            case effects.WaitGone(key):
                if fate in (0, 8):
                    self.live.discard(key)
                    return absent_object(key)
                return unread_object(key, "gone quiet") if fate == 9 else live_object(body_of(key))
        outcome = self.outcome(fate, effect)
        if isinstance(outcome, Done) or (isinstance(outcome, Unknown) and fate == 7):
            self.happens(effect, outcome)
        if not isinstance(outcome, Done) and isinstance(effect, effects.Apply):
            self.stop()
        if isinstance(outcome, Done):
            self.swaps_done.add(id(effect))
        return outcome

    def stop(self):
        """From here on no later wave and no delete."""
        self.stopped = len(self.log) if self.stopped is None else self.stopped

    def outcome(self, fate, effect):
        if fate > 7:
            return Refused(REFUSALS[fate % len(REFUSALS)], 400, "refused")
        if fate in (6, 7):
            return Unknown("timed out")
        match effect:
            case effects.PutInventory():
                return Done(
                    Verb.UPDATED,
                    {"metadata": {"resourceVersion": str(self.version + 1), "uid": "inv"}},
                )
            case effects.Apply(change):
                return Done(Verb.UPDATED, body_of(change.key, "2"))
            case effects.Delete():
                return Done(Verb.ACCEPTED if fate == 5 else Verb.DELETED)
        return Done(Verb.UPDATED)

    def happens(self, effect, outcome):
        match effect:
            case effects.PutInventory(inventory, drop):
                self.stored = None if drop else inventory
                self.version += 1
            case effects.Apply(change):
                self.live.add(change.key)
            case effects.Delete(change):
                if outcome != Done(Verb.ACCEPTED):
                    self.live.discard(change.key)
            case effects.Swap():
                self.swapped = True


def play(plan, numbers, check=lambda script: None):
    script = Script(plan, numbers)
    steps = protocol(plan, "r1")
    answer = None
    try:
        while True:
            effect = next(steps) if answer is None else steps.send(answer)
            answer = script.answer(effect)
            check(script)
    except StopIteration as stop:
        return script, stop.value


#: Mostly done; 5 accepted or active, 6 lost, 7 lost and done or someone else's, 8 absent or late,
#: 9 unread, from 8 refused.
FATES = st.lists(
    st.sampled_from([0] * 90 + [5] * 5 + [9] * 2 + [5, 6, 7, 8, 9, 10, 11, 12]),
    min_size=25,
    max_size=25,
)


def writes(script):
    kinds = (effects.Read, effects.Wait, effects.WaitGone)
    return [e for e in script.log if not isinstance(e, kinds)]


# -- on the generator ------------------------------------------------------------------------------


@given(plans(), FATES)
def test_i1_what_was_made_is_listed_at_every_moment(plan, fates):
    before = {m.key for m in plan.members if m.uid}
    known = {m.key for m in plan.recorded.members} if plan.recorded is not None else set()

    def check(script):
        listed = {m.key for m in script.stored.members} if script.stored is not None else set()
        made = script.live - before
        assert (made | (script.live & known)) - script.seen_gone <= listed, script.log

    play(plan, fates, check)


@given(plans(), FATES)
def test_i2_only_what_the_plan_lets_go_is_written_and_deletes_name_what_was_planned(plan, fates):
    going = {(c.key, c.action) for c in plan.changes() if c.goes}
    script, _ = play(plan, fates)
    for effect in script.log:
        match effect:
            case effects.Apply(change):
                assert (change.key, change.action) in going
            case effects.Delete(change, version):
                assert (change.key, Action.DELETE) in going
                assert change.expects.uid == uid_of(change.key)
                assert change.key not in script.seen_gone
                assert version in ("9", change.expects.resource_version)


@given(plans(), FATES)
def test_i2_nothing_is_deleted_once_another_run_has_written_the_inventory(plan, fates):
    script, result = play(plan, fates)
    if script.disturbed:
        assert result.status is ApplyStatus.LOST
        assert not [e for e in script.log if isinstance(e, effects.Delete | effects.Suspend)]


@given(plans(), FATES)
def test_i3_nothing_counts_as_applied_that_was_not(plan, fates):
    """Else the next run would find nothing to do, and live would never become desired."""
    script, result = play(plan, fates)
    applied = {change.key for change, verb in result.done}
    changed = {c.key for c in plan.changes() if c.action in (Action.CREATE, Action.UPDATE)}
    for member in script.stored.members if script.stored is not None else ():
        if member.key in changed and member.manifest == "new":
            assert member.key in applied


@given(plans(), FATES)
def test_i4_a_plan_with_nothing_to_do_has_no_effects(plan, fates):
    if plan.writes or plan.unfinished:
        return
    script, _ = play(plan, fates)
    assert script.log == []


@given(plans())
def test_i4_what_cannot_go_on_costs_one_look_and_no_second_write(plan):
    """A run that ended as it had begun leaves the inventory alone."""
    script, result = play(plan, [8] * 40)
    if (
        not any(c.goes for c in plan.changes())
        and plan.swap is None
        and result.status is ApplyStatus.INCOMPLETE
    ):
        assert len(writes(script)) <= 1


@given(plans(), FATES)
def test_i5_nothing_desired_is_deleted(plan, fates):
    gone = {c.key for c in plan.changes() if c.action in (Action.DELETE, Action.KEEP)}
    desired = {m.key for m in plan.members} - gone
    deleted = {e.change.key for e in play(plan, fates)[0].log if isinstance(e, effects.Delete)}
    assert not deleted & desired


@given(plans(), FATES)
def test_i5_nothing_is_deleted_after_a_failure_or_while_something_is_held(plan, fates):
    script, _ = play(plan, fates)
    held = [c for c in plan.changes() if c.standing is Standing.HELD and c.action is Action.UPDATE]
    deletes = [i for i, e in enumerate(script.log) if isinstance(e, effects.Delete)]
    assert not (held and deletes)
    assert script.stopped is None or all(i < script.stopped for i in deletes)


@given(plans(), FATES)
def test_i5_a_schedule_is_deleted_when_it_is_suspended_and_no_run_is_active(plan, fates):
    script, _ = play(plan, fates)
    for number, effect in enumerate(script.log):
        if isinstance(effect, effects.Delete) and effect.change.suspend_first:
            assert effect.change.key not in script.active
            before = script.log[:number]
            assert any(isinstance(e, effects.Suspend) for e in before)


@given(plans(), FATES)
def test_i6_no_later_wave_begins_after_a_failure(plan, fates):
    script, _ = play(plan, fates)
    if script.stopped is None:
        return
    reached = script.log[script.stopped - 1]
    if isinstance(reached, effects.Apply):
        later = [e for e in script.log[script.stopped :] if isinstance(e, effects.Apply)]
        assert all(e.change.wave == reached.change.wave for e in later)
        assert not [e for e in script.log[script.stopped :] if isinstance(e, effects.Wait)]
    else:
        rest = (effects.PutInventory, effects.DropState)
        assert all(isinstance(e, rest) for e in script.log[script.stopped :])


@given(plans(), FATES)
def test_i6_no_state_is_recorded_of_a_route_that_something_held_keeps_out_of_reach(plan, fates):
    script, _ = play(plan, fates)
    held = [c for c in plan.changes() if c.standing is Standing.HELD and c.action is Action.UPDATE]
    routed = any(isinstance(e, effects.Apply) and e.change.wave == 4 for e in script.log)
    if held and not routed and script.stopped is None:
        assert not any(isinstance(e, effects.Swap) for e in script.log) or any(
            c.wave == 4 and c.goes and c.action is not Action.DELETE for c in plan.changes()
        )


@given(plans(), FATES)
def test_i6_what_a_wave_of_deletes_left_behind_ends_the_pruning(plan, fates):
    script, result = play(plan, fates)
    left = {key for key, _ in result.problems if key is not None}
    deleted = [e.change for e in script.log if isinstance(e, effects.Delete)]
    for change in plan.changes():
        deleting = change.goes and change.action is Action.DELETE and change.key in left
        if deleting or change.awaited:
            assert all(c.wave >= change.wave for c in deleted), script.log


@given(plans(), FATES)
def test_i6_no_route_is_written_before_its_state_and_its_backends(plan, fates):
    script, _ = play(plan, fates)
    routes = [
        i
        for i, e in enumerate(script.log)
        if isinstance(e, effects.Apply) and e.change.key.kind == "HTTPRoute"
    ]
    if not routes:
        return
    assert plan.swap is None or script.swapped
    backends = [
        i
        for i, e in enumerate(script.log)
        if isinstance(e, effects.Apply) and e.change.key.kind == "Deployment"
    ]
    held = [
        c
        for c in plan.changes()
        if c.key.kind == "Deployment" and c.standing is Standing.HELD and c.action is Action.UPDATE
    ]
    assert not held
    assert all(i < routes[0] for i in backends)
    waited = [i for i, e in enumerate(script.log[: routes[0]]) if isinstance(e, effects.Wait)]
    assert not backends or (waited and waited[-1] > backends[-1])


@given(plans(), FATES)
def test_i7_a_compare_and_swap_that_failed_ends_the_run(plan, fates):
    script, _ = play(plan, fates)
    swaps = (effects.PutInventory, effects.Swap)
    answered = {id(e) for e in script.log[:-1] if isinstance(e, swaps)}
    assert answered <= script.swaps_done, script.log


@given(plans(), FATES)
def test_i9_every_run_is_bounded(plan, fates):
    script, _ = play(plan, fates)
    assert len(script.log) <= 5 * len(KEYS) + 6


@given(plans(), FATES)
def test_i10_the_inventory_says_applied_only_when_all_of_it_was(plan, fates):
    script, result = play(plan, fates)
    if (
        script.stored is None
        or script.stored is plan.recorded
        or script.stored.phase is not Phase.APPLIED
    ):
        return
    changed = {c.key for c in plan.changes() if c.goes and c.action is not Action.DELETE}
    applied = {e.change.key for e in script.log if isinstance(e, effects.Apply)}
    assert changed <= applied
    assert not [
        c for c in plan.changes() if c.standing is Standing.HELD and c.action is Action.UPDATE
    ]
    if result.status is ApplyStatus.DONE:
        assert all(m.uid for m in script.stored.members)


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (RefusalCause.STALE, ApplyStatus.LOST),
        (RefusalCause.ALREADY_EXISTS, ApplyStatus.LOST),
        (RefusalCause.ABSENT, ApplyStatus.LOST),
        (RefusalCause.FORBIDDEN, ApplyStatus.FAILED),
        (RefusalCause.TOO_MANY, ApplyStatus.FAILED),
        (RefusalCause.INVALID, ApplyStatus.FAILED),
    ],
)
def test_i10_a_refused_inventory_is_blamed_on_another_run_only_where_one_was_there(refusal, status):
    plan = AppPlan(
        UnitId.parse("p/g/m"),
        "p",
        "g",
        "ns",
        "",
        removed=True,
        recorded=Inventory(UnitId.parse("p/g/m"), ()),
    )
    steps = protocol(plan, "r1")
    assert isinstance(next(steps), effects.DropState)
    assert steps.send(Done(Verb.DELETED)) == effects.PutInventory(
        Inventory(UnitId.parse("p/g/m"), (), "r1", tool=reconciler.__version__), drop=True
    )
    with pytest.raises(StopIteration) as stop:
        steps.send(Refused(refusal, 400, "no"))
    assert stop.value.value.status is status
    assert ("another run" in stop.value.value.problems[0][1]) is (status is ApplyStatus.LOST)


@pytest.mark.parametrize("outcome", [Unknown("lost"), Refused(RefusalCause.FORBIDDEN, 403, "no")])
@pytest.mark.parametrize("renamed", [True, False])
def test_i1_no_inventory_goes_before_the_state_beside_it(outcome, renamed):
    """A state that outlives its app would be gone on from by a later one of the name."""
    old = Inventory(UnitId.parse("p/g/old"), (), uid="u", resource_version="1")
    known = Inventory(UnitId.parse("p/g/m"), (), uid="v", resource_version="1")
    plan = AppPlan(UnitId.parse("p/g/m"), "p", "g", "ns", "", recorded=known)
    plan = replace(plan, source=old) if renamed else replace(plan, removed=True)
    steps = protocol(plan, "r1")
    effect = next(steps)
    if renamed:
        assert isinstance(effect, effects.PutInventory)
        effect = steps.send(Done(Verb.UPDATED, {"metadata": {"resourceVersion": "2"}}))
    assert effect == effects.DropState(UnitId.parse("p/g/old" if renamed else "p/g/m"))
    effect = steps.send(outcome)
    assert isinstance(effect, effects.PutInventory)
    assert not effect.drop
    assert effect.inventory.phase is Phase.INCOMPLETE


@given(plans(), FATES)
def test_i11_every_write_records_the_revision_that_it_is_of(plan, fates):
    for effect in play(plan, fates)[0].log:
        if isinstance(effect, effects.PutInventory):
            assert effect.inventory.revision == "r1"


@given(plans(), FATES)
def test_equal_answers_give_equal_effects(plan, fates):
    assert play(plan, fates)[0].log == play(plan, fates)[0].log


# -- on the embedded cluster -----------------------------------------------------------------------

TREE = support.small(
    **{
        "environments/types/vision.yaml": (
            "serving:\n  backend: deployment\n  router: gateway-api\n  gateway: {name: gw}\n"
        )
    }
)


def test_i1_i2_i3_i5_hold_after_every_effect_of_a_first_run():
    clean = flow.world()
    flow.settled(TREE, clean)
    number = 0
    while True:
        place = flow.world()
        try:
            flow.run(TREE, place, before=flow.after_effect(number))
            break
        except flow.Killed:
            assert flow.orphans(place) == set()
            flow.settled(TREE, place)
            assert flow.ends(place) == flow.ends(clean)
            assert [t for v, t in place.cluster.log if v == "delete"] == []
        number += 1
    assert number > 8


def test_i7_two_runners_with_one_plan_advance_once():
    place = flow.world()
    flow.settled(TREE, place)
    newer = TREE.but({"environments/prod/web.yaml": 'serving:\n  version: "v2"\n'})
    first = support.reviewed(newer, place.cluster, place.clock.now())
    second = support.reviewed(newer, place.cluster, place.clock.now())
    from reconciler.engine import apply_plan

    for seen, status in ((first, "done"), (second, "lost")):
        report = support.Ran(
            apply_plan.reconcile(seen, place.cluster, place.clock, support.Silent())
        )
        assert flow.results(report)["prod/one/web"].status == status
    assert "another run wrote the inventory first" in flow.problems(report)[0][2]


def test_i8_no_secret_value_is_in_what_is_recorded():
    canary = "canary-4711"
    tree = TREE.but(
        {
            "environments/prod/one/web.yaml": "manifests: [secret.yaml]\n",
            "models/web/secret.yaml": (
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
                f"data: {{token: {canary}}}\n"
            ),
        }
    )
    place = flow.world()
    flow.settled(tree, place)
    stored = [
        body
        for key, body in place.cluster.server.store.everything()
        if key.namespace == "ml-reconciler"
    ]
    assert stored
    assert canary not in str(stored)


@pytest.mark.parametrize("fault", ["deadline", "refused"])
def test_i9_a_run_that_cannot_succeed_ends(fault):
    place = flow.world(settings=_failing())
    if fault == "refused":
        place.cluster.before = _refuse_all
    report = flow.run(TREE, place, timeout=120)
    assert report.exit_code == 6
    assert len(place.cluster.log) < 400


def _failing():
    from reconciler.simulation.controller import SimulationSettings

    return SimulationSettings(failing=frozenset({"v1"}))


def _refuse_all(verb, target):
    if verb in flow.WRITES:
        raise flow.refuse(RefusalCause.FORBIDDEN)


def test_i10_an_unhealthy_app_stays_incomplete_until_it_was_seen_healthy():
    place = flow.world()
    report = flow.run(TREE, place, timeout=4)
    assert report.exit_code == 6
    assert flow.recorded(place)["prod/one/web"].phase is Phase.INCOMPLETE
    before = len(place.cluster.log)
    flow.minutes(place, 5)
    flow.settled(TREE, place)
    assert flow.recorded(place)["prod/one/web"].phase is Phase.APPLIED
    assert len(flow.writes(place, before)) <= 4


def test_i10_an_app_that_stays_unhealthy_says_so_in_every_run_and_writes_nothing():
    place = flow.world(settings=_failing())
    tree = support.small()
    flow.run(tree, place, timeout=30)
    for _ in range(3):
        before = len(place.cluster.log)
        report = flow.run(tree, place, timeout=30)
        assert report.exit_code == 6
        assert "incomplete: prod/one/web" in report.closing[0]
        assert flow.writes(place, before) == []


def test_i11_the_revision_of_the_last_change_is_recorded():
    place = flow.world()
    tree = support.MemoryTree(TREE.files, "4f2c1ab", "4f2c1ab" + "0" * 33)
    flow.settled(tree, place)
    assert {i.revision for i in flow.recorded(place).values()} == {tree.commit}
