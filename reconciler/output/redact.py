"""Takes the secrets out of a report before a format renders it: a format may cut or escape a
value, and then a search for the secret would not find the secret any more."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from reconciler.diagnostics import Diagnostic
from reconciler.engine.views.models import SettingChange
from reconciler.engine.views.objects import RenderedObject
from reconciler.engine.views.report import Chains, Changes, Findings, Report, Timeline
from reconciler.objects.draft import Manifest
from reconciler.origin import Deletion, Origin, SecretRef, Site
from reconciler.output.text import Lines
from reconciler.plan.change import Change, FieldChange
from reconciler.plan.inventory import Inventory, Member
from reconciler.secrets import MASK, Redactor, is_secret_name

if TYPE_CHECKING:
    from reconciler.engine.views.report import View

__all__ = ["cited", "clean", "learn", "learn_manifest"]

#: Types that stay as they are: they hold no text of a value, or no format prints them (a manifest
#: is printed as part of a RenderedObject only).
_UNCHANGED = (Enum, Site, SecretRef, Manifest, bool, int, float, Inventory, Member)


def learn(report: Report, redactor: Redactor, read: Lines) -> None:
    """Adds to the redactor every value that looks like a secret, in changed or shown objects and in
    each file that a message or a chain cites. `read` returns a line of a file."""
    for section in report.sections:
        if isinstance(section, Changes):
            for change in section.plan.changes():
                _learn_change(change, redactor)
            for model in section.models:
                for row in model.settings:
                    for value in (row.before, row.after):
                        redactor.guess(_name_of_setting(row), value)
        elif isinstance(section, Chains):
            for chain in section.chains:
                name = re.split(r"[.\[\]]+", chain.path.rstrip("]"))[-1]
                redactor.guess(name, chain.value)
                redactor.learn_tree({name: chain.value})
        elif not isinstance(section, Findings | Timeline):
            _learn_view(section, redactor)
    for file in cited(report):
        number = 1
        lines = []
        while (line := read(file, number)) is not None:
            lines.append(line)
            number += 1
        redactor.learn_text("\n".join(lines))


def _learn_view(view: View, redactor: Redactor) -> None:
    # Imported here, since `plan` and a pass of `reconcile` show no view.
    from reconciler.engine.views.objects import Objects
    from reconciler.engine.views.promotion import Promotion

    if isinstance(view, Objects):
        for item in view.objects:
            learn_manifest(item.manifest, redactor)
    elif isinstance(view, Promotion):
        redactor.learn_text(view.diff)


def _learn_change(change: Change, redactor: Redactor) -> None:
    if change.desired is not None:
        learn_manifest(change.desired, redactor)
    for field in change.fields:
        name = _name_of(field, change)
        for value in (field.before, field.after):
            redactor.guess(name, value)
            redactor.learn_tree({name: value})


def learn_manifest(manifest: Manifest, redactor: Redactor) -> None:
    """Adds the secrets of one object and of the objects that it embeds to the redactor."""
    redactor.learn_tree(manifest.body)
    for _, inner in manifest.inside():
        redactor.learn_tree(inner.body)


def cited(report: Report) -> tuple[str, ...]:
    """The files of all sites in messages and chains, sorted."""
    sites: list[Site | None] = []
    for section in report.sections:
        if isinstance(section, Findings):
            sites += _diagnostic_sites(section.diagnostics)
            sites += [finding.site for finding in section.policy]
            sites += [link.site for finding in section.policy for link in finding.related]
        elif isinstance(section, Chains):
            for chain in section.chains:
                if chain.origin is not None:
                    for link in chain.origin.chain():
                        sites += link.sites()
    return tuple(sorted({site.file for site in sites if site is not None and site.line}))


def _diagnostic_sites(diagnostics: Iterable[Diagnostic]) -> list[Site | None]:
    out: list[Site | None] = []
    for item in diagnostics:
        out += [item.site, *(related.site for related in item.related)]
    return out


def _name_of(field: FieldChange, change: Change) -> str:
    """The name of a changed field. For the value of a variable or a header it is the `name` of the
    list entry; "" where there is no name."""
    path = field.own_path
    names = [step for step in path if isinstance(step, str)]
    if path and path[-1] == "value" and change.desired is not None:
        datum: Any = change.body_of(field)
        try:
            for step in path[:-1]:
                datum = datum[step]
            return str(datum["name"])
        except (KeyError, IndexError, TypeError):
            return ""
    return names[-1] if names else ""


def _name_of_setting(row: SettingChange) -> str:
    """The name of a value of the config: its key, or the `name` of the variable that it is of."""
    *rest, last = row.path.rsplit(".", 1)
    named = re.search(r"\[name=([^\]]+)\]$", rest[0]) if rest and last == "value" else None
    return named.group(1) if named is not None else last


def clean(report: Report, redactor: Redactor) -> Report:
    """The report with every known secret replaced. Changed fields with the name of a secret are
    masked whatever their length. Cost: one pass over the report."""
    cleaned: Report = _Cleaner(redactor).of(report)
    return cleaned


def _masked(origin: Origin | None) -> Origin | None:
    """The place of a value, without the value and those that it overrides."""
    if origin is None:
        return None
    return Origin(origin.site, origin.layer, origin.op, MASK, None, origin.through)


class _Cleaner:
    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._origins: dict[int, Origin] = {}

    def of(self, datum: Any) -> Any:
        if datum is None or isinstance(datum, _UNCHANGED):
            return datum
        if isinstance(datum, str):
            return self._redactor.redact(datum)
        if isinstance(datum, Origin):
            return self._origin(datum)
        if isinstance(datum, tuple | list):
            return self._sequence(datum)
        if isinstance(datum, Mapping):
            return {self.of(key): self.of(value) for key, value in datum.items()}
        if isinstance(datum, Change | SettingChange | RenderedObject):
            return self._named(datum)
        if dataclasses.is_dataclass(datum) and not isinstance(datum, type):
            return self._record(datum)
        return datum

    def _named(self, datum: Change | SettingChange | RenderedObject) -> Any:
        """What has a name besides its values, or prints what other types do not."""
        if isinstance(datum, Change):
            return self._change(datum)
        if isinstance(datum, SettingChange):
            return self._setting(datum)
        return dataclasses.replace(datum, manifest=self._manifest(datum.manifest))

    def _sequence(self, datum: Any) -> Any:
        items = [self.of(item) for item in datum]
        if all(new is old for new, old in zip(items, datum, strict=True)):
            return datum
        if hasattr(datum, "_fields"):
            return type(datum)(*items)
        return type(datum)(items)

    def _record(self, datum: Any) -> Any:
        changed = {}
        for field in dataclasses.fields(datum):
            old = getattr(datum, field.name)
            new = self.of(old)
            if new is not old:
                changed[field.name] = new
        return dataclasses.replace(datum, **changed) if changed else datum

    def _manifest(self, manifest: Manifest) -> Manifest:
        """A manifest is printed whole: cleans its body and the bodies of the objects it embeds."""
        inner = tuple((path, self._manifest(below)) for path, below in manifest.embedded)
        return dataclasses.replace(manifest, body=self.of(manifest.body), embedded=inner)

    def _change(self, change: Change) -> Change:
        fields = tuple(self._mask_field(field, change) for field in change.fields)
        cleaned: Change = self._record(dataclasses.replace(change, fields=fields))
        return cleaned

    def _mask_field(self, field: FieldChange, change: Change) -> FieldChange:
        if not is_secret_name(_name_of(field, change)):
            return field

        def mask(value: Any) -> Any:
            return MASK if isinstance(value, str) and value else value

        return dataclasses.replace(
            field,
            before=mask(field.before),
            after=mask(field.after),
            origin=_masked(field.origin),
        )

    def _setting(self, row: SettingChange) -> SettingChange:
        if is_secret_name(_name_of_setting(row)):
            before, after = (MASK if value else value for value in (row.before, row.after))
            row = dataclasses.replace(row, before=before, after=after, origin=_masked(row.origin))
        cleaned: SettingChange = self._record(row)
        return cleaned

    def _origin(self, origin: Origin) -> Origin:
        found = self._origins.get(id(origin))
        if found is not None:
            return found
        under = self._origin(origin.under) if origin.under is not None else None
        through = tuple(self._origin(link) for link in origin.through)
        value = self.of(origin.value)
        same = (
            value is origin.value
            and under is origin.under
            and all(new is old for new, old in zip(through, origin.through, strict=True))
        )
        if same or isinstance(origin, Deletion):
            cleaned = origin
        else:
            cleaned = Origin(
                origin.site,
                origin.layer,
                origin.op,
                value,
                under,
                through,
                is_scalar=origin.is_scalar,
            )
        self._origins[id(origin)] = cleaned
        return cleaned
