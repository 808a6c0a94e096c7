"""Killed ahead of any request, or after it was carried out and before its answer was read: the state
is sound at once, and at most two runs later all is as if nothing had happened (I1 to I6, I10)."""

import pytest

from tests import flow
from tests.scenarios import catalogue

pytestmark = pytest.mark.slow


class Knife:
    """Ends the process at its n-th request (from 0), before it is sent or when it is done. Whoever
    is dead asks nothing more."""

    def __init__(self, place, number, *, done):
        self.cluster = place.cluster
        self.left = number
        self.done = done
        self.dead = False
        self.cluster.before = self._before
        self._write = self.cluster._write
        self.cluster._write = self._written

    def _before(self, _verb, _target):
        self.left -= 1
        if self.dead or (self.left == -1 and not self.done):
            self.dead = True
            raise flow.Killed

    def _written(self, verb, target, ask):
        answer = self._write(verb, target, ask)
        if self.left == -1:
            self.dead = True
            raise flow.Killed
        return answer

    def put_away(self):
        self.cluster.before = None
        self.cluster._write = self._write


def points(log):
    """(request, whether it is done): polls of one object in a row are one point, and a question
    changes nothing by having been answered."""
    for number, (verb, target) in enumerate(log):
        if number == 0 or log[number - 1] != (verb, target):
            yield number, False
        if verb in flow.WRITES:
            yield number, True


def killed(name, number, *, done):
    """A course that ended at one point, as it was left."""
    course = catalogue.Course(catalogue.SCENARIOS[name])
    knife = Knife(course.place, number, done=done)
    try:
        with pytest.raises(flow.Killed):
            course.settle(4)
    finally:
        knife.put_away()
    return course


@pytest.mark.parametrize("name", catalogue.SCENARIOS)
def test_a_kill_at_any_request_changes_nothing_of_the_end(name):
    with catalogue.limits(catalogue.SCENARIOS[name]):
        oracle = catalogue.clean(name)
        # Of the last run, which wrote nothing, a kill leaves no trace.
        last = max(n for n, (verb, _) in enumerate(oracle.log) if verb in flow.WRITES)
        found = list(points(oracle.log[: last + 1]))
        assert len(found) >= 8
        for number, done in found:
            course = killed(name, number, done=done)
            where = (oracle.log[number], number, done)
            try:
                catalogue.sound(course, oracle)
                course.settle(2)
                catalogue.ended(course, oracle)
            except AssertionError as wrong:
                raise AssertionError(f"killed at {where}") from wrong


@pytest.mark.parametrize("name", catalogue.SCENARIOS)
def test_nothing_that_is_wanted_is_deleted_in_a_clean_course(name):
    """The oracle of the above is sound itself, and quiet in the end (I4)."""
    scenario = catalogue.SCENARIOS[name]
    with catalogue.limits(scenario):
        oracle = catalogue.clean(name)
        wanted = {key.full() for key in flow.ours(oracle.place)}
        deleted = {target for verb, target in oracle.counts if verb == "deleted"}
        assert deleted & wanted == scenario.replaces
        assert all(count == 1 for count in oracle.counts.values())
        assert oracle.run()[1] == []
