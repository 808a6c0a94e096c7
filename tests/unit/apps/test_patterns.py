"""Path patterns of layers.yaml and the fields that exist."""

import pytest

from reconciler.apps import patterns
from reconciler.backends.contract import list_capabilities
from reconciler.layers import stack

HEAD = "layers: [{name: base, file: base.yaml%s}]\n"


def told(lists="", allow=""):
    data = (HEAD % (f", allow: [{allow}]" if allow else "")) + (
        f"lists: {{{lists}}}\n" if lists else ""
    )
    order, found = stack.load(data.encode(), "layers.yaml")
    assert found == ()
    assert order is not None
    return [d.message for d in patterns.check(order, list_capabilities())]


@pytest.mark.parametrize(
    "path", ["serving.env", "training.candidates", "vars.any.thing", "labels", "serving.kserve"]
)
def test_a_path_of_a_field_is_fine(path):
    assert told(f"{path}: {{by: name}}") == []
    assert told(allow=path) == []


@pytest.mark.parametrize(
    ("path", "step"),
    [("serving.envs", "envs"), ("servin.env", "servin"), ("serving.kserve.protocl", "protocl")],
)
def test_a_path_that_no_field_has_is_warned_of(path, step):
    (message,) = told(f"{path}: append")
    assert message == f"no field has the path {path}: {step!r} is none"
    assert told(allow=path) == [message]
