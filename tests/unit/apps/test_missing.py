"""One error for a block of which an app sets nothing."""

from reconciler.apps.missing import fold
from reconciler.diagnostics import error
from reconciler.origin import Site

TYPE = Site("environments/types/vision.yaml", 3, 1)
OWN = Site("models/web/model.yaml", 3, 1)


def lacks(path, site=TYPE):
    return error("E_MISSING", "`x` is required", site, path=path)


def test_the_fields_of_a_block_that_only_the_type_begins_are_one_error():
    found = fold([lacks("training.image"), lacks("training.command"), lacks("serving.backend")])
    assert [d.path for d in found] == ["serving.backend", "training"]
    assert "sets image, command" in found[1].message
    assert "`training: null`" in found[1].help


def test_one_missing_field_and_fields_of_a_block_of_the_model_stay():
    single = [lacks("training.image")]
    assert fold(single) == tuple(single)
    own = [lacks("training.image", OWN), lacks("training.command", OWN)]
    assert fold(own) == tuple(own)
    nested = [lacks("training.ingest.image"), lacks("training.ingest.command")]
    assert fold(nested) == tuple(nested)
