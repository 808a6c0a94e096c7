"""One round of the election, case by case (F134 to F140)."""

import pytest

from reconciler.apply import lease
from reconciler.apply.lease import Create, Election, Get, LeaseAnswer, Replace, Timing
from reconciler.objects.observed import unread_object
from reconciler.objects.outcome import Done, RefusalCause, Refused, Unknown, Verb
from tests.laws.test_lease_laws import KEY, TIMING, Record, drive, finish

STAMP = "2026-11-23T12:00:00.000000Z"


def contender(name="me"):
    return Election(KEY, name, TIMING)


def held(record, name="me", now=100.0):
    election = drive(contender(name), record, now)
    assert election.leads
    return election


def edited(record, **spec):
    """A write by hand."""
    body = {**record.body, "spec": {**record.body.get("spec", {}), **spec}}
    assert isinstance(record.put(body), Done)


def test_an_absent_lease_is_created_and_one_of_two_creators_wins():
    record = Record()
    slow = lease.attempt(contender("slow"), STAMP)
    assert isinstance(next(slow), Get)
    request = slow.send(LeaseAnswer(record.get(), 1.0, 1.0))
    assert isinstance(request, Create)
    fast = held(record, "fast", 1.0)
    with pytest.raises(StopIteration) as end:
        slow.send(LeaseAnswer(record.serve(request), 1.0, 1.0))
    assert not end.value.value.leads
    assert fast.epoch == 0
    assert record.body["spec"]["holderIdentity"] == "fast"


def test_the_program_s_namespace_is_made_when_it_is_missing():
    steps = lease.attempt(contender(), STAMP)
    record = Record()
    next(steps)
    asked = [steps.send(LeaseAnswer(record.get(), 1.0, 1.0))]
    missing = Refused(RefusalCause.NAMESPACE_MISSING, 404, "no namespace")
    asked.append(steps.send(LeaseAnswer(missing, 1.0, 1.0)))
    asked.append(steps.send(LeaseAnswer(Done(Verb.CREATED, {}), 1.0, 1.0)))
    assert [r.body["kind"] for r in asked] == ["Lease", "Namespace", "Lease"]


def test_a_renewal_is_one_put_with_the_version_seen_and_keeps_when_it_was_taken():
    record = Record()
    mine = held(record)
    before = record.body
    steps = lease.attempt(mine, "2026-11-23T12:00:02.000000Z")
    request = next(steps)
    assert isinstance(request, Replace)
    assert request.body["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    with pytest.raises(StopIteration) as end:
        steps.send(LeaseAnswer(record.serve(request), 102.0, 102.5))
    after = end.value.value
    assert after.leads
    assert after.epoch == 0
    assert record.body["spec"]["acquireTime"] == before["spec"]["acquireTime"]
    assert record.body["spec"]["renewTime"] == "2026-11-23T12:00:02.000000Z"


@pytest.mark.parametrize("renewed", ["2020-01-01T00:00:00.000000Z", "2031-01-01T00:00:00.000000Z"])
def test_a_dead_holder_is_waited_for_a_full_duration_by_our_own_clock(renewed):
    """F135: whether the record says that it is a day old or of the future."""
    record = Record()
    held(record, "dead")
    edited(record, renewTime=renewed)
    mine = drive(contender(), record, 5000.0)
    assert not mine.leads
    mine = drive(mine, record, 5000.0 + TIMING.duration - 0.1)
    assert not mine.leads
    mine = drive(mine, record, 5000.0 + TIMING.duration)
    assert mine.leads
    assert mine.epoch == 1
    assert record.body["spec"]["leaseTransitions"] == 1


def test_a_holder_that_renews_is_never_taken_over():
    record = Record()
    other = held(record, "other", 0.0)
    mine = contender()
    for tick in range(0, 200, 2):
        other = drive(other, record, float(tick))
        mine = drive(mine, record, float(tick) + 1)
        assert other.leads
        assert not mine.leads
    assert lease.is_holder_alive(mine)


def test_a_holder_whose_wall_clock_stands_still_is_alive():
    record = Record()
    other = held(record, "other", 0.0)
    mine = contender()
    for tick in range(0, 60, 2):
        other = drive(other, record, float(tick), STAMP)
        mine = drive(mine, record, float(tick) + 1)
    assert not mine.leads


def test_no_write_begins_within_the_margin_before_the_lease_runs_out():
    """F137: a process that was stopped knows by its own clock, before it asks anybody."""
    mine = held(Record(), now=100.0)
    assert lease.may_write(mine, 100.0) == ""
    assert lease.may_write(mine, 100.0 + TIMING.renew_deadline - 0.1) == ""
    assert "renewed in time" in lease.may_write(mine, 100.0 + TIMING.renew_deadline)
    assert "renewed in time" in lease.may_write(mine, 160.0)


def test_the_term_counts_from_before_the_request_was_sent():
    record = Record()
    steps = lease.attempt(contender(), STAMP)
    next(steps)
    request = steps.send(LeaseAnswer(record.get(), 1.0, 2.0))
    with pytest.raises(StopIteration) as end:
        steps.send(LeaseAnswer(record.serve(request), 2.0, 9.0))
    assert lease.may_write(end.value.value, 2.0 + TIMING.renew_deadline)


def test_who_comes_back_after_a_take_over_has_lost_for_good():
    record = Record()
    mine = held(record, "me", 0.0)
    other = drive(contender("other"), record, 1.0)
    other = drive(other, record, 20.0)
    assert other.leads
    mine = drive(mine, record, 21.0)
    assert "went to other" in mine.lost
    assert lease.may_write(mine, 21.0)
    before = record.version
    assert drive(mine, record, 1000.0).lost
    assert record.version == before


def test_an_unknown_renewal_prolongs_nothing():
    record = Record()
    mine = held(record, "me", 0.0)

    def lossy(request):
        return Unknown("time-out") if isinstance(request, Replace) else record.get()

    steps, answer = lease.attempt(mine, STAMP), None
    while True:
        try:
            request = next(steps) if answer is None else steps.send(answer)
        except StopIteration as end:
            mine = end.value
            break
        answer = LeaseAnswer(lossy(request), 8.0, 8.0)
    assert mine.leads
    assert lease.may_write(mine, 8.0) == ""
    assert lease.may_write(mine, 11.0)


def test_a_claim_whose_answer_was_lost_is_found_in_the_record_and_is_no_transition():
    record = Record()
    steps = lease.attempt(contender(), STAMP)
    next(steps)
    request = steps.send(LeaseAnswer(record.get(), 0.0, 0.0))
    record.serve(request)
    with pytest.raises(StopIteration) as end:
        steps.send(LeaseAnswer(Unknown("reset"), 0.0, 0.0))
    lost = end.value.value
    assert not lost.leads
    assert lost.blind
    found = drive(lost, record, 2.0)
    assert found.leads
    assert record.body["spec"]["leaseTransitions"] == 0


def test_a_server_that_does_not_answer_gives_no_lease():
    steps = lease.attempt(contender(), STAMP)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send(LeaseAnswer(unread_object(KEY, "refused"), 0.0, 0.0))
    assert end.value.value.blind
    assert "could not be read: refused" in lease.may_write(end.value.value, 0.0)


def test_release_blanks_the_holder_and_the_next_need_not_wait():
    record = Record()
    mine = held(record, "me", 0.0)
    finish(lease.release(mine, STAMP), record, 1.0)
    assert record.body["spec"]["holderIdentity"] == ""
    assert record.body["spec"]["leaseDurationSeconds"] == 1
    other = drive(contender("other"), record, 1.5)
    assert other.leads
    assert record.body["spec"]["leaseTransitions"] == 1
    assert record.body["spec"]["leaseDurationSeconds"] == TIMING.duration


def test_release_compares_what_it_reads_and_never_blanks_a_successor():
    """F140, and client-go's own defect: the remembered holder is me, the real one is not."""
    record = Record()
    mine = held(record, "me", 0.0)
    other = drive(contender("other"), record, 1.0)
    assert drive(other, record, 20.0).leads
    finish(lease.release(mine, STAMP), record, 21.0)
    assert record.body["spec"]["holderIdentity"] == "other"


def test_release_repeats_a_lost_compare_and_swap():
    record = Record()
    mine = held(record, "me", 0.0)
    steps = lease.release(mine, STAMP)
    next(steps)
    request = steps.send(LeaseAnswer(record.get(), 1.0, 1.0))
    edited(record, note="by hand")
    assert isinstance(steps.send(LeaseAnswer(record.serve(request), 1.0, 1.0)), Get)
    request = steps.send(LeaseAnswer(record.get(), 1.0, 1.0))
    with pytest.raises(StopIteration):
        steps.send(LeaseAnswer(record.serve(request), 1.0, 1.0))
    assert record.body["spec"]["holderIdentity"] == ""
    assert record.body["spec"]["note"] == "by hand"


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"holderIdentity": ""},
        {"holderIdentity": None},
        {"holderIdentity": "", "leaseDurationSeconds": 0},
        {"holderIdentity": "", "leaseTransitions": "many"},
        None,
    ],
)
def test_an_odd_lease_without_a_holder_is_free(spec):
    """F139."""
    record = Record()
    record.post(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": KEY.name},
            "spec": spec,
        }
    )
    if spec is None:
        del record.body["spec"]
    mine = drive(contender(), record, 0.0)
    assert mine.leads
    assert mine.epoch == 1


@pytest.mark.parametrize("duration", [0, -5, None, "long", True])
def test_a_holder_without_a_usable_duration_gets_ours(duration):
    record = Record()
    held(record, "other", 0.0)
    edited(record, leaseDurationSeconds=duration)
    mine = drive(contender(), record, 100.0)
    assert not drive(mine, record, 114.0).leads
    assert drive(mine, record, 115.0).leads


def test_a_holder_s_own_longer_duration_is_kept_to():
    record = Record()
    held(record, "other", 0.0)
    edited(record, leaseDurationSeconds=60)
    mine = drive(contender(), record, 100.0)
    assert not drive(mine, record, 159.0).leads
    assert drive(mine, record, 160.0).leads


def test_unknown_fields_survive_taking_renewing_and_releasing():
    record = Record()
    strange = {"strategy": "OldestEmulationVersion", "preferredHolder": "x", "later": [1]}
    held(record, "other", 0.0)
    edited(record, **strange)
    mine = drive(contender(), record, 100.0)
    mine = drive(mine, record, 115.0)
    mine = drive(mine, record, 117.0)
    finish(lease.release(mine, STAMP), record, 118.0)
    assert strange.items() <= record.body["spec"].items()
    assert record.body["metadata"]["labels"]


def test_a_lease_that_is_deleted_is_not_held():
    record = Record()
    mine = held(record, "me", 0.0)
    record.body = None
    mine = drive(mine, record, 2.0)
    assert "deleted" in lease.may_write(mine, 2.0)
    assert record.body is None


def test_a_lease_that_is_deleted_and_taken_is_not_held_although_nobody_was_waited_for():
    record = Record()
    mine = held(record, "me", 0.0)
    record.body = None
    held(record, "other", 1.0)
    assert drive(mine, record, 2.0).lost


@pytest.mark.parametrize("spec", [{"holderIdentity": ""}, {"leaseTransitions": 7}])
def test_a_holder_edited_by_hand_is_lost(spec):
    record = Record()
    mine = held(record, "me", 0.0)
    edited(record, **spec)
    assert drive(mine, record, 2.0).lost


def test_an_edit_beside_the_claim_costs_a_read_and_nothing_else():
    record = Record()
    mine = held(record, "me", 0.0)
    edited(record, note="hello")
    mine = drive(mine, record, 2.0)
    assert lease.may_write(mine, 11.0) == ""
    assert record.body["spec"]["note"] == "hello"


def test_the_count_of_transitions_stays_within_its_type():
    record = Record()
    held(record, "other", 0.0)
    edited(record, leaseTransitions=2**31 - 1, holderIdentity="")
    mine = drive(contender(), record, 1.0)
    assert mine.leads
    assert record.body["spec"]["leaseTransitions"] == 2**31 - 1


@pytest.mark.parametrize("values", [(10, 10, 2), (15, 2.4, 2), (15, 10, 0), (15, 20, 2)])
def test_times_that_cannot_work_are_refused(values):
    with pytest.raises(ValueError, match="renew_deadline"):
        Timing(*values)


def test_pauses_between_attempts_are_spread():
    assert lease.retry_delay(TIMING, 0.0) == pytest.approx(2.0)
    assert lease.retry_delay(TIMING, 1.0) == pytest.approx(4.4)
