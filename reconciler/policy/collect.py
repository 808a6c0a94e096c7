"""From policy files to a policy set: every format asked, names resolved, nothing half-read."""

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
from reconciler.policy.rules import Binding, Param, Policy, Read
from reconciler.suggest import did_you_mean

__all__ = ["load"]

_ROOM = "reconciler.policy.formats"
#: Kinds of other policy engines: read as parameters they would pass unseen.
_POLICY_GROUPS = (
    "admissionregistration.k8s.io",
    "policies.kyverno.io",
    "kyverno.io",
    "templates.gatekeeper.sh",
    "constraints.gatekeeper.sh",
)


def load(files: Mapping[str, bytes]) -> tuple[PolicySet, tuple[Diagnostic, ...]]:
    """The policies of these files, by path. With any error among the diagnostics the set is empty
    and must not be judged by. Without a policy nothing of CEL is imported."""
    found: list[Diagnostic] = []
    read: list[Document] = []
    for path in sorted(files):
        parsed, mistakes = documents.read(files[path], path)
        read += parsed
        found += mistakes
    if not read:
        return PolicySet(), tuple(found)
    engine = _OnDemand()
    formats = [_format(name) for name in extensions.names(_ROOM)]
    parts: list[Read] = []
    params: list[Param] = []
    for document in read:
        taker = next((f for f in formats if f.takes(document.kind)), None)
        if taker is not None:
            parts.append(taker.read(document, engine))
        elif document.kind.group in _POLICY_GROUPS:
            found.append(_foreign(document))
        else:
            made = _param(document)
            if isinstance(made, Param):
                params.append(made)
            else:
                found.append(made)
    joined = Read.joined(parts)
    found += joined.diagnostics
    whole = not any(d.is_error for d in found)
    found += _resolved(joined.policies, joined.bindings, params, whole=whole)
    if any(d.is_error for d in found):
        return PolicySet(), tuple(found)
    bound = tuple(
        (policy, tuple(b for b in joined.bindings if b.policy == policy.name))
        for policy in joined.policies
    )
    # Without a binding, or with audit annotations alone, there is nothing to judge by.
    judging = tuple((p, b) for p, b in bound if b and p.validations)
    policies = PolicySet(judging, tuple(params), engine.made, _digest(files))
    return policies, tuple(found)


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(files):
        digest.update(f"{path}\0{len(files[path])}\0".encode() + files[path])
    return digest.hexdigest()


class _OnDemand:
    """The engine of one load, made when the first expression is compiled."""

    def __init__(self) -> None:
        self.made: Engine | None = None

    def __call__(self) -> Engine:
        if self.made is None:
            self.made = Engine()
        return self.made


def _format(name: str) -> Format:
    found: Format = extensions.load(_ROOM, name, "FORMAT")
    return found


def _foreign(document: Document) -> Diagnostic:
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
    odd = _not_text(document) if document.kind == ("", "ConfigMap") else None
    if odd is not None:
        message = "the values of a ConfigMap's data are texts"
        return error("E_POLICY", message, odd, path="data", help="quote it")
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


def _resolved(
    policies: tuple[Policy, ...],
    bindings: tuple[Binding, ...],
    params: list[Param],
    *,
    whole: bool,
) -> Iterator[Diagnostic]:
    """Names given twice, and (when every file could be read) names that lead nowhere."""
    yield from _twice("policy", ((p.name, p.site) for p in policies))
    yield from _twice("binding", ((b.name, b.site) for b in bindings))
    keys = ((f"{p.kind} {p.namespace}/{p.name}", p.site) for p in params)
    yield from _twice("parameter", keys)
    if not whole:
        return
    known = {p.name: p for p in policies}
    for binding in bindings:
        if binding.policy not in known:
            yield error(
                "E_POLICY_BINDING",
                f"no policy is called {binding.policy!r}",
                binding.policy_at,
                path="spec.policyName",
                help=did_you_mean(binding.policy, known),
            )
            continue
        yield from _params_of(known[binding.policy], binding, params)
    bound = {b.policy for b in bindings}
    for policy in policies:
        if policy.name not in bound:
            yield warning(
                "W_POLICY_UNBOUND",
                f"the policy {policy.name!r} has no binding and judges nothing",
                policy.site,
                help="add a ValidatingAdmissionPolicyBinding",
            )
        yield from _out_of_reach(policy)
    asked = {p.param_kind for p in policies}
    for param in params:
        if param.kind not in asked:
            yield warning(
                "W_POLICY_PARAM", f"no policy takes a {param.kind} as its parameter", param.site
            )


def _params_of(policy: Policy, binding: Binding, params: list[Param]) -> Iterator[Diagnostic]:
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
    near = [p for p in params if p.kind == policy.param_kind and p.name == wanted.name]
    if not any(not wanted.namespace or p.namespace == wanted.namespace for p in near):
        place = f" in the namespace {wanted.namespace!r}" if wanted.namespace else ""
        yield warning(
            "W_POLICY_PARAM",
            f"no {policy.param_kind} is called {wanted.name!r}{place}",
            binding.site,
            path="spec.paramRef",
            help=f"found in {near[0].namespace!r}" if near else "add it to policies/",
        )


def _out_of_reach(policy: Policy) -> Iterator[Diagnostic]:
    given = [*policy.conditions, *policy.variables, *(v.expression for v in policy.validations)]
    for expression in given:
        if isinstance(expression.program, NotEvaluable):
            yield warning(
                "W_POLICY_OFFLINE",
                f"not evaluable offline: {expression.program.reason}",
                expression.site,
                help="every object that it matches gets a finding; the cluster will judge it",
            )


def _twice(what: str, given: Iterable[tuple[str, Site]]) -> Iterator[Diagnostic]:
    seen: dict[str, Site] = {}
    for name, site in given:
        if name in seen:
            yield error(
                "E_POLICY_NAME",
                f"the {what} {name!r} is given twice",
                site,
                related=[Related(seen[name], "first here")],
            )
        seen.setdefault(name, site)
