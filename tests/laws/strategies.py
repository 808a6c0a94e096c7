"""Trees, layers and stacks for the laws."""

import json

from hypothesis import strategies as st

from reconciler.layers import document, merge, stack

KEYS = st.sampled_from(["a", "b", "c", "d", "x.y", "é"])
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-5, 5),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(st.sampled_from("ab01:#-'\" \n{}yn~é"), max_size=6),
)


def values(depth=3):
    """Plain data without nulls; texts never hold references."""
    return st.recursive(
        SCALARS,
        lambda inner: st.one_of(
            st.dictionaries(KEYS, inner, max_size=4), st.lists(inner, max_size=3)
        ),
        max_leaves=12,
    )


def maps():
    return st.dictionaries(KEYS, values(), max_size=4)


def typed_maps():
    """Maps whose values have one kind at each key, so that any two of them merge."""
    return st.fixed_dictionaries(
        {},
        optional={
            "a": st.integers(-5, 5),
            "b": st.text("xyz", max_size=3),
            "c": st.dictionaries(KEYS, st.booleans(), max_size=3),
            "d": st.lists(st.integers(0, 3), max_size=3),
            "e": st.fixed_dictionaries(
                {}, optional={"f": st.integers(-(2**53) + 1, 2**53 - 1), "g": st.just("t")}
            ),
        },
    )


def folded(*layers, lists=None):
    """Plain maps as layers l0, l1, … folded; JSON is YAML."""
    texts = [json.dumps(layer, ensure_ascii=False) for layer in layers]
    return folded_texts(*texts, lists=lists)


def folded_texts(*texts, lists=None, cache=None, options=None):
    entries = [
        {"name": f"l{n}", "file": f"l{n}.yaml", **(options or {}).get(n, {})}
        for n in range(len(texts))
    ]
    order, mistakes = stack.load(
        json.dumps({"layers": entries, "lists": lists or {}}).encode(), "layers.yaml"
    )
    assert order is not None, mistakes
    documents = [
        document.parse(text.encode(), f"l{n}.yaml", f"l{n}") for n, text in enumerate(texts)
    ]
    for parsed in documents:
        assert not [d for d in parsed.diagnostics if d.is_error], parsed.diagnostics
    return merge.fold(documents, order, cache)
