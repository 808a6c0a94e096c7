"""Which versions of the program a config asks for."""

import pytest

import reconciler
from reconciler.layers import document, stack

LAYERS = "layers: [{name: base, file: environments/base.yaml}]\n"


def _codes(requires, version, monkeypatch):
    monkeypatch.setattr(reconciler, "__version__", version)
    _, found = stack.load(f"requires: {requires!r}\n{LAYERS}".encode(), "layers.yaml")
    return [(d.code, d.message) for d in found]


@pytest.mark.parametrize(
    ("requires", "version"),
    [
        (">=0.1", "0.1.0"),
        (">=0.1,<1", "0.9.7"),
        ("==0.2", "0.2.0"),
        ("~=0.2.1", "0.2.4"),
        (">=0.10", "0.11.0rc1"),
    ],
)
def test_a_version_that_fits_is_no_mistake(requires, version, monkeypatch):
    assert _codes(requires, version, monkeypatch) == []


@pytest.mark.parametrize(
    ("requires", "version"),
    [(">=0.10", "0.9.0"), (">=0.1,<1", "1.0.0"), ("!=0.2", "0.2.0"), ("~=0.2.1", "0.3.0")],
)
def test_a_version_that_does_not_fit_is_told_with_both(requires, version, monkeypatch):
    message = f"this config needs {requires}, and this is {version}"
    assert _codes(requires, version, monkeypatch) == [("E_REQUIRES", message)]


@pytest.mark.parametrize("requires", ["", "  ", "0.1", "=>0.1", ">=", "latest"])
def test_what_is_no_constraint_is_a_mistake(requires, monkeypatch):
    message = 'expected a version constraint such as ">=0.1"'
    assert _codes(requires, "0.1.0", monkeypatch) == [("E_LAYERS", message)]


def test_a_document_of_several_keeps_its_line_numbers():
    chunks = list(document.split(b"a: 1\n---\nb: 2\n---  \n\n--- # c\nd: 3\n"))
    parsed = [document.parse(chunk, "f", "l") for chunk in chunks]
    places = [{k: c.site.line for k, c in p.root.children.items()} for p in parsed if p.root]
    assert places == [{"a": 1}, {"b": 3}, {"d": 7}]
