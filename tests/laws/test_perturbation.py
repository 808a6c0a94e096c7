"""The perturbation law: change any leaf of the sample config, or of the config that sets every
option, and every manifest field that changes names that leaf."""

import re

import pytest
import yaml

from reconciler.objects.draft import embedded, show_path, walk
from reconciler.origin import Value, plain
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
    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
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
        for place, inner in embedded(draft):
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


@pytest.mark.parametrize(("repo", "path"), LAYERS)
def test_every_field_that_changes_names_the_leaf_that_changed_it(repo, path):
    files = REPOS[repo]
    selected = _readers(files, path)
    before = _fields(drawn(MemoryTree(files), **selected))
    done = set()
    for line, value, text in _mutants(files[path].decode()):
        if (line, value) in done:
            continue
        tree = MemoryTree({**files, path: text.encode()})
        if loaded(tree, **selected).errors:
            continue
        done.add((line, value))
        after = _fields(drawn(tree, **selected))
        for place in before.keys() & after.keys():
            if plain(before[place]) != plain(after[place]):
                assert _names(after[place], path, line), (path, line, place)
        objects = {place[:2] for place in before}
        for place in after.keys() - before.keys():
            if place[:2] in objects:
                assert _names(after[place], path, line), (path, line, place)
            elif place[2] == "metadata.name":  # a new object: by its kind, group or name
                identity = [after.get((*place[:2], f)) for f in ("apiVersion", "kind", place[2])]
                assert any(_names(leaf, path, line) for leaf in identity), (path, line, place)
    leaves = {(line, value) for line, value, _ in _mutants(files[path].decode())}
    TRIED[repo, path] = (len(done), len(leaves))


TRIED = {}


def test_most_leaves_were_changed_to_something_valid():
    changed, leaves = (sum(column) for column in zip(*TRIED.values(), strict=True))
    assert len(TRIED) == len(LAYERS)
    assert changed / leaves > 0.7, (changed, leaves, TRIED)


def test_the_law_sees_a_dropped_origin():
    assert not _names("registry.example/a:1", "environments/base.yaml", 4)
