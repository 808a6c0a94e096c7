"""Reads ValidatingAdmissionPolicy and its binding, the files that an API server accepts.

This program's additions are annotations, which a cluster ignores. On a policy: `severity`,
`remediation`, and `field` (the field of the object that findings point at). On a binding: `level`,
`environments`, `groups` (`prod/hz-a`) and `types`, each a list with commas.
"""

from __future__ import annotations

from collections.abc import Callable

import reconciler
from reconciler import kinds
from reconciler.diagnostics import Diagnostic, error
from reconciler.layers import paths
from reconciler.objects.draft import FieldPath
from reconciler.objects.key import GroupKind, split_version
from reconciler.origin import Site
from reconciler.policy import documents, match
from reconciler.policy.cel import Engine, Mistake, NotEvaluable, Program
from reconciler.policy.documents import Document
from reconciler.policy.finding import FindingSeverity, Level
from reconciler.policy.format import Format
from reconciler.policy.rules import (
    Binding,
    Expression,
    Match,
    ParamRef,
    Policy,
    ReadResult,
    Requirement,
    ResourceRule,
    Selector,
    Validation,
)
from reconciler.policy.shape import Reader
from reconciler.suggest import question

__all__ = ["FORMAT"]

_GROUP = "admissionregistration.k8s.io"
_POLICY = "ValidatingAdmissionPolicy"
_BINDING = "ValidatingAdmissionPolicyBinding"
_DOMAIN = f"{reconciler.API_DOMAIN}/"
_OF_POLICY = ("severity", "remediation", "field")
_OF_BINDING = ("level", "environments", "groups", "types")
_OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT", "*")
_REASONS = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")
_MOST_CONDITIONS = 64
_BOOL_TYPES = ("BOOL", "DYN")


def _takes(kind: GroupKind) -> bool:
    return kind.group == _GROUP


def _read(document: Document, engine: Callable[[], Engine]) -> ReadResult:
    reader = _Reader(document, engine)
    if document.kind.kind not in (_POLICY, _BINDING):
        return ReadResult(diagnostics=(_unknown_kind(document),))
    if document.version != "v1":
        reader.top.wrong(
            f"{_GROUP}/{document.version} is not read",
            reader.top.at("apiVersion"),
            "apiVersion",
            f"write {_GROUP}/v1, generally available since Kubernetes 1.30",
        )
    result = reader.policy() if document.kind.kind == _POLICY else reader.binding()
    found = tuple(reader.found)
    if any(d.is_error for d in found):
        return ReadResult(diagnostics=found)
    if isinstance(result, Policy):
        return ReadResult(policies=(result,), diagnostics=found)
    return ReadResult(bindings=(result,), diagnostics=found)


def _unknown_kind(document: Document) -> Diagnostic:
    return error(
        "E_POLICY_KIND",
        f"{document.kind} is not evaluated",
        document.site,
        path="kind",
        help=f"known: {_POLICY} and {_BINDING}",
    )


class _Reader:
    """Reads one document as a policy or a binding. Mistakes are in `found`."""

    def __init__(self, document: Document, engine: Callable[[], Engine]) -> None:
        self.document = document
        self.engine = engine
        self.found: list[Diagnostic] = []
        self.top = Reader(document.root, self.found)

    # -- the policy --------------------------------------------------------------------------------

    def policy(self) -> Policy:
        name, notes = self.metadata(_OF_POLICY)
        spec = self.top.map("spec", required=True) or self.top
        if spec is not self.top:
            spec.unknown(
                "paramKind",
                "matchConstraints",
                "matchConditions",
                "variables",
                "validations",
                "auditAnnotations",
                "failurePolicy",
            )
        constraints = spec.map("matchConstraints", required=True)
        match = self.match(constraints, rules_required=True) if constraints else Match()
        variables = self.variables(spec)
        known = frozenset(v.name for v in variables)
        severity = notes.text("severity", one_of=tuple(FindingSeverity)) if notes else ""
        return Policy(
            name=name,
            site=self.document.site,
            match=match,
            validations=self.validations(spec, known),
            conditions=self.conditions(spec),
            variables=variables,
            param_kind=self.param_kind(spec),
            fails_closed=spec.text("failurePolicy", one_of=("Fail", "Ignore")) != "Ignore",
            severity=FindingSeverity(severity)
            if severity in tuple(FindingSeverity)
            else FindingSeverity.MEDIUM,
            remediation=notes.text("remediation").strip() if notes else "",
            field=self.fields(notes),
        )

    def metadata(self, annotation_names: tuple[str, ...]) -> tuple[str, Reader | None]:
        """The object's name, and a reader of this program's annotations by their short names."""
        self.top.unknown("apiVersion", "kind", "metadata", "spec", "status")
        metadata = self.top.map("metadata", required=True)
        if metadata is None:
            return "", None
        name = metadata.text("name", required=True)
        annotations = metadata.map("annotations")
        if annotations is None:
            return name, None
        notes = {
            key.removeprefix(_DOMAIN): node
            for key, node in annotations.branch.children.items()
            if key.startswith(_DOMAIN)
        }
        branch = type(annotations.branch)(notes, annotations.branch.origin)
        reader = Reader(branch, self.found, "metadata.annotations")
        reader.unknown(*annotation_names)
        return name, reader

    def param_kind(self, spec: Reader) -> GroupKind | None:
        kind = spec.map("paramKind")
        if kind is None:
            return None
        kind.unknown("apiVersion", "kind")
        group, _ = split_version(kind.text("apiVersion", required=True))
        return GroupKind(group, kind.text("kind", required=True))

    def fields(self, notes: Reader | None) -> tuple[FieldPath, ...]:
        out: list[FieldPath] = []
        for text in _commas(notes.text("field")) if notes else ():
            try:
                path = paths.parse(text)
            except paths.PathInvalid as invalid:
                assert notes is not None
                notes.wrong(str(invalid), notes.at("field"), notes.spelled("field"))
                continue
            out.append(tuple(s for s in path if isinstance(s, str | int)))
        return tuple(out)

    def conditions(self, spec: Reader) -> tuple[Expression, ...]:
        out: list[Expression] = []
        for entry in spec.maps("matchConditions"):
            entry.unknown("name", "expression")
            name = entry.text("name", required=True)
            # An API server evaluates conditions before it computes variables.
            condition = self.expression(entry, "expression", name, _BOOL_TYPES, variables=None)
            out += [condition] if condition else []
        if len(out) > _MOST_CONDITIONS:
            spec.wrong(
                f"{len(out)} match conditions; at most {_MOST_CONDITIONS}",
                spec.at("matchConditions"),
                spec.spelled("matchConditions"),
            )
        self.check_unique(spec, "matchConditions", out)
        return tuple(out)

    def variables(self, spec: Reader) -> tuple[Expression, ...]:
        out: list[Expression] = []
        for entry in spec.maps("variables"):
            entry.unknown("name", "expression")
            name = entry.text("name", required=True)
            before = frozenset(v.name for v in out)
            variable = self.expression(entry, "expression", name, (), variables=before)
            out += [variable] if variable else []
        self.check_unique(spec, "variables", out)
        return tuple(out)

    def check_unique(self, spec: Reader, key: str, expressions: list[Expression]) -> None:
        names: set[str] = set()
        for entry in expressions:
            if entry.name in names:
                spec.wrong(f"{entry.name!r} is given twice", entry.site, spec.spelled(key))
            names.add(entry.name)

    def validations(self, spec: Reader, known: frozenset[str]) -> tuple[Validation, ...]:
        out: list[Validation] = []
        has_audit = spec.node("auditAnnotations") is not None
        for entry in spec.maps("validations", required=not has_audit):
            entry.unknown("expression", "message", "messageExpression", "reason")
            entry.text("reason", one_of=_REASONS)
            message = entry.text("message").strip()
            if "\n" in message:
                entry.wrong("a message is one line", entry.at("message"), entry.spelled("message"))
            rule = self.expression(entry, "expression", "", _BOOL_TYPES, variables=known)
            message_expression = None
            if entry.node("messageExpression") is not None:
                message_expression = self.expression(
                    entry, "messageExpression", "", ("STRING", "DYN"), variables=known
                )
            if rule is None:
                continue
            if not message and "\n" in rule.program.text.strip():
                entry.wrong(
                    "a `message` is required where the expression has line breaks",
                    rule.site,
                    entry.spelled("message"),
                )
            out.append(Validation(rule, message, message_expression))
        return tuple(out)

    def expression(
        self,
        entry: Reader,
        key: str,
        name: str,
        gives: tuple[str, ...],
        *,
        variables: frozenset[str] | None,
    ) -> Expression | None:
        """The compiled expression at a key. None for a mistake, which is reported at its line
        inside the text. `gives` are the allowed types of the result; empty for any. `variables` are
        the names that may be read; None where no variable may be read."""
        text = entry.text(key, required=True)
        if not text.strip():
            return None
        site, path = entry.at(key), entry.spelled(key)
        compiled = self.engine().compile(text)
        match compiled:
            case Mistake():
                place = documents.inside(self.document.lines, site, compiled.line, compiled.column)
                self.found.append(error("E_CEL", compiled.message, place, path=path))
                return None
            case Program():
                self._check_program(compiled, gives, variables, site, path)
            case NotEvaluable():
                pass
        return Expression(compiled, site, name)

    def _check_program(
        self,
        program: Program,
        gives: tuple[str, ...],
        variables: frozenset[str] | None,
        site: Site,
        path: str,
    ) -> None:
        if gives and program.gives not in gives:
            wanted = {"BOOL": "a bool", "STRING": "a text"}[gives[0]]
            message = f"the expression gives {program.gives.lower()}, and must give {wanted}"
            self.found.append(error("E_CEL", message, site, path=path))
        if "variables" not in program.names:
            return
        if variables is None:
            message = "variables cannot be used in match conditions"
            self.found.append(error("E_CEL", message, site, path=path))
            return
        for wanted in sorted((program.variables or frozenset()) - variables):
            known = ", ".join(sorted(variables)) or "none"
            self.found.append(
                error(
                    "E_CEL",
                    f"variables.{wanted} is not defined before this expression",
                    site,
                    path=path,
                    help=f"defined: {known}",
                )
            )

    # -- the binding -------------------------------------------------------------------------------

    def binding(self) -> Binding:
        name, notes = self.metadata(_OF_BINDING)
        spec = self.top.map("spec", required=True) or self.top
        if spec is not self.top:
            spec.unknown("policyName", "paramRef", "matchResources", "validationActions")
        actions = spec.texts("validationActions", required=True, one_of=("Deny", "Warn", "Audit"))
        if {"Deny", "Warn"} <= set(actions):
            spec.wrong(
                "Deny and Warn exclude each other",
                spec.at("validationActions"),
                spec.spelled("validationActions"),
            )
        resources = spec.map("matchResources")
        return Binding(
            name=name,
            site=self.document.site,
            policy=spec.text("policyName", required=True),
            policy_at=spec.at("policyName"),
            level=_level(notes.text("level", one_of=tuple(Level)) if notes else "", actions),
            match=self.match(resources) if resources is not None else None,
            param=self.param_ref(spec),
            environments=self.reach(notes, "environments"),
            groups=self.reach(notes, "groups"),
            types=self.reach(notes, "types"),
        )

    def reach(self, notes: Reader | None, key: str) -> frozenset[str] | None:
        if notes is None or notes.node(key) is None:
            return None
        words = _commas(notes.text(key))
        wrong = [w for w in words if (w.count("/") == 1) != (key == "groups")]
        if not words or wrong:
            wanted = "environment/group, …" if key == "groups" else "name, …"
            found = repr(wrong[0]) if wrong else "nothing"
            notes.wrong(f"found {found}, expected {wanted}", notes.at(key), notes.spelled(key))
        return frozenset(words)

    def param_ref(self, spec: Reader) -> ParamRef | None:
        ref = spec.map("paramRef")
        if ref is None:
            return None
        ref.unknown("name", "namespace", "selector", "parameterNotFoundAction")
        chosen = ref.map("selector")
        name = ref.text("name")
        if bool(name) == (chosen is not None):
            ref.wrong("give either `name` or `selector`", ref.site, ref.path)
        action = ref.text("parameterNotFoundAction", required=True, one_of=("Allow", "Deny"))
        selector = self.selector(chosen) if chosen is not None else None
        return ParamRef(name, ref.text("namespace"), selector, action == "Allow")

    # -- what matches ------------------------------------------------------------------------------

    def match(self, reader: Reader, *, rules_required: bool = False) -> Match:
        reader.unknown(
            "resourceRules",
            "excludeResourceRules",
            "namespaceSelector",
            "objectSelector",
            "matchPolicy",
        )
        rules = tuple(self.rules(reader, "resourceRules", required=rules_required))
        namespaces, objects = reader.map("namespaceSelector"), reader.map("objectSelector")
        policy = reader.text("matchPolicy", one_of=("Exact", "Equivalent"))
        return Match(
            rules or None,
            tuple(self.rules(reader, "excludeResourceRules")),
            self.selector(namespaces) if namespaces is not None else Selector(),
            self.selector(objects) if objects is not None else Selector(),
            equivalent=policy != "Exact",
        )

    def rules(self, reader: Reader, key: str, *, required: bool = False) -> list[ResourceRule]:
        out: list[ResourceRule] = []
        for entry in reader.maps(key, required=required):
            entry.unknown(
                "apiGroups", "apiVersions", "operations", "resources", "resourceNames", "scope"
            )
            scope = entry.text("scope", one_of=("Namespaced", "Cluster", "*"))
            self.check_resources(entry)
            out.append(
                ResourceRule(
                    entry.texts("apiGroups", required=True),
                    entry.texts("apiVersions", required=True),
                    entry.texts("operations", required=True, one_of=_OPERATIONS),
                    entry.texts("resources", required=True),
                    entry.texts("resourceNames"),
                    scope or "*",
                )
            )
        return out

    def check_resources(self, entry: Reader) -> None:
        """Reports the name of a kind where a resource is meant: such a rule matches nothing."""
        plurals = {k.kind.lower(): match.plural_of(k) for k in kinds.known()}
        for name in entry.texts("resources"):
            meant = plurals.get(name.partition("/")[0].lower())
            if meant is not None and name.partition("/")[0] not in plurals.values():
                entry.wrong(
                    f"{name!r} is no resource, so the rule matches nothing",
                    entry.at("resources"),
                    entry.spelled("resources"),
                    question(meant),
                )

    def selector(self, reader: Reader) -> Selector:
        reader.unknown("matchLabels", "matchExpressions")
        requirements: list[Requirement] = []
        for entry in reader.maps("matchExpressions"):
            entry.unknown("key", "operator", "values")
            key = entry.text("key", required=True)
            operators = ("In", "NotIn", "Exists", "DoesNotExist")
            operator = entry.text("operator", required=True, one_of=operators)
            values = entry.texts("values")
            if bool(values) != (operator in ("In", "NotIn")):
                wanted = "needs" if operator in ("In", "NotIn") else "takes no"
                entry.wrong(f"{operator} {wanted} values", entry.site, entry.spelled("values"))
            requirements.append(Requirement(key, operator, values))
        return Selector(reader.labels("matchLabels"), tuple(requirements))


def _commas(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _level(annotated: str, actions: tuple[str, ...]) -> Level:
    if annotated in tuple(Level):
        return Level(annotated)
    if "Deny" in actions:
        return Level.DENY
    return Level.WARN if "Warn" in actions else Level.AUDIT


FORMAT = Format("vap", _takes, _read)
