"""Rights as YAML for `kubectl apply`, each rule with the reason that it is there."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import reconciler
from reconciler.engine.use.rights import Grant, Purpose, Role, Rule
from reconciler.layers.emit import emit

__all__ = ["Identity", "yaml_of"]

_RBAC = "rbac.authorization.k8s.io"
_ACCOUNT = "system:serviceaccount:"
_WIDTH = 96


@dataclass(frozen=True, slots=True)
class Identity:
    """Who gets the rights: a service account that is made with them, or a user that the API server
    knows by other means. `name` is the account's and the roles'."""

    name: str
    namespace: str = reconciler.TOOL_NAMESPACE
    user: str = ""

    @property
    def username(self) -> str:
        """As the API server sees it in a request."""
        return self.user or f"{_ACCOUNT}{self.namespace}:{self.name}"


def yaml_of(grant: Grant, identity: Identity) -> Iterator[str]:
    """One document after the other, in an order in which they can be applied. What restrains a
    right comes before the right."""
    yield _comment(
        f"Rights for `reconciler {_COMMANDS[grant.purpose]}`, made by `reconciler rbac` from the "
        "config: make it anew when groups or kinds are added."
    )
    for note in grant.notes:
        yield _comment(f"Note: {note}.")
    spaces = {reconciler.TOOL_NAMESPACE, *grant.namespaces}
    spaces |= set() if identity.user else {identity.namespace}
    for name in sorted(spaces):
        yield _document({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    if not identity.user:
        place = {"name": identity.name, "namespace": identity.namespace}
        yield _document({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place})
    if grant.purpose is Purpose.PLAN:
        yield from map(_document, _dry_run_only(identity))
    for role in grant.roles:
        yield _role(role, identity)
        yield _document(_binding(role, identity))


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


def _head(role: Role, identity: Identity, kind: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": f"{identity.name}{role.suffix}"}
    if role.namespace:
        metadata["namespace"] = role.namespace
    else:
        kind = f"Cluster{kind}"
    return {"apiVersion": f"{_RBAC}/v1", "kind": kind, "metadata": metadata}


def _role(role: Role, identity: Identity) -> str:
    rules = "".join(_comment(rule.why, "  ") + _rule(rule) for rule in role.rules)
    return f"{_document(_head(role, identity, 'Role'))}rules:\n{rules}"


def _rule(rule: Rule) -> str:
    """Lists on one line, so that a rule is read at a glance."""
    parts = {
        "apiGroups": (rule.group,),
        "resources": rule.resources,
        "resourceNames": rule.names,
        "verbs": rule.verbs,
    }
    lines = [f"{key}: {json.dumps(list(given))}" for key, given in parts.items() if given]
    return textwrap.indent("- " + "\n  ".join(lines) + "\n", "  ")


def _binding(role: Role, identity: Identity) -> dict[str, Any]:
    body = _head(role, identity, "RoleBinding")
    body["roleRef"] = {
        "apiGroup": _RBAC,
        "kind": "Role" if role.namespace else "ClusterRole",
        "name": body["metadata"]["name"],
    }
    body["subjects"] = [_subject(role.subject or identity.username)]
    return body


def _subject(username: str) -> dict[str, Any]:
    if username.startswith(_ACCOUNT):
        namespace, _, name = username.removeprefix(_ACCOUNT).partition(":")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": _RBAC, "kind": "User", "name": username}


def _dry_run_only(identity: Identity) -> Iterator[dict[str, Any]]:
    """A dry-run needs the verbs of a write, so admission refuses what is none. It holds for every
    resource, whatever other bindings the identity gets."""
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
                    "message": f"{identity.username} may only ask by dry-run",
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
