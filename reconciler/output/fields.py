"""A change's fields as people want to see them: a route's backends as weights, not as maps."""

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
    """One line: `text` stands in place of the values where it is not empty. `owner` names the
    embedded object that the field belongs to, and what carries it."""

    path: str
    field: FieldChange
    origin: Origin | None
    text: str = ""
    owner: str = ""

    @property
    def name(self) -> str:
        """The path, after the embedded object that it is in."""
        return f"{self.owner} {self.path}" if self.owner else self.path


def rows(change: Change, arrow: str = "→") -> Iterator[Row]:
    """The fields in their order; a route's backends of one rule become one row."""
    told: set[tuple[Any, ...]] = set()
    for field in change.fields:
        rule = _rule_of(change, field)
        if rule is None:
            yield Row(_shown(change, field), field, field.origin, owner=_owner(change, field))
            continue
        if rule in told:
            continue
        told.add(rule)
        mine = [f for f in change.fields if _rule_of(change, f) == rule]
        text = weights(change, mine, arrow)
        if text:
            origin = next((f.origin for f in mine if f.origin is not None), None)
            yield Row(f"{show_path(rule)} weights", field, origin, text)
        else:
            for other in mine:
                yield Row(show_path(other.path), other, other.origin)


def _shown(change: Change, field: FieldChange) -> str:
    """The path; a variable's with its name, since its number says nothing."""
    path = field.own_path
    name = _name_at(change.body_of(field), path[:-1]) if path[-1:] == ("value",) else ""
    return f"{show_path(path)} ({name})" if name else show_path(path)


def _owner(change: Change, field: FieldChange) -> str:
    return f"{field.inside.key} (in {change.key})" if field.inside is not None else ""


def _rule_of(change: Change, field: FieldChange) -> tuple[Any, ...] | None:
    """The path of the rule whose backends the field is about."""
    inside = field.inside is not None
    routes = kinds.find(change.key.group_kind).routes
    if not routes or inside or "backendRefs" not in field.path:
        return None
    return field.path[: field.path.index("backendRefs")]


def weights(change: Change, fields: list[FieldChange], arrow: str) -> str:
    """`web-v1 90 → 50, + web-v2 50`; "" where more than names and weights changed."""
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
