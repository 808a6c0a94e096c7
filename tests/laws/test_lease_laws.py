"""Two holders at once never are, by clocks that run at the same rate and whatever else goes wrong:
answers that are late or lost, pauses, wall clocks that jump, records edited by hand."""

import heapq
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.apply import lease
from reconciler.apply.lease import Create, Election, Get, LeaseAnswer, Replace, Timing
from reconciler.objects.observed import absent_object, live_object, unread_object
from reconciler.objects.outcome import Done, RefusalCause, Refused, Unknown, Verb

KEY = lease.lease_key("prod/one")
TIMING = Timing()


class Record:
    """One lease behind an API server: create, compare-and-swap, delete."""

    def __init__(self):
        self.body = None
        self.version = 0

    def get(self):
        return live_object(self.body) if self.body is not None else absent_object(KEY)

    def put(self, body):
        if self.body is None:
            return Refused(RefusalCause.ABSENT, 404, "gone")
        if body["metadata"].get("resourceVersion") != self.body["metadata"]["resourceVersion"]:
            return Refused(RefusalCause.STALE, 409, "modified")
        return self._store(body, Verb.UPDATED)

    def post(self, body):
        if self.body is not None:
            return Refused(RefusalCause.ALREADY_EXISTS, 409, "there")
        return self._store(body, Verb.CREATED)

    def _store(self, body, verb):
        self.version += 1
        uid = body["metadata"].get("uid", f"u{self.version}")
        made = {**body["metadata"], "resourceVersion": str(self.version), "uid": uid}
        self.body = {**body, "metadata": made}
        return Done(verb, self.body)

    def serve(self, request):
        match request:
            case Get():
                return self.get()
            case Create(body):
                return self.post(body)
            case Replace(body):
                return self.put(body)


def drive(election, record, now, stamp="2026-01-01T00:00:00.000000Z"):
    """One round with answers at once."""
    return finish(lease.attempt(election, stamp), record, now)


def finish(steps, record, now):
    answer = None
    while True:
        try:
            request = next(steps) if answer is None else steps.send(answer)
        except StopIteration as end:
            return end.value
        answer = LeaseAnswer(record.serve(request), now, now)


@dataclass
class Runner:
    """A process: its own monotonic clock begins anywhere, its wall clock says anything."""

    number: int
    offset: float
    chances: list
    election: Any = None  # an Election, once it has begun
    steps: object = None
    pending: object = None
    releasing: bool = False
    log: list = field(default_factory=list)

    def __post_init__(self):
        self.election = Election(KEY, f"runner-{self.number}", TIMING)

    def draw(self):
        self.chances = self.chances[1:] + self.chances[:1]
        return self.chances[0]

    def now(self, time):
        return time + self.offset


class Play:
    """Discrete events: every request is sent, takes effect and is answered at its own time. Reads
    may answer with an older state; answers may be lost."""

    def __init__(self, runners, before_write=True):
        self.record = Record()
        self.history = [(0.0, None)]
        self.runners = runners
        self.queue = []
        self.count = 0
        self.time = 0.0
        self.before_write = before_write
        self.overlaps = []
        for runner in runners:
            self.at(runner.draw() * 5, self._begin, runner)

    def at(self, delay, what, *args):
        self.count += 1
        heapq.heappush(self.queue, (self.time + delay, self.count, what, args))

    def run(self, until):
        while self.queue and self.queue[0][0] <= until:
            self.time, _, what, args = heapq.heappop(self.queue)
            what(*args)
            self._check()

    def _check(self):
        writers = [
            r.number for r in self.runners if not lease.may_write(r.election, r.now(self.time))
        ]
        if len(writers) > 1:
            self.overlaps.append((self.time, writers))

    def _begin(self, runner):
        # The wall clock jumps by up to an hour either way: it is only ever written down.
        stamp = f"2026-01-01T{int(runner.draw() * 23):02d}:00:00.000000Z"
        if runner.draw() > 0.97:
            runner.releasing = True
            runner.steps = lease.release(runner.election, stamp)
            runner.election = lease.resign(runner.election)
        else:
            runner.steps = lease.attempt(runner.election, stamp)
        self._step(runner, None)

    def _step(self, runner, answer):
        try:
            request = next(runner.steps) if answer is None else runner.steps.send(answer)
        except StopIteration as end:
            runner.election = end.value
            if runner.releasing or runner.election.lost:
                # What comes after is a new process.
                runner.releasing = False
                runner.number += 10
                runner.__post_init__()
            # Now and then a process is paused for up to a minute.
            pause = 60 * runner.draw() if runner.draw() > 0.9 else TIMING.retry
            self.at(pause, self._begin, runner)
            return
        sent = runner.now(self.time)
        self.at(
            8 * runner.draw() if runner.draw() > 0.8 else 0.05, self._take, runner, request, sent
        )

    def _take(self, runner, request, sent):
        chance = runner.draw()
        if isinstance(request, Get) and chance > 0.85:
            # A replica that lags: any older state.
            body = self.history[int(runner.draw() * len(self.history)) % len(self.history)][1]
            what: Any = live_object(body) if body is not None else absent_object(KEY)
        elif isinstance(request, Get) and chance > 0.8:
            what = unread_object(KEY, "time-out")
        elif not isinstance(request, Get) and chance > 0.93:
            what = Unknown("lost on the way there")
        else:
            what = self.record.serve(request)
            self.history.append((self.time, self.record.body))
            if not isinstance(request, Get) and chance > 0.86:
                what = Unknown("lost on the way back")
        delay = 8 * runner.draw() if runner.draw() > 0.8 else 0.05
        self.at(delay, self._answer, runner, what, sent)

    def _answer(self, runner, what, sent):
        self._step(runner, LeaseAnswer(what, sent, runner.now(self.time)))


chances = st.lists(st.floats(0, 0.999), min_size=7, max_size=41)
players = st.lists(st.tuples(st.floats(-1e6, 1e6), chances), min_size=2, max_size=4)


@given(players)
@settings(max_examples=300)
def test_there_are_never_two_who_may_write(given_players):
    runners = [Runner(n, offset, drawn) for n, (offset, drawn) in enumerate(given_players)]
    play = Play(runners)
    play.run(600)
    assert play.overlaps == []


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100)
def test_there_are_never_two_who_may_write_in_long_random_plays(seed):
    import random

    source = random.Random(seed)
    runners = [
        Runner(n, source.uniform(-1e6, 1e6), [source.random() for _ in range(997)])
        for n in range(3)
    ]
    play = Play(runners)
    play.run(1200)
    assert play.overlaps == []
    # The play is not idle: somebody did hold it.
    assert play.record.version > 10


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_when_faults_end_exactly_one_leads(seed):
    import random

    source = random.Random(seed)
    runners = [
        Runner(n, source.uniform(-1e6, 1e6), [source.random() for _ in range(997)])
        for n in range(3)
    ]
    play = Play(runners)
    play.run(300)
    now = 1000.0
    elections = [Election(KEY, f"late-{n}", TIMING) for n in range(3)]
    for _ in range(20):
        elections = [drive(e, play.record, now) for e in elections]
        now += 2
    assert sum(not lease.may_write(e, now) for e in elections) == 1


@given(st.integers(min_value=-3600, max_value=3600), st.floats(0, 1e7))
def test_the_record_s_own_times_decide_nothing(skew, start):
    # Years ahead of the contender's wall clock and years behind it.
    stamps = f"20{17 + skew % 19}-01-01T00:00:00.000000Z"
    record = Record()
    drive(Election(KEY, "other", TIMING), record, 5.0, stamps)
    mine = Election(KEY, "me", TIMING)
    taken = None
    for tick in range(40):
        now = start + tick
        mine = drive(mine, record, now)
        if mine.leads:
            taken = now - start
            break
    assert taken is not None
    assert TIMING.duration - 0.01 <= taken <= TIMING.duration + 1.01
