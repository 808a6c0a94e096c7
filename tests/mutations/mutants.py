"""Defects of the kind that others shipped, as replacements of a few lines, each with the tests that
must notice it. They are the test of the tests."""

from typing import NamedTuple

KILLS = "tests/faults/test_kills_at_every_call.py"
ANSWERS = "tests/faults/test_apply_answers.py"
LAWS = "tests/laws/test_protocol.py"
DELETIONS = "tests/unit/plan/test_deletions.py"
PRUNE = "tests/scenarios/test_prune.py"
RECORDS = "tests/scenarios/test_records.py"
LEASE = "tests/unit/apply/test_lease.py"
LEASES = "tests/scenarios/test_leases.py"
LEASE_LAWS = "tests/laws/test_lease_laws.py"
REQUESTS = "tests/unit/adapters/test_kubernetes_requests.py"
RACES = "tests/faults/test_stale_and_interleaved.py"

_PROTOCOL = "apply/protocol.py"
_EXECUTE = "apply/execute.py"
_MAKING = "apply/preflight.py"
_LEASE = "apply/lease.py"
_GUARDS = "engine/guards/prune.py"
_RECORDS = "plan/records.py"


class Mutant(NamedTuple):
    """`old` is in `file` (of the package) exactly once. `tests` are what pytest is given; one of
    them fails on it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def _kill(scenario):
    return f"{KILLS}::test_a_kill_at_any_request_changes_nothing_of_the_end[{scenario}]"


def _answer(scenario, fault):
    return f"{ANSWERS}::test_any_write_may_fail_and_the_next_runs_converge[{scenario}-{fault}]"


MUTANTS = (
    # -- the inventory ---------------------------------------------------------------------------
    Mutant(
        "the inventory is written after the apply",
        _PROTOCOL,
        "if self._has_effects() and not (yield",
        "if False and not (yield",
        (_kill("a first apply in a new namespace"),),
    ),
    Mutant(
        "the inventory shrinks before the delete",
        _PROTOCOL,
        "return self.inventory.union((*unsure, *(m for m in self.members.values() if m.uid))).members",
        "known = {m.key: m for m in (*(m for m in self.members.values() if m.uid), *unsure)}\n"
        "        return tuple(sorted(m for k, m in known.items() if k in self.desired))",
        (_kill("a large inventory grows and shrinks"),),
    ),
    Mutant(
        "what is being deleted counts as gone",
        _PROTOCOL,
        "            case Done(Verb.DELETED):\n                self.result.done.append",
        "            case Done():\n                self.result.done.append",
        (f"{PRUNE}::test_a_route_held_by_a_finalizer_keeps_its_backend_and_is_awaited",),
    ),
    Mutant(
        "an entry is dropped when its delete is forbidden",
        _PROTOCOL,
        "            case Done(Verb.DELETED):\n                self.result.done.append",
        "            case Done(Verb.DELETED) | Refused(RefusalCause.FORBIDDEN):\n"
        "                self.result.done.append",
        (_answer("a prune of some objects", "forbidden"),),
    ),
    Mutant(
        "an entry is dropped when its delete had no answer",
        _PROTOCOL,
        "            case Done(Verb.DELETED):\n                self.result.done.append",
        "            case Done(Verb.DELETED) | Unknown():\n                self.result.done.append",
        (_answer("a prune of some objects", "lost and not done"),),
    ),
    Mutant(
        "a failed run forgets what it did not reach",
        _PROTOCOL,
        "members = {m.key: m for m in self.inventory.members} | members",
        "members = dict(members)",
        (f"{LAWS}::test_i1_what_was_made_is_listed_at_every_moment",),
    ),
    Mutant(
        "the inventory is written without the version that was read",
        _RECORDS,
        "    if inventory.resource_version:\n",
        "    if False:\n",
        (RACES, f"{LAWS}::test_i7_two_runners_with_one_plan_advance_once"),
    ),
    Mutant(
        "the rollout state is written without the version that was read",
        _RECORDS,
        "    if resource_version:\n",
        "    if False:\n",
        (RACES,),
    ),
    Mutant(
        "a run that lost its compare-and-swap settles all the same",
        _PROTOCOL,
        "        if self._swaps_state() and not (yield from self._swap()):\n            return\n",
        "        if self._swaps_state():\n            yield from self._swap()\n",
        (f"{LAWS}::test_i7_a_compare_and_swap_that_failed_ends_the_run",),
    ),
    Mutant(
        "said to be applied before it is",
        _PROTOCOL,
        "self._record(Phase.APPLYING, self._superset())",
        "self._record(Phase.APPLIED, self._superset())",
        (_kill("an update"),),
    ),
    Mutant(
        "recorded as written before it is",
        _PROTOCOL,
        'unsure = [replace(m, manifest="", live="") for m in applied_members]',
        "unsure = list(applied_members)",
        (
            _kill("a declared replace"),
            _kill("an update"),
            f"{LAWS}::test_i3_nothing_counts_as_applied_that_was_not",
        ),
    ),
    Mutant(
        "the shards go before the parent is written",
        _EXECUTE,
        "        outcome = self._store(bodies.parent, inventory.resource_version)\n",
        "        self._drop_shards(name for name in inventory.shards if name not in bodies.names)\n"
        "        outcome = self._store(bodies.parent, inventory.resource_version)\n",
        (_kill("a large inventory grows and shrinks"),),
    ),
    Mutant(
        "the parent is written before its shards",
        _EXECUTE,
        "        for body in bodies.shards:\n",
        "        early = self._store(bodies.parent, inventory.resource_version)\n"
        "        if not isinstance(early, Done):\n            return early\n"
        '        version = early.body["metadata"]["resourceVersion"]\n'
        '        bodies.parent["metadata"]["resourceVersion"] = version\n'
        "        for body in bodies.shards:\n",
        (_kill("a large inventory grows and shrinks"),),
    ),
    # -- deletes ---------------------------------------------------------------------------------
    Mutant(
        "a delete by name",
        _EXECUTE,
        "change.key, uid=change.expects.uid, resource_version=version\n",
        'change.key, uid="", resource_version=""\n',
        (RACES,),
    ),
    Mutant(
        "a delete after a fresh read of another's object",
        _PROTOCOL,
        "if seen.presence is Presence.ABSENT or seen.uid != change.expects.uid:",
        "if seen.presence is Presence.ABSENT:",
        (f"{RACES}::test_a_delete_leaves_what_another_made_under_the_name_meanwhile",),
    ),
    Mutant(
        "a recorded name is ours whoever made the object",
        "plan/prune.py",
        "if member.uid and seen.uid != member.uid:",
        "if False:",
        (f"{DELETIONS}::test_a_recorded_object_is_deleted_only_while_it_is_ours",),
    ),
    Mutant(
        "a replace deletes whatever has the name",
        _MAKING,
        "    if seen.uid != change.expects.uid:\n"
        '        return "not replaced: another object now has the name"\n',
        "    change = replace(change, expects=replace(change.expects, uid=seen.uid))\n",
        (f"{RACES}::test_a_replace_leaves_what_another_made_under_the_name_meanwhile",),
    ),
    Mutant(
        "an apply without the uid that was planned",
        _EXECUTE,
        'guard = {"uid": uid} if uid else {"resourceVersion": _NEVER}',
        'guard = {} if uid else {"resourceVersion": _NEVER}',
        (f"{ANSWERS}::test_an_object_deleted_between_read_and_apply_is_not_brought_back_blindly",),
    ),
    Mutant(
        "what is made is written to whatever has the name",
        _EXECUTE,
        'guard = {"uid": uid} if uid else {"resourceVersion": _NEVER}',
        'guard = {"uid": uid} if uid else {}',
        (f"{RACES}::test_what_another_made_since_it_was_seen_to_be_absent_is_not_written",),
    ),
    Mutant(
        "deletes go on though another run wrote the inventory",
        _PROTOCOL,
        "if not any(waves) or not (yield from self._is_inventory_unchanged()):",
        "if not any(waves):",
        (f"{LAWS}::test_i2_nothing_is_deleted_once_another_run_has_written_the_inventory", RACES),
    ),
    Mutant(
        "deletes go on though an apply failed",
        _PROTOCOL,
        "        if (yield from self._forward()):\n            yield from self._prune()\n",
        "        yield from self._forward()\n        yield from self._prune()\n",
        (f"{LAWS}::test_i5_nothing_is_deleted_after_a_failure_or_while_something_is_held",),
    ),
    Mutant(
        "a schedule goes while it has a run",
        _PROTOCOL,
        "        if active:\n",
        "        if False:\n",
        (f"{PRUNE}::test_a_schedule_is_suspended_first_and_its_active_run_awaited",),
    ),
    # -- what was read ---------------------------------------------------------------------------
    Mutant(
        "a kind that could not be listed has no objects",
        "plan/snapshot.py",
        "return unread_object(key, why) if why is not None else absent_object(key)",
        "return absent_object(key)",
        (f"{PRUNE}::test_a_kind_that_could_not_be_listed_is_neither_absent_nor_pruned",),
    ),
    Mutant(
        "an object that could not be read is gone",
        _EXECUTE,
        "            return unread_object(key, error.message)",
        "            from reconciler.objects.observed import absent_object\n\n"
        "            return absent_object(key)",
        (f"{RACES}::test_an_object_that_cannot_be_read_again_stays_recorded",),
    ),
    Mutant(
        "what failed to render is gone from Git",
        "engine/predict.py",
        "if fleet.may_have(unit) or unit in handed",
        "if unit in {u.id for u in fleet.units()} or unit in handed",
        (f"{PRUNE}::test_a_file_that_cannot_be_read_prunes_nothing",),
    ),
    # -- the guards ------------------------------------------------------------------------------
    Mutant(
        "an empty render prunes",
        _GUARDS,
        "    if nothing_left and group not in absent:\n",
        "    if False:\n",
        (f"{PRUNE}::test_a_removed_group_needs_its_tombstone_however_small_it_is",),
    ),
    Mutant(
        "the limit in percent is off by one",
        _GUARDS,
        "100 * lost / max(1, recorded) > limits.percent:",
        "100 * lost / max(1, recorded) >= limits.percent:",
        (f"{PRUNE}::test_the_budget_is_ten_objects_or_a_fifth_from_twenty_recorded",),
    ),
    Mutant(
        "the limit in percent is asked from one later",
        _GUARDS,
        "recorded >= limits.percent_from",
        "recorded > limits.percent_from",
        (f"{PRUNE}::test_the_budget_is_ten_objects_or_a_fifth_from_twenty_recorded",),
    ),
    Mutant(
        "the limit in objects is off by one",
        _GUARDS,
        "    if lost > limits.objects:\n",
        "    if lost > limits.objects + 1:\n",
        (f"{PRUNE}::test_the_budget_counts_objects_and_not_apps",),
    ),
    Mutant(
        "an approval stands for names",
        _GUARDS,
        'f"{c.key.full()} {c.expects.uid}"',
        'f"{c.key.full()}"',
        (f"{PRUNE}::test_the_hash_stands_for_objects_and_not_for_names",),
    ),
    # -- the lease -------------------------------------------------------------------------------
    Mutant(
        "the holder's wall clock is trusted",
        _LEASE,
        "    if ends:\n        return election\n",
        '    old = str(election.spec.get("renewTime"))[:16] < stamp[:16]\n'
        "    if ends and (election.lost or election.blind or not old):\n        return election\n",
        (f"{LEASE_LAWS}::test_the_record_s_own_times_decide_nothing",),
    ),
    Mutant(
        "a holder is alive only while its wall clock moves",
        _LEASE,
        'before["metadata"].get(name) == body["metadata"].get(name)\n'
        '        for name in ("uid", "resourceVersion")',
        'before["spec"].get(name) == body["spec"].get(name)\n        for name in ("renewTime",)',
        (f"{LEASE}::test_a_holder_whose_wall_clock_stands_still_is_alive",),
    ),
    Mutant(
        "a lease is given back by what is remembered",
        _LEASE,
        "        if now.holder != election.identity or _count(now) != election.epoch:\n",
        "        if election.holder != election.identity:\n",
        (f"{LEASE}::test_release_compares_what_it_reads_and_never_blanks_a_successor",),
    ),
    Mutant(
        "writes begin until the lease runs out",
        _LEASE,
        "    if left <= election.timing.margin:\n",
        "    if left <= 0:\n",
        (f"{LEASE}::test_no_write_begins_within_the_margin_before_the_lease_runs_out",),
    ),
    Mutant(
        "the lease's term counts from the answer",
        _LEASE,
        "        sent_at=answer.sent,\n",
        "        sent_at=answer.received,\n",
        (f"{LEASE}::test_the_term_counts_from_before_the_request_was_sent",),
    ),
    Mutant(
        "writes go on without a permit",
        _EXECUTE,
        "                if not isinstance(effect, Read | Wait | DryRun | FindStrangers | WaitGone):\n",
        "                if isinstance(effect, Swap):\n",
        ("tests/scenarios/test_permit.py",),
    ),
    # -- requests --------------------------------------------------------------------------------
    Mutant(
        "a write is sent again after a 500",
        "adapters/kubernetes/transport.py",
        'if method == "GET" and answer.status in _UNREADY and',
        "if answer.status in {500, *_UNREADY} and",
        (f"{REQUESTS}::test_a_servers_own_failure_leaves_a_write_unknown",),
    ),
    Mutant(
        "a write is sent again without an answer",
        "adapters/kubernetes/transport.py",
        'if method != "GET" or tries',
        "if tries",
        (f"{REQUESTS}::test_a_write_without_an_answer_is_unknown_and_never_sent_again",),
    ),
)
