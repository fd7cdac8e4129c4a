"""Captures: one observation of a source partition, with three clocks, and what it led to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """The business key of a slice of a domain's data.

    ``period`` is its business time (the Monday of a week, a trading day), ``segment`` the second
    part of the key (a tier, a symbol).
    """

    domain: str
    period: date
    segment: str

    def __str__(self) -> str:
        return f"{self.period.isoformat()}/{self.segment}"


@dataclass(frozen=True, slots=True)
class Capture:
    """What one source said about one partition at one moment.

    Business time is ``partition.period``; source time is ``source_updated_on`` (the newest date
    that the source gave its rows); capture time is ``captured_at`` (UTC). ``digest`` is the
    SHA-256 of the source's uncompressed bytes, under which the archive keeps them. ``key`` is the
    store's own number, 0 until stored. ``sequence`` counts the captures of a partition from 1.
    """

    id: str
    partition: Partition
    digest: str
    captured_at: datetime
    source_updated_on: date | None
    source_name: str
    source_type: str
    source_options: Mapping[str, Any]
    run: str
    bytes: int
    rows_read: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    sequence: int = 1
    supersedes: str | None = None
    key: int = 0


class Stage(StrEnum):
    """How far a capture has come."""

    CAPTURED = "CAPTURED"
    NORMALIZED = "NORMALIZED"
    MEASURED = "MEASURED"

    @property
    def order(self) -> int:
        return list(Stage).index(self)


@dataclass(frozen=True, slots=True)
class CaptureFilter:
    """Which captures to list, in the order of partition and capture time, newest first.

    ``first_period`` and ``last_period`` are inclusive. ``as_of`` hides what was captured later.
    ``stage`` keeps captures that have reached that stage (by ``as_of``) and are not blocked at it.
    ``latest_only`` keeps the newest capture of each partition among all that the others keep.
    """

    domain: str | None = None
    first_period: date | None = None
    last_period: date | None = None
    segment: str | None = None
    digest: str | None = None
    as_of: datetime | None = None
    stage: Stage | None = None
    latest_only: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Restatement:
    """How the rows of a capture differ from those of the capture it supersedes."""

    changed: int
    appeared: int
    vanished: int

    @property
    def none(self) -> bool:
        return not (self.changed or self.appeared or self.vanished)


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One stage that one capture has reached: by which run, when, with how many rows and grade.

    An entry with ``blocked`` set is kept as evidence, and reads pass over its capture.
    """

    capture: str
    partition: Partition
    stage: Stage
    run: str
    reached_at: datetime
    rows: int
    grade: str | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """A run read (INPUT) or wrote (OUTPUT) a capture."""

    run: str
    capture: str
    role: str
    partition: Partition | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was refused: why, where it stood, and what it said."""

    capture: str
    partition: Partition
    line: int
    reason: str
    detail: str
    raw: str


@dataclass(frozen=True, slots=True)
class RejectFilter:
    """Which rejects to list, newest capture first, by line. ``as_of`` hides later captures."""

    domain: str | None = None
    period: date | None = None
    segment: str | None = None
    run: str | None = None
    capture: str | None = None
    reason: str | None = None
    as_of: datetime | None = None
    limit: int | None = 100


@dataclass(frozen=True, slots=True)
class PartitionFilter:
    """Which manifest entries or quality results to list, newest first.

    ``as_of`` hides what was noted later, and what belongs to later captures.
    """

    domain: str | None = None
    period: date | None = None
    segment: str | None = None
    run: str | None = None
    capture: str | None = None
    as_of: datetime | None = None
    limit: int | None = 100
