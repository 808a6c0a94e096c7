"""An object inside an object is a JSON text to whoever creates it, and a tree to everybody else."""

import json
import re

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.objects.draft import (
    Draft,
    Embedded,
    Placeholder,
    canonical,
    digest,
    digest_of_body,
    list_embedded,
    seal,
    value_at,
    walk,
)
from reconciler.objects.key import ObjectKey
from reconciler.origin import Origin, Site, Value, plain
from reconciler.plan import compare

INNER = ObjectKey("batch", "Job", "ml", "{{workflow.name}}-a")
OUTER = ObjectKey("argoproj.io", "WorkflowTemplate", "ml", "train")
TEXTS = st.one_of(
    st.text('{}\\"=ub07/ \n\u00e9', max_size=8),
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.sampled_from(["{{{", "{{{{", "}}", "\\{{", "{\\u007b", "{{=1+1}}", "{{workflow.name}}"]),
)
SCALARS = st.one_of(TEXTS, st.integers(-5, 5), st.booleans(), st.none())
BODIES = st.dictionaries(
    TEXTS,
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.dictionaries(TEXTS, inner, max_size=3), st.lists(inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=4,
)
_HOLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def line(number):
    return Origin(Site("model.yaml", number, 1), "model", "set")


def traced(datum, numbers=None):
    """The datum as a tree whose n-th leaf stands in line n."""
    numbers = numbers if numbers is not None else iter(range(1, 10_000))
    if isinstance(datum, dict) and datum:
        return {key: traced(child, numbers) for key, child in datum.items()}
    if isinstance(datum, list) and datum:
        return [traced(child, numbers) for child in datum]
    return Value(datum, line(next(numbers)))


def carrier(*inner, key=OUTER):
    """A template with an embedded leaf for each tree."""
    variables = [
        {"name": f"M{n}", "value": Embedded(f"m{n}", Draft(INNER, "batch/v1", tree, "job"))}
        for n, tree in enumerate(inner)
    ]
    tree = {"metadata": {"name": key.name}, "spec": {"env": variables}}
    return Draft(key, "argoproj.io/v1alpha1", tree, "argo")


def text_of(tree):
    return Embedded("a", Draft(INNER, "batch/v1", tree, "job")).value


def filled(text):
    """What Argo makes of a template: its JSON is searched for holes, and every hole is filled."""
    outer = json.dumps({"value": text}, ensure_ascii=False, separators=(",", ":"))
    return json.loads(_HOLE.sub("FILLED", outer))["value"]


@given(BODIES)
@example({"a": "{{{", "{{": "}}", "\\": "\\{{x}}", "b": {"{": {"{": "{"}}})
def test_a_text_gives_the_object_back_and_shows_no_two_braces(body):
    text = text_of(traced(body))
    assert json.loads(text) == body
    assert "{{" not in text
    assert "{{" not in json.dumps(text)


@given(BODIES)
def test_a_text_without_two_braces_in_a_string_is_the_canonical_one(body):
    raw = canonical(traced(body))
    if b"{{" not in raw:
        assert text_of(traced(body)) == raw.decode()


@given(BODIES)
def test_a_template_s_holes_are_filled_in_placeholders_alone(body):
    tree = {"name": Placeholder("{{workflow.name}}-a"), "spec": traced(body)}
    assert json.loads(text_of(tree)) == {"name": "{{workflow.name}}-a", "spec": body}
    assert json.loads(filled(text_of(tree))) == {"name": "FILLED-a", "spec": body}
    traced_name = {**tree, "name": Value(Placeholder("{{workflow.name}}-a"), line(1))}
    assert text_of(traced_name) == text_of(tree)


@given(BODIES, BODIES)
def test_a_carrier_is_sealed_and_digested_to_the_same_content(first, second):
    draft = carrier(traced(first), traced(second))
    manifest = seal(draft)
    assert digest(draft) == manifest.digest == digest_of_body(plain(draft.tree))
    assert orjson.loads(canonical(draft.tree)) == manifest.body
    assert len(manifest.origins) == len(list(walk(draft.tree))) == 5


@given(BODIES)
def test_an_embedded_object_keeps_the_origin_of_every_leaf(body):
    draft = carrier(traced(body))
    ((place, inner),) = list_embedded(draft)
    ((sealed_place, manifest),) = seal(draft).inside()
    assert place == sealed_place == ("spec", "env", 0, "value")
    assert (manifest.key, manifest.body, manifest.digest) == (INNER, body, digest(inner))
    for number, ((path, leaf), origin) in enumerate(
        zip(walk(body), manifest.origins, strict=True), 1
    ):
        assert origin == line(number) or (path, leaf) == ((), {})


@given(BODIES)
def test_the_leaf_itself_has_the_origins_of_all_leaves(body):
    leaf = value_at(carrier(traced(body)).tree, ("spec", "env", 0, "value"))
    count = len(list(walk(body)))
    assert [site.line for site in leaf.origin.sites()] == list(range(1, count + 1))


@given(BODIES)
def test_an_object_in_an_embedded_object_is_found_through_both_texts(body):
    outermost = carrier({"metadata": carrier(traced(body)).tree, "b": Value(1, line(9))})
    places = {path: inner.body for path, inner in seal(outermost).inside()}
    first = ("spec", "env", 0, "value")
    assert [path for path, _ in list_embedded(outermost)] == list(places)
    assert list(places) == [first, (*first, "metadata", *first)]
    assert places[*first, "metadata", *first] == body


@given(BODIES, BODIES)
def test_every_difference_of_two_texts_is_told_as_the_inner_field_s(old, new):
    before, desired = seal(carrier(traced(old))).body, seal(carrier(traced(new)))
    fields = compare.compare_bodies(before, desired.body, desired)
    assert bool(fields) == (canonical(old) != canonical(new))
    for field in fields:
        assert field.path == ("spec", "env", 0, "value")
        if field.inside is None:  # 1 and True are one number: only the text tells
            assert (json.loads(field.before), json.loads(field.after)) == (old, new)
            continue
        path = field.inside.path
        assert field.inside.key == INNER
        assert field.added or value_at(old, path) == field.before or isinstance(field.before, list)
        assert field.removed or value_at(new, path) == field.after or isinstance(field.after, list)
        if not field.removed:
            manifest = dict(desired.inside())[field.path]
            assert field.origin == compare.origin_for(manifest, path, field.after)
            assert field.origin is not None
