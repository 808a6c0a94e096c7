"""The law of overlays: every field of Kubernetes' pod schema, set in an overlay, is drawn with its
line in the pods of every backend, or refused at its line."""

import pytest

from reconciler.apps import overlays, pod_schema
from reconciler.backends import contract
from reconciler.engine import review
from tests.laws.test_nothing_is_silent import OWN, STARTS, _drawn_sites, _leaves, _yaml
from tests.support import NOW, loaded, select

_SCALARS = {
    "text": "a",
    "int": 7,
    "bool": True,
    "number": 7,
    "quantity": "7Gi",
    "int-or-text": 7,
    "any": "a",
}
#: Records that hold themselves are cut.
_DEEPEST = 12


def _sample(known, lacks=frozenset(), depth=0):
    """A value with every field that its type has, but those that a kind lacks."""
    match known.what:
        case "record":
            fields = pod_schema.fields_of(known.record)
            if depth > _DEEPEST:
                return {}
            return {
                name: _sample(inner, lacks, depth + 1)
                for name, inner in fields.items()
                if (known.record, name) not in lacks
            }
        case "list":
            return [_sample(known.item, lacks, depth + 1)]
        case "map":
            return {"a": _sample(known.item, lacks, depth + 1)}
        case what:
            return known.choices[0] if known.choices else _SCALARS[what]


POD = {
    name: known
    for name, known in pod_schema.fields_of("PodSpec").items()
    if name not in overlays.POD_OWNED
}
CONTAINER = {
    name: known
    for name, known in pod_schema.fields_of("Container").items()
    if name not in overlays.CONTAINER_OWNED
}


def _overlays(lacks):
    """Overlays of one field each, with everything that can stand in it."""
    for name, known in POD.items():
        if ("PodSpec", name) not in lacks:
            yield {name: _sample(known, lacks)}
    for name, known in CONTAINER.items():
        if ("Container", name) in lacks:
            continue
        value = _sample(known, lacks)
        if name == "resources":
            value = {key: value[key] for key in ("claims",) if key in value}
        if value:
            yield {"container": {name: value}}
    yield {"labels": {"team.example/a": "b"}}
    yield {"annotations": {"team.example/a": "b"}}


def _undrawn(tree, path):
    """The leaves of the overlay that nothing draws; none for the one that a trainer may not have."""
    seen = review.review(tree, select(), NOW)
    errors = [d for d in seen.diagnostics if d.is_error]
    if errors:
        assert all(d.site.file == OWN for d in errors)
        assert {d.code for d in errors} == {"E_POD_SIDECAR"}, errors
        return []
    drawn = set(_drawn_sites(seen.fleet))
    (app,) = [a for a in seen.fleet.apps if a.model == "web"]
    node = app.tree.get(path.split(".")[0]).get("pod")
    found = list(_leaves(node, path))
    assert found
    return [place for place, leaf in found if leaf.site not in drawn]


def _lacks(start):
    named = contract.list_names("framework")
    if start in named:
        return "training", contract.find_framework(start).lacks
    name = start if start in contract.list_names("serving") else "deployment"
    return "serving", contract.find_serving(name).lacks


@pytest.mark.parametrize("start", STARTS)
def test_every_field_of_an_overlay_is_drawn_or_refused(start):
    block, lacks = _lacks(start)
    silent = {}
    for overlay in _overlays(lacks):
        tree = STARTS[start].but({OWN: f"{block}: {{pod: {_yaml(overlay)}}}\n"})
        if left := _undrawn(tree, f"{block}.pod"):
            silent[str(overlay)[:80]] = left
    assert silent == {}


@pytest.mark.parametrize("start", [start for start in STARTS if _lacks(start)[1]])
def test_a_field_that_the_kind_lacks_is_refused_at_its_line(start):
    block, lacks = _lacks(start)
    refused = set()
    for name, known in POD.items():
        text = f"{block}: {{pod: {_yaml({name: _sample(known)})}}}\n"
        errors = loaded(STARTS[start].but({OWN: text})).errors
        refused |= {d.path.rpartition(".")[2] for d in errors if d.code == "E_POD_FIELD"}
    assert refused == {field for _, field in lacks}


@pytest.mark.parametrize("place", ["environment", "group", "pool"])
def test_an_overlay_of_each_level_reaches_jobs_and_servers(place):
    for start in STARTS:
        files = STARTS[start].files
        text = "tolerations: [{key: seen}]"
        block = {
            "environment": "environment: {rank: 1, cluster: main, pod: {%s}}\n",
            "group": "group: {namespace: ml-one, pod: {%s}, pools: {gpu: {}}}\n",
            "pool": "group: {namespace: ml-one, pools: {gpu: {pod: {%s}}}}\n",
        }[place]
        file = "environments/prod/" + (
            "environment.yaml" if place == "environment" else "one/group.yaml"
        )
        kind = "training" if b"training" in files["models/web/model.yaml"] else "serving"
        tree = STARTS[start].but({file: block % text, OWN: f"{kind}: {{pool: gpu}}\n"})
        seen = review.review(tree, select(), NOW)
        assert not [d for d in seen.diagnostics if d.is_error]
        assert file in {site.file for site in _drawn_sites(seen.fleet)}, start
