"""Joins the findings of an expression that reads a field which no drawn object has: the mistake is
the expression's, so it is told once, at the expression. The apps stay denied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.engine.draw import UnitDrafts
from reconciler.objects.draft import list_embedded
from reconciler.origin import Branch, Items
from reconciler.policy.finding import Finding
from reconciler.suggest import did_you_mean

__all__ = ["join"]


def join(
    findings: Iterable[Finding], units: Iterable[UnitDrafts]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...], tuple[Diagnostic, ...]]:
    """(the findings to show, those that are told by a diagnostic, the diagnostics).

    Cost: nothing without a missing field; with one, a pass over the keys of all drafts."""
    findings = tuple(findings)
    if not any(finding.missing_key for finding in findings):
        return findings, (), ()
    known = {key for item in units for draft in item.drafts for key in _keys(draft.tree)}
    known |= {
        key
        for item in units
        for draft in item.drafts
        for _, inner in list_embedded(draft)
        for key in _keys(inner.tree)
    }
    told = tuple(f for f in findings if f.missing_key and f.missing_key not in known)
    shown = tuple(f for f in findings if not f.missing_key or f.missing_key in known)
    return shown, told, tuple(_describe(told, known))


def _describe(told: Iterable[Finding], known: set[str]) -> Iterator[Diagnostic]:
    by_rule: dict[tuple[object, str], list[Finding]] = {}
    for finding in told:
        by_rule.setdefault((finding.rule, finding.missing_key), []).append(finding)
    for (_, key), found in by_rule.items():
        first = found[0]
        make = error if any(finding.blocks for finding in found) else warning
        kinds = sorted({finding.key.kind for finding in found})
        item = make(
            "E_POLICY_FIELD" if make is error else "W_POLICY_FIELD",
            f"{first.policy}: no object that this judges has the field {key!r} "
            f"({', '.join(kinds[:4])}{', …' if len(kinds) > 4 else ''})",
            first.rule,
            help=did_you_mean(key, known)
            or "correct the name; test a field that may be absent first: has(object.spec.field)",
        )
        yield item.reaching(*sorted({finding.app for finding in found}))


def _keys(tree: Any) -> Iterator[str]:
    if isinstance(tree, Branch | Mapping):
        children = tree.children if isinstance(tree, Branch) else tree
        yield from children
        for child in children.values():
            yield from _keys(child)
    elif isinstance(tree, Items | list | tuple):
        for child in tree.children if isinstance(tree, Items) else tree:
            yield from _keys(child)
