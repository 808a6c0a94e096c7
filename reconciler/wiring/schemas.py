"""All published schemas as text, with exactly the bytes of the files in `schemas/`."""

from __future__ import annotations

import json

__all__ = ["texts"]


def texts() -> dict[str, str]:
    """File name → text, sorted."""
    from reconciler.apps import schema
    from reconciler.backends import contract
    from reconciler.output import schema as outputs

    found = {**schema.documents(contract.list_capabilities()), **outputs.documents()}
    return {
        file: json.dumps(found[file], indent=2, ensure_ascii=False) + "\n" for file in sorted(found)
    }
