"""The engine drops a reference to None for each null that it converts; a loop would end in a crash."""

import gc
import sys

import pytest

from reconciler.policy.cel import references
from reconciler.policy.cel.engine import Engine, Values

DATA = {"object": {"a": None, "b": [None, {"c": None}]}, "oldObject": None}


@pytest.mark.parametrize(
    "text",
    [
        "object.a",
        "oldObject",
        "object.b",
        "object",
        "[null, null]",
        "{'a': null}",
        "oldObject == null",
        "object.missing",
    ],
)
def test_an_evaluation_keeps_the_references_to_none(text):
    engine = Engine()
    program = engine.compile(text)
    gc.collect()
    before = sys.getrefcount(None)
    for _ in range(300):
        program.run(Values(engine, DATA))
    gc.collect()
    assert sys.getrefcount(None) > before - 100


def test_a_reference_is_added_for_each_none_of_a_value():
    value = [None, {"a": None, "b": [None, 1]}, {}]
    before = sys.getrefcount(None)
    for _ in range(100):
        references.give_back(value)
    assert 290 < sys.getrefcount(None) - before < 400
