"""What a look at the software and its surroundings found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``hint`` says what to do when it is not in order."""

    name: str
    ok: bool
    detail: str
    hint: str | None = None
