"""Evaluates policies (ValidatingAdmissionPolicy) on drawn objects. A finding names the config line
that caused the violation."""

from __future__ import annotations

from reconciler.policy.collect import load

__all__ = ["load"]
