"""Which expressions are judged without their tree, and that the limits are the same without it."""

from pathlib import Path

import pytest

import reconciler
from reconciler.policy import collect
from reconciler.policy.cel import Engine, NotEvaluable, Program, Values, facts, syntax

REPO = Path(reconciler.__file__).parent.parent
POD: dict[str, object] = {
    "kind": "Deployment",
    "metadata": {"name": "a", "labels": {"ml-reconciler.dev/owner": "team"}},
    "spec": {
        "template": {
            "metadata": {"labels": {"ml-reconciler.dev/owner": "team"}},
            "spec": {"containers": [{"name": "c", "image": "r/a@sha256:" + "0" * 64}]},
        }
    },
}


@pytest.fixture
def trees(monkeypatch):
    """The number of trees that are built."""
    built = []
    parse = syntax.parse

    def count(serialized):
        built.append(serialized)
        return parse(serialized)

    monkeypatch.setattr(syntax, "parse", count)
    return built


def walks(policies):
    return [
        (validation.expression.program, policy)
        for policy, _ in policies.bound
        for validation in policy.validations
        if validation.expression.program.loops >= 12
    ]


def test_the_policies_of_the_sample_are_loaded_and_pass_a_pod_without_a_tree(trees):
    files = {f"policies/{p.name}": p.read_bytes() for p in (REPO / "policies").glob("*.yaml")}
    policies, mistakes = collect.load(files)
    assert not mistakes
    assert policies.engine is not None
    found = walks(policies)
    assert len(found) >= 5
    # A long text anywhere in the object does not ask for the tree either.
    body = {**POD, "data": {"note": "x" * 20_000}}
    for program, _ in found:
        program.run(Values(policies.engine, {"object": body}))
    assert trees == []


def test_a_tree_is_built_for_a_text_that_is_made_and_once(trees):
    engine = Engine()
    program = engine.compile("object.a + 'b' == 'ab'")
    assert trees == []
    for _ in range(3):
        assert program.run(Values(engine, {"object": {"a": "a"}})).value is True
    assert len(trees) == 1


@pytest.mark.parametrize(
    ("text", "datum"),
    [
        ("object.l.map(x, x).size() > 0", {"l": list(range(9000))}),
        ("object.l.filter(x, x >= 0).all(x, x >= 0)", {"l": list(range(9000))}),
        ("object.l.all(x, x.matches('a$'))", {"l": ["a" * 3000] * 9000}),
        ("object.l.all(x, x.image.matches('a$'))", {"l": [{"image": "a" * 3000}] * 9000}),
        (f"object.l.all(x, [{', '.join('x' * 101)}].all(y, y != 1))", {"l": ["a"] * 9000}),
    ],
)
def test_a_limit_that_the_text_cannot_answer_for_is_checked_by_the_tree(trees, text, datum):
    engine = Engine()
    program = engine.compile(text)
    assert isinstance(program, Program)
    result = program.run(Values(engine, {"object": datum}))
    assert trees
    assert result.error.startswith("over budget") or text.startswith("object.l.all(x, [")


DEEP = {
    "fields": lambda n: "object" + ".a" * n + " == 1",
    "sums": lambda n: "object.a" + " - 1" * n + " == 1",
    "indexes": lambda n: "object" + "[0]" * n + " == 1",
    "methods": lambda n: "object" + ".trim()" * n + " == 'a'",
    "loops": lambda n: "object.l" + ".filter(x, x > 1)" * n + " == []",
    "lists": lambda n: "[" * n + "1" + "]" * n + " == []",
    "conditions": lambda n: "true ? true : " * n + "false",
}


@pytest.mark.parametrize("form", DEEP)
def test_an_expression_whose_tree_is_too_deep_is_not_evaluated(form, monkeypatch):
    """The engine refuses most of them before; so the limit of the tree is lowered here."""
    monkeypatch.setattr(syntax, "DEPTH", 20)
    engine = Engine()
    assert isinstance(engine.compile(DEEP[form](15)), Program)
    assert isinstance(engine.compile(DEEP[form](25)), NotEvaluable)
    assert isinstance(engine.compile(DEEP[form](200)), NotEvaluable)


@pytest.mark.parametrize("field", ["userInfo", "uid", "options"])
def test_what_only_the_cluster_knows_of_a_request_is_found_without_a_loop(field):
    engine = Engine()
    assert isinstance(engine.compile(f"request.{field} != object.a"), NotEvaluable)
    # As another object's field it is nothing special.
    other = engine.compile(f"object.{field} != request.name")
    assert isinstance(other, Program)
    assert facts.read(other.text, frozenset({"object", "request"})) is not None
