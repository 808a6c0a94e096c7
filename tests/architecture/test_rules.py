"""docs/rules.md, the glossary and the decisions: what the code cites is there, and links lead on."""

import io
import re
import tokenize

import pytest

from tests.support import ROOT

DOCS = ROOT / "docs"
_RULE = re.compile(r"\b([MIPF]\d{1,2}(?:\.\d{1,2})?)\b")
_HEADING = re.compile(r"^### ([MI]\d{1,2}) \S", re.MULTILINE)
_POINT = re.compile(r"^- \*\*([MI]\d{1,2}\.\d{1,2})\*\* \S", re.MULTILINE)


def _cited():
    """Rule number → one of the modules that cite it, in comments, docstrings or messages."""
    found = {}
    for path in sorted((ROOT / "reconciler").rglob("*.py")):
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING):
                for rule in _RULE.findall(token.string):
                    found[rule] = str(path.relative_to(ROOT))
    return found


def _explained():
    text = (DOCS / "rules.md").read_text()
    return _HEADING.findall(text) + _POINT.findall(text)


def test_every_rule_that_the_code_cites_is_explained():
    cited = _cited()
    assert {"M7", "M3.6", "I1", "I10"} <= cited.keys()
    missing = {rule: where for rule, where in cited.items() if rule not in _explained()}
    assert missing == {}


def test_no_rule_is_explained_twice_and_none_is_left_out():
    rules = _explained()
    assert len(set(rules)) == len(rules)
    assert {f"M{n}" for n in range(1, 13)} | {f"I{n}" for n in range(1, 12)} <= set(rules)


def test_the_words_of_a_table_of_the_glossary_are_said_once():
    words = re.findall(r"^\| ([^|]+) \|", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    terms = [w for w in words if w not in ("word", "---")]
    assert len(terms) > 50
    assert len(set(terms)) == len(terms)


def test_every_decision_says_what_why_and_what_was_rejected_and_is_listed():
    pages = sorted(p.name for p in (DOCS / "decisions").glob("[0-9]*.md"))
    listed = re.findall(r"\(([0-9][^)]+\.md)\)", (DOCS / "decisions/README.md").read_text())
    assert pages == listed
    for number, name in enumerate(pages, 1):
        text = (DOCS / "decisions" / name).read_text()
        assert text.startswith(f"# {number}. "), name
        assert all(f"**{part}.**" in text for part in ("Decision", "Why", "Rejected")), name
        assert len(text.splitlines()) <= 30, name


_LINKED = [
    (page, link)
    for page in sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    if "://" not in link and page.name not in ("errors.md", "sample-pull-request.md")
]


@pytest.mark.parametrize(
    ("page", "link"), _LINKED, ids=[f"{p.relative_to(ROOT)}: {link}" for p, link in _LINKED]
)
def test_a_link_of_a_page_leads_to_a_file_and_a_heading(page, link):
    path, _, anchor = link.partition("#")
    target = (page.parent / path) if path else page
    assert target.exists()
    if anchor and target.suffix == ".md":
        titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
        assert anchor in slugs
