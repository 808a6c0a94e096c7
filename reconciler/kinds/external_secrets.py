"""External Secrets."""

from __future__ import annotations

from reconciler.objects.key import GroupKind
from reconciler.objects.kind import Kind, Wave
from reconciler.objects.status import kstatus

__all__ = ["KINDS"]

KINDS = (
    Kind(
        GroupKind("external-secrets.io", "ExternalSecret"),
        "externalsecrets",
        "v1",
        kstatus,
        Wave.CONFIG,
    ),
)
