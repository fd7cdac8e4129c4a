"""A runtime without surprises: a clock that ticks, ids that count, all else as one says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import cycle

from ..domain.errors import ConfigurationError


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


class SteadyChance:
    """Draws the given numbers in turn, again and again: a half when none is given."""

    def __init__(self, *numbers: float) -> None:
        self._numbers = cycle(numbers or (0.5,))

    def draw(self) -> float:
        return next(self._numbers)


class KnownSecrets:
    """The secrets of a mapping, by their references."""

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self.known = dict(known or {})

    def reveal(self, reference: str) -> str:
        if reference not in self.known:
            raise ConfigurationError(
                f"there is no secret at {reference}",
                hint=f"known: {', '.join(sorted(self.known)) or 'none'}",
            )
        return self.known[reference]
