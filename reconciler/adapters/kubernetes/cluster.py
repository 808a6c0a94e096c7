"""Implements `ports.ClusterWriter` for a real cluster."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import quote

import orjson

import reconciler
from reconciler.adapters.kubernetes.discovery import Catalogue, Offer, read_catalogue
from reconciler.adapters.kubernetes.failures import explain_failure
from reconciler.adapters.kubernetes.transport import Allows, HttpAnswer, NoAnswer, Transport
from reconciler.objects.key import GroupKind, ObjectKey, key_of, split_version
from reconciler.objects.observed import Observed, absent_object, live_object
from reconciler.objects.outcome import (
    CLUSTER_SCOPED,
    Done,
    Outcome,
    RefusalCause,
    Refused,
    Unknown,
    Verb,
)
from reconciler.ports import ClusterUnreadable, Discovery, Listing

__all__ = ["KubernetesCluster"]

_PAGE = 500
_SYSTEM = ObjectKey("", "Namespace", "", "kube-system")
_DEFINITION = GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")
_FAIRNESS = GroupKind("flowcontrol.apiserver.k8s.io", "FlowSchema")
_Query: TypeAlias = list[tuple[str, str]]
_Items: TypeAlias = list[dict[str, Any]]
_APPLY = (("Content-Type", "application/apply-patch+yaml"),)


class _NotAddressable(Exception):
    """A body whose kind, scope or name gives no URL."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


class KubernetesCluster:
    """A client of one cluster with one field manager; safe for threads.

    The verb of an apply or PUT is UNCHANGED when the resourceVersion stays the one that this client
    read last. For an object that it has not read, the verb is UPDATED also when nothing changed.
    """

    def __init__(
        self, transport: Transport, name: str, manager: str = reconciler.FIELD_MANAGER
    ) -> None:
        self._transport = transport
        self._name = name
        self.manager = manager
        self._acting: tuple[tuple[str, str], ...] = ()
        self._catalogue: list[Catalogue] = []
        #: The definitions that were written: an unknown kind may be served since, so ask again.
        self._defined: set[str] = set()
        self._seen: dict[ObjectKey, str] = {}

    def close(self) -> None:
        self._transport.close()

    def acting_as(self, manager: str) -> KubernetesCluster:
        """The same cluster and connections under another field manager."""
        twin = copy.copy(self)
        twin.manager = manager
        return twin

    def acting_for(self, user: str) -> KubernetesCluster:
        """The same cluster and connections, with `user` impersonated in every request. Raises
        ValueError for "": without the header, requests would have this program's own rights."""
        if not user:
            raise ValueError("no user to act for")
        twin = copy.copy(self)
        twin._acting = (("Impersonate-User", user),)
        return twin

    # -- reads -------------------------------------------------------------------------------------

    @property
    def dry_runs(self) -> bool:
        """Whether this client may send dry-runs."""
        return self._transport.access.allows >= Allows.DRY_RUNS

    @property
    def name(self) -> str:
        return self._name

    @property
    def requests(self) -> int:
        return self._transport.requests

    def identity(self) -> str:
        uid = self.get(_SYSTEM).uid
        if not uid:
            raise ClusterUnreadable(f"{self._name} has no namespace kube-system")
        return uid

    def discover(self) -> Discovery:
        known = self._catalogue[0] if self._catalogue else None
        found = read_catalogue(self._transport, known)
        self._catalogue[:] = [found]
        self._transport.pace(shared_out=_FAIRNESS in found.offers)
        return found.discovery()

    def get(self, key: ObjectKey) -> Observed:
        offer = self._offer(key.group_kind)
        if offer is None:
            return absent_object(key)
        answer = self._read(_path(offer, key.namespace, key.name))
        if answer.status == 200:
            seen = live_object(orjson.loads(answer.data))
            self._seen[key] = seen.resource_version
            return seen
        refused = explain_failure(answer, offer.plural)
        if isinstance(refused, Refused) and refused.refusal in (
            RefusalCause.ABSENT,
            RefusalCause.NOT_SERVED,
            RefusalCause.NAMESPACE_MISSING,
        ):
            self._seen.pop(key, None)
            return absent_object(key)
        raise ClusterUnreadable(
            f"{key.full()} could not be read: {refused.message}",
            forbidden=isinstance(refused, Refused) and refused.code == 403,
        )

    def list(
        self, kind: GroupKind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing:
        offer = self._offer(kind)
        if offer is None:
            return Listing(kind, ())
        items = self._pages(offer, kind, namespace, labels or {}, _PAGE)
        if items is None:
            # The continue token has expired: list again without pages, which need no token.
            items = self._pages(offer, kind, namespace, labels or {}, 0)
        if items is None:
            raise ClusterUnreadable(f"{kind}: the list expired while it was read")
        found = []
        for item in items:
            # The items in a list of a built-in kind have no apiVersion and kind.
            body = {"apiVersion": offer.api_version, "kind": kind.kind, **item}
            seen = live_object(body)
            self._seen[seen.key] = seen.resource_version
            found.append(seen)
        return Listing(kind, tuple(sorted(found, key=lambda seen: seen.key)))

    def dry_run(self, body: Mapping[str, Any], *, force: bool = False) -> Outcome:
        return self._apply(body, force=force, dry=True)

    def dry_run_delete(self, key: ObjectKey, *, uid: str) -> Outcome:
        return self._delete(key, uid, "", orphan=False, dry=True)

    # -- writes ------------------------------------------------------------------------------------

    def apply(self, body: Mapping[str, Any], *, force: bool = False) -> Outcome:
        return self._apply(body, force=force, dry=False)

    def create(self, body: Mapping[str, Any]) -> Outcome:
        return self._send("POST", body, self._query(), named=False)

    def replace(self, body: Mapping[str, Any]) -> Outcome:
        return self._send("PUT", body, self._query())

    def delete(
        self, key: ObjectKey, *, uid: str, resource_version: str = "", orphan: bool = False
    ) -> Outcome:
        return self._delete(key, uid, resource_version, orphan=orphan, dry=False)

    # -- requests ----------------------------------------------------------------------------------

    def _query(self) -> _Query:
        return [("fieldManager", self.manager), ("fieldValidation", "Strict")]

    def _apply(self, body: Mapping[str, Any], *, force: bool, dry: bool) -> Outcome:
        query = self._query()
        if force:
            query.append(("force", "true"))
        if dry:
            query.append(("dryRun", "All"))
        return self._send("PATCH", body, query, _APPLY, dry=dry)

    def _send(
        self,
        method: str,
        body: Mapping[str, Any],
        query: _Query,
        headers: tuple[tuple[str, str], ...] = (),
        *,
        named: bool = True,
        dry: bool = False,
    ) -> Outcome:
        try:
            offer, key = self._address(body, named)
            answer = self._transport.request(
                method,
                _path(offer, key.namespace, key.name if named else ""),
                query,
                orjson.dumps(body),
                (*headers, *self._acting),
            )
        except _NotAddressable as wrong:
            return wrong.refused
        except (NoAnswer, ClusterUnreadable) as lost:
            return Unknown(str(lost))
        if answer.status not in (200, 201):
            return explain_failure(answer, offer.plural)
        created = orjson.loads(answer.data)
        return Done(self._verb(answer, key_of(created), created, dry), created, answer.warnings)

    def _verb(
        self, answer: HttpAnswer, key: ObjectKey, created: Mapping[str, Any], dry: bool
    ) -> Verb:
        version = created["metadata"].get("resourceVersion", "")
        before = self._seen.get(key)
        if not dry:
            self._seen[key] = version
            if key.group_kind == _DEFINITION:
                self._defined.add(key.name)
        if answer.status == 201:
            return Verb.CREATED
        # A dry-run is answered with the live version, also when it would change the object.
        return Verb.UNCHANGED if version == before and not dry else Verb.UPDATED

    def _delete(
        self, key: ObjectKey, uid: str, version: str, *, orphan: bool, dry: bool
    ) -> Outcome:
        conditions = {"uid": uid, "resourceVersion": version}
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {name: given for name, given in conditions.items() if given},
            "propagationPolicy": "Orphan" if orphan else "Background",
        }
        if dry:
            # In the body, because the server ignores the query when there is a body.
            options["dryRun"] = ["All"]
        try:
            offer = self._offer(key.group_kind)
            if offer is None:
                return _not_served(key.group_kind)
            path = _path(offer, key.namespace, key.name)
            data = orjson.dumps(options)
            answer = self._transport.request("DELETE", path, body=data, headers=self._acting)
        except (NoAnswer, ClusterUnreadable) as lost:
            return Unknown(str(lost))
        if answer.status not in (200, 202):
            return explain_failure(answer, offer.plural)
        if not dry:
            self._seen.pop(key, None)
        remaining = orjson.loads(answer.data)
        # For a deleted object the server answers with a Status or the former object, for one that a
        # finalizer holds with the present object.
        if "deletionTimestamp" in (remaining.get("metadata") or {}):
            return Done(Verb.ACCEPTED, remaining, answer.warnings)
        return Done(Verb.DELETED, None, answer.warnings)

    def _offer(self, kind: GroupKind, version: str = "") -> Offer | None:
        """The offer of a kind; None when it is not served. Raises ClusterUnreadable."""
        if not self._catalogue:
            self.discover()
        offer = self._catalogue[0].offer(kind, version)
        if offer is None and self._defined:
            self.discover()
            offer = self._catalogue[0].offer(kind, version)
        if offer is None and kind.group in self._catalogue[0].unread_groups:
            raise ClusterUnreadable(f"{kind}: what {kind.group} serves could not be read")
        return offer

    def _address(self, body: Mapping[str, Any], named: bool) -> tuple[Offer, ObjectKey]:
        metadata = body.get("metadata") or {}
        group, version = split_version(str(body.get("apiVersion") or ""))
        kind = GroupKind(group, str(body.get("kind")))
        offer = self._offer(kind, version)
        if offer is None:
            raise _NotAddressable(_not_served(kind))
        key = ObjectKey(*kind, metadata.get("namespace") or "", str(metadata.get("name") or ""))
        if named and not key.name:
            why = f"{kind.kind}: metadata.name: Required value"
            raise _NotAddressable(Refused(RefusalCause.INVALID, 422, why))
        if offer.namespaced != bool(key.namespace):
            need = "needs a namespace" if offer.namespaced else CLUSTER_SCOPED
            raise _NotAddressable(Refused(RefusalCause.INVALID, 400, f"{kind.kind} {need}"))
        return offer, key

    def _read(self, path: str, query: tuple[tuple[str, str], ...] = ()) -> HttpAnswer:
        try:
            return self._transport.request("GET", path, query, headers=self._acting)
        except NoAnswer as cause:
            raise ClusterUnreadable(str(cause)) from cause

    def _pages(
        self, offer: Offer, kind: GroupKind, namespace: str, labels: Mapping[str, str], limit: int
    ) -> _Items | None:
        """The items of all pages; None when the server no longer has the first page's version."""
        query: dict[str, str] = {}
        if labels:
            query["labelSelector"] = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
        if limit:
            query["limit"] = str(limit)
        items: _Items = []
        while True:
            answer = self._read(_path(offer, namespace, ""), tuple(query.items()))
            if answer.status == 410:
                return None
            if answer.status != 200:
                refused = explain_failure(answer, offer.plural)
                if isinstance(refused, Refused) and refused.refusal is RefusalCause.NOT_SERVED:
                    return []
                raise ClusterUnreadable(f"{kind} could not be listed: {refused.message}")
            page = orjson.loads(answer.data)
            items += page.get("items") or ()
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return items
            query["continue"] = token


def _path(offer: Offer, namespace: str, name: str) -> str:
    parts = ["/apis", offer.group] if offer.group else ["/api"]
    parts.append(offer.version)
    if namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(offer.plural)
    if name:
        parts.append(quote(name, safe=""))
    return "/".join(parts)


def _not_served(kind: GroupKind) -> Refused:
    return Refused(RefusalCause.NOT_SERVED, 404, f"{kind} is not served by this cluster")
