"""What the text of an expression says of it never falls short of its tree."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.policy.cel import VARIABLES, Engine, Program, budget, facts, syntax
from reconciler.policy.cel.budget import Size

ENGINE = Engine()
KNOWN = frozenset(VARIABLES)
STEPS = 10_000
SIZES = [Size(), Size(3, 10), Size(64, 4096), Size(500, 100_000)]

FIELDS = st.sampled_from(["a", "image", "object", "params", "variables", "template"])
BOUND = st.sampled_from(["x", "y", "k", "objects"])
TEXTS = st.sampled_from(
    [
        "'a'",
        '"object.a"',
        "'it\\'s params.b'",
        '"a\\\\"',
        "'//'",
        "r'\\'",
        "'''a'b'''",
        '"+"',
        "b'x'",
    ]
)
LEAVES = st.one_of(
    st.sampled_from([*VARIABLES, "x", "y", "k", "1", "-1", "2.5", "true", "null", "[]", "{}"]),
    TEXTS,
    FIELDS.map(lambda field: f"variables.{field}"),
    FIELDS.map(lambda field: f"object . {field}"),
)


def larger(inner):
    """Expressions around others. Many are ill-typed, and are passed over by the tests."""
    two = st.tuples(inner, inner)
    spaced = st.sampled_from(["", " ", "\n", " // object.b + params\n"])
    operators = st.sampled_from(["&&", "||", "==", "!=", "+", "-", "in ", "<"])
    loops = st.sampled_from(["all", "exists", "exists_one", "map", "filter"])
    methods = st.sampled_from(
        ["matches", "startsWith", "contains", "orValue", "split", "join", "replace", "indexOf"]
    )
    return st.one_of(
        st.tuples(two, operators, spaced).map(lambda t: f"{t[0][0]} {t[1]}{t[2]} {t[0][1]}"),
        st.tuples(inner, loops, BOUND, inner).map(lambda t: f"{t[0]}.{t[1]}({t[2]}, {t[3]})"),
        st.tuples(inner, BOUND, two).map(lambda t: f"{t[0]}.map({t[1]}, {t[2][0]}, {t[2][1]})"),
        st.tuples(inner, BOUND, inner).map(lambda t: f"{t[0]}.optMap({t[1]}, {t[2]})"),
        st.tuples(inner, methods, TEXTS).map(lambda t: f"{t[0]}.{t[1]}({t[2]})"),
        st.tuples(inner, FIELDS).map(lambda t: f"{t[0]}.{t[1]}"),
        st.tuples(inner, FIELDS).map(lambda t: f"{t[0]}.?{t[1]}"),
        st.tuples(inner, inner).map(lambda t: f"{t[0]}[{t[1]}]"),
        st.tuples(inner, st.integers(1, 30)).map(lambda t: t[0] + "[x]" * t[1]),
        st.tuples(inner, st.integers(1, 30)).map(lambda t: t[0] + ".trim()" * t[1]),
        st.tuples(inner, st.integers(1, 30)).map(lambda t: t[0] + ".filter(x, x)" * t[1]),
        st.tuples(inner, inner).map(lambda t: f"[{t[0]}, {t[1]}]"),
        st.tuples(inner, inner).map(lambda t: f"{{'a': {t[0]}, 'b': {t[1]}}}"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} ? {t[1]} : {t[2]})"),
        inner.map(lambda t: f"({t})"),
        inner.map(lambda t: f"!{t}"),
        inner.map(lambda t: f"has(object.{t})"),
        inner.map(lambda t: f"size({t})"),
        inner.map(lambda t: f"type({t}) == map"),
        # A loop around it gives its variables a meaning.
        inner.map(lambda t: f"object.a.all(x, object.b.exists(y, [1].all(k, {t})))"),
    )


EXPRESSIONS = st.recursive(LEAVES, larger, max_leaves=12)


def depth(node):
    return 1 + max((depth(child) for child in syntax.children(node)), default=0)


def compare(text, root):
    """Compares the facts of a text with its tree. Gives the facts."""
    found = facts.read(text, KNOWN)
    if found is None:
        return None
    assert found.names == syntax.names_of(root) & KNOWN
    assert found.variables == syntax.selected(root, "variables")
    assert found.loops >= syntax.depth_of_loops(root)
    assert found.depth >= depth(root) - 1
    read = budget.texts_read(root)
    assert found.texts is None or (read is not None and found.texts >= read)
    if found.elements is not None:
        for size in SIZES:
            bound = budget.bound_of(found.elements, size.most, STEPS)
            exact = budget.bytes_of(root, size, STEPS)
            assert bound.made >= exact.made
            assert bound.gathered >= exact.gathered
    return found


def compiled(text):
    """The program of an expression, also where the names of loops are missing around it."""
    for around in (text, f"[object].map(x, [x].map(y, [x].map(k, [x].map(objects, {text}))))"):
        program = ENGINE.compile(around)
        if isinstance(program, Program):
            return program
    return None


@settings(max_examples=3000)
@given(EXPRESSIONS)
def test_a_text_never_says_less_than_its_tree(text):
    program = compiled(text)
    if program is not None:
        compare(program.text, program.parsed.root)


def test_most_generated_expressions_are_compared():
    """A law over expressions that do not compile would say nothing."""
    compared = []

    @settings(max_examples=200)
    @given(EXPRESSIONS)
    def draw(text):
        program = compiled(text)
        compared.append(program is not None and facts.read(program.text, KNOWN) is not None)

    draw()
    assert sum(compared) > len(compared) / 6


UNUSUAL = [
    "[1].all(object, object > 0)",
    "[{'a': 1}].all(variables, variables.a == 1)",
    ".object.a == 1",
    "[1].all(x, x in .params.l)",
    "object.a == r'\\d' || params.a == 'b'",
    "object.a == '''a'b''' || params.b == 'c'",
    'object.a == """x"y"""',
    "variables == {}",
    "variables['a'] == 1",
    "variables.?a.orValue(1) == 1",
]


@pytest.mark.parametrize("text", UNUSUAL)
def test_an_unusual_text_is_left_to_the_tree(text):
    program = ENGINE.compile(text)
    assert isinstance(program, Program), program
    assert facts.read(text, KNOWN) is None
    root = program.parsed.root
    assert program.names == syntax.names_of(root) & KNOWN
    assert program.variables == syntax.selected(root, "variables")


USUAL = [
    "object.?params.orValue(1) == 1 // request.userInfo",
    "object.params . oldObject == 'request.x' && \"variables.y\" != 'a\\'b'",
    "(object.a ? params : oldObject) == [?object.?b, 1][0]",
    "{object.a: params}.size() > 0",
    "[1, 2].all(myobject, myobject in [object.c, 1])",
    "object.l\n  .all(x, x\n  .matches('a'))",
    "variables.a + variables . b > 1",
]


@pytest.mark.parametrize("text", USUAL)
def test_names_in_texts_comments_and_fields_are_not_read_as_names(text):
    program = ENGINE.compile(text)
    assert isinstance(program, Program), program
    assert compare(text, program.parsed.root) is not None
