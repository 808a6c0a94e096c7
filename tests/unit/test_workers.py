"""Both implementations of `ports.Workers` keep the same contract."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.workers import Threads
from reconciler.ports import SEQUENTIAL

WORKERS = [SEQUENTIAL, Threads(1), Threads(2), Threads(8)]
NAMES = ["alone", "one thread", "two threads", "eight threads"]


@pytest.mark.parametrize("workers", WORKERS, ids=NAMES)
@given(items=st.lists(st.integers(), max_size=20))
def test_the_results_stand_in_the_order_of_the_items(workers, items):
    assert workers.map(lambda number: number * 2, iter(items)) == tuple(n * 2 for n in items)


@pytest.mark.parametrize("workers", WORKERS, ids=NAMES)
@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_every_call_is_over_when_it_returns(workers, count):
    done = []
    workers.map(done.append, range(count))
    assert sorted(done) == list(range(count))


@pytest.mark.parametrize("workers", WORKERS, ids=NAMES)
@given(bad=st.sets(st.integers(0, 9), min_size=1))
def test_the_failure_of_the_first_item_is_raised_once_all_that_began_are_over(workers, bad):
    begun, ended = [], []
    lock = threading.Lock()

    def call(number):
        with lock:
            begun.append(number)
        try:
            if number in bad:
                raise ValueError(number)
            return number
        finally:
            with lock:
                ended.append(number)

    with pytest.raises(ValueError, match=f"^{min(bad)}$"):
        workers.map(call, range(10))
    assert sorted(begun) == sorted(ended)
    assert set(range(min(bad) + 1)) <= set(ended)


@pytest.mark.parametrize("workers", WORKERS, ids=NAMES)
def test_a_call_may_map_in_turn(workers):
    def row(number):
        return workers.map(lambda other: number + other, range(3))

    assert workers.map(row, range(3)) == ((0, 1, 2), (1, 2, 3), (2, 3, 4))
