"""Rights as YAML for `kubectl apply`; a comment on each rule gives its reason."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

import reconciler
from reconciler.engine.views.rights import ACCOUNT, Identity, Purpose, Rights, Role, Rule
from reconciler.layers.emit import emit

__all__ = ["manifests", "rule_of", "subject_of", "yaml_of"]

_RBAC = "rbac.authorization.k8s.io"
_WIDTH = 96


def yaml_of(rights: Rights) -> Iterator[str]:
    """YAML documents in an order in which they can be applied. The admission policy that restrains
    a right comes before the right."""
    yield _comment(
        f"Rights for `reconciler {_COMMANDS[rights.grant.purpose]}`, made by `reconciler rbac` "
        "from the config: make it again when groups or kinds are added."
    )
    for note in rights.grant.notes:
        yield _comment(f"Note: {note}.")
    yield from map(_document, _surroundings(rights))
    for role in rights.grant.roles:
        yield _role(role, rights)
        yield _document(_binding(role, rights))


def manifests(rights: Rights) -> Iterator[dict[str, Any]]:
    """The documents of `yaml_of` as plain objects, without comments."""
    yield from _surroundings(rights)
    for role in rights.grant.roles:
        yield {**_head(role, rights, "Role"), "rules": [rule_of(rule) for rule in role.rules]}
        yield _binding(role, rights)


def _surroundings(rights: Rights) -> Iterator[dict[str, Any]]:
    """The namespaces, the service account and the admission policy that roles and bindings need."""
    grant, identity = rights.grant, rights.identity
    spaces = {reconciler.TOOL_NAMESPACE, *grant.namespaces}
    spaces |= set() if identity.user else {identity.namespace}
    for name in sorted(spaces):
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    if not identity.user:
        place = {"name": identity.name, "namespace": identity.namespace}
        yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place}
    if grant.purpose is Purpose.PLAN:
        yield from _dry_run_only(identity)


_COMMANDS = {
    Purpose.RECONCILE: "reconcile",
    Purpose.PLAN: "plan",
    Purpose.READ_ONLY: "plan --read-only",
}


def _document(body: dict[str, Any]) -> str:
    return f"---\n{emit(body)}"


def _comment(text: str, indent: str = "") -> str:
    lead = f"{indent}# "
    lines = textwrap.wrap(text, _WIDTH, initial_indent=lead, subsequent_indent=lead)
    return "\n".join(lines) + "\n"


def _head(role: Role, rights: Rights, kind: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": rights.name_of(role)}
    if role.namespace:
        metadata["namespace"] = role.namespace
    else:
        kind = f"Cluster{kind}"
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata}


def _role(role: Role, rights: Rights) -> str:
    rules = "".join(_comment(rule.why, "  ") + _rule(rule) for rule in role.rules)
    return f"{_document(_head(role, rights, 'Role'))}rules:\n{rules}"


def _rule(rule: Rule) -> str:
    """A rule as YAML, each list on one line to keep it short."""
    lines = [f"{key}: {json.dumps(given)}" for key, given in rule_of(rule).items()]
    return textwrap.indent("- " + "\n  ".join(lines) + "\n", "  ")


def rule_of(rule: Rule) -> dict[str, list[str]]:
    """A rule in the form of RBAC; `resourceNames` only where the rule is for some names."""
    parts = {
        "apiGroups": (rule.group,),
        "resources": rule.resources,
        "resourceNames": rule.names,
        "verbs": rule.verbs,
    }
    return {key: list(given) for key, given in parts.items() if given}


def _binding(role: Role, rights: Rights) -> dict[str, Any]:
    body = _head(role, rights, "RoleBinding")
    body["roleRef"] = {
        "apiGroup": _RBAC,
        "kind": "Role" if role.namespace else "ClusterRole",
        "name": body["metadata"]["name"],
    }
    body["subjects"] = [subject_of(role, rights)]
    return body


def subject_of(role: Role, rights: Rights) -> dict[str, str]:
    """The subject of a role's binding."""
    username = rights.subject_of(role)
    if username.startswith(ACCOUNT):
        namespace, _, name = username.removeprefix(ACCOUNT).partition(":")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": _RBAC, "kind": "User", "name": username}


def _dry_run_only(identity: Identity) -> Iterator[dict[str, Any]]:
    """An admission policy that refuses every write of the identity that is not a dry-run, since a
    dry-run needs the verbs of a write. The policy holds for all resources, whatever other
    bindings the identity gets."""
    name = f"{identity.name}-dry-run-only"
    kind = "ValidatingAdmissionPolicy"
    version = "admissionregistration.k8s.io/v1"
    every = {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE", "DELETE", "CONNECT"],
        "resources": ["*/*"],
    }
    quoted = identity.username.replace("\\", "\\\\").replace('"', '\\"')
    yield {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [every]},
            "matchConditions": [
                {"name": "identity", "expression": f'request.userInfo.username == "{quoted}"'}
            ],
            "validations": [
                {
                    "expression": "has(request.dryRun) && request.dryRun == true",
                    "message": f"{identity.username} may only send dry-runs",
                    "reason": "Forbidden",
                }
            ],
        },
    }
    yield {
        "apiVersion": version,
        "kind": f"{kind}Binding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
