"""How runs went, over a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from .runs import RunState


@dataclass(frozen=True, slots=True)
class StatisticsFilter:
    """Runs created from ``since`` (inclusive) to ``until`` (exclusive).

    Only those that are no part of another one, unless ``parts`` are wanted as well.
    """

    since: datetime | None = None
    until: datetime | None = None
    pipeline: str | None = None
    parts: bool = False


@dataclass(frozen=True, slots=True)
class RunStatistics:
    """Runs of one pipeline, or of one day (UTC), by state.

    ``p50`` and ``p95`` are seconds from start to finish of those that succeeded or failed, None
    where there are none.
    """

    pipeline: str | None
    day: date | None
    counts: Mapping[RunState, int]
    p50: float | None
    p95: float | None

    @property
    def runs(self) -> int:
        return sum(self.counts.values())

    @property
    def success_rate(self) -> float | None:
        """Succeeded of all that succeeded or failed, 0 to 1."""
        good = self.counts.get(RunState.SUCCEEDED, 0)
        ended = good + self.counts.get(RunState.FAILED, 0)
        return good / ended if ended else None


@dataclass(frozen=True, slots=True)
class StatisticsReport:
    """The same runs by pipeline (by name), by day (oldest first), and all together."""

    by_pipeline: Sequence[RunStatistics]
    by_day: Sequence[RunStatistics]
    total: RunStatistics


@dataclass(frozen=True, slots=True)
class Purged:
    """What was deleted, and how many old runs were kept because data refers to them."""

    runs: int = 0
    kept: int = 0
    events: int = 0
    lines: int = 0

    def __add__(self, other: Purged) -> Purged:
        return Purged(
            self.runs + other.runs,
            self.kept + other.kept,
            self.events + other.events,
            self.lines + other.lines,
        )
