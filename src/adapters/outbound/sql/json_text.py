"""JSON kept as text. Escaped to ASCII, so that every database keeps every character."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ....domain.errors import Category, LoadError


def to_text(value: Any, what: str) -> str:
    """``value`` as JSON text; raises a LoadError that names ``what`` for anything else."""
    if not value:  # most of what is kept
        if isinstance(value, Mapping):
            return "{}"
        if isinstance(value, list | tuple):
            return "[]"
    plain = dict(value) if isinstance(value, Mapping) else value
    try:
        return json.dumps(plain, separators=(",", ":"), allow_nan=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise LoadError(
            f"{what} cannot be stored: {error}",
            category=Category.VALIDATION,
            hint="it must consist of JSON values",
            cause=error,
        ) from error


def from_text(text: str) -> Any:
    """The value that :func:`to_text` wrote."""
    if text == "{}":
        return {}
    return [] if text == "[]" else json.loads(text)
