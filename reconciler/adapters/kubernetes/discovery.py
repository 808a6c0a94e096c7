"""Reads which kinds an API server serves, by aggregated discovery: two requests in all.

Source: k8s.io/api/apidiscovery/v2, served by default since Kubernetes 1.30.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from reconciler import kinds
from reconciler.adapters.kubernetes.transport import HttpAnswer, NoAnswer, Transport
from reconciler.objects.key import GroupKind
from reconciler.ports import ClusterUnreadable, Discovery, KindServed

__all__ = ["Catalogue", "Offer", "read_catalogue"]

_ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_ROOTS = ("/api", "/apis")


@dataclass(frozen=True, slots=True)
class Offer:
    """A kind in one of its served versions."""

    group: str
    version: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All served kinds, each with its versions in the server's order, the preferred one first.
    `pages` are the server's answers, kept for requests with their ETags."""

    offers: Mapping[GroupKind, tuple[Offer, ...]]
    unread_groups: frozenset[str]
    digest: str
    pages: Mapping[str, HttpAnswer] = field(default_factory=dict)

    def offer(self, kind: GroupKind, version: str = "") -> Offer | None:
        """The kind in a version; one that is not served gets an offer too, so that the server's
        answer says so. Without a version: the one that `kinds` has, or else the preferred one.
        None for a kind that is not served."""
        offers = self.offers.get(kind)
        if not offers:
            return None
        wanted = version or kinds.find(kind).version
        for offer in offers:
            if offer.version == wanted:
                return offer
        first = offers[0]
        return Offer(first.group, version, first.plural, first.namespaced) if version else first

    def discovery(self) -> Discovery:
        kinds = {}
        for kind in sorted(self.offers):
            offer = self.offer(kind)
            assert offer is not None
            kinds[kind] = KindServed(offer.plural, offer.version, offer.namespaced)
        return Discovery(kinds, self.unread_groups, self.digest)


def read_catalogue(transport: Transport, known: Catalogue | None = None) -> Catalogue:
    """Reads all served kinds. With `known`, the server answers both requests with 304 when nothing
    has changed. Raises ClusterUnreadable."""
    pages = {root: _page(transport, root, known) for root in _ROOTS}
    if known is not None and all(pages[root] is known.pages[root] for root in _ROOTS):
        return known
    offers: dict[GroupKind, list[Offer]] = {}
    unread: set[str] = set()
    for root in _ROOTS:
        for group in orjson.loads(pages[root].data).get("items") or ():
            name = group["metadata"].get("name") or ""
            for version in group.get("versions") or ():
                if version.get("freshness") == "Stale":
                    unread.add(name)
                for kind, offer in _offers(name, version):
                    offers.setdefault(kind, []).append(offer)
    ordered = {kind: tuple(offers[kind]) for kind in sorted(offers)}
    spelt = repr((list(ordered.items()), sorted(unread)))
    digest = hashlib.blake2b(spelt.encode(), digest_size=8).hexdigest()
    return Catalogue(ordered, frozenset(unread), digest, pages)


def _page(transport: Transport, root: str, known: Catalogue | None) -> HttpAnswer:
    before = known.pages.get(root) if known is not None else None
    headers = [("Accept", _ACCEPT)]
    if before is not None and before.etag:
        headers.append(("If-None-Match", before.etag))
    try:
        answer = transport.request("GET", root, headers=tuple(headers))
    except NoAnswer as cause:
        raise ClusterUnreadable(str(cause)) from cause
    if answer.status == 304 and before is not None:
        return before
    if answer.status in (401, 403):
        raise ClusterUnreadable(f"{transport.host} refuses the credentials ({answer.status})")
    if answer.status != 200:
        raise ClusterUnreadable(f"{transport.host}{root} answered {answer.status}")
    try:
        kind = orjson.loads(answer.data).get("kind")
    except (orjson.JSONDecodeError, AttributeError) as cause:
        raise ClusterUnreadable(f"{transport.host}{root} is not an API server") from cause
    if kind != "APIGroupDiscoveryList":
        raise ClusterUnreadable(
            f"{transport.host} has no aggregated discovery",
            hint="Kubernetes 1.30 or newer is needed",
        )
    return answer


def _offers(group: str, version: Mapping[str, Any]) -> Iterable[tuple[GroupKind, Offer]]:
    for resource in version.get("resources") or ():
        kind = resource.get("responseKind") or {}
        # Some subresources answer with kinds of other groups; resources answer with their own.
        name = kind.get("kind")
        if name and kind.get("group", "") in ("", group) and "get" in (resource.get("verbs") or ()):
            namespaced = resource.get("scope") == "Namespaced"
            offer = Offer(group, version["version"], resource["resource"], namespaced)
            yield GroupKind(group, name), offer
