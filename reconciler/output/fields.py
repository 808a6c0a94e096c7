"""The fields of a change as rows for people. The backends of a route are shown as weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler import kinds
from reconciler.objects.draft import show_path
from reconciler.origin import Origin
from reconciler.plan.change import Change, FieldChange

__all__ = ["Row", "rows", "weights"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `text`, where it is not empty, is shown instead of the values. `owner` names the
    embedded object of the field and the object that embeds it; "" for a field of the object."""

    path: str
    field: FieldChange
    origin: Origin | None
    text: str = ""
    owner: str = ""

    @property
    def name(self) -> str:
        """The path; for a field of an embedded object the name of that object precedes the path."""
        return f"{self.owner} {self.path}" if self.owner else self.path


def rows(change: Change, arrow: str = "→") -> Iterator[Row]:
    """One row per field, in order; the backends of one rule of a route share a row."""
    done_rules: set[tuple[Any, ...]] = set()
    for field in change.fields:
        rule = _rule_of(change, field)
        if rule is None:
            yield Row(_path_of(change, field), field, field.origin, owner=_owner(change, field))
            continue
        if rule in done_rules:
            continue
        done_rules.add(rule)
        of_rule = [f for f in change.fields if _rule_of(change, f) == rule]
        text = weights(change, of_rule, arrow)
        if text:
            origin = next((f.origin for f in of_rule if f.origin is not None), None)
            yield Row(f"{show_path(rule)} weights", field, origin, text)
        else:
            for other in of_rule:
                yield Row(show_path(other.path), other, other.origin)


def _path_of(change: Change, field: FieldChange) -> str:
    """The path. That of a variable has the name of the variable, for the path has only a number."""
    path = field.own_path
    name = _name_at(change.body_of(field), path[:-1]) if path[-1:] == ("value",) else ""
    return f"{show_path(path)} ({name})" if name else show_path(path)


def _owner(change: Change, field: FieldChange) -> str:
    return f"{field.inside.key} (in {change.key})" if field.inside is not None else ""


def _rule_of(change: Change, field: FieldChange) -> tuple[Any, ...] | None:
    """The path of the rule of a route whose backends hold the field; None for other fields."""
    inside = field.inside is not None
    routes = kinds.find(change.key.group_kind).routes
    if not routes or inside or "backendRefs" not in field.path:
        return None
    return field.path[: field.path.index("backendRefs")]


def weights(change: Change, fields: list[FieldChange], arrow: str) -> str:
    """The changes of backends, such as `web-v1 90 → 50, + web-v2 50`.

    "" where other fields of a backend changed, too."""
    out: list[str] = []
    gone: list[str] = []
    for field in fields:
        rest = field.path[field.path.index("backendRefs") + 1 :]
        if len(rest) == 1 and field.added and isinstance(field.after, Mapping):
            out.append(f"+ {_backend(field.after)}")
        elif len(rest) == 1 and field.removed and isinstance(field.before, Mapping):
            gone.append(f"- {_backend(field.before)}")
        elif len(rest) == 2 and rest[1] == "weight":
            name = _name_at(change.body_of(field), field.path[:-1])
            if not name:
                return ""
            out.append(f"{name} {field.before} {arrow} {field.after}")
        else:
            return ""
    return ", ".join([*out, *gone])


def _backend(datum: Mapping[str, Any]) -> str:
    return f"{datum.get('name')} {datum.get('weight', 1)}"


def _name_at(body: Mapping[str, Any], path: tuple[Any, ...]) -> str:
    datum: Any = body
    try:
        for step in path:
            datum = datum[step]
        return str(datum["name"])
    except (KeyError, IndexError, TypeError):
        return ""
