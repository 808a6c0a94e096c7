"""A request that the embedded server refuses: the error table of a real one, as one exception."""

from __future__ import annotations

from reconciler.objects.outcome import RefusalCause

__all__ = ["ApiFault"]


class ApiFault(Exception):
    """A refusal inside the server; `cluster` turns it into an outcome.

    `fields` are the causes' paths, `managers` (of a field conflict) aligned with them.
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
