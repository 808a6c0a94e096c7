"""The exception for a request that the embedded server refuses, with a real server's codes."""

from __future__ import annotations

from reconciler.objects.outcome import RefusalCause

__all__ = ["ApiFault"]


class ApiFault(Exception):
    """A refusal inside the server; `cluster` turns it into an outcome.

    `fields` are the paths of the causes. For a field conflict, `managers` has the manager of each.
    """

    def __init__(
        self,
        refusal: RefusalCause,
        code: int,
        message: str,
        fields: tuple[str, ...] = (),
        managers: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.refusal = refusal
        self.code = code
        self.message = message
        self.fields = fields
        self.managers = managers
