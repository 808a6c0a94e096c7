"""The Prometheus operator's kinds."""

from __future__ import annotations

from reconciler.objects.key import GroupKind
from reconciler.objects.kind import Kind
from reconciler.objects.status import always_ready

__all__ = ["KINDS"]

KINDS = tuple(
    Kind(GroupKind("monitoring.coreos.com", name), plural, "v1", always_ready, ready_at_once=True)
    for name, plural in (
        ("ServiceMonitor", "servicemonitors"),
        ("PodMonitor", "podmonitors"),
        ("PrometheusRule", "prometheusrules"),
    )
)
