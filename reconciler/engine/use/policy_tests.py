"""Runs the cases of policies/tests/: one file per policy, `policies/tests/<policy>.yaml`.

A case is an object, what is expected of it (`allow`, `warn` or `deny`), and where wanted the
finding's exact `message` and its field (`at`). `environment`, `group` and `type` say whose object
it is; without them it is one of prod/hz-a.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import reconciler
from reconciler.backends.embedded_text import embed_texts
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.engine import object_policy
from reconciler.engine.views.report import Findings, Report
from reconciler.errors import ExitCode
from reconciler.layers import document
from reconciler.objects.draft import Draft, seal, show_path
from reconciler.objects.key import key_of
from reconciler.origin import Branch, Items, Node, Origin, Site, Value, plain
from reconciler.policy.evaluate import PolicySet, Subject, judge_objects
from reconciler.policy.finding import Finding
from reconciler.ports import Tree
from reconciler.suggest import did_you_mean
from reconciler.unit import UnitId

__all__ = ["run_policy_tests"]

_FOLDER = "policies/tests/"
_EXPECTED = ("allow", "warn", "deny")
_KEYS = ("name", "object", "expect", "message", "at", "environment", "group", "type")


@dataclass(frozen=True, slots=True)
class _Case:
    policy: str
    site: Site
    data: Mapping[str, Any]


def run_policy_tests(tree: Tree) -> Report:
    """The report of all cases: one line per case, an error per case that fails and per file that
    is no test, a warning per policy without a case. The exit code is 1 with an error."""
    policies, faults = object_policy.load_policies(tree)
    found: list[Diagnostic] = list(faults)
    lines: list[str] = []
    cases: list[dict[str, str]] = []
    if not any(d.is_error for d in faults):
        names = {p.name for p, _ in policies.bound}
        for item in _cases(tree, names):
            if isinstance(item, Diagnostic):
                found.append(item)
                continue
            why = _run(policies, item)
            name = str(item.data["name"])
            cases.append(
                {"policy": item.policy, "name": name, "at": str(item.site), "failure": why}
            )
            lines.append(f"{'fail' if why else 'pass'}  {item.policy}: {item.data['name']}")
            if why:
                found.append(error("E_POLICY_TEST", f"{item.data['name']}: {why}", item.site))
        tested = {case["policy"] for case in cases}
        found += [_untested(p.name, p.site) for p, _ in policies.bound if p.name not in tested]
    bad = any(d.is_error for d in found)
    failed = sum(1 for case in cases if case["failure"])
    policies_tested = len({case["policy"] for case in cases})
    lines.append(
        f"{len(cases)} cases of {policies_tested} policies: {len(cases) - failed} pass, "
        f"{failed} fail."
    )
    code = ExitCode.ERROR if bad else ExitCode.DONE
    return Report(
        "policy", (Findings(tuple(found)),), tuple(lines), code, {"cases": cases}, tree.label
    )


def _untested(name: str, site: Site) -> Diagnostic:
    return warning(
        "W_POLICY_UNTESTED",
        f"the policy {name!r} has no test",
        site,
        help=f"write {_FOLDER}{name}.yaml",
    )


def _cases(tree: Tree, names: set[str]) -> Iterator[_Case | Diagnostic]:
    paths = [p for p in tree.blobs() if p.startswith(_FOLDER) and p.endswith((".yaml", ".yml"))]
    for path, data in tree.read(paths):
        parsed = document.parse(data, path, "test")
        yield from (d for d in parsed.diagnostics if d.is_error)
        cases = parsed.root.get("cases") if parsed.root is not None else None
        name = posixpath.basename(path).rpartition(".")[0]
        if not isinstance(cases, Items):
            if not any(d.is_error for d in parsed.diagnostics):
                yield _wrong("a file of tests has a list `cases`", Site(path, 1, 1))
        elif name not in names:
            help_text = did_you_mean(name, names) or f"there are: {', '.join(sorted(names))}"
            yield _wrong(f"no policy is called {name!r}", Site(path, 1, 1), help_text)
        else:
            yield from (_case(name, node) for node in cases.children)


def _wrong(text: str, site: Site, help_text: str = "") -> Diagnostic:
    return error("E_POLICY_TEST", text, site, help=help_text)


def _case(policy: str, node: Node) -> _Case | Diagnostic:
    site = node.origin.site
    if not isinstance(node, Branch):
        return _wrong("a case is a map", site)
    for key, child in node.children.items():
        if key not in _KEYS:
            help_text = did_you_mean(key, _KEYS) or f"known: {', '.join(_KEYS)}"
            return _wrong(f"`{key}` is no field of a case", child.origin.site, help_text)
    data = _merged(plain(node))
    for key in ("name", "object", "expect"):
        if key not in data:
            return _wrong(f"`{key}` is missing", site)
    if data["expect"] not in _EXPECTED:
        place = node.children["expect"].origin.site
        help_text = did_you_mean(str(data["expect"]), _EXPECTED)
        return _wrong(f"{data['expect']!r} is not one of allow, warn, deny", place, help_text)
    body = data["object"]
    metadata = body.get("metadata") if isinstance(body, dict) else None
    has_name = isinstance(metadata, dict) and isinstance(metadata.get("name"), str)
    if not has_name or not all(isinstance(body.get(k), str) for k in ("apiVersion", "kind")):
        message = "an object has apiVersion, kind and metadata.name"
        return _wrong(message, node.children["object"].origin.site)
    return _Case(policy, site, data)


def _merged(datum: Any) -> Any:
    """The datum with the merge keys of YAML (`<<: *anchor`) resolved."""
    if isinstance(datum, list):
        return [_merged(child) for child in datum]
    if not isinstance(datum, dict):
        return datum
    own = {key: _merged(child) for key, child in datum.items() if key != "<<"}
    below = _merged(datum["<<"]) if "<<" in datum else {}
    return {**below, **own} if isinstance(below, dict) else own


def _run(policies: PolicySet, case: _Case) -> str:
    """Why the case failed; "" where it passed."""
    found = [f for f in judge_objects(policies, [_subject(case)]) if f.policy == case.policy]
    verdict = "deny" if any(f.blocks for f in found) else "warn" if found else "allow"
    shown = "; ".join(f"{f.level}: {f.message}" for f in found) or "no finding"
    expected = case.data["expect"]
    if verdict != expected:
        return f"expected {expected}, and the verdict is {verdict} ({shown})"
    return _difference(case.data, found)


def _difference(data: Mapping[str, Any], found: list[Finding]) -> str:
    if "message" in data and data["message"] not in [f.message for f in found]:
        return f"expected the message {data['message']!r}, found {[f.message for f in found]}"
    fields = [show_path(f.path) for f in found]
    if "at" in data and data["at"] not in fields:
        return f"expected the field {data['at']}, found {', '.join(fields) or 'none'}"
    return ""


def _subject(case: _Case) -> Subject:
    data = case.data
    environment, group = str(data.get("environment", "prod")), str(data.get("group", "hz-a"))
    body = {**data["object"], "metadata": {**data["object"]["metadata"]}}
    if body["kind"] not in ("Namespace", "PersistentVolume"):
        body["metadata"].setdefault("namespace", f"ml-{group}")
    draft = Draft(key_of(body), body["apiVersion"], _traced(body, case.site), "test")
    domain = reconciler.API_DOMAIN
    return Subject(
        app=UnitId(environment, group, "test"),
        app_type=str(data.get("type", "")),
        environment=environment,
        group=group,
        manifest=seal(embed_texts(draft)),
        operation="CREATE",
        old=None,
        namespace_labels={
            "app.kubernetes.io/managed-by": "reconciler",
            f"{domain}/environment": environment,
            f"{domain}/group": group,
        },
    )


def _traced(datum: Any, site: Site) -> Any:
    """The datum with the case's place as the origin of every leaf."""
    if isinstance(datum, dict) and datum:
        return {key: _traced(child, site) for key, child in datum.items()}
    if isinstance(datum, list) and datum:
        return [_traced(child, site) for child in datum]
    return Value(datum, Origin(site, "test", "set", datum))
