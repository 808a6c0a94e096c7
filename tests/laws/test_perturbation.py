"""The perturbation law: change any leaf of the sample config, or of the config that sets every
option, and every manifest field that changes names that leaf."""

import functools
import re
from typing import Any

import pytest
import yaml

from reconciler.objects.draft import list_embedded, show_path, walk
from reconciler.origin import Origin, Site, Value, plain
from tests.everything import everything_files
from tests.support import MemoryTree, drawn, loaded, sample_files

REPOS = {"sample": sample_files(), "everything": everything_files()}
LAYERS = sorted(
    (repo, path)
    for repo, files in REPOS.items()
    for path in files
    if path.endswith(".yaml")
    and not path.startswith("policies/")
    and path != "environments/layers.yaml"
)


def _scalars(node, key=None):
    """Every scalar value with the place that origins name: its key's, or its own in a list."""
    if isinstance(node, yaml.MappingNode):
        for name, child in node.value:
            yield from _scalars(child, name)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _scalars(child)
    else:
        place = (key or node).start_mark
        yield node, place.line + 1


def _others(text):
    """What could stand there instead, likeliest valid first."""
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        yield str(int(float(text)) + 1)
        yield str(int(float(text)) - 1)
    if text in ("true", "false"):
        yield "false" if text == "true" else "true"
    if re.fullmatch(r"v\d+", text):
        yield from (f"v{n}" for n in range(1, 9) if f"v{n}" != text)
    if re.search(r"@sha256:[0-9a-f]{64}$", text) or re.fullmatch(r"sha256:[0-9a-f]{64}", text):
        yield text[:-1] + ("0" if text[-1] != "0" else "1")
    if text[:1].isdigit():
        yield f"1{text}"
    yield f"{text}x"
    yield f"x{text}"


def _mutants(text):
    documents: Any = yaml.compose_all(text, Loader=yaml.SafeLoader)
    for document in documents:
        if document is None:
            continue
        for node, line in _scalars(document):
            start, end = node.start_mark.index, node.end_mark.index
            old = text[start:end]
            quote = old[0] if old[:1] in "'\"" else ""
            marker = re.match(r"(![^\s]+ )?", old).group()
            for other in _others(node.value):
                yield line, node.value, text[:start] + marker + quote + other + quote + text[end:]


def _fields(drafts):
    out = {}
    for (unit, key), draft in drafts.items():
        for path, leaf in walk(draft.tree):
            out[unit, str(key), show_path(path)] = leaf
        for place, inner in list_embedded(draft):
            for path, leaf in walk(inner.tree):
                out[unit, str(key), f"{show_path(place)}: {show_path(path)}"] = leaf
    return out


def _readers(files, path):
    """The models whose apps read a file; all for the shared ones."""
    parts = path.split("/")
    if parts[0] == "models":
        return {"models": [parts[1]]}
    stem = parts[-1].removesuffix(".yaml")
    return {"models": [stem]} if f"models/{stem}/model.yaml" in files else {}


def _names(leaf, path, line):
    return isinstance(leaf, Value) and any(
        site.file == path and site.line == line for site in leaf.origin.sites()
    )


_IDENTITY = ("apiVersion", "kind", "metadata.name")


def _unnamed(before, after, path, line):
    """The fields of `after` that differ from `before` and do not name the leaf at this place. Of an
    object that is new, its kind, group or name does."""
    objects = {place[:2] for place in before}
    for place, leaf in after.items():
        if place in before:
            named = plain(before[place]) == plain(leaf) or _names(leaf, path, line)
        elif place[:2] in objects:
            named = _names(leaf, path, line)
        elif place[2] == "metadata.name":
            named = any(_names(after.get((*place[:2], f)), path, line) for f in _IDENTITY)
        else:
            continue
        if not named:
            yield place


def _unexplained(before, after, path, line):
    """What the leaf at this place changes without being named: in what is there afterwards, and,
    since the way back is a change of the same leaf, in what was there before."""
    return [*_unnamed(before, after, path, line), *_unnamed(after, before, path, line)]


@functools.cache
def _before(repo, path):
    files = REPOS[repo]
    return _fields(drawn(MemoryTree(files), **_readers(files, path)))


def _valid(repo, path):
    """(line, tree) of the first valid change of every leaf; None for a leaf without one."""
    files = REPOS[repo]
    selected = _readers(files, path)
    found: dict[Any, Any] = {}
    for line, value, text in _mutants(files[path].decode()):
        if found.get((line, value)) is None:
            tree = MemoryTree({**files, path: text.encode()})
            valid = not loaded(tree, **selected).errors
            found[line, value] = tree if valid else None
    return found


@pytest.mark.parametrize(("repo", "path"), LAYERS)
def test_every_field_that_changes_names_the_leaf_that_changed_it(repo, path):
    selected = _readers(REPOS[repo], path)
    before = _before(repo, path)
    changes = _valid(repo, path)
    for (line, value), tree in changes.items():
        if tree is not None:
            found = _unexplained(before, _fields(drawn(tree, **selected)), path, line)
            assert not found, (line, value, found)
    untried = [leaf for leaf, tree in changes.items() if tree is None]
    assert len(untried) <= 3 + 0.3 * len(changes), untried


# -- the law itself --------------------------------------------------------------------------------

_PATH, _LINE = "models/web/model.yaml", 3
_NAMED = Value("b", Origin(Site(_PATH, _LINE, 1), "model", "set", "b"))
_OTHER = Value("b", Origin(Site(_PATH, _LINE + 1, 1), "model", "set", "b"))
_AT = ("prod/one/web", "ConfigMap/m")
_FIELD, _NAME = (*_AT, "data.a"), (*_AT, "metadata.name")


@pytest.mark.parametrize("leaf", ["b", _OTHER, 7, None], ids=["plain", "other", "number", "null"])
def test_the_law_sees_a_field_that_does_not_name_the_leaf(leaf):
    kept = {_NAME: _OTHER}
    was = Value("a", _NAMED.origin)
    before = {**kept, _FIELD: was}
    assert _unexplained(before, {**kept, _FIELD: leaf}, _PATH, _LINE) == [_FIELD]
    # One that is new, and one that disappears.
    assert _unexplained(kept, {**kept, _FIELD: leaf}, _PATH, _LINE) == [_FIELD]
    assert _unexplained({**kept, _FIELD: leaf}, kept, _PATH, _LINE) == [_FIELD]
    # An object that is new, and one that disappears.
    assert _unexplained({}, {_NAME: leaf, _FIELD: leaf}, _PATH, _LINE) == [_NAME]
    assert _unexplained({_NAME: leaf, _FIELD: leaf}, {}, _PATH, _LINE) == [_NAME]


def test_the_law_holds_where_every_changed_field_names_the_leaf():
    kept = {_NAME: _OTHER}
    was = Value("a", _NAMED.origin)
    assert _unexplained({**kept, _FIELD: was}, {**kept, _FIELD: _NAMED}, _PATH, _LINE) == []
    assert _unexplained(kept, {**kept, _FIELD: _NAMED}, _PATH, _LINE) == []
    assert _unexplained({**kept, _FIELD: was}, kept, _PATH, _LINE) == []
    assert _unexplained({}, {_NAME: _NAMED, _FIELD: _OTHER}, _PATH, _LINE) == []
    assert _unexplained({_NAME: _NAMED, _FIELD: _OTHER}, {}, _PATH, _LINE) == []


def test_the_law_sees_a_leaf_whose_origin_was_dropped_on_the_way_to_an_object():
    repo, path = "sample", "models/mnist/model.yaml"
    seen = 0
    before = _before(repo, path)
    for (line, _), tree in _valid(repo, path).items():
        if tree is None:
            continue
        after = _fields(drawn(tree, **_readers(REPOS[repo], path)))
        for place in after.keys() & before.keys():
            if plain(after[place]) != plain(before[place]):
                dropped = {**after, place: plain(after[place])}
                assert place in _unexplained(before, dropped, path, line)
                seen += 1
    assert seen > 10
