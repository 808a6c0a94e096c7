"""Drafts: the walks over a tree agree with each other, and with the bytes that are digested."""

import hashlib

import orjson

from reconciler.objects.draft import canonical, digest, list_leaves, walk
from reconciler.origin import Branch, Items, Origin, Site, Value, plain
from tests.support import drawn, sample

_HERE = Origin(Site("a.yaml", 1, 1), "base", "set")


def test_leaves_are_those_of_the_walk_in_its_order():
    for draft in drawn(sample()).values():
        assert [id(leaf) for leaf in list_leaves(draft.tree)] == [
            id(x) for _, x in walk(draft.tree)
        ]


def test_empty_maps_and_lists_are_leaves_with_their_origin():
    tree = {"a": Branch({}, _HERE), "b": [Items((), _HERE), {}, []], "c": Value(1, _HERE)}
    found = list_leaves(tree)
    assert [plain(leaf) for leaf in found] == [{}, [], {}, [], 1]
    assert [type(leaf) is Value for leaf in found] == [True, True, False, False, True]
    assert [plain(leaf) for _, leaf in walk(tree)] == [plain(leaf) for leaf in found]


def test_the_canonical_bytes_are_those_of_the_plain_body():
    for draft in drawn(sample()).values():
        raw = orjson.dumps(plain(draft.tree), option=orjson.OPT_SORT_KEYS)
        assert canonical(draft.tree) == raw
        assert digest(draft) == hashlib.blake2b(raw, digest_size=16).hexdigest()
