"""Loads the policies of a tree: reads each document with the format that takes it, and checks that
names lead to policies and parameters."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler import extensions
from reconciler.diagnostics import Diagnostic, Related, error, warning
from reconciler.origin import Branch, Site, Value, plain
from reconciler.policy import documents
from reconciler.policy.cel import Engine, NotEvaluable
from reconciler.policy.documents import Document
from reconciler.policy.evaluate import PolicySet
from reconciler.policy.format import Format
from reconciler.policy.rules import Binding, Param, Policy, ReadResult
from reconciler.suggest import did_you_mean

__all__ = ["load"]

_ROOM = "reconciler.policy.formats"
#: API groups of policies. A document of these is never read as a parameter, because then a policy
#: that is not evaluated would pass without a message.
_POLICY_GROUPS = (
    "admissionregistration.k8s.io",
    "policies.kyverno.io",
    "kyverno.io",
    "templates.gatekeeper.sh",
    "constraints.gatekeeper.sh",
)


def load(files: Mapping[str, bytes]) -> tuple[PolicySet, tuple[Diagnostic, ...]]:
    """The policies of the files, given as path → content, and the mistakes in them. When there is
    an error, the set is empty and the caller must stop. The CEL engine is imported only when there
    is an expression."""
    found: list[Diagnostic] = []
    read: list[Document] = []
    for path in sorted(files):
        parsed, mistakes = documents.read(files[path], path)
        read += parsed
        found += mistakes
    if not read:
        return PolicySet(), tuple(found)
    engine = _LazyEngine()
    formats = [_format(name) for name in extensions.names(_ROOM)]
    parts: list[ReadResult] = []
    params: list[Param] = []
    for document in read:
        taker = next((f for f in formats if f.takes(document.kind)), None)
        if taker is not None:
            parts.append(taker.read(document, engine))
        elif document.kind.group in _POLICY_GROUPS:
            found.append(_unknown_kind(document))
        else:
            param = _param(document)
            if isinstance(param, Param):
                params.append(param)
            else:
                found.append(param)
    joined = ReadResult.joined(parts)
    found += joined.diagnostics
    is_complete = not any(d.is_error for d in found)
    found += _check_names(joined.policies, joined.bindings, params, is_complete=is_complete)
    if any(d.is_error for d in found):
        return PolicySet(), tuple(found)
    bound = tuple(
        (policy, tuple(b for b in joined.bindings if b.policy == policy.name))
        for policy in joined.policies
    )
    # A policy without a binding, or without validations, finds nothing.
    active = tuple((p, b) for p, b in bound if b and p.validations)
    policies = PolicySet(active, tuple(params), engine.engine, _digest(files))
    return policies, tuple(found)


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(files):
        digest.update(f"{path}\0{len(files[path])}\0".encode() + files[path])
    return digest.hexdigest()


class _LazyEngine:
    """Makes the engine of one load when the first expression is compiled."""

    def __init__(self) -> None:
        self.engine: Engine | None = None

    def __call__(self) -> Engine:
        if self.engine is None:
            self.engine = Engine()
        return self.engine


def _format(name: str) -> Format:
    found: Format = extensions.load(_ROOM, name, "FORMAT")
    return found


def _unknown_kind(document: Document) -> Diagnostic:
    return error(
        "E_POLICY_KIND",
        f"{document.kind} is not evaluated",
        document.site,
        path="kind",
        help="move it out of policies/, or write a ValidatingAdmissionPolicy",
    )


def _param(document: Document) -> Param | Diagnostic:
    body: dict[str, Any] = plain(document.root)
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(name, str) or not name:
        return error("E_POLICY", "metadata.name is required, a text", document.site)
    labels = metadata.get("labels") or {}
    if document.kind == ("", "Secret"):
        return error("E_SECRET_IN_GIT", "a Secret cannot be a parameter", document.site)
    wrong_site = _not_text(document) if document.kind == ("", "ConfigMap") else None
    if wrong_site is not None:
        message = "the values of a ConfigMap's data are texts"
        return error("E_POLICY", message, wrong_site, path="data", help="quote it")
    namespace = metadata.get("namespace") or ""
    return Param(
        document.kind,
        str(namespace),
        name,
        {str(k): str(v) for k, v in labels.items()} if isinstance(labels, dict) else {},
        body,
        document.site,
    )


def _not_text(document: Document) -> Site | None:
    data = document.root.get("data")
    if not isinstance(data, Branch):
        return data.origin.site if data is not None else None
    for node in data.children.values():
        if not isinstance(node, Value) or not isinstance(node.value, str):
            return node.origin.site
    return None


# -- names -----------------------------------------------------------------------------------------


def _check_names(
    policies: tuple[Policy, ...],
    bindings: tuple[Binding, ...],
    params: list[Param],
    *,
    is_complete: bool,
) -> Iterator[Diagnostic]:
    """The mistakes in names: names given twice and, if every file could be read (`is_complete`),
    names of policies and parameters that do not exist."""
    yield from _check_unique("policy", ((p.name, p.site) for p in policies))
    yield from _check_unique("binding", ((b.name, b.site) for b in bindings))
    keys = ((f"{p.kind} {p.namespace}/{p.name}", p.site) for p in params)
    yield from _check_unique("parameter", keys)
    if not is_complete:
        return
    by_name = {p.name: p for p in policies}
    for binding in bindings:
        if binding.policy not in by_name:
            yield error(
                "E_POLICY_BINDING",
                f"no policy is called {binding.policy!r}",
                binding.policy_at,
                path="spec.policyName",
                help=did_you_mean(binding.policy, by_name),
            )
            continue
        yield from _check_params(by_name[binding.policy], binding, params)
    bound = {b.policy for b in bindings}
    for policy in policies:
        if policy.name not in bound:
            yield warning(
                "W_POLICY_UNBOUND",
                f"the policy {policy.name!r} has no binding, so it has no effect",
                policy.site,
                help="add a ValidatingAdmissionPolicyBinding",
            )
        yield from _check_evaluable(policy)
    used = {p.param_kind for p in policies}
    for param in params:
        if param.kind not in used:
            yield warning(
                "W_POLICY_PARAM", f"no policy takes a {param.kind} as its parameter", param.site
            )


def _check_params(policy: Policy, binding: Binding, params: list[Param]) -> Iterator[Diagnostic]:
    if (policy.param_kind is None) != (binding.param is None):
        has, lacks = ("paramRef", "paramKind") if binding.param else ("paramKind", "paramRef")
        yield warning(
            "W_POLICY_PARAM",
            f"the policy {policy.name!r} and its binding disagree: {has} without {lacks}",
            binding.site,
        )
    wanted = binding.param
    if wanted is None or policy.param_kind is None or not wanted.name:
        return
    named = [p for p in params if p.kind == policy.param_kind and p.name == wanted.name]
    if not any(not wanted.namespace or p.namespace == wanted.namespace for p in named):
        place = f" in the namespace {wanted.namespace!r}" if wanted.namespace else ""
        yield warning(
            "W_POLICY_PARAM",
            f"no {policy.param_kind} is called {wanted.name!r}{place}",
            binding.site,
            path="spec.paramRef",
            help=f"found in {named[0].namespace!r}" if named else "add it to policies/",
        )


def _check_evaluable(policy: Policy) -> Iterator[Diagnostic]:
    expressions = [
        *policy.conditions,
        *policy.variables,
        *(v.expression for v in policy.validations),
    ]
    for expression in expressions:
        if isinstance(expression.program, NotEvaluable):
            yield warning(
                "W_POLICY_OFFLINE",
                f"not evaluable offline: {expression.program.reason}",
                expression.site,
                help="every object that it matches gets a finding; the cluster will judge it",
            )


def _check_unique(noun: str, named: Iterable[tuple[str, Site]]) -> Iterator[Diagnostic]:
    first: dict[str, Site] = {}
    for name, site in named:
        if name in first:
            yield error(
                "E_POLICY_NAME",
                f"the {noun} {name!r} is given twice",
                site,
                related=[Related(first[name], "first here")],
            )
        first.setdefault(name, site)
