"""The API server of the embedded cluster: handles requests, and raises refusals as `ApiFault`.

The order of checks and the codes are those of a real server: kind served, scope, preconditions,
types, merge, defaults, validation, immutable fields. A request is one transaction of the store; a
dry run is the same request, rolled back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from reconciler.objects.key import GroupKind, ObjectKey, split_version
from reconciler.objects.kind import Kind
from reconciler.objects.outcome import CLUSTER_SCOPED, RefusalCause, Verb
from reconciler.ports import Clock, Discovery
from reconciler.simulation import defaults, merge, validate
from reconciler.simulation.fault import ApiFault
from reconciler.simulation.garbage import Garbage
from reconciler.simulation.object_bodies import (
    Body,
    clone,
    conflict_fault,
    content,
    fields_of_creator,
    stamp,
    strip_server_fields,
    stub,
)
from reconciler.simulation.schema import SERVER_OWNED, shape_of
from reconciler.simulation.served import ServedKind, list_served, make_discovery
from reconciler.simulation.store import Store

__all__ = ["Server", "ServerAnswer"]

_NAMESPACE = GroupKind("", "Namespace")
_FIRST_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class ServerAnswer(NamedTuple):
    verb: Verb
    body: Body | None


class Server:
    """One cluster. Returned bodies are copies. The functions in `changed` are called with the key
    and the newest body of every object that a finished request wrote or removed."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        name: str,
        kinds: Mapping[GroupKind, Kind] | None = None,
        without: frozenset[str] = frozenset(),
    ) -> None:
        self.store = store
        self.clock = clock
        self.name = name
        self.kinds = kinds or {}
        self._served = list_served(self.kinds, without)
        self._discovery = make_discovery(self._served)
        self.changed: list[Callable[[ObjectKey, Body], None]] = []
        self._touched: dict[ObjectKey, Body] = {}
        self._emptying: set[str] = set()
        self._garbage = Garbage(store, self._mark, self._rewrite)
        if not store.items(_NAMESPACE):
            for first in _FIRST_NAMESPACES:
                body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": first}}
                self.create(body, "kube-apiserver")

    # -- reads -------------------------------------------------------------------------------------

    def discover(self) -> Discovery:
        return self._discovery

    def serves(self, kind: GroupKind) -> bool:
        return kind in self._served

    def get(self, key: ObjectKey) -> Body | None:
        self.store.refresh()
        return clone(self.store.get(key))

    def list(
        self, kind: GroupKind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Body]:
        """The objects with all these labels, sorted by namespace and name."""
        self.store.refresh()
        out = []
        for key, body in self.store.items(kind):
            actual = body["metadata"].get("labels") or {}
            wanted = labels or {}
            if namespace in ("", key.namespace) and wanted.items() <= actual.items():
                out.append(clone(body))
        return out

    # -- writes ------------------------------------------------------------------------------------

    def apply(
        self, body: Mapping[str, Any], manager: str, *, force: bool = False, dry_run: bool = False
    ) -> ServerAnswer:
        """Server-side apply. Raises ApiFault."""
        row, key = self._address(body)
        with _Request(self, dry_run):
            live = self.store.get(key)
            metadata = body["metadata"]
            if metadata.get("managedFields"):
                raise ApiFault(RefusalCause.INVALID, 400, "metadata.managedFields must be nil")
            self._check_preconditions(key, live, metadata)
            shape = shape_of(key.group_kind)
            config = strip_server_fields(body, row)
            validate.check_types(key, shape, config)
            rows = live["metadata"].get("managedFields") or [] if live else []
            owners = merge.managers_of(rows)
            base = strip_server_fields(live, None) if live is not None else None
            try:
                after, owners = merge.apply_config(shape, base, owners, config, manager, force)
            except merge.Conflict as conflict:
                raise conflict_fault(conflict, row.api_version) from None
            return self._commit(row, key, live, after, owners, dry_run)

    def create(
        self, body: Mapping[str, Any], manager: str, *, dry_run: bool = False
    ) -> ServerAnswer:
        """POST. Raises ApiFault, with code 409 when an object of that name exists."""
        body = clone(dict(body))
        if body["metadata"].get("generateName") and not body["metadata"].get("name"):
            count = int(self.store.fact("version", "0"))
            suffix = hashlib.sha256(str(count).encode()).hexdigest()[:5]
            body["metadata"]["name"] = f"{body['metadata']['generateName']}{suffix}"
        row, key = self._address(body)
        with _Request(self, dry_run):
            if self.store.get(key) is not None:
                text = f'{row.plural} "{key.name}" already exists'
                raise ApiFault(RefusalCause.ALREADY_EXISTS, 409, text)
            return self._write(row, key, None, body, merge.Entry(manager, "Update"), dry_run)

    def update(
        self, body: Mapping[str, Any], manager: str, *, dry_run: bool = False
    ) -> ServerAnswer:
        """PUT. Raises ApiFault; STALE when the resourceVersion is not the live one."""
        row, key = self._address(body)
        with _Request(self, dry_run):
            live = self._require_live(row, key)
            version = body["metadata"].get("resourceVersion")
            if not version and (not row.is_built_in or key.kind == "Lease"):
                text = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
                raise ApiFault(RefusalCause.INVALID, 422, text, ("metadata.resourceVersion",))
            self._check_preconditions(key, live, body["metadata"])
            entry = merge.Entry(manager, "Update")
            return self._write(row, key, live, body, entry, dry_run)

    def patch_status(self, key: ObjectKey, status: Mapping[str, Any], manager: str) -> ServerAnswer:
        """Writes a status: through the subresource, or into the object of a kind without one."""
        row, key = self._address(stub(key, self._row(key.group_kind)))
        with _Request(self, False):
            live = self._require_live(row, key)
            after = {**strip_server_fields(live, None), "status": clone(dict(status))}
            entry = merge.Entry(manager, "Update", "status" if row.status else "")
            owners = self._owners(key, live, after, entry)
            return self._commit(row, key, live, after, owners, False)

    def delete(
        self,
        key: ObjectKey,
        *,
        uid: str = "",
        resource_version: str = "",
        orphan: bool = False,
        dry_run: bool = False,
    ) -> ServerAnswer:
        """DELETE with preconditions. The verb is DELETED when the object is gone, ACCEPTED when a
        finalizer holds it. Raises ApiFault."""
        row, key = self._address(stub(key, self._row(key.group_kind)))
        with _Request(self, dry_run):
            live = self._require_live(row, key)
            metadata = live["metadata"]
            for name, wanted in (("UID", uid), ("ResourceVersion", resource_version)):
                actual = metadata["uid" if name == "UID" else "resourceVersion"]
                if wanted and wanted != actual:
                    raise ApiFault(
                        RefusalCause.STALE,
                        409,
                        f'Operation cannot be fulfilled on {row.plural} "{key.name}": '
                        f"Precondition failed: {name} in precondition: {wanted}, "
                        f"{name} in object meta: {actual}",
                    )
            if orphan:
                self._garbage.orphan(metadata["uid"])
                live = self.store.get(key) or live
            self._mark(key, live)
            remaining = self.store.get(key)
            if remaining is None and key.group_kind != _NAMESPACE:
                return ServerAnswer(Verb.DELETED, None)
            return ServerAnswer(Verb.ACCEPTED, clone(remaining))

    def remember(self, name: str, value: str) -> None:
        """Stores a fact beside the objects, for example the simulated time."""
        with self.store.transaction():
            self.store.state(name, value)

    def recall(self, name: str) -> str:
        return self.store.fact(name)

    # -- inside a request --------------------------------------------------------------------------

    def _row(self, kind: GroupKind) -> ServedKind:
        row = self._served.get(kind)
        if row is None:
            raise ApiFault(RefusalCause.NOT_SERVED, 404, "404 page not found")
        return row

    def _address(self, body: Mapping[str, Any]) -> tuple[ServedKind, ObjectKey]:
        """The kind and key that the request's URL would name."""
        metadata = body.get("metadata") or {}
        group, version = split_version(str(body.get("apiVersion") or ""))
        row = self._row(GroupKind(group, str(body.get("kind"))))
        if version != row.version:
            raise ApiFault(RefusalCause.NOT_SERVED, 404, "404 page not found")
        key = ObjectKey(*row.kind, metadata.get("namespace") or "", str(metadata.get("name") or ""))
        if not key.name:
            raise ApiFault(RefusalCause.INVALID, 422, f"{key.kind}: metadata.name: Required value")
        if row.namespaced != bool(key.namespace):
            need = "needs a namespace" if row.namespaced else CLUSTER_SCOPED
            raise ApiFault(RefusalCause.INVALID, 400, f"{key.kind} {need}")
        return row, key

    def _require_live(self, row: ServedKind, key: ObjectKey) -> Body:
        live = self.store.get(key)
        if live is None:
            raise ApiFault(RefusalCause.ABSENT, 404, f'{row.plural} "{key.name}" not found')
        return live

    def _check_preconditions(
        self, key: ObjectKey, live: Body | None, metadata: Mapping[str, Any]
    ) -> None:
        """Checks the body's uid and resourceVersion against the live object. As on a real server, a
        resourceVersion alone does not refuse an absent object."""
        uid, version = metadata.get("uid"), metadata.get("resourceVersion")
        where = f'Operation cannot be fulfilled on "{key.name}"'
        if live is None:
            if uid:
                raise ApiFault(
                    RefusalCause.STALE,
                    409,
                    f"{where}: uid mismatch: the provided object specified uid {uid}, and no "
                    "existing object was found",
                )
            return
        if uid and uid != live["metadata"]["uid"]:
            text = f'metadata.uid: Invalid value: "{uid}": field is immutable'
            raise ApiFault(RefusalCause.STALE, 422, text, ("metadata.uid",))
        if version and version != live["metadata"]["resourceVersion"]:
            text = (
                f"{where}: the object has been modified; please apply your changes to the latest "
                "version and try again"
            )
            raise ApiFault(RefusalCause.STALE, 409, text)

    def _write(
        self,
        row: ServedKind,
        key: ObjectKey,
        live: Body | None,
        body: Mapping[str, Any],
        entry: merge.Entry,
        dry_run: bool,
    ) -> ServerAnswer:
        """POST and PUT of a whole object; keeps a status that has its own endpoint."""
        shape = shape_of(key.group_kind)
        after = strip_server_fields(body, row)
        validate.check_types(key, shape, after, applied=False)
        if row.status and live is not None and "status" in live:
            after["status"] = clone(live["status"])
        # Unlike an applier, a writer of whole objects also owns the defaults.
        if "uid" not in after["metadata"] and live is not None:
            after["metadata"]["uid"] = live["metadata"]["uid"]
        defaults.fill(key.group_kind, after)
        given_fields = body["metadata"].get("managedFields")
        known = live
        if live is not None and given_fields is not None and not any(given_fields):
            known = {**live, "metadata": {**live["metadata"], "managedFields": []}}
        owned = fields_of_creator(body, after, row) if live is None else after
        owners = self._owners(key, known, owned, entry)
        return self._commit(row, key, live, after, owners, dry_run)

    def _owners(
        self, key: ObjectKey, live: Body | None, after: Body, entry: merge.Entry
    ) -> dict[merge.Entry, Any]:
        rows = (live["metadata"].get("managedFields") or []) if live is not None else []
        if live is not None and not rows:
            return {}  # a client emptied the list, which ends the tracking until the next apply
        base = strip_server_fields(live, None) if live is not None else None
        return merge.update_body(
            shape_of(key.group_kind), base, merge.managers_of(rows), after, entry
        )

    def _commit(
        self,
        row: ServedKind,
        key: ObjectKey,
        live: Body | None,
        after: Body,
        owners: Mapping[merge.Entry, Any],
        dry_run: bool,
    ) -> ServerAnswer:
        """Sets server-owned metadata and defaults, checks the object; writes it when it changed."""
        now = stamp(self.clock.now())
        after = clone({"apiVersion": row.api_version, "kind": row.kind.kind, **after})
        metadata = after["metadata"] = {k: v for k, v in after["metadata"].items() if v != {}}
        if live is None:
            validate.check_name(key)
            self._admit(key)
            metadata["uid"] = self._new_uid(key)
            metadata["creationTimestamp"] = now
            old_rows: Iterable[Any] = ()
        else:
            for name in SERVER_OWNED:
                if name in live["metadata"]:
                    metadata[name] = live["metadata"][name]
            old_rows = live["metadata"].get("managedFields") or ()
        defaults.fill(row.kind, after)
        if live is None:
            validate.check(key, after)
        else:
            validate.check_write(key, live, after)
        metadata["managedFields"] = merge.rows(owners, old_rows, row.api_version, now)
        if not metadata["managedFields"]:
            del metadata["managedFields"]
        if row.counted:
            has_changed = live is None or content(live, row) != content(after, row)
            before = live["metadata"].get("generation", 0) if live is not None else 0
            metadata["generation"] = before + 1 if has_changed else before
        if live is not None and after == live:
            return ServerAnswer(Verb.UNCHANGED, clone(live))
        validate.check_size(key, after)
        if not dry_run:
            metadata["resourceVersion"] = self._next_version()
        self._put(key, after)
        return ServerAnswer(Verb.CREATED if live is None else Verb.UPDATED, clone(after))

    def _admit(self, key: ObjectKey) -> None:
        if not key.namespace:
            return
        namespace = self.store.get(ObjectKey("", "Namespace", "", key.namespace))
        if namespace is None:
            text = f'namespaces "{key.namespace}" not found'
            raise ApiFault(RefusalCause.NAMESPACE_MISSING, 404, text)
        if "deletionTimestamp" in namespace["metadata"]:
            text = (
                f'"{key.name}" is forbidden: unable to create new content in namespace '
                f"{key.namespace} because it is being terminated"
            )
            raise ApiFault(RefusalCause.TERMINATING, 403, text, ("metadata.namespace",))

    def _new_uid(self, key: ObjectKey) -> str:
        """A unique uid that is the same in every run of the same requests."""
        seed = f"{self.name}/{self.store.fact('version', '0')}/{key.full()}"
        digest = hashlib.sha256(seed.encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"

    def _next_version(self) -> str:
        version = str(int(self.store.fact("version", "0")) + 1)
        self.store.state("version", version)
        return version

    # -- storing and removing ----------------------------------------------------------------------

    def _put(self, key: ObjectKey, body: Body) -> None:
        """Stores a body, or removes a deleted object that no finalizer holds."""
        self._touched[key] = body
        metadata = body["metadata"]
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            self._remove(key, metadata["uid"])
        else:
            self.store.put(key, body)

    def _rewrite(self, key: ObjectKey, body: Body) -> None:
        metadata = {**body["metadata"], "resourceVersion": self._next_version()}
        self._put(key, {**body, "metadata": metadata})

    def _mark(self, key: ObjectKey, body: Body) -> None:
        """A DELETE without preconditions: removes the object, or marks one with finalizers."""
        metadata = body["metadata"]
        if "deletionTimestamp" in metadata:
            return
        marked = {
            **metadata,
            "deletionTimestamp": stamp(self.clock.now()),
            "resourceVersion": self._next_version(),
        }
        if "generation" in metadata:
            marked["generation"] = metadata["generation"] + 1
            marked["deletionGracePeriodSeconds"] = 0
        self._touched[key] = body
        if key.group_kind == _NAMESPACE:
            self.store.put(key, {**body, "metadata": marked, "status": {"phase": "Terminating"}})
            self._finish_namespace(key.name)
        elif metadata.get("finalizers"):
            self.store.put(key, {**body, "metadata": marked})
        else:
            self._remove(key, metadata["uid"])

    def _remove(self, key: ObjectKey, uid: str) -> None:
        self.store.put(key, None)
        self._garbage.collect(uid)
        if key.namespace:
            self._finish_namespace(key.namespace)

    def _finish_namespace(self, name: str) -> None:
        """Empties a terminating namespace, and removes it once it is empty."""
        key = ObjectKey("", "Namespace", "", name)
        namespace = self.store.get(key)
        if (
            namespace is None
            or "deletionTimestamp" not in namespace["metadata"]
            or name in self._emptying
        ):
            return
        self._emptying.add(name)
        try:
            if self._garbage.empty(name) and not namespace["metadata"].get("finalizers"):
                self._touched[key] = namespace
                self.store.put(key, None)
        finally:
            self._emptying.discard(name)

    def _settle(self, dry_run: bool) -> None:
        touched, self._touched = self._touched, {}
        if not dry_run:
            for key, body in touched.items():
                for listener in self.changed:
                    listener(key, body)


class _Request:
    """One request: a transaction of the store that also records the time, then the listeners."""

    def __init__(self, server: Server, dry_run: bool) -> None:
        self._server = server
        self._dry_run = dry_run
        self._transaction = server.store.transaction(keep=not dry_run)

    def __enter__(self) -> None:
        self._transaction.__enter__()

    def __exit__(self, *error: Any) -> None:
        server = self._server
        if error[0] is None and not self._dry_run:
            server.store.state("now", server.clock.now().isoformat())
        self._transaction.__exit__(*error)
        server._settle(self._dry_run or error[0] is not None)
