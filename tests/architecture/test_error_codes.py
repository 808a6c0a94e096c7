"""The catalogue of codes is complete and fresh, and `explain` prints it."""

import json

import pytest

from reconciler import catalogue
from reconciler.catalogue.entry import Entry
from reconciler.cli.program import run_captured
from tests import error_catalogue

ENTRIES = catalogue.entries()


def test_every_code_that_the_package_prints_has_an_entry_and_no_entry_is_of_a_code_that_went():
    assert error_catalogue.codes() == set(ENTRIES)


def test_a_code_is_found_wherever_a_string_holds_it_and_not_in_docstrings():
    text = '''"""E_DOC"""
class A:
    code = "E_ATTRIBUTE"
def f(x):
    """Raises W_DOC."""
    print(f"error[E_INSIDE_{x}]: {x} W_PART", "no_E_CODE")
'''
    assert error_catalogue.codes_of(text) == {"E_ATTRIBUTE", "W_PART"}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))
def test_an_entry_says_what_it_means_how_to_get_out_and_shows_an_example(entry):
    assert entry.meaning.endswith(".")
    assert entry.way_out.endswith(".")
    assert entry.example
    assert (entry.code in catalogue.measured()) != bool(entry.own_example)


def test_an_entry_takes_another_example_and_keeps_the_rest():
    entry = Entry("W_A", "It is so.", "Do this.", "by hand")
    assert entry.shown_as("measured") == Entry(
        "W_A", "It is so.", "Do this.", "by hand", "measured"
    )
    assert (entry.kind, entry.example) == ("warning", "")


def test_the_measured_examples_and_the_page_are_what_the_program_says_now():
    stale = "stale: make docs"
    assert error_catalogue.examples() == dict(catalogue.measured()), stale
    assert error_catalogue.page() == error_catalogue.PAGE.read_text(), stale


def test_explain_prints_an_entry():
    code, out = run_captured(["explain", "E_UNKNOWN_KEY"])
    assert code == 0
    assert out.startswith("E_UNKNOWN_KEY  error\n")
    assert "No field has this name." in out
    assert "did you mean 'serving'?" in out
    assert run_captured(["explain", "e_unknown_key"]) == (code, out)


def test_explain_prints_an_entry_for_machines():
    code, out = run_captured(["explain", "W_BASE", "--output", "json"])
    assert code == 0
    found = json.loads(out)
    entry = ENTRIES["W_BASE"]
    assert found["entry"] == {
        "code": "W_BASE",
        "kind": "warning",
        "meaning": entry.meaning,
        "wayOut": entry.way_out,
        "example": entry.example,
    }


def test_explain_names_the_nearest_code():
    code, out = run_captured(["explain", "E_UNKOWN_KEY"])
    assert code == 1
    assert "there is no code 'E_UNKOWN_KEY'" in out
    assert "did you mean 'E_UNKNOWN_KEY'?" in out


def test_an_entry_is_printed_without_any_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_captured(["explain", "E_LOCKED"])[0] == 0


@pytest.mark.parametrize("other", [["--all"], ["--app", "prod/hz-a/mnist"]])
def test_a_code_goes_with_no_other_question(other):
    code, out = run_captured(["explain", "E_LOCKED", *other])
    assert code == 1
    assert "leave the other options out: reconciler explain E_LOCKED" in out
