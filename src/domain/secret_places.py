"""Where in the values of parameters secrets stand, and whether they are only referred to there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .parameters import refers_to_secret
from .redaction import MASK

Within = tuple[str, ...] | None
"""Where in the value of a parameter: the whole of it, or what each item of a list has there."""

Place = tuple[str, Within]
"""A parameter by name, and where in its value."""


def holds_secret(value: Any, within: Within) -> bool:
    """Whether a secret itself stands where only a reference to one may be stored, or nothing.

    So does, to be safe, what leads to no such place: a text where there should be an object.
    """
    if value is None or value == MASK or refers_to_secret(value):
        return False
    if within is None:
        return True
    if isinstance(value, list | tuple):
        return any(holds_secret(item, within) for item in value)
    if within and isinstance(value, Mapping):
        return holds_secret(value.get(within[0]), within[1:])
    return True


def with_references(masked: Any, value: Any, within: tuple[str, ...]) -> Any:
    """``masked``, a copy of ``value``, with the references to secrets that ``value`` has there.

    They may be masked for the names that they stand under, and so may be what holds them.
    """
    if value is None or refers_to_secret(value):
        return value
    if isinstance(value, list | tuple):
        items = masked if isinstance(masked, list) else [masked] * len(value)
        return [with_references(*both, within) for both in zip(items, value, strict=True)]
    if within and isinstance(value, Mapping) and within[0] in value:
        first, *rest = within
        fields = masked if isinstance(masked, Mapping) else dict.fromkeys(value, masked)
        return {**fields, first: with_references(fields[first], value[first], tuple(rest))}
    return masked
