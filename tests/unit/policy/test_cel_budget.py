"""The memory of an evaluation, and patterns that RE2 and Python read differently."""

import subprocess
import sys

import pytest

from reconciler.policy.cel import Engine, Values
from reconciler.policy.cel.budget import Size, bytes_of
from reconciler.policy.cel.functions import FUNCTIONS

ENGINE = Engine()
OBJECT = {
    "object": {
        "l": list(range(100)),
        "s": "x" * 2000,
        "image": "registry.example/a:1",
        "n": "x" * 300,
    }
}


def run(text):
    return ENGINE.compile(text).run(Values(ENGINE, OBJECT))


GREEDY = [
    "object.l.map(x, object.l.map(y, object.s + object.s + object.s + object.s)).size() > 0",
    "object.l.map(x, object.s.replace('', object.s)).size() > 0",
    "object.s.split('').map(x, object.s.split('')).size() > 0",
    "object.n.replace('x', object.n).replace('x', object.n).replace('x', object.n).size() > 0",
    "object.l.map(x, object.l.map(y, string(y)).join(object.s)).size() > 0",
]


@pytest.mark.parametrize("text", GREEDY)
def test_an_evaluation_that_would_make_too_many_bytes_is_not_begun(text):
    assert run(text).error == "over budget: the texts that it makes are too long"


def test_what_policies_usually_do_is_within_the_budget():
    for text in (
        "object.l.map(x, string(x) + '/' + object.image).size() == 100",
        "object.image.split(':').size() == 2",
        "object.l.filter(x, x > 50).map(x, string(x)).join(', ').size() > 0",
        "object.l.all(x, !object.image.replace(':', '@').endsWith(':latest'))",
        "object.l.exists(x, object.l.exists(y, x == y))",
    ):
        assert run(text).value is True, text


def test_the_estimate_is_never_below_what_is_made():
    text = "object.l.map(x, object.s + object.s)"
    program = ENGINE.compile(text)
    made = len("".join(program.run(Values(ENGINE, OBJECT)).value))
    assert bytes_of(program.parsed.root, Size(100, 2000), 10_000).made >= made


def test_a_loop_that_would_gather_a_very_long_list_is_not_begun():
    """The engine keeps each list that a loop leaves behind: 16 n² bytes, measured."""
    values = Values(ENGINE, {"object": {"l": list(range(9000))}})
    assert ENGINE.compile("object.l.map(x, x).size() > 0").run(values).error == (
        "over budget: the lists that it makes are too long"
    )
    assert ENGINE.compile("object.l.all(x, x >= 0)").run(values).value is True


def test_only_texts_that_a_function_reads_count_against_the_loop_s_steps():
    data = {"object": {"l": [{"image": "a:1"}] * 200, "manifest": "x" * 100_000}}
    values = Values(ENGINE, data)
    walk = "object.l.all(a, a.all(k, a[k] != 'b'))"
    assert ENGINE.compile(walk).run(values).value is True
    read = "object.l.all(a, a.all(k, a.?image.orValue('').matches('1$')))"
    assert ENGINE.compile(read).run(values).value is True
    for any_text in (
        "object.l.all(a, a.all(k, a[k].matches('1$')))",
        "object.l.all(a, a.all(k, {'image': object.manifest}.image.matches('x$')))",
        "object.l.all(a, a.all(k, (a.image + object.manifest).matches('x$')))",
    ):
        assert ENGINE.compile(any_text).run(values).error.startswith("over budget"), any_text


def test_variables_that_double_one_another_end_at_the_budget():
    values = Values(ENGINE, {"variables": {"a": "x" * 100}})
    double = ENGINE.compile("variables.a + variables.a")
    for _ in range(40):
        result = double.run(values)
        if result.error:
            break
        values = Values(ENGINE, {"variables": {"a": result.value}})
    assert result.error == "over budget: the texts that it makes are too long"


@pytest.mark.parametrize(
    "pattern", [r"(a)\1", r"(?P<n>a)(?P=n)", r"\\\1", r"a\C", r"(?=a)", r"(?<!a)b", "a*+", "(?P>n)"]
)
def test_a_pattern_that_re2_refuses_is_refused(pattern):
    find = next(f.run for f in FUNCTIONS if f.name == "find")
    with pytest.raises(ValueError, match="RE2 does not accept"):
        find("aa", pattern)


def test_a_long_pattern_is_refused_before_it_is_read():
    find = next(f.run for f in FUNCTIONS if f.name == "find")
    with pytest.raises(ValueError, match="at most 1000"):
        find("aa", "[" * 300_000)


def test_an_escaped_backslash_before_a_digit_is_no_reference():
    find = next(f.run for f in FUNCTIONS if f.name == "find")
    assert find(r"a\1", r"\\1") == r"\1"


_MEASURE = f"""
import resource
from reconciler.policy.cel import Engine, Values
engine = Engine()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for text in {GREEDY!r} + ["object.s.split('').map(x, object.s + 'a').size() > 0"] + [
    "object.s.split('').map(x, x).size() > 0"
]:
    engine.compile(text).run(Values(engine, {OBJECT!r}))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_greedy_expressions_take_less_than_a_quarter_of_a_gigabyte():
    out = subprocess.run(
        [sys.executable, "-c", _MEASURE], check=True, capture_output=True, text=True
    )
    assert int(out.stdout) < 250
