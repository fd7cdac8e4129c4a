"""A runtime without chance: a clock that ticks, ids that count, processes as one says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class TickingClock:
    """A clock whose every reading is one second later than the one before."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 9, tzinfo=UTC)) -> None:
        self.time = start

    def now(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time

    def monotonic(self) -> float:
        return self.now().timestamp()


class CountingIds:
    """Identifiers that count up from one."""

    def __init__(self) -> None:
        self.given = 0

    def new(self) -> str:
        self.given += 1
        return f"id-{self.given:033d}"


class KnownProcesses:
    """A world in which this process is ``here``, and those in ``gone`` have ended."""

    def __init__(self, *gone: str) -> None:
        self.gone = set(gone)

    def identity(self) -> str:
        return "here"

    def alive(self, identity: str) -> bool:
        return identity not in self.gone
