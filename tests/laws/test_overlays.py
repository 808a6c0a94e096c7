"""The law of overlays: every field of Kubernetes' pod schema, set in an overlay, is drawn with its
line in the pods of every backend, or refused at its line."""

import pytest

from reconciler.apps import overlays, pod_schema
from reconciler.engine import review
from tests.laws.test_nothing_is_silent import OWN, STARTS, _drawn_sites, _leaves, _yaml
from tests.support import NOW, select

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


def _sample(known, depth=0):
    """A value with every field that its type has."""
    match known.what:
        case "record":
            fields = pod_schema.fields_of(known.record)
            if depth > _DEEPEST:
                return {}
            return {name: _sample(inner, depth + 1) for name, inner in fields.items()}
        case "list":
            return [_sample(known.item, depth + 1)]
        case "map":
            return {"a": _sample(known.item, depth + 1)}
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


def _overlays():
    for name, known in POD.items():
        yield {name: _sample(known)}
    for name, known in CONTAINER.items():
        value = _sample(known)
        if name == "resources":
            value = {"claims": value["claims"]}
        yield {"container": {name: value}}
    yield {"labels": {"team.example/a": "b"}}
    yield {"annotations": {"team.example/a": "b"}}


def _undrawn(tree, path):
    """The leaves of the overlay that nothing draws; none where the program refuses it there."""
    seen = review.review(tree, select(), NOW)
    errors = [d for d in seen.diagnostics if d.is_error]
    if errors:
        assert all(d.site.file == OWN for d in errors)
        assert {d.code for d in errors} <= {"E_POD_SIDECAR"}, errors
        return []
    drawn = set(_drawn_sites(seen.fleet))
    (app,) = [a for a in seen.fleet.apps if a.model == "web"]
    node = app.tree.get(path.split(".")[0]).get("pod")
    found = list(_leaves(node, path))
    assert found
    return [place for place, leaf in found if leaf.site not in drawn]


@pytest.mark.parametrize("start", STARTS)
def test_every_field_of_an_overlay_is_drawn_or_refused(start):
    block = "serving" if "serving" in STARTS[start].files["models/web/model.yaml"].decode() else ""
    block = block or "training"
    silent = {}
    for overlay in _overlays():
        tree = STARTS[start].but({OWN: f"{block}: {{pod: {_yaml(overlay)}}}\n"})
        if left := _undrawn(tree, f"{block}.pod"):
            silent[str(overlay)[:80]] = left
    assert silent == {}


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
