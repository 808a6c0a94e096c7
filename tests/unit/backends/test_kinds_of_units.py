"""What a run lists is what may be drawn, known without drawing it."""

import pytest

from reconciler.backends import contract, draw
from reconciler.backends.contract import Router
from reconciler.engine.draw import draw_units
from reconciler.extensions import ExtensionInvalid
from reconciler.objects.draft import Draft
from reconciler.objects.key import ObjectKey
from reconciler.plan.snapshot import Snapshot
from tests.everything import everything
from tests.support import NOW, loaded, sample, small


@pytest.mark.parametrize("tree", [sample, everything, small])
def test_the_kinds_of_a_unit_are_those_of_its_objects(tree):
    for item in draw_units(loaded(tree()), Snapshot.none(), NOW):
        assert draw.kinds_of(item.unit) == {d.key.group_kind for d in item.drafts}, item.unit.id


def test_a_backend_that_draws_what_it_does_not_declare_is_refused(monkeypatch):
    def draw_more(app, weights, endpoints, lookup):
        key = ObjectKey("", "ConfigMap", app.namespace, "extra")
        return (Draft(key, "v1", {"metadata": {"name": "extra"}}, "sly"),)

    real = contract.find_router("none")
    sly = Router("none", False, (), draw_more, real.read, real.check)
    monkeypatch.setattr(contract, "find_router", lambda _name: sly)
    with pytest.raises(ExtensionInvalid, match="sly draws a ConfigMap"):
        list(draw_units(loaded(small()), Snapshot.none(), NOW))
