"""JUnit XML: one suite per app, one case per rule. A warning is printed in a case that passes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

from reconciler.engine.views.report import Changes, Report
from reconciler.output.format import Format, Options
from reconciler.output.issues import Issue, Level, issues
from reconciler.secrets import printable

__all__ = ["FORMAT"]

#: XML 1.0 cannot contain these characters, not even as references.
_IMPOSSIBLE = re.compile("[\ud800-\udfff\ufffe\uffff]")


def _render(report: Report, options: Options) -> str:
    suites: dict[str, list[Issue]] = {}
    for section in report.sections:
        if isinstance(section, Changes):
            suites.update((str(app.unit), []) for app in section.plan.apps)
    for issue in issues(report, options.changed):
        if issue.rule == "E_POLICY_TEST":
            continue  # it stands at its case
        for target in issue.target.split(", ") if issue.target else [report.command]:
            suites.setdefault(target, []).append(issue)
    tested = _tested(report)
    if not suites and not tested:
        suites[report.command] = []
    out = ['<?xml version="1.0" encoding="UTF-8"?>']
    chunks = [_suite(name, found, report.command) for name, found in sorted(suites.items())]
    chunks += tested
    tests = sum(count for count, _, _ in chunks)
    failures = sum(bad for _, bad, _ in chunks)
    head = f'name="reconciler {report.command}" tests="{tests}" failures="{failures}" errors="0"'
    out.append(f"<testsuites {head}>")
    out += [line for _, _, lines in chunks for line in lines]
    out.append("</testsuites>")
    return "\n".join(out) + "\n"


def _tested(report: Report) -> list[tuple[int, int, list[str]]]:
    """The cases of `policy test`: one suite per policy, each case with its place."""
    suites: dict[str, list[Mapping[str, str]]] = {}
    for case in report.data.get("cases", ()):
        suites.setdefault(case["policy"], []).append(case)
    out = []
    for policy, cases in sorted(suites.items()):
        bad = sum(1 for case in cases if case["failure"])
        head = f'name={_attribute(policy)} tests="{len(cases)}" failures="{bad}"'
        lines = [f'  <testsuite {head} errors="0" skipped="0">']
        for case in cases:
            opening = f"classname={_attribute(policy)} name={_attribute(case['name'])}"
            file, _, place = case["at"].partition(":")
            opening += f' file={_attribute(file)} line="{place.partition(":")[0]}"'
            if not case["failure"]:
                lines.append(f"    <testcase {opening}/>")
                continue
            text = escape(_possible(f"{case['at']}: {case['failure']}"))
            lines.append(f"    <testcase {opening}>")
            message = _attribute(case["failure"])
            lines.append(f'      <failure type="error" message={message}>{text}</failure>')
            lines.append("    </testcase>")
        out.append((len(cases), bad, [*lines, "  </testsuite>"]))
    return out


def _suite(name: str, found: list[Issue], command: str) -> tuple[int, int, list[str]]:
    rules: dict[str, list[Issue]] = {}
    for issue in found:
        rules.setdefault(issue.rule, []).append(issue)
    cases = [line for rule in sorted(rules) for line in _case(name, rule, rules[rule])]
    count = len(rules)
    if not rules:
        cases.append(f"    <testcase classname={_attribute(name)} name={_attribute(command)}/>")
        count = 1
    bad = sum(1 for each in rules.values() if any(i.level is Level.ERROR for i in each))
    head = f'name={_attribute(name)} tests="{count}" failures="{bad}" errors="0" skipped="0"'
    return count, bad, [f"  <testsuite {head}>", *cases, "  </testsuite>"]


def _case(name: str, rule: str, found: list[Issue]) -> Iterator[str]:
    yield f"    <testcase classname={_attribute(name)} name={_attribute(rule)}>"
    bad = [issue for issue in found if issue.level is Level.ERROR]
    if bad:
        message = _attribute(bad[0].text)
        text = "\n".join(_describe(issue) for issue in bad)
        yield f'      <failure type="error" message={message}>{text}</failure>'
    rest = [issue for issue in found if issue.level is not Level.ERROR]
    if rest:
        text = "\n".join(f"{issue.level}: {_describe(issue)}" for issue in rest)
        yield f"      <system-out>{text}</system-out>"
    yield "    </testcase>"


def _describe(issue: Issue) -> str:
    place = f"{issue.site}: " if issue.site is not None else ""
    way_out = f"\n  help: {issue.help}" if issue.help else ""
    return escape(_possible(f"{place}{issue.text}{way_out}"))


def _attribute(text: str) -> str:
    return quoteattr(_possible(text))


def _possible(text: str) -> str:
    return _IMPOSSIBLE.sub("\ufffd", printable(text))


FORMAT = Format("junit", _render)
