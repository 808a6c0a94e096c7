"""Object policies and plan policies, as findings on config lines."""

from __future__ import annotations

from reconciler.policy.collect import load

__all__ = ["load"]
