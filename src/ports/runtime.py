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
