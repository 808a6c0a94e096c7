"""What the docs show is what the program does."""

import re

import pytest

from reconciler.cli.program import run_captured
from reconciler.output import format as formats
from tests import sample_pull_request
from tests.support import ROOT

GUIDE = ROOT / "docs/pull-requests.md"


def test_the_sample_report_is_what_the_program_writes_now():
    stale = "stale: python -m tests.sample_pull_request"
    assert sample_pull_request.FILE.read_text() == sample_pull_request.produced(), stale


def test_the_sample_report_shows_each_part():
    text = sample_pull_request.FILE.read_text()
    for part in ("Deleted or replaced", "Blocking", "Lines that reach several", "<details>"):
        assert part in text


def test_the_guide_names_every_format_and_option():
    text = GUIDE.read_text()
    for name in formats.names():
        assert f"`{name}`" in text, name
    _, out = run_captured(["plan", "--help"])
    for option in set(re.findall(r"`?(--[a-z][a-z-]+)", text)):
        assert option in out or option in ("--embedded", "--ci", "--api-key"), option


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", GUIDE.read_text()))) if GUIDE.exists() else []
)
def test_a_link_of_the_guide_leads_somewhere(path):
    assert (GUIDE.parent / path).exists()
