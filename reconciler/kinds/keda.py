"""KEDA: autoscaling by events."""

from __future__ import annotations

from reconciler.objects.key import GroupKind
from reconciler.objects.kind import Kind
from reconciler.objects.status import kstatus

__all__ = ["KINDS"]

KINDS = (
    Kind(GroupKind("keda.sh", "ScaledObject"), "scaledobjects", "v1alpha1", kstatus, scales=True),
)
