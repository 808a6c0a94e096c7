"""The law that nothing is silent: every field, set in an app, is named by something that is drawn,
or has a warning or an error at its line. Only the fields that a decision uses are neither."""

import pytest

from reconciler.apps import shape
from reconciler.backends import contract
from reconciler.engine import draw, effect, review
from reconciler.objects.draft import list_embedded, list_leaves
from reconciler.origin import Branch, Items, SecretRef, Value, plain
from reconciler.plan.snapshot import Snapshot
from reconciler.spec.application import Application
from tests.everything import everything
from tests.support import NOW, loaded, record, sample, select, small

OWN = "environments/prod/one/web.yaml"
TRAINING = """\
training:
  runIn: [prod/one]
  framework: FRAMEWORK
  image: registry.example/train:1
  command: [python, train.py]
  schedules: [{name: nightly, cron: "0 1 * * *", timeZone: UTC}]
"""
ROUTE = "  router: gateway-api\n  gateway: {name: edge}\n"
MODEL = "model: {type: vision, owner: web}\n"


def _start(model):
    group = "group: {namespace: ml-one, pools: {gpu: {nodeSelector: {a: b}}}}\n"
    files = {"models/web/model.yaml": MODEL + model, "environments/prod/one/group.yaml": group}
    versions = {
        f"models/web/versions/{v}.yaml": record(v) + f"modelVersion: web-{v}\n"
        for v in ("v1", "v2")
    }
    return small().but({**files, **versions})


STARTS = {
    "deployment": _start("serving: {image: registry.example/web:1}\n"),
    "a route": _start(f"serving:\n  image: registry.example/web:1\n{ROUTE}"),
    "kserve": _start(f"serving:\n  backend: kserve\n  framework: onnx\n{ROUTE}"),
    "kubedl": _start("serving: {backend: kubedl, image: registry.example/web:1}\n"),
    **{
        name: _start(TRAINING.replace("FRAMEWORK", name))
        for name in contract.list_names("framework")
    },
}


def _yaml(datum):
    """A datum in flow style, each scalar as YAML and JSON both read it."""
    if isinstance(datum, dict) and "$secret" in datum:
        return f"!secret {datum['$secret']}"
    if isinstance(datum, dict):
        return "{" + ", ".join(f'"{k}": {_yaml(v)}' for k, v in datum.items()) + "}"
    if isinstance(datum, list):
        return "[" + ", ".join(map(_yaml, datum)) + "]"
    if isinstance(datum, bool):
        return "true" if datum else "false"
    return f'"{datum}"' if isinstance(datum, str) else str(datum)


def _samples():
    """(block, field) → a value of it, for every field and option that the config which sets
    everything has."""
    found = {}
    for app in loaded(everything()).apps:
        for block in ("dataset", "training", "versions", "serving"):
            node = app.tree.get(block)
            for name, child in node.children.items() if isinstance(node, Branch) else ():
                found.setdefault((block, name), plain(child))
    return found


SAMPLES = _samples()


def _fields():
    """Every field of the blocks of an app, with the options of the backends."""
    capabilities = contract.list_capabilities()
    for field in shape.record(Application).fields:
        if isinstance(field.shape, shape.Record) and field.alias not in (
            "model",
            "environment",
            "group",
            "moved",
        ):
            yield from ((field.alias, inner.alias) for inner in field.shape.fields)
            known = capabilities.get(field.alias, {})
            yield from ((field.alias, name) for name, cls in known.items() if cls is not None)


def _leaves(node, path):
    if isinstance(node, Value):
        yield path, node
    elif isinstance(node, Branch):
        for key, child in node.children.items():
            yield from _leaves(child, f"{path}.{key}" if path else key)
    elif isinstance(node, Items):
        for index, child in enumerate(node.children):
            yield from _leaves(child, f"{path}[{index}]")


def _drawn_sites(fleet):
    for item in draw.draw_units(fleet, Snapshot.none(), NOW):
        for draft in item.drafts:
            trees = [draft.tree, *(inner.tree for _, inner in list_embedded(draft))]
            for leaf in (leaf for tree in trees for leaf in list_leaves(tree)):
                if isinstance(leaf, Value):
                    yield from leaf.origin.sites()


def _silent(tree):
    """The leaves of the app's own file that nothing names and nobody speaks of."""
    seen = review.review(tree, select(), NOW)
    told = [d for d in seen.diagnostics if d.site is not None and d.site.file == OWN]
    if any(d.is_error for d in seen.diagnostics):
        assert told or any(r.site.file == OWN for d in seen.diagnostics for r in d.related)
        return []
    used = set(_drawn_sites(seen.fleet))
    (app,) = [a for a in seen.fleet.apps if a.model == "web"]
    return [
        path
        for path, leaf in _leaves(app.tree, "")
        if leaf.site.file == OWN
        and leaf.site not in used
        and not any(d.path and path.startswith(d.path) for d in told)
        and not any(path.startswith(name) for name in effect.ELSEWHERE)
        and (isinstance(leaf.value, SecretRef) or leaf.value not in effect.NOTHING)
    ]


def test_every_field_has_a_sample():
    assert set(_fields()) - SAMPLES.keys() == set()


@pytest.mark.parametrize("start", STARTS)
def test_a_field_that_is_set_is_drawn_or_spoken_of(start):
    untold = {}
    for block, name in sorted(set(_fields())):
        text = f"{block}: {{{name}: {_yaml(SAMPLES[block, name])}}}\n"
        silent = _silent(STARTS[start].but({OWN: text}))
        if silent:
            untold[text] = silent
    assert untold == {}


@pytest.mark.parametrize(
    ("own", "at", "path"),
    [
        ("serving: {hostnames: [a.example]}\n", "1:11", "serving.hostnames"),
        ("serving: {gateway: {name: a}}\n", "1:11", "serving.gateway"),
        ("serving: {kserve: {protocol: v2}}\n", "1:11", "serving.kserve"),
        ("vars: {a: {b: 7}}\n", "1:1", "vars"),
        ("versions: {registry: kubedl, storage: {pvc: a, path: /a}}\n", "1:1", "versions"),
        (
            "serving:\n  version: null\n  traffic: {v1: 100}\n  router: gateway-api\n"
            "  gateway: {name: edge}\n  rollout: {steps: [{weight: 10}, {pause: 5m}]}\n",
            "6:3",
            "serving.rollout",
        ),
    ],
)
def test_a_block_without_effect_has_one_warning_at_its_line(own, at, path):
    seen = review.review(STARTS["deployment"].but({OWN: own}), select(), NOW)
    told = [(d.code, str(d.site), d.path) for d in seen.diagnostics]
    assert told == [("W_NO_EFFECT", f"{OWN}:{at}", path)]


def test_a_line_of_a_shared_layer_has_an_effect_when_one_app_uses_it():
    base = "serving: {replicas: 1, gateway: {name: edge}}\n"
    tree = small().but({"environments/base.yaml": base})
    (told,) = review.review(tree, select(), NOW).diagnostics
    assert (told.code, told.path) == ("W_NO_EFFECT", "serving.gateway")
    routed = {OWN: "serving: {router: gateway-api}\n"}
    assert not review.review(tree.but(routed), select(), NOW).diagnostics


def test_a_default_that_every_app_which_uses_it_overrides_is_a_default():
    base = "serving: {replicas: 1}\nvars: {domain: example}\n"
    own = 'vars: {domain: own.example}\nserving: {args: ["${{ vars.domain }}"]}\n'
    other = {"environments/prod/two/group.yaml": "group: {namespace: ml-two}\n"}
    tree = small().but({**other, "environments/base.yaml": base, OWN: own})
    tree = tree.but({"environments/prod/two/web.yaml": "serving: {args: []}\n"})
    assert not review.review(tree, select(), NOW).diagnostics


def test_nothing_of_the_sample_is_without_effect():
    assert not [d for d in review.review(sample(), select(), NOW).diagnostics]
