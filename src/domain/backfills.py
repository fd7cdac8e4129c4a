"""Backfills: one pipeline over many partitions, each in a run of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from .partitions import PartitionState, Surveyed

MOST_ACTIVE = 1_000
"""So many partitions of a backfill may be under way at once."""


class BackfillState(StrEnum):
    """RUNNING and PAUSED are live; the others are final."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    """It is over, and at least one partition has failed."""
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        return self not in (BackfillState.RUNNING, BackfillState.PAUSED)


class PartState(StrEnum):
    """Where one partition of a backfill stands; PLANNED and ACTIVE are not final."""

    PLANNED = "PLANNED"
    ACTIVE = "ACTIVE"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Backfill:
    """What was asked for, and how it stands. At most ``max_active`` partitions run at once.

    ``only`` are the states of partitions that were wanted, all when empty. ``step`` is how the runs
    of its partitions are queued: a :class:`PlannedStep` as JSON, so that whoever goes on with the
    backfill needs none of the code. Times are the store's, in UTC.
    """

    id: str
    pipeline: str
    state: BackfillState
    first: date
    last: date
    only: tuple[PartitionState, ...]
    parameters: Mapping[str, Any]
    max_active: int
    force: bool
    created_at: datetime
    finished_at: datetime | None = None
    step: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BackfillPart:
    """One partition of a backfill; ``number`` counts from 1, in the order in which they run."""

    backfill: str
    number: int
    partition: str
    parameters: Mapping[str, Any]
    reason: str
    state: PartState = PartState.PLANNED
    run: str | None = None


@dataclass(frozen=True, slots=True)
class BackfillSurvey:
    """The partitions that would run, in their order, and the others, each with its reason."""

    wanted: Sequence[Surveyed]
    others: Sequence[Surveyed]
