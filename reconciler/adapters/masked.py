"""A cluster whose answers hold no secret: masked at the door, whatever the adapter behind it.

Bodies of Secrets are replaced in every answer, dry-run answers too; what looks like a secret in an
object that is about to be shown (variables, arguments, headers) is remembered, and texts of errors
lose whatever is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from reconciler.objects.key import GroupKind, ObjectKey
from reconciler.objects.observed import Observed
from reconciler.objects.outcome import Done, Outcome, Refused, Unknown
from reconciler.ports import ClusterUnreadable, ClusterWriter, Discovery, Listing
from reconciler.secrets import Redactor, mask_secret_body

__all__ = ["MaskedCluster"]

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class MaskedCluster:
    """Fulfils `ports.ClusterWriter`; everything that is sent goes through unchanged."""

    def __init__(self, behind: ClusterWriter, redactor: Redactor) -> None:
        self._behind = behind
        self._redactor = redactor
        #: The last listed bodies, not copies: looked into when an object turns out to differ.
        self._listed: dict[ObjectKey, Mapping[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def acting_for(self, user: str) -> MaskedCluster:
        twin = MaskedCluster(self._behind.acting_for(user), self._redactor)
        twin._listed = self._listed
        return twin

    # -- reads -------------------------------------------------------------------------------------

    @property
    def dry_runs(self) -> bool:
        return self._behind.dry_runs

    @property
    def name(self) -> str:
        return self._behind.name

    @property
    def requests(self) -> int:
        return self._behind.requests

    def identity(self) -> str:
        with self._door():
            return self._behind.identity()

    def discover(self) -> Discovery:
        with self._door():
            return self._behind.discover()

    def get(self, key: ObjectKey) -> Observed:
        with self._door():
            return self._seen(self._behind.get(key))

    def list(
        self, kind: GroupKind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing:
        with self._door():
            found = self._behind.list(kind, namespace, labels)
        return replace(found, items=tuple(self._seen(item) for item in found.items))

    def dry_run(self, body: Mapping[str, Any], *, force: bool = False) -> Outcome:
        return self._answered(body, self._behind.dry_run(body, force=force))

    def dry_run_delete(self, key: ObjectKey, *, uid: str) -> Outcome:
        return self._answered({}, self._behind.dry_run_delete(key, uid=uid))

    # -- writes ------------------------------------------------------------------------------------

    def apply(self, body: Mapping[str, Any], *, force: bool = False) -> Outcome:
        return self._answered(body, self._behind.apply(body, force=force))

    def create(self, body: Mapping[str, Any]) -> Outcome:
        return self._answered(body, self._behind.create(body))

    def replace(self, body: Mapping[str, Any]) -> Outcome:
        return self._answered(body, self._behind.replace(body))

    def delete(
        self, key: ObjectKey, *, uid: str, resource_version: str = "", orphan: bool = False
    ) -> Outcome:
        gone = self._behind.delete(key, uid=uid, resource_version=resource_version, orphan=orphan)
        return self._answered({}, gone)

    # -- the door ----------------------------------------------------------------------------------

    def _seen(self, item: Observed) -> Observed:
        body = item.body
        if body is None:
            return item
        annotations = (body.get("metadata") or {}).get("annotations") or {}
        if item.key.kind == "Secret" or _LAST_APPLIED in annotations:
            body = mask_secret_body(body, self._redactor)
            item = replace(item, body=body)
        self._listed[item.key] = body
        return item

    def _answered(self, sent: Mapping[str, Any], outcome: Outcome) -> Outcome:
        # Only what differs gets here, so that looking through it costs what is shown.
        mask_secret_body(sent, self._redactor)
        self._redactor.learn_tree(sent)
        match outcome:
            case Done(_, body):
                if body is None:
                    return outcome
                masked = mask_secret_body(body, self._redactor)
                self._redactor.learn_tree(masked)
                self._redactor.learn_tree(self._before(masked))
                warnings = tuple(self._redactor.redact(text) for text in outcome.warnings)
                return replace(outcome, body=masked, warnings=warnings)
            case Refused() | Unknown():
                return replace(outcome, message=self._redactor.redact(outcome.message))

    def _before(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The object as it was listed, if it was."""
        metadata = body.get("metadata") or {}
        group = str(body.get("apiVersion") or "").rpartition("/")[0]
        key = ObjectKey(
            group,
            str(body.get("kind")),
            metadata.get("namespace") or "",
            str(metadata.get("name")),
        )
        return self._listed.get(key, {})

    @contextmanager
    def _door(self) -> Iterator[None]:
        try:
            yield
        except ClusterUnreadable as error:
            raise ClusterUnreadable(self._redactor.redact(error.message)) from None
