"""SARIF 2.1.0 for code scanning: one result per issue, at the config line that won."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import reconciler
from reconciler.engine.views.report import Report
from reconciler.origin import Site
from reconciler.output.format import Format, Options
from reconciler.output.issues import Issue, Level, issues
from reconciler.secrets import printable

__all__ = ["FORMAT"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTICE: "note"}
#: The most results that are printed, blocking ones first: GitHub keeps no more per run.
_MOST = 25_000
_MOST_RELATED = 100


def _render(report: Report, options: Options) -> str:
    found = issues(report, options.changed)[:_MOST]
    rules = {issue.rule: issue for issue in reversed(found)}
    index = {name: number for number, name in enumerate(sorted(rules))}
    numbers: dict[str, int] = {}
    results = []
    for issue in found:
        number = numbers[issue.fingerprint] = numbers.get(issue.fingerprint, 0) + 1
        results.append(_result(issue, index[issue.rule], number))
    document = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": reconciler.DISTRIBUTION,
                        "version": reconciler.__version__,
                        "informationUri": f"https://{reconciler.API_DOMAIN}",
                        "rules": [_rule(rules[name]) for name in sorted(rules)],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "automationDetails": {"id": f"{options.marker or report.command}/"},
                "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "the config repo"}}},
                "results": results,
            }
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _rule(issue: Issue) -> dict[str, Any]:
    text = f"Policy {issue.rule}" if issue.is_policy else issue.rule
    out: dict[str, Any] = {
        "id": issue.rule,
        "shortDescription": {"text": printable(text)},
        "defaultConfiguration": {"level": _LEVELS[issue.level]},
    }
    if issue.is_policy:
        # No `security-severity`: that would make every rule a security alert.
        out["properties"] = {"tags": ["policy"], "problem.severity": issue.severity}
    if issue.help:
        out["help"] = {"text": printable(issue.help)}
    return out


def _result(issue: Issue, rule: int, number: int) -> dict[str, Any]:
    about = f" ({issue.target})" if issue.target else ""
    out: dict[str, Any] = {
        "ruleId": issue.rule,
        "ruleIndex": rule,
        "level": _LEVELS[issue.level],
        "message": {"text": printable(f"{issue.text}{about}")},
        "partialFingerprints": {"reconciler/v1": f"{issue.fingerprint}:{number}"},
        # A result must have a place: one without is shown at the file that orders the layers.
        "locations": [_location(issue.site or Site("environments/layers.yaml", 1, 1))],
    }
    related = [
        {
            "id": at,
            **_location(link.site),
            "message": {"text": printable(link.message)},
        }
        for at, link in enumerate((r for r in issue.related if r.site.line > 0), 1)
    ]
    if related:
        out["relatedLocations"] = related[:_MOST_RELATED]
    return out


def _location(site: Site) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(site.file), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": max(1, site.line), "startColumn": max(1, site.column)},
        }
    }


FORMAT = Format("sarif", _render)
