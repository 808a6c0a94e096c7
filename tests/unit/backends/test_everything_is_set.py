"""The config of tests/cases/everything sets every field that a spec or a backend has: what is
drawn of it, its laws and its checks then speak of all options."""

import pytest

from reconciler.apps import shape
from reconciler.backends import contract
from reconciler.origin import BUILT_IN, Branch, Value
from reconciler.spec.application import Application
from reconciler.spec.model import VersionRecord
from reconciler.spec.overlay import Overlay
from tests.everything import everything
from tests.support import loaded


def _fields(one, path=""):
    match one:
        case shape.Record():
            for field in one.fields:
                here = f"{path}.{field.alias}" if path else field.alias
                yield here
                yield from _fields(field.shape, here)
        case shape.ListOf(item):
            yield from _fields(item, f"{path}[]")
        case shape.MapOf(item):
            yield from _fields(item, f"{path}.*")
        case _:
            pass


def _set(value, one, path=""):
    match one:
        case shape.Record():
            for field in one.fields:
                here = f"{path}.{field.alias}" if path else field.alias
                inner = getattr(value, field.name)
                if isinstance(inner, Value) and inner.origin is BUILT_IN:
                    continue
                if inner is not None and not (isinstance(inner, dict | tuple) and not inner):
                    yield here
                    yield from _set(inner, field.shape, here)
        case shape.ListOf(item):
            for inner in value:
                yield from _set(inner, item, f"{path}[]")
        case shape.MapOf(item):
            for inner in value.values():
                yield from _set(inner, item, f"{path}.*")
        case _:
            assert isinstance(value, Value | Branch | Overlay)


FLEET = loaded(everything())


def test_the_config_is_right():
    assert FLEET.errors == ()
    assert [d.code for d in FLEET.diagnostics] == [
        "W_STORAGE",
        "W_ARGO_REPLACE",
    ]


def test_every_field_of_an_app_is_set_somewhere():
    wanted = set(_fields(shape.record(Application)))
    found = {path for app in FLEET.apps for path in _set(app.spec, shape.record(Application))}
    assert wanted - found == set()


def test_every_field_of_a_record_is_set_somewhere():
    one = shape.record(VersionRecord)
    found = {p for app in FLEET.apps for r in app.records.values() for p in _set(r, one)}
    assert set(_fields(one)) - found == set()


OPTIONS = [
    (name, options)
    for block in contract.list_capabilities().values()
    for name, options in block.items()
    if options is not None
]


@pytest.mark.parametrize(("name", "options"), OPTIONS, ids=[name for name, _ in OPTIONS])
def test_every_option_of_a_backend_is_set_somewhere(name, options):
    one = shape.record(options)
    found = {p for app in FLEET.apps if name in app.options for p in _set(app.options[name], one)}
    assert set(_fields(one)) - found == set()


def test_every_backend_is_in_use():
    training = [a.spec.training for a in FLEET.apps if a.spec.training is not None]
    serving = [a.spec.serving for a in FLEET.apps if a.spec.serving is not None]
    assert {t.framework.value for t in training} == set(contract.list_names("framework"))
    assert {t.orchestrator.value for t in training} == set(contract.list_names("orchestrator"))
    assert {s.backend.value for s in serving} == set(contract.list_names("serving"))
    assert {s.router.value for s in serving} == set(contract.list_names("router"))
