"""What must hold for any layers at all."""

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.layers import chains, document, merge, paths, stack
from reconciler.layers.emit import emit
from reconciler.origin import Branch, Items, Value, plain
from tests.laws.strategies import folded, folded_texts, maps, typed_maps, values


def _order(layers):
    order, _ = stack.load(json.dumps(layers).encode(), "layers.yaml")
    assert order is not None
    return order


def same(a, b):
    """Equal with bool, int and float kept apart, key order included."""
    return json.dumps(a) == json.dumps(b)


@given(maps())
def test_one_layer_is_its_own_merge(layer):
    assert same(plain(folded(layer).tree), layer)


@given(maps())
def test_a_layer_on_itself_changes_nothing(layer):
    assert same(plain(folded(layer, layer).tree), layer)


@given(maps())
def test_an_empty_layer_is_neutral_on_both_sides(layer):
    assert same(plain(folded({}, layer).tree), layer)
    assert same(plain(folded(layer, {}).tree), layer)


@given(typed_maps(), typed_maps(), typed_maps())
def test_merging_is_associative_for_plain_layers(a, b, c):
    merged = folded(a, b, c)
    assert not merged.diagnostics
    left = plain(folded(plain(folded(a, b).tree), c).tree)
    right = plain(folded(a, plain(folded(b, c).tree)).tree)
    assert plain(merged.tree) == left == right


@given(typed_maps(), typed_maps())
def test_the_higher_layer_wins_at_every_leaf_it_has(low, high):
    merged = plain(folded(low, high).tree)

    def check(said, got):
        for key, value in said.items():
            if isinstance(value, dict):
                check(value, got[key])
            else:
                assert same(got[key], value)

    check(high, merged)


@given(typed_maps(), typed_maps())
def test_what_only_the_lower_layer_has_stays(low, high):
    merged = plain(folded(low, high).tree)
    assert all(merged[key] == low[key] for key in low.keys() - high.keys())


@given(maps(), st.data())
def test_deleting_removes_exactly_the_path(layer, data):
    assume(layer)
    key = data.draw(st.sampled_from(sorted(layer)))
    merged = folded(layer, {key: None})
    assert same(plain(merged.tree), {k: v for k, v in layer.items() if k != key})
    assert not merged.diagnostics


@given(typed_maps(), typed_maps(), typed_maps())
def test_a_cached_prefix_gives_the_same_tree(a, b, c):
    order = _order({"layers": [{"name": n, "file": n} for n in "abc"]})
    documents = [
        document.parse(json.dumps(layer).encode(), name, name)
        for name, layer in zip("abc", (a, b, c), strict=True)
    ]
    cache = merge.Prefixes()
    merge.fold(documents[:2], order, cache)
    cached = merge.fold(documents, order, cache)
    fresh = merge.fold(documents, order)
    assert same(plain(cached.tree), plain(fresh.tree))
    assert chains.list_origins(cached.tree) == chains.list_origins(fresh.tree)


@given(typed_maps(), typed_maps())
def test_every_leaf_has_a_chain_whose_newest_link_wrote_it(low, high):
    tree = folded(low, high).tree
    listing = chains.list_origins(tree)

    def check(node, path):
        if isinstance(node, Value):
            link = listing[paths.spell(path)]
            assert link.value == node.value
            assert link is node.origin
        elif isinstance(node, Branch):
            for key, child in node.children.items():
                check(child, (*path, key))
        elif isinstance(node, Items):
            for index, child in enumerate(node.children):
                check(child, (*path, index))

    check(tree, ())


@given(typed_maps(), typed_maps())
def test_every_listed_path_is_found_again(low, high):
    tree = folded(low, high).tree
    for path, origin in chains.list_origins(tree).items():
        node, found = chains.find_path(tree, path)
        assert found is origin
        assert node is not None


@given(maps())
def test_merging_is_deterministic(layer):
    first, second = folded(layer, {"a": None}), folded(layer, {"a": None})
    assert json.dumps(plain(first.tree)) == json.dumps(plain(second.tree))
    assert first.diagnostics == second.diagnostics


@given(maps())
def test_what_is_emitted_reads_back_as_the_same_values(layer):
    tree = folded(layer).tree
    text = emit(tree)
    assert same(plain(folded_texts(text).tree), layer), text


@given(values())
def test_a_reference_copies_any_value_whole(value):
    merged = folded({"target": value, "copy": "${{ target }}"})
    assert not merged.diagnostics
    assert same(plain(merged.tree)["copy"], value)


@given(st.lists(st.integers(0, 4), max_size=5), st.lists(st.integers(0, 4), max_size=5))
def test_list_strategies_agree_with_their_arithmetic(low, high):
    def by(strategy):
        return plain(folded({"l": low}, {"l": high}, lists={"l": strategy}).tree)["l"]

    assert by("replace") == high
    assert by("append") == low + high
    assert by("prepend") == high + low
    union = by("union")
    assert union[: len(low)] == low
    assert set(union) == set(low) | set(high)
    assert sorted(set(union[len(low) :])) == sorted(union[len(low) :])


@given(
    st.lists(st.sampled_from("abcd"), unique=True, max_size=4),
    st.lists(st.sampled_from("abcd"), unique=True, max_size=4),
)
def test_keyed_elements_keep_their_places_and_new_ones_go_last(low, high):
    def elements(keys, value):
        return {"l": [{"k": key, "v": value} for key in keys]}

    merged = folded(elements(low, 1), elements(high, 2), lists={"l": {"by": "k"}})
    got = plain(merged.tree)["l"]
    assert [e["k"] for e in got] == low + [key for key in high if key not in low]
    assert all(e["v"] == (2 if e["k"] in high else 1) for e in got)


@given(st.binary(max_size=80))
def test_no_bytes_at_all_make_the_parser_raise(data):
    parsed = document.parse(data, "f", "l")
    assert isinstance(parsed.diagnostics, tuple)


@given(st.text(st.sampled_from("ab:{}[]-,!&*#'\"|>%@` \n\t?~01$"), max_size=40))
def test_no_text_at_all_makes_merging_raise(text):
    order = _order({"layers": [{"name": n, "file": n} for n in "ab"]})
    documents = [document.parse(text.encode(), name, name) for name in "ab"]
    merge.fold(documents, order)


_MARKERS = (
    "",
    "",
    "",
    "!replace",
    "!append",
    "!prepend",
    "!union",
    "!remove",
    "!by:k",
    "!delete",
    "!force",
    "!override",
    "!default",
    "!final",
    "!null",
    "!raw",
    "!secret",
    "!final.replace",
    "!final.append",
)
_TEXTS = st.sampled_from(
    ["1", "x", "true", "null", "1.5", "''"]
    + [
        f'"{t}"'
        for t in ("${{ a }}", "${{ b.a }}", "z${{ c ?? 3 }}", "$${{ q }}", "${{ l[k=x].a }}")
    ]
)


def _marked(inner):
    return st.tuples(st.sampled_from(_MARKERS), inner).map(" ".join)


_NODES = st.recursive(
    _marked(_TEXTS),
    lambda inner: _marked(
        st.one_of(
            st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
            st.dictionaries(st.sampled_from("abckl"), inner, max_size=3).map(
                lambda m: "{" + ", ".join(f"{k}: {v}" for k, v in m.items()) + "}"
            ),
        )
    ),
    max_leaves=10,
)
_LAYERS = st.dictionaries(st.sampled_from("abckl"), _NODES, max_size=4).map(
    lambda m: "".join(f"{k}: {v}\n" for k, v in m.items())
)


@given(
    st.tuples(_LAYERS, _LAYERS, _LAYERS),
    st.sampled_from([{}, {"l": {"by": "k"}}, {"*": "append"}, {"l": "union", "a.l": {"by": "k"}}]),
)
def test_no_mix_of_markers_makes_merging_raise_and_every_listed_path_is_found(texts, lists):
    entries = [{"name": n, "file": n} for n in "xyz"]
    order = _order({"layers": entries, "lists": lists})
    documents = [document.parse(t.encode(), n, n) for n, t in zip("xyz", texts, strict=True)]
    merged = merge.fold(documents, order)
    for path in chains.list_origins(merged.tree):
        assert chains.find_path(merged.tree, path)[1] is not None


@given(
    st.lists(st.one_of(st.text(min_size=1, max_size=5), st.integers(0, 99)), min_size=1, max_size=5)
)
def test_a_spelled_path_reads_back(steps):
    path = tuple(steps)
    assume(isinstance(path[0], str))
    assert paths.parse(paths.spell(path)) == path


@given(typed_maps(), typed_maps(), typed_maps())
def test_a_lock_holds_whatever_comes_above(low, high, higher):
    assume("a" in low)
    rest = json.dumps({key: value for key, value in low.items() if key != "a"})
    text = f'{{"a": !final {low["a"]}, {rest[1:]}'
    merged = folded_texts(text, json.dumps(high), json.dumps(higher))
    broken = any(h.get("a", low["a"]) != low["a"] for h in (high, higher))
    codes = {d.code for d in merged.diagnostics if d.is_error}
    assert ("E_LOCKED" in codes) == broken
