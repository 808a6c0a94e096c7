"""Small factories: a manifest with a made-up line for every leaf, a subject, a policy's text."""

from __future__ import annotations

import itertools
from typing import Any

import yaml

from reconciler import policy
from reconciler.backends.embedded_text import embed_texts
from reconciler.objects.draft import Draft, Manifest, seal
from reconciler.objects.key import key_of
from reconciler.origin import Origin, Site, Value
from reconciler.policy.evaluate import PolicySet, Subject, judge_objects
from reconciler.unit import UnitId

CLUSTER_SCOPED = ("Namespace", "PersistentVolume")
GROUP = "admissionregistration.k8s.io/v1"
EVERYTHING = {
    "resourceRules": [
        {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}
    ]
}


def manifest_of(body: dict[str, Any]) -> Manifest:
    """Leaf number n stands in line n of app.yaml; a text that starts with `rule:` is a literal of
    the drawing rule and has no origin. What a carrier holds as text is found as when it is drawn."""
    numbers = itertools.count(1)

    def traced(datum: Any) -> Any:
        if isinstance(datum, dict) and datum:
            return {key: traced(child) for key, child in datum.items()}
        if isinstance(datum, list) and datum:
            return [traced(child) for child in datum]
        number = next(numbers)
        if isinstance(datum, str) and datum.startswith("rule:"):
            return datum
        return Value(datum, Origin(Site("app.yaml", number, 1), "model", "set", datum))

    return seal(embed_texts(Draft(key_of(body), body["apiVersion"], traced(body), "test")))


def subject_of(body: dict[str, Any], **more: Any) -> Subject:
    environment, group = more.pop("environment", "prod"), more.pop("group", "hz-a")
    if "namespace" not in body["metadata"] and body["kind"] not in CLUSTER_SCOPED:
        body = {**body, "metadata": {**body["metadata"], "namespace": f"ml-{group}"}}
    labels = {
        "app.kubernetes.io/managed-by": "reconciler",
        "ml-reconciler.dev/environment": environment,
        "ml-reconciler.dev/group": group,
    }
    old = more.pop("old", None)
    return Subject(
        app=UnitId(environment, group, "mnist"),
        app_type=more.pop("type", "computer-vision"),
        environment=environment,
        group=group,
        manifest=manifest_of(body),
        operation=more.pop("operation", "UPDATE" if old is not None else "CREATE"),
        old=old,
        namespace_labels={**labels, **more.pop("namespaceLabels", {})},
    )


def policy_text(
    spec: dict[str, Any],
    bindings: list[dict[str, Any]] | None = None,
    annotations: dict[str, str] | None = None,
    params: list[dict[str, Any]] | None = None,
) -> bytes:
    """One policy called p with bindings b0, b1, …; what a case leaves out is the plainest thing."""
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": GROUP,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "p", "annotations": annotations or {}},
            "spec": {"matchConstraints": EVERYTHING, **spec},
        }
    ]
    for number, given in enumerate(bindings if bindings is not None else [{}]):
        notes = given.get("annotations", {})
        rest = {k: v for k, v in given.items() if k != "annotations"}
        documents.append(
            {
                "apiVersion": GROUP,
                "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": f"b{number}", "annotations": notes},
                "spec": {"policyName": "p", "validationActions": ["Deny"], **rest},
            }
        )
    return yaml.safe_dump_all([*documents, *(params or [])], sort_keys=False).encode()


def loaded(text: bytes) -> PolicySet:
    """The set of one file that must be without a mistake."""
    policies, diagnostics = policy.load({"policies/p.yaml": text})
    assert [d for d in diagnostics if d.is_error] == []
    return policies


def judged(text: bytes, body: dict[str, Any], **more: Any):
    return judge_objects(loaded(text), [subject_of(body, **more)])
