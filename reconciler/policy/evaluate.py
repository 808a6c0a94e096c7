"""Evaluates policies on drawn objects as the admission of an API server does, with one difference:
it reports all findings, and not only the first denial.

A rule that cannot be computed counts as a violation, unless its policy has `failurePolicy: Ignore`.
The same holds for a rule that only the cluster can evaluate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler import kinds
from reconciler.objects.draft import Draft, Manifest, list_embedded, value_at
from reconciler.objects.key import GroupKind, split_version
from reconciler.policy import locate, match
from reconciler.policy.cel import Engine, EvalResult, NotEvaluable, Program, Values
from reconciler.policy.finding import Finding, FindingVerdict
from reconciler.policy.match import Request
from reconciler.policy.rules import Binding, Expression, Param, ParamRef, Policy, Validation
from reconciler.policy.variables import VariableValues
from reconciler.unit import UnitId

__all__ = ["PolicySet", "Subject", "judge_objects", "may_judge"]

_LONGEST_MESSAGE = 5 * 1024
_MISSING = re.compile(r"no such key: (\S+)$")


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The policies of one tree, each with its bindings, and the parameters. `engine` is None only
    when there is no policy. `digest` is a digest of the files."""

    bound: tuple[tuple[Policy, tuple[Binding, ...]], ...] = ()
    params: tuple[Param, ...] = ()
    engine: Engine | None = None
    digest: str = ""

    def __bool__(self) -> bool:
        return bool(self.bound)


@dataclass(frozen=True, slots=True)
class Subject:
    """One drawn object to evaluate. `operation` is CREATE, UPDATE or DELETE. `old` is the live
    body, None for a create. For a DELETE, `manifest` is the object that is deleted."""

    app: UnitId
    app_type: str
    environment: str
    group: str
    manifest: Manifest
    operation: str
    old: Mapping[str, Any] | None
    namespace_labels: Mapping[str, str]
    is_embedded: bool = False
    """The object stands as a text in another one. What it says of its owners counts for nothing:
    whoever writes the text could name a controller, to which many policies do not apply."""


def may_judge(policies: PolicySet, draft: Draft) -> bool:
    """Whether a policy may match an object, or an object embedded in it. Only such drafts need to
    be sealed."""
    kinds_of = {draft.key.group_kind, *(inner.key.group_kind for _, inner in list_embedded(draft))}
    return any(
        match.may_be_for(policy.match, kind) for policy, _ in policies.bound for kind in kinds_of
    )


def judge_objects(policies: PolicySet, subjects: Iterable[Subject]) -> tuple[Finding, ...]:
    """All findings, sorted by app, object and policy. Reads `subjects` one by one, so they may be
    made lazily."""
    if not policies:
        return ()
    found: list[Finding] = []
    for subject in subjects:
        found += _evaluate_subject(policies, subject)
        if subject.operation != "DELETE":
            for _, manifest in subject.manifest.inside():
                inner = replace(
                    subject, manifest=manifest, operation="CREATE", old=None, is_embedded=True
                )
                found += _evaluate_subject(policies, inner)
    return tuple(_keep_strictest(found))


def _keep_strictest(found: list[Finding]) -> Iterator[Finding]:
    """One finding per mistake: of findings that differ only in their binding, the strictest."""
    strictest: dict[tuple[Any, ...], Finding] = {}
    for item in found:
        key = (item.app, item.key, item.policy, item.rule, item.path, item.verdict, item.message)
        other = strictest.get(key)
        if other is None or (item.blocks, item.level.rank) > (other.blocks, other.level.rank):
            strictest[key] = item
    yield from sorted(
        strictest.values(),
        key=lambda f: (f.app, f.key, f.policy, f.rule, str(f.path), f.message, f.binding),
    )


# -- one object ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Case:
    """One object under one policy by one binding. `values` are the values that expressions see."""

    policy: Policy
    binding: Binding
    subject: Subject
    request: Request
    values: Values


def _evaluate_subject(policies: PolicySet, subject: Subject) -> Iterator[Finding]:
    values: Values | None = None
    request = _request(subject)
    for policy, bindings in policies.bound:
        reaching = [b for b in bindings if _reaches(b, subject)]
        if not reaching or not match.is_for(policy.match, request):
            continue
        for binding in reaching:
            if binding.match is not None and not match.is_for(binding.match, request):
                continue
            if values is None:
                assert policies.engine is not None
                values = Values(policies.engine, _data(subject, request))
            case = _Case(policy, binding, subject, request, values)
            yield from _evaluate_case(case, policies.params)


def _reaches(binding: Binding, subject: Subject) -> bool:
    return (
        (binding.environments is None or subject.environment in binding.environments)
        and (binding.groups is None or f"{subject.environment}/{subject.group}" in binding.groups)
        and (binding.types is None or subject.app_type in binding.types)
    )


def _labels(body: Mapping[str, Any] | None) -> dict[str, str]:
    metadata = (body or {}).get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return dict(labels) if isinstance(labels, Mapping) else {}


def _request(subject: Subject) -> Request:
    manifest = subject.manifest
    _, version = split_version(manifest.api_version)
    inside = bool(manifest.key.namespace)
    name = {"kubernetes.io/metadata.name": manifest.key.namespace} if inside else {}
    return Request(
        key=manifest.key,
        version=version,
        resource=match.plural_of(manifest.key.group_kind),
        operation=subject.operation,
        labels=_labels(manifest.body),
        old_labels=_labels(subject.old) if subject.old is not None else None,
        namespace_labels={**subject.namespace_labels, **name},
    )


def _data(subject: Subject, request: Request) -> dict[str, Any]:
    """The values of an expression's variables, as in an AdmissionRequest."""
    key = request.key
    kind = {"group": key.group, "version": request.version, "kind": key.kind}
    resource = {"group": key.group, "version": request.version, "resource": request.resource}
    deleted = subject.operation == "DELETE"
    old = subject.manifest.body if deleted and subject.old is None else subject.old
    namespace = None
    if key.namespace:
        metadata = {"name": key.namespace, "labels": dict(request.namespace_labels)}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    return {
        "object": None if deleted else _judged_body(subject),
        "oldObject": dict(old) if old is not None else None,
        "request": {
            "kind": kind,
            "requestKind": kind,
            "resource": resource,
            "requestResource": resource,
            "subResource": "",
            "requestSubResource": "",
            "name": key.name,
            "namespace": key.namespace,
            "operation": subject.operation,
            "dryRun": False,
        },
        "namespaceObject": namespace,
        "params": None,
    }


def _judged_body(subject: Subject) -> Mapping[str, Any]:
    body = subject.manifest.body
    metadata = body.get("metadata")
    if not subject.is_embedded or not isinstance(metadata, Mapping):
        return body
    kept = {name: value for name, value in metadata.items() if name != "ownerReferences"}
    return {**body, "metadata": kept}


# -- one policy, one binding -----------------------------------------------------------------------


def _evaluate_case(case: _Case, params: tuple[Param, ...]) -> Iterator[Finding]:
    """The findings of a case. A policy with parameters is evaluated once per parameter."""
    kind, reference = case.policy.param_kind, case.binding.param
    if kind is None or reference is None:
        yield from _evaluate(case)
        return
    chosen = _choose_params(kind, reference, case.request, params)
    if not chosen and not reference.missing_allowed:
        why = f"no {kind} matches the binding's paramRef"
        yield _without_result(case, FindingVerdict.ERROR, why, None)
    for param in chosen:
        values = case.values.extended({"params": dict(param.body)})
        yield from _evaluate(replace(case, values=values))


def _choose_params(
    kind: GroupKind, wanted: ParamRef, request: Request, params: tuple[Param, ...]
) -> list[Param]:
    namespace = wanted.namespace or request.key.namespace
    cluster_scoped = not kinds.find(kind).namespaced
    return [
        p
        for p in params
        if p.kind == kind
        and (cluster_scoped or p.namespace == namespace)
        and (
            p.name == wanted.name
            if wanted.selector is None
            else match.selects(wanted.selector, p.labels)
        )
    ]


def _evaluate(case: _Case) -> Iterator[Finding]:
    applies, problem = _check_conditions(case.policy, case.values)
    if not applies:
        return
    if problem is not None:
        yield _without_result(case, *problem)
        return
    composed = VariableValues(case.policy, case.values)
    for validation in case.policy.validations:
        yield from _validate(case, validation, composed)


_Problem = tuple[FindingVerdict, str, Expression]


def _check_conditions(policy: Policy, values: Values) -> tuple[bool, _Problem | None]:
    """Whether the policy applies, and the first condition that could not be computed. A condition
    that is false skips the policy, even when another condition could not be computed."""
    problem: _Problem | None = None
    for condition in policy.conditions:
        if isinstance(condition.program, NotEvaluable):
            problem = problem or (FindingVerdict.NOT_EVALUABLE, condition.program.reason, condition)
            continue
        outcome = _require_bool(condition.program.run(values))
        if outcome.error:
            why = f"match condition {condition.name!r}: {outcome.error}"
            problem = problem or (_verdict(outcome), why, condition)
        elif outcome.value is False:
            return False, None
    return True, problem


def _require_bool(outcome: EvalResult) -> EvalResult:
    if outcome.error or isinstance(outcome.value, bool):
        return outcome
    return EvalResult(error=f"the result is {_show(outcome.value)}, not true or false")


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"


def _verdict(outcome: EvalResult) -> FindingVerdict:
    return FindingVerdict.NOT_EVALUABLE if outcome.offline else FindingVerdict.ERROR


# -- one validation --------------------------------------------------------------------------------


def _validate(case: _Case, validation: Validation, composed: VariableValues) -> Iterator[Finding]:
    expression = validation.expression
    if isinstance(expression.program, NotEvaluable):
        reason = expression.program.reason
        yield _without_result(case, FindingVerdict.NOT_EVALUABLE, reason, expression)
        return
    outcome = _require_bool(composed.run(expression.program))
    if outcome.value is True:
        return
    spot = locate.spot(case.policy, expression.program, case.subject.manifest, composed)
    if outcome.error:
        yield _without_result(case, _verdict(outcome), outcome.error, expression, spot)
        return
    message = _composed_message(validation, composed)
    if not message:
        # A messageExpression can name the value itself; to a fixed message the value is added.
        text = " ".join(expression.program.text.split())
        message = validation.message or f"failed expression: {text}"
        message = locate.add_found(case.subject.manifest, spot, message)
    yield _finding(case, FindingVerdict.FAIL, message, expression, spot)


def _composed_message(validation: Validation, composed: VariableValues) -> str:
    """The text of messageExpression when it is one line of at most 5 KiB; "" otherwise."""
    expression = validation.message_expression
    if expression is None or not isinstance(expression.program, Program):
        return ""
    text = composed.run(expression.program).value
    if not isinstance(text, str) or "\n" in text.strip():
        return ""
    return text.strip() if len(text.encode()) <= _LONGEST_MESSAGE else ""


def _without_result(
    case: _Case,
    verdict: FindingVerdict,
    why: str,
    expression: Expression | None,
    spot: locate.Spot | None = None,
) -> Finding:
    """The finding of a rule that could not be computed. It counts as a violation, unless the policy
    ignores failures."""
    policy = case.policy
    if verdict is FindingVerdict.NOT_EVALUABLE:
        message = f"not evaluable offline, only the cluster can judge this: {why}"
    else:
        message = f"the policy could not be evaluated: {why}"
    if not policy.fails_closed:
        message += " (its failurePolicy ignores this)"
    if spot is None:
        spot = locate.spot_of(policy, case.subject.manifest)
    missing = _MISSING.search(why) if verdict is FindingVerdict.ERROR else None
    finding = replace(
        _finding(case, verdict, message, expression, spot),
        missing_key=missing[1] if missing is not None else "",
    )
    if verdict is FindingVerdict.NOT_EVALUABLE and finding.blocks:
        hint = f"annotate the binding with {locate.LEVEL}: warn to leave it to the cluster"
        return replace(finding, remediation=finding.remediation or hint)
    return finding


def _finding(
    case: _Case,
    verdict: FindingVerdict,
    message: str,
    expression: Expression | None,
    spot: locate.Spot,
) -> Finding:
    policy, binding, manifest = case.policy, case.binding, case.subject.manifest
    try:
        found = _show(value_at(manifest.body, spot.path)) if spot.path else ""
    except LookupError:
        found = ""
    return Finding(
        policy=policy.name,
        binding=binding.name,
        level=binding.level,
        severity=policy.severity,
        verdict=verdict,
        message=message,
        app=case.subject.app,
        key=manifest.key,
        path=spot.path,
        origin=spot.origin,
        policy_site=policy.site,
        rule=expression.site if expression is not None else policy.site,
        found=found,
        remediation=policy.remediation,
        also=spot.also,
        others=spot.others,
        ignored=verdict is not FindingVerdict.FAIL and not policy.fails_closed,
    )
