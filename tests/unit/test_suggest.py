"""The wording of a suggestion, and when there is none."""

import re

from reconciler import suggest
from tests.support import ROOT


def test_the_nearest_known_word_is_suggested():
    assert suggest.did_you_mean("replcas", ["port", "replicas"]) == "did you mean 'replicas'?"


def test_nothing_is_suggested_where_no_word_is_alike():
    assert suggest.nearest("zzz", ["port", "replicas"]) is None
    assert suggest.did_you_mean("zzz", ["port"]) == ""


def test_what_is_known_is_named_with_and_without_a_suggestion():
    known = ["port", "replicas"]
    assert suggest.did_you_mean("prt", known, also="known: port") == (
        "did you mean 'port'? known: port"
    )
    assert suggest.did_you_mean("zzz", known, also="known: port") == "known: port"


def test_no_other_module_words_a_suggestion_itself():
    own = re.compile(r"get_close_matches|[Dd]id you mean [{`']")
    found = [
        path.name
        for path in (ROOT / "reconciler").rglob("*.py")
        if own.search(path.read_text()) and path.name != "suggest.py"
    ]
    assert found == []
