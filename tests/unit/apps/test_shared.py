"""Two models do not keep their artefacts at one place."""

from reconciler.apps import shared
from tests.error_catalogue import TWO_TRAINED
from tests.support import loaded, small


def test_two_models_that_write_to_one_place_are_refused_together():
    fleet = loaded(small().but(TWO_TRAINED))
    (found,) = fleet.errors
    assert (found.code, str(found.site)) == ("E_STORAGE", "models/web/model.yaml:8:56")
    assert [str(unit) for unit in sorted(fleet.blocked)] == ["prod/one/other", "prod/one/web"]


def test_a_path_of_their_own_each_is_fine():
    text = TWO_TRAINED["models/web/model.yaml"].replace("/models/web", "/models/own")
    fleet = loaded(small().but({**TWO_TRAINED, "models/web/model.yaml": text}))
    assert not fleet.errors
    assert list(shared.check(fleet.apps)) == []
