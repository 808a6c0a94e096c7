"""An entry of a tree that cannot be used stops what reads it, and nothing else."""

import pytest

from reconciler.adapters.git import rules
from reconciler.apps import left_out, reach
from reconciler.apps.app import Selection
from reconciler.diagnostics import Related, error
from reconciler.engine import load, review
from reconciler.origin import Site
from reconciler.unit import UnitId
from tests.support import NOW, MemoryTree, sample_files


def tree_without(path, code="E_SYMLINK", other=""):
    """The sample as a tree gives it in which a path cannot be used."""
    related = [Related(Site(other, 0, 0), "the other one")] if other else []
    fault = error(code, f"{path} is a symbolic link", Site(path, 0, 0), related=related)
    files = {p: c for p, c in sample_files().items() if not f"{p}/".startswith(f"{path}/")}
    return MemoryTree(files, faults=[fault])


def blocked(path, **options):
    fleet = load.load_fleet(tree_without(path, **options))
    assert [d.code for d in fleet.errors] == [options.get("code", "E_SYMLINK")]
    return {str(unit) for unit in fleet.blocked if not unit.is_foundation}, fleet


ALL = {str(app.id) for app in load.load_fleet(MemoryTree(sample_files())).apps}


def of(*parts):
    return {app for app in ALL if all(part in f"/{app}/" for part in parts)}


@pytest.mark.parametrize(
    ("path", "stops"),
    [
        ("environments/prod/hz-b/mnist.yaml", {"prod/hz-b/mnist"}),
        ("environments/prod/hz-b/group.yaml", of("/prod/hz-b/")),
        ("environments/prod/environment.yaml", of("/prod/")),
        ("environments/prod/mnist.yaml", of("/prod/", "/mnist/")),
        ("models/mnist", of("/mnist/")),
        ("models/mnist/model.yaml", of("/mnist/")),
        ("models/mnist/versions", of("/mnist/")),
        ("models/mnist/versions/v9.yaml", of("/mnist/")),
        ("models/mnist/monitor.yaml", {"prod/hz-a/mnist"}),
        ("models/mnist/a-link-that-nobody-reads", set()),
        ("environments/prod/hz-b/a-folder.of-others", set()),
        ("environments/layers.yaml", ALL),
    ],
)
def test_only_the_apps_that_read_an_unusable_entry_are_stopped(path, stops):
    found, fleet = blocked(path)
    assert found == stops
    assert {str(app.id) for app in fleet.apps} == ALL - stops


@pytest.mark.parametrize("path", ["environments/prod/hz-b", "environments/prod", "environments"])
def test_what_lies_below_an_unusable_folder_is_unknown_and_never_gone(path):
    _, fleet = blocked(path)
    unit = UnitId("prod", "hz-b", "mnist")
    assert unit not in fleet.known
    assert fleet.may_have(unit)
    assert fleet.may_have(unit.foundation_id)
    assert not fleet.may_have(UnitId("dev", "main", "gone")) or path == "environments"
    assert {str(a.id) for a in fleet.apps} == {
        a for a in ALL if not f"environments/{a}".startswith(f"{path}/")
    }


def test_two_names_that_clash_stop_the_apps_of_both():
    found, _ = blocked("models/mnist", code="E_CASE", other="models/search-ranker")
    assert found == of("/mnist/") | of("/search-ranker/")


@pytest.mark.parametrize("path", ["policies", "policies/pod-safety.yaml", "policies/tests"])
def test_an_unusable_entry_of_the_policies_stops_every_app(path):
    done = review.review(tree_without(path), Selection(), NOW)
    assert [d.code for d in done.diagnostics if d.is_error] == ["E_SYMLINK"]
    assert not done.fleet.apps


def test_mistakes_in_other_files_are_shown_beside_an_unusable_one():
    tree = tree_without("environments/prod/hz-b/mnist.yaml").but(
        {"environments/dev/main/mnist.yaml": "a: [\n"}
    )
    codes = sorted(d.code for d in load.load_fleet(tree).errors)
    assert codes == ["E_SYMLINK", "E_SYNTAX"]


def test_a_selection_without_the_stopped_apps_says_nothing_of_them():
    tree = tree_without("environments/prod/hz-b/mnist.yaml")
    assert not load.load_fleet(tree, Selection(environments=frozenset({"dev"}))).errors
    assert load.load_fleet(tree, Selection(environments=frozenset({"prod"}))).errors


def test_a_large_file_under_manifests_is_an_error_at_the_entry():
    tree = MemoryTree(sample_files()).but(
        {
            "models/mnist/big.json": b" " * (rules.MOST_BYTES + 1),
            "environments/prod/hz-b/mnist.yaml": "manifests: [big.json]\n",
        }
    )
    (item,) = load.load_fleet(tree).errors
    assert item.code == "E_SIZE"
    assert str(item.site) == "environments/prod/hz-b/mnist.yaml:1:13"
    assert {str(a) for a in item.apps} == {"prod/hz-b/mnist"}


@pytest.mark.parametrize(
    "name", ["con.yaml", "x..yaml", "git~1/a.yaml", "a .yaml/x.yaml", "x.", "AUX"]
)
def test_a_name_in_policies_that_other_systems_cannot_hold_is_refused(name):
    tree = MemoryTree(sample_files()).but({f"policies/{name}": "# nothing\n"})
    done = review.review(tree, Selection(), NOW)
    found = [d for d in done.diagnostics if d.is_error]
    if name in ("x..yaml", "a .yaml/x.yaml"):  # portable: the dot and the blank are inside
        assert not found
        return
    assert [d.code for d in found] == ["E_PATH"]
    assert not done.fleet.apps


# -- the limits of a whole tree ---------------------------------------------------------------------


def filled(check, folder, count, size=3):
    for number in range(count):
        check.add(f"{folder}/f{number:05}.yaml", "id", size)


def test_the_folder_with_the_most_files_is_left_out_and_the_rest_is_read():
    check = rules.TreeCheck()
    filled(check, "environments/prod/one", 10)
    filled(check, "models/junk", rules.MOST_FILES + 5_000)
    filled(check, "models/web", 10)
    assert list(check.faults) == ["models/junk"]
    assert len(check.files()) == 20
    assert check.count == 20
    (item,) = check.errors()
    assert item.code == "E_SIZE"
    assert "20,000 files: models/junk is left out" in item.message


def test_the_folder_with_the_most_bytes_is_left_out_with_its_contents():
    check = rules.TreeCheck()
    content = b"#" * rules.MOST_BYTES
    for number in range(70):
        check.add(f"models/junk/f{number:05}.yaml", "id", len(content), content)
    filled(check, "models/web", 10)
    assert list(check.faults) == ["models/junk"]
    assert not check.contents
    assert check.total == 30


def test_many_small_folders_are_left_out_together():
    check = rules.TreeCheck()
    filled(check, "environments/prod/one", 10)
    for number in range(rules.MOST_FILES + 100):
        check.add(f"models/m{number}/model.yaml", "id", 3)
    assert list(check.faults) == ["models"]
    assert len(check.files()) == 10


def test_paths_above_are_found_by_whole_names():
    assert left_out.find_above("a/b/c", {"a/b"}) == "a/b"
    assert left_out.find_above("a/bc", {"a/b"}) == ""
    assert left_out.find_above("a", {"a"}) == "a"
    assert "E_FILE_MISSING" in reach.NOT_FOUND
