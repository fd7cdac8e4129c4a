"""Time, identity and the process we run in: what would otherwise be hidden global input."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean something."""
        ...


class Ids(Protocol):
    """Where new identifiers come from."""

    def new(self) -> str:
        """A fresh identifier: 36 characters, unique, sorting by the time of its creation."""
        ...


class Processes(Protocol):
    """Which process owns a run, and whether that process still lives."""

    def identity(self) -> str:
        """A text that names this process and no other, also after its number is used again."""
        ...

    def alive(self, identity: str) -> bool:
        """False only when the process is known to be gone; True for another machine's."""
        ...


class Chance(Protocol):
    """Where randomness comes from."""

    def draw(self) -> float:
        """A number from 0 (inclusive) to 1 (exclusive), each as likely as the others."""
        ...


class Secrets(Protocol):
    """Where secrets are kept that a stored parameter only refers to."""

    def reveal(self, reference: str) -> str:
        """The secret behind ``env:NAME`` or ``file:PATH``.

        Raises a ConfigurationError that names the place when there is nothing.
        """
        ...
