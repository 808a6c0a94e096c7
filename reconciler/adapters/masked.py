"""Removes secrets from every answer of a cluster, whatever the adapter behind.

The values of Secrets are masked in every answer, also of a dry-run. Values that look like secrets
in objects that may be shown (variables, arguments, headers) are learned. Known secrets are removed
from the texts of errors.
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
    """Implements `ports.ClusterWriter`. Requests pass through unchanged; answers are masked."""

    def __init__(self, inner: ClusterWriter, redactor: Redactor) -> None:
        self._inner = inner
        self._redactor = redactor
        #: The last listed bodies, not copies: secrets are learned from one when its object differs.
        self._listed: dict[ObjectKey, Mapping[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def acting_for(self, user: str) -> MaskedCluster:
        twin = MaskedCluster(self._inner.acting_for(user), self._redactor)
        twin._listed = self._listed
        return twin

    # -- reads -------------------------------------------------------------------------------------

    @property
    def dry_runs(self) -> bool:
        return self._inner.dry_runs

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def requests(self) -> int:
        return self._inner.requests

    def identity(self) -> str:
        with self._redact_errors():
            return self._inner.identity()

    def discover(self) -> Discovery:
        with self._redact_errors():
            return self._inner.discover()

    def get(self, key: ObjectKey) -> Observed:
        with self._redact_errors():
            return self._mask_observed(self._inner.get(key))

    def list(
        self, kind: GroupKind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing:
        with self._redact_errors():
            found = self._inner.list(kind, namespace, labels)
        return replace(found, items=tuple(self._mask_observed(item) for item in found.items))

    def dry_run(self, body: Mapping[str, Any], *, force: bool = False) -> Outcome:
        return self._mask_outcome(body, self._inner.dry_run(body, force=force))

    def dry_run_delete(self, key: ObjectKey, *, uid: str) -> Outcome:
        return self._mask_outcome({}, self._inner.dry_run_delete(key, uid=uid))

    # -- writes ------------------------------------------------------------------------------------

    def apply(self, body: Mapping[str, Any], *, force: bool = False) -> Outcome:
        return self._mask_outcome(body, self._inner.apply(body, force=force))

    def create(self, body: Mapping[str, Any]) -> Outcome:
        return self._mask_outcome(body, self._inner.create(body))

    def replace(self, body: Mapping[str, Any]) -> Outcome:
        return self._mask_outcome(body, self._inner.replace(body))

    def delete(
        self, key: ObjectKey, *, uid: str, resource_version: str = "", orphan: bool = False
    ) -> Outcome:
        gone = self._inner.delete(key, uid=uid, resource_version=resource_version, orphan=orphan)
        return self._mask_outcome({}, gone)

    # -- masking -----------------------------------------------------------------------------------

    def _mask_observed(self, item: Observed) -> Observed:
        body = item.body
        if body is None:
            return item
        annotations = (body.get("metadata") or {}).get("annotations") or {}
        if item.key.kind == "Secret" or _LAST_APPLIED in annotations:
            body = mask_secret_body(body, self._redactor)
            item = replace(item, body=body)
        self._listed[item.key] = body
        return item

    def _mask_outcome(self, sent: Mapping[str, Any], outcome: Outcome) -> Outcome:
        # Only objects that differ come here, so learning costs little.
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
        """The object's body as it was listed; {} when it was not listed."""
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
    def _redact_errors(self) -> Iterator[None]:
        try:
            yield
        except ClusterUnreadable as error:
            text = self._redactor.redact(error.message)
            raise ClusterUnreadable(text, forbidden=error.forbidden) from None
