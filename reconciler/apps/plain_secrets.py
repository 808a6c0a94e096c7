"""Finds values that look like secrets and stand in Git in plain text.

Output masks such a value, so nobody who reviews a change would see that it is there: the warning
says so at its line, and never shows the value.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.diagnostics import Diagnostic, warning
from reconciler.origin import Branch, Items, Node, Value
from reconciler.secrets import find_flag, holds_secret, holds_userinfo

__all__ = ["check"]

#: Fields that name a key of a Secret, or hold a text that only a controller of the cluster reads.
_NO_SECRETS = frozenset({"secretKey", "encryptedData"})


def check(node: Node, path: str = "", name: str = "") -> Iterator[Diagnostic]:
    """A warning for each likely secret of a merged tree or a manifest. Cost: one pass."""
    if isinstance(node, Branch):
        yield from _check_map(node, path)
    elif isinstance(node, Items):
        yield from _check_list(node, path, name)
    elif isinstance(node.value, str) and (
        holds_secret(name, node.value) or holds_userinfo(node.value)
    ):
        yield _found(node, path, name)


def _check_map(node: Branch, path: str) -> Iterator[Diagnostic]:
    label, value = node.get("name"), node.get("value")
    if isinstance(label, Value) and isinstance(value, Value) and isinstance(label.value, str):
        datum = value.value
        if type(datum) in (str, int) and holds_secret(label.value, str(datum)):
            yield _found(value, f"{path}.value", label.value)
            return
    for key, child in node.children.items():
        if key not in _NO_SECRETS:
            yield from check(child, f"{path}.{key}" if path else key, key)


def _check_list(node: Items, path: str, name: str) -> Iterator[Diagnostic]:
    before = ""
    for index, child in enumerate(node.children):
        place = f"{path}[{index}]"
        text = child.value if isinstance(child, Value) else None
        if not isinstance(child, Value) or not isinstance(text, str):
            before = ""
            yield from check(child, place, name)
            continue
        flag, given = find_flag(text)
        if before and not flag and holds_secret(before, text):
            yield _found(child, place, before)
        elif flag and given is not None and holds_secret(flag, given):
            yield _found(child, place, flag)
        else:
            yield from check(child, place, name)
        before = flag if given is None else ""


def _found(value: Value[object], path: str, name: str) -> Diagnostic:
    what = f"the value of {name}" if name else "a password of a URL"
    return warning(
        "W_SECRET_IN_GIT",
        f"{what} stands in Git in plain text, and output masks it, so no reviewer sees it",
        value.site,
        path=path,
        help="refer to a Secret's key: in a layer `value: !secret name/key`, in a manifest "
        "`valueFrom: {secretKeyRef: …}`; and change the secret, because Git keeps it",
    )
