"""Finds, parses and checks the plain Kubernetes manifests of a model.

A user's manifest may be of any namespaced kind. Refused at their lines are: fields that the server
owns (uid, status, …), objects outside of the group's namespace, and secret values.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler import TOOL_NAMESPACE, kinds
from reconciler.apps import workflow_templates
from reconciler.apps.app import PlainManifest
from reconciler.apps.left_out import LeftOut
from reconciler.apps.repository import AppFiles, Layout, StoredFile
from reconciler.diagnostics import Diagnostic, error, warning
from reconciler.layers import document, merge, references, stack, templates
from reconciler.objects.key import GroupKind, is_object_name, split_version
from reconciler.origin import Branch, Items, Node, SecretRef, Site, Value
from reconciler.suggest import nearest, question

__all__ = ["Home", "ManifestFile", "check_documents", "find_file", "parse_documents"]

_MOST_DOCUMENTS = 500
_SERVER_OWNED = (
    "uid",
    "resourceVersion",
    "generation",
    "managedFields",
    "ownerReferences",
    "finalizers",
    "creationTimestamp",
    "deletionTimestamp",
    "selfLink",
    "generateName",
)
_NO_LISTS = stack.Stack((), {}, None)


def find_file(
    entry: Value[str],
    blobs: Mapping[str, StoredFile],
    app: AppFiles,
    layout: Layout,
    left_out: LeftOut,
) -> tuple[str | None, tuple[Diagnostic, ...]]:
    """The path of the file that an entry of `manifests:` names: in the folder of the file with the
    entry, else in the model's folder. None and an error when there is no such file, or when it
    cannot be used."""
    folder = posixpath.dirname(entry.site.file)
    home = f"models/{app.model}"
    if posixpath.normpath(f"{home}/{entry.value}").startswith(f"{home}/") and (
        (beside := posixpath.normpath(f"{folder}/{entry.value}")) not in blobs
        and left_out.find(beside) is None
    ):
        folder = home
    path = posixpath.normpath(posixpath.join(folder, entry.value))
    if entry.value.startswith("/") or not path.startswith(("environments/", "models/")):
        return None, (
            error(
                "E_PATH",
                f"{entry.value!r} leaves the config folders",
                entry.site,
                path="manifests",
                help="name a file beside the file that lists it, or beside model.yaml",
            ),
        )
    inside = f"{path}/".startswith((f"{folder}/", f"{home}/"))
    if not inside or not _is_own(path, app, layout):
        return None, (
            error(
                "E_PATH",
                f"{entry.value!r} leads to {path}, a file of others",
                entry.site,
                path="manifests",
                help="name a file beside the file that lists it, or beside model.yaml",
            ),
        )
    fault = left_out.find(path)
    if fault is not None:
        return None, (fault,)
    if path in blobs and blobs[path].size > document.FILE_BYTES:
        size = f"{path} has {blobs[path].size:,} bytes; at most {document.FILE_BYTES:,} are read"
        help_text = "split the file"
        return None, (error("E_SIZE", size, entry.site, path="manifests", help=help_text),)
    if path in blobs:
        return path, ()
    close = nearest(path, blobs)
    return None, (
        error(
            "E_FILE_MISSING",
            f"{path} does not exist",
            entry.site,
            path="manifests",
            help=question(posixpath.relpath(close, folder)) if close else "",
        ),
    )


class ManifestFile(NamedTuple):
    """The documents of a file, and the mistakes in its text. The same for every app that lists the
    file."""

    file: str
    roots: tuple[tuple[Branch, bool], ...]
    """Each document, and whether it had no errors when its markers were read."""
    diagnostics: tuple[Diagnostic, ...]


def _is_own(path: str, app: AppFiles, layout: Layout) -> bool:
    """Whether an app may read a file: it may not read those of other environments, groups and
    models."""
    top, _, rest = path.partition("/")
    if top == "models":
        return rest.startswith(f"{app.model}/")
    environment, _, rest = rest.partition("/")
    if environment in layout.environments and environment != app.environment:
        return False
    group = rest.partition("/")[0]
    return (environment, group) not in layout.groups or group == app.group


def parse_documents(data: bytes, file: str) -> ManifestFile:
    """Every document of a file. Lines are counted from the start of the file."""
    found: list[Diagnostic] = []
    roots: list[tuple[Branch, bool]] = []
    chunks = list(document.split(data))
    if len(chunks) > _MOST_DOCUMENTS:
        message = f"{len(chunks)} documents in one file; at most {_MOST_DOCUMENTS}"
        return ManifestFile(file, (), (error("E_SIZE", message, Site(file, 1, 1)),))
    for chunk in chunks:
        parsed = document.parse(chunk, file, "manifest")
        found += parsed.diagnostics
        if parsed.root is None or not parsed.root.children:
            continue
        if any(d.is_error for d in parsed.diagnostics):
            continue
        merged = merge.fold((parsed,), _NO_LISTS, resolves=False)
        found += merged.diagnostics
        found += _check_keys(merged.tree, "")
        roots.append((merged.tree, not any(d.is_error for d in merged.diagnostics)))
    if not roots and not found:
        found.append(warning("W_EMPTY", f"{file} holds no object", Site(file, 1, 1)))
    return ManifestFile(file, tuple(roots), tuple(found))


class Home(NamedTuple):
    """The app that a file's objects belong to: its namespace, the cluster-scoped kinds that its
    group allows (`Kind.group`), and the values to which the file may refer, under `app`. `respelt`:
    as in `layers.document.Document`."""

    namespace: str
    allowed: frozenset[str]
    values: Branch
    respelt: Mapping[Site, str]


def check_documents(
    contents: ManifestFile, home: Home
) -> tuple[list[PlainManifest], tuple[Diagnostic, ...]]:
    """The objects of a file, as objects of an app, with their references resolved, and all mistakes
    in the file. Objects without references are shared by all apps that list the file."""
    found = list(contents.diagnostics)
    out: list[PlainManifest] = []
    for document_root, is_sound in contents.roots:
        root, mistakes = references.resolve_into(document_root, home.values, home.respelt)
        if not mistakes:  # an unresolved text says nothing of the object
            mistakes = list(_check(root, home.namespace, home.allowed))
        found += mistakes
        if is_sound and not any(d.is_error for d in mistakes):
            out.append(PlainManifest(contents.file, root))
    return out, tuple(found)


def _check_keys(node: Node, path: str) -> Iterator[Diagnostic]:
    """Errors for references in keys, which are written out as they are."""
    if isinstance(node, Value):
        return
    steps: Iterable[tuple[str, Node]] = (
        node.children.items()
        if isinstance(node, Branch)
        else ((f"[{index}]", child) for index, child in enumerate(node.children))
    )
    for step, child in steps:
        inner = f"{path}.{step}".lstrip(".") if isinstance(node, Branch) else f"{path}{step}"
        if isinstance(node, Branch) and templates.OPEN in step:
            yield error(
                "E_REF_SYNTAX",
                "a key holds no reference",
                child.origin.site,
                path=path,
                found=step,
                help="refer to a map instead, `labels: ${{ app.labels }}`, or write the key out",
            )
        yield from _check_keys(child, inner)


def _check(root: Branch, namespace: str, allowed: frozenset[str]) -> Iterator[Diagnostic]:
    version, kind = root.get("apiVersion"), root.get("kind")
    for name, node in (("apiVersion", version), ("kind", kind)):
        if not isinstance(node, Value) or not isinstance(node.value, str):
            site = node.origin.site if node is not None else root.origin.site
            yield error("E_MANIFEST", f"a Kubernetes object needs a text `{name}`", site)
            return
    assert isinstance(version, Value)
    assert isinstance(kind, Value)
    group_kind = GroupKind(split_version(version.value)[0], kind.value)
    scoped = str(group_kind) in allowed
    if not kinds.find(group_kind).namespaced and not scoped:
        yield error(
            "E_SCOPE",
            f"{group_kind} is cluster-scoped; an app owns objects of its namespace only",
            kind.site,
            path="kind",
            help=f"the group may allow it: clusterScoped: [{group_kind}] in its group.yaml",
        )
    if scoped:
        yield from _check_reserved(root)
    if group_kind == GroupKind("", "Config") or root.get("users") is not None:
        yield error(
            "E_KUBECONFIG",
            "this is a kubeconfig; credentials and the plugins it may start never come from Git",
            kind.site,
            path="kind",
            help="`cluster` in a group is a name that the operator maps to credentials",
        )
    if kind.value.endswith("List") and root.get("items") is not None:
        yield error(
            "E_MANIFEST",
            "a List holds several objects in one document",
            kind.site,
            path="kind",
            help="write one document per object, separated by ---",
        )
    yield from _check_secret_markers(root, "")
    yield from _check_metadata(root, "" if scoped else namespace)
    if (status := root.get("status")) is not None:
        yield _server_owned("status", status)
    if group_kind == GroupKind("", "Secret"):
        yield from _check_secret_values(root)
    yield from workflow_templates.check_workflow(root, group_kind)


def _check_reserved(root: Branch) -> Iterator[Diagnostic]:
    metadata = root.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Branch) else None
    if isinstance(name, Value) and str(name.value).startswith(TOOL_NAMESPACE):
        yield error(
            "E_NAMESPACE_RESERVED",
            f"{name.value!r} belongs to this program: its namespace and rights never come from the "
            "config that it applies",
            name.site,
            path="metadata.name",
            help="choose another name; the operator installs the program",
        )


def _check_secret_values(root: Branch) -> Iterator[Diagnostic]:
    for slot in ("data", "stringData"):
        node = root.get(slot)
        if isinstance(node, Branch) and node.children:
            yield error(
                "E_SECRET_IN_GIT",
                "secret values do not belong into Git",
                node.origin.site,
                path=slot,
                help="use an ExternalSecret, a SOPS or sealed secret object",
            )


def _check_secret_markers(node: Node, path: str) -> Iterator[Diagnostic]:
    """Errors for `!secret`, a marker of layers. A manifest refers to a Secret's key as Kubernetes
    does."""
    if isinstance(node, Branch):
        for key, child in node.children.items():
            yield from _check_secret_markers(child, f"{path}.{key}" if path else key)
    elif isinstance(node, Items):
        for index, child in enumerate(node.children):
            yield from _check_secret_markers(child, f"{path}[{index}]")
    elif isinstance(node.value, SecretRef):
        yield error(
            "E_SECRET_PLACE",
            "a plain manifest is written out as it is, and `!secret` would stand in it",
            node.site,
            path=path,
            help="refer to the key: valueFrom: {secretKeyRef: {name: …, key: …}}",
        )


def _check_metadata(root: Branch, namespace: str) -> Iterator[Diagnostic]:
    metadata = root.get("metadata")
    if not isinstance(metadata, Branch):
        site = metadata.origin.site if metadata is not None else root.origin.site
        yield error("E_MANIFEST", "a Kubernetes object needs `metadata` with a name", site)
        return
    name = metadata.get("name")
    if not isinstance(name, Value) or not isinstance(name.value, str):
        site = name.origin.site if name is not None else metadata.origin.site
        yield error("E_NAME", "metadata.name is required, a text", site, path="metadata.name")
    elif not is_object_name(name.value):
        yield error(
            "E_NAME",
            f"{name.value!r} is not a name: RFC 1123, at most 253 characters",
            name.site,
            path="metadata.name",
        )
    for field in _SERVER_OWNED:
        if (node := metadata.get(field)) is not None:
            yield _server_owned(f"metadata.{field}", node)
    named = metadata.get("namespace")
    if isinstance(named, Value) and named.value != namespace:
        yield error(
            "E_NAMESPACE",
            f"this object names the namespace {named.value!r}; "
            + (f"its group's is {namespace!r}" if namespace else "it is cluster-scoped"),
            named.site,
            path="metadata.namespace",
            help="leave the namespace out",
        )


def _server_owned(field: str, node: Node) -> Diagnostic:
    return error(
        "E_SERVER_OWNED",
        f"`{field}` belongs to the server or to controllers, never to Git",
        node.origin.site,
        path=field,
        help="remove it",
    )
