"""Generated files are committed, and fresh."""

import json

import jsonschema
import pytest
import yaml

from reconciler.wiring import schemas
from tests.support import ROOT, sample_files

FOLDER = ROOT / "schemas"


def test_the_committed_schemas_are_what_the_program_writes_now():
    texts = schemas.texts()
    assert sorted(p.name for p in FOLDER.iterdir()) == sorted(texts)
    for name, text in texts.items():
        assert (FOLDER / name).read_text() == text, f"{name} is stale: make schemas"


def _schema_of(data):
    head = data.decode().splitlines()[0] if data else ""
    return head.rpartition("schemas/")[2] if "$schema=" in head else ""


class _Loader(yaml.SafeLoader):
    """Reads markers as what they mark; editors do the same."""


def _marked(loader, _suffix, node):
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return yaml.safe_load(loader.construct_scalar(node))


_Loader.add_multi_constructor("!", _marked)
_FILES = {path: data for path, data in sample_files().items() if _schema_of(data)}


@pytest.mark.parametrize("path", sorted(_FILES))
def test_a_sample_file_fits_the_schema_it_names(path):
    schema = json.loads((FOLDER / _schema_of(_FILES[path])).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    value = yaml.load(_FILES[path], Loader=_Loader)
    if value is not None:
        jsonschema.validate(value, schema)


def test_most_sample_files_name_a_schema():
    layers = [p for p in sample_files() if p.startswith(("environments/", "models/"))]
    assert len(_FILES) > 0.6 * len(layers)


def test_a_slip_does_not_fit_the_schema():
    schema = json.loads((FOLDER / "layer.json").read_text())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"serving": {"replcas": 2}}, schema)
