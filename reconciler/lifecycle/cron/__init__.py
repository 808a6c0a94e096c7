"""Reads cron expressions as robfig/cron v3.0.1 does, the library of Argo and Kubernetes."""

from reconciler.lifecycle.cron.expression import (
    Schedule,
    in_transition,
    never_fires,
    parse,
    resolve_hash,
)
from reconciler.lifecycle.cron.fields import CronInvalid

__all__ = ["CronInvalid", "Schedule", "in_transition", "never_fires", "parse", "resolve_hash"]
