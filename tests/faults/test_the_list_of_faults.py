"""Every odd fault has a test that is there."""

import functools
import re
from pathlib import Path

from tests.support import ROOT

README = Path(__file__).with_name("README.md")
#: Areas with lists of their own: policy, metrics, rollout.
ELSEWHERE = {17, *range(63, 69), *range(115, 129)}


def rows():
    for line in README.read_text().splitlines():
        found = re.match(r"\| (F\d+) \|.*\| (.*) \|$", line)
        if found:
            yield found[1], found[2]


@functools.cache
def names(path):
    return frozenset(re.findall(r"^def (test_\w+)", (ROOT / path).read_text(), re.MULTILINE))


def test_every_odd_fault_is_in_the_table_once_and_in_order():
    wanted = [f"F{n:02}" for n in range(1, 149, 2) if n not in ELSEWHERE]
    assert [name for name, _ in rows()] == wanted


def test_every_fault_names_tests_that_are_there():
    missing = []
    for name, cell in rows():
        tests = re.findall(r"`([^`:]+)::(test_\w+)`", cell)
        missing += [f"{name}: {path}::{test}" for path, test in tests if test not in names(path)]
        if not tests:
            missing.append(name)
    assert missing == []
