"""YAML that goes to a terminal, a file, or the log of a CI system."""

import pytest
import yaml

from reconciler.layers.emit import emit

COMMANDS = [
    "::set-env name=PATH::/tmp",
    "  ::add-mask::x",
    "text\n::set-output name=a::b\nmore\n",
    "text\n\t::error::x",
    "say ##[set-env name=A]b",
    "##vso[task.setvariable variable=a]b",
]


@pytest.mark.parametrize("text", COMMANDS)
@pytest.mark.parametrize("wrap", [lambda t: {"a": t}, lambda t: [t], lambda t: {t: 1}, lambda t: t])
def test_no_text_becomes_a_command_of_a_ci_system(text, wrap):
    out = emit(wrap(text))
    assert not any(line.strip(' \t-"').startswith("::") for line in out.splitlines())
    assert "##[" not in out
    assert "##vso[" not in out
    assert yaml.safe_load(out) == wrap(text)


def test_other_colons_are_written_as_they_are():
    assert emit({"a": "x::y", "b": "one\ntwo: ::\n"}) == "a: x::y\nb: |\n  one\n  two: ::\n"
