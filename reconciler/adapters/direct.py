"""A client for the leases and events of a real cluster, with its own connection.

The paths of these kinds are fixed, so no discovery is needed. The time-outs are short, so that the
renewal of a lease waits neither for other requests nor for a server that hangs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import orjson

from reconciler.adapters.kubernetes.failures import explain_failure
from reconciler.adapters.kubernetes.transport import NoAnswer, Transport
from reconciler.objects.key import GroupKind, ObjectKey, key_of
from reconciler.objects.observed import Observed, absent_object, live_object
from reconciler.objects.outcome import Done, Outcome, RefusalCause, Refused, Unknown, Verb
from reconciler.ports import ClusterUnreadable

__all__ = ["DirectClient"]

_KINDS = {
    GroupKind("coordination.k8s.io", "Lease"): ("apis/coordination.k8s.io/v1", "leases"),
    GroupKind("events.k8s.io", "Event"): ("apis/events.k8s.io/v1", "events"),
    GroupKind("", "Namespace"): ("api/v1", "namespaces"),
}


class DirectClient:
    """Implements `ports.LeaseClient` for leases, events and namespaces; KeyError for others."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def close(self) -> None:
        self._transport.close()

    def get(self, key: ObjectKey) -> Observed:
        path = _path(key, key.name)
        try:
            answer = self._transport.request("GET", path)
        except NoAnswer as cause:
            raise ClusterUnreadable(str(cause)) from cause
        if answer.status == 200:
            return live_object(orjson.loads(answer.data))
        refused = explain_failure(answer, _KINDS[key.group_kind][1])
        if isinstance(refused, Refused) and refused.refusal in (
            RefusalCause.ABSENT,
            RefusalCause.NAMESPACE_MISSING,
        ):
            return absent_object(key)
        raise ClusterUnreadable(f"{key.full()} could not be read: {refused.message}")

    def create(self, body: Mapping[str, Any]) -> Outcome:
        return self._send("POST", body, "")

    def replace(self, body: Mapping[str, Any]) -> Outcome:
        return self._send("PUT", body, key_of(body).name)

    def _send(self, method: str, body: Mapping[str, Any], name: str) -> Outcome:
        key = key_of(body)
        try:
            answer = self._transport.request(method, _path(key, name), body=orjson.dumps(body))
        except NoAnswer as lost:
            return Unknown(str(lost))
        if answer.status not in (200, 201):
            return explain_failure(answer, _KINDS[key.group_kind][1])
        verb = Verb.CREATED if answer.status == 201 else Verb.UPDATED
        return Done(verb, orjson.loads(answer.data), answer.warnings)


def _path(key: ObjectKey, name: str) -> str:
    root, plural = _KINDS[key.group_kind]
    place = f"/namespaces/{quote(key.namespace, safe='')}" if key.namespace else ""
    tail = f"/{quote(name, safe='')}" if name else ""
    return f"/{root}{place}/{plural}{tail}"
