"""Every format takes every report, says all of it, and keeps the rules of who reads it."""

import ast
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import jsonschema
import pytest

from reconciler.diagnostics import Related, error, warning
from reconciler.engine import review
from reconciler.engine.views import report as views
from reconciler.engine.views.report import Chain, Chains, Findings, Report, Timeline
from reconciler.engine.views.reviews import plan_report
from reconciler.errors import ExitCode
from reconciler.origin import Origin, Site
from reconciler.output import format as formats
from reconciler.output.format import Options
from reconciler.output.schema import documents
from tests.support import NOW, sample, select
from tests.unit.output import reports, sections

MACHINE = ("github", "gitlab", "junit", "markdown", "sarif", "summary")
AT = Site("models/web/model.yaml", 3, 5)


def rendered(name, report, **options):
    return formats.format_named(name).render(report, Options(**options))


def many(count, kind=error):
    return Report(
        "check",
        (
            Findings(
                tuple(
                    kind(f"E_{i:04}", f"mistake {i}", Site("a.yaml", i + 1, 1))
                    for i in range(count)
                )
            ),
        ),
        exit_code=ExitCode.ERROR,
    )


EVERY: dict[str, Callable[[], Report]] = {
    "check": reports.check,
    "denied": reports.denied,
    "base": reports.base,
    "plan": reports.plan,
    "reconcile": reports.reconciled,
    "refused": reports.refused,
    "rest": lambda: Report(
        "status",
        (
            Timeline(((datetime(2026, 1, 1, tzinfo=UTC), "a", "b"),)),
            Chains((Chain("serving.replicas", 3, Origin(AT, "model", "set", 3)),)),
        ),
        ("done.",),
    ),
    "empty": lambda: Report("check"),
    **{name: partial(sections.report, name) for name in sections.NAMES},
}


def test_every_type_of_section_is_among_the_reports():
    seen = {type(section).__name__ for made in EVERY.values() for section in made().sections}
    assert seen == _names("Section")


def _names(alias: str) -> set[str]:
    """The types of a union that exists for the type checker only: who makes a report imports one."""
    for node in ast.walk(ast.parse(Path(views.__file__).read_text())):
        if isinstance(node, ast.AnnAssign) and node.value and ast.unparse(node.target) == alias:
            names = {found.id for found in ast.walk(node.value) if isinstance(found, ast.Name)}
            return names - {"View"} | (_names("View") if "View" in names else set())
    raise AssertionError(alias)


@pytest.mark.parametrize("report", sorted(EVERY))
def test_the_json_of_every_report_fits_the_schema(report):
    schema = documents()["report.json"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(rendered("json", EVERY[report]())), schema)


@pytest.mark.parametrize("name", ["text", "markdown", "json"])
@pytest.mark.parametrize("section", sections.NAMES)
def test_a_view_is_shown_by_every_format_for_reading(section, name):
    assert sections.SIGHT[section] in rendered(name, sections.report(section))


@pytest.mark.parametrize("name", formats.names())
@pytest.mark.parametrize("report", sorted(EVERY))
def test_every_format_takes_every_report_and_says_the_same_twice(name, report):
    made = EVERY[report]()
    first = rendered(name, made)
    assert rendered(name, made) == first
    if name in ("gitlab", "sarif", "json"):
        json.loads(first)
    if name == "junit":
        ET.fromstring(first)


# -- github ----------------------------------------------------------------------------------------


def test_a_command_escapes_what_would_end_it():
    report = Report(
        "check", (Findings((error("E_X", "50 %\r\n::error::forged", Site("a:b,c.yaml", 2, 3)),)),)
    )
    (command,) = [
        line for line in rendered("github", report).splitlines() if line.startswith("::error")
    ]
    assert (
        command == "::error file=a%3Ab%2Cc.yaml,line=2,col=3,title=E_X::50 %25\\r%0A::error::forged"
    )


def test_at_most_ten_annotations_a_kind_and_the_last_says_how_many_more():
    out = [line for line in rendered("github", many(25)).splitlines() if line.startswith("::error")]
    assert len(out) == 10
    assert out[-1] == "::error::16 more in the summary"
    exact = [
        line for line in rendered("github", many(10)).splitlines() if line.startswith("::error")
    ]
    assert len(exact) == 10
    assert "more" not in exact[-1]


def test_the_text_for_people_cannot_give_commands():
    report = Report("check", closing=("::set-env name=X::y",))
    lines = rendered("github", report).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("::stop-commands::"))
    token = lines[start].removeprefix("::stop-commands::")
    assert lines.index("::set-env name=X::y") > start
    assert lines[-1] == f"::{token}::"
    assert len(token) == 32


def test_findings_on_changed_lines_come_first():
    changed = frozenset({("a.yaml", 21)})
    (first, *_) = rendered("github", many(25), changed=changed).splitlines()
    assert "line=21," in first
    assert first.startswith("::error")


# -- sarif -----------------------------------------------------------------------------------------


def _sarif(report):
    document = json.loads(rendered("sarif", report))
    (run,) = document["runs"]
    assert document["version"] == "2.1.0"
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted(set(rules))
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert len(result["locations"]) == 1
        for place in (*result["locations"], *result.get("relatedLocations", ())):
            physical = place["physicalLocation"]
            assert physical["region"]["startLine"] >= 1
            assert physical["region"]["startColumn"] >= 1
            uri = physical["artifactLocation"]["uri"]
            assert not uri.startswith(("/", "./"))
            assert " " not in uri
    prints = [r["partialFingerprints"]["reconciler/v1"] for r in run["results"]]
    assert len(prints) == len(set(prints))
    return run["results"]


@pytest.mark.parametrize("report", sorted(EVERY))
def test_sarif_keeps_its_rules_for_every_report(report):
    _sarif(EVERY[report]())


def test_one_result_a_finding_with_what_it_overrides():
    under = Related(Site("environments/base.yaml", 7, 1), "below")
    one = error("E_X", "no", AT, path="serving.replicas", related=(under,))
    two = error("E_X", "no", replace(under).site, path="serving.replicas")
    results = _sarif(Report("check", (Findings((one, two)),)))
    assert len(results) == 2
    (with_related,) = [r for r in results if "relatedLocations" in r]
    (related,) = with_related["relatedLocations"]
    assert related["physicalLocation"]["artifactLocation"]["uri"] == "environments/base.yaml"
    assert related["physicalLocation"]["region"]["startLine"] == 7


def test_a_fingerprint_stays_when_the_line_moves():
    def prints(line):
        report = Report(
            "check", (Findings((error("E_X", "no", Site("a.yaml", line, 1), path="a.b"),)),)
        )
        return _sarif(report)[0]["partialFingerprints"], json.loads(rendered("gitlab", report))[0][
            "fingerprint"
        ]

    assert prints(3) == prints(300)


def test_a_mistake_without_a_place_still_has_a_line_in_sarif():
    (result,) = _sarif(Report("check", (Findings((error("E_SELECTION", "none"),)),)))
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 1


# -- gitlab and junit ------------------------------------------------------------------------------


def test_gitlab_entries_are_complete_and_each_is_unique():
    rows = json.loads(rendered("gitlab", reports.denied()))
    assert rows
    for row in rows:
        assert row.keys() == {"description", "check_name", "fingerprint", "severity", "location"}
        assert row["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert not row["location"]["path"].startswith(("./", "/"))
        assert row["location"]["lines"]["begin"] >= 1
    assert len({row["fingerprint"] for row in rows}) == len(rows)


def test_two_equal_findings_of_gitlab_are_both_shown():
    same = tuple(error("E_X", "no", Site("a.yaml", line, 1)) for line in (1, 2))
    rows = json.loads(rendered("gitlab", Report("check", (Findings(same),))))
    assert len({row["fingerprint"] for row in rows}) == 2


def test_junit_has_a_suite_a_target_and_a_failure_a_denial():
    root = ET.fromstring(rendered("junit", reports.denied()))
    assert int(root.attrib["failures"]) == len(root.findall(".//failure")) > 0
    assert int(root.attrib["tests"]) == len(root.findall(".//testcase"))
    assert {suite.get("name") for suite in root} == {"prod/one/web", "prod/one/_group"}


def test_junit_is_xml_whatever_is_said():
    nasty = "a\x00b\x1b[2J<&>\"'\ufffe\ud800]]>"
    report = Report("check", (Findings((error("E_X", nasty, Site("a.yaml", 1, 1)),)),))
    (case,) = ET.fromstring(rendered("junit", report)).iter("failure")
    assert "<&>" in case.attrib["message"]


def test_a_warning_does_not_fail_a_case():
    report = Report("check", (Findings((warning("W_X", "hm", AT),)),))
    root = ET.fromstring(rendered("junit", report))
    assert root.get("failures") == "0"
    assert "hm" in "".join(root.itertext())


# -- nothing is lost -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MACHINE)
def test_a_denial_is_in_every_format_with_its_line(name):
    report = reports.denied()
    (finding, *_) = [f for f in report.sections[0].policy if f.blocks]
    out = rendered(name, report)
    assert finding.policy in out or re.escape(finding.policy).replace("\\-", "-") in out
    assert finding.site.file in out


@pytest.mark.parametrize("name", MACHINE)
def test_a_refusal_of_a_guard_is_in_every_format_with_the_way_out(name):
    report = reports.refused()
    (refusal, *_) = report.sections[1].plan.refusals
    out = rendered(name, report)
    if name == "sarif":
        out = json.dumps(json.loads(out)["runs"][0]["results"])
        assert refusal.text in out
    else:
        assert "group.state: absent" in out or refusal.approval in out


def test_the_sample_s_report_is_the_same_from_run_to_run():
    def once(name):
        seen = review.review(sample(), select(), NOW, base=sample().but(reports.EDIT))
        return rendered(name, plan_report(seen))

    for name in MACHINE:
        assert once(name) == once(name)


def test_a_failed_apply_is_an_issue():
    report = reports.incomplete()
    assert "not-done" in rendered("gitlab", report)
