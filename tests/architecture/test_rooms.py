"""ARCHITECTURE.md names the rooms that there are, in the order that the contract holds."""

import re
import tomllib

from tests.support import ROOT

_ROW = re.compile(r"^\| ((?:`\w+` ?)+)\|", re.MULTILINE)


def _table():
    """The names of each row of the table of rooms, from the top."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    section = text.partition("\n## Rooms")[2].partition("\n## ")[0]
    return [set(re.findall(r"`(\w+)`", names)) for names in _ROW.findall(section)]


def test_the_table_of_rooms_names_each_folder_and_module_of_the_package_once():
    there = {
        path.stem
        for path in (ROOT / "reconciler").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    } - {"__init__", "__main__"}
    named = [name for row in _table() for name in row]
    assert sorted(named) == sorted(there)


def test_the_table_of_rooms_has_the_order_of_the_import_contract():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (layers,) = [
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers" and contract["containers"] == ["reconciler"]
    ]
    assert _table() == [set(layer.split(" | ")) for layer in layers]
