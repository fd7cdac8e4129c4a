"""Captures: one observation of a source partition, with three clocks, and what it led to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self, TypeVar

from .errors import ValidationError

_P = TypeVar("_P")


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
class CapturePosition:
    """Where a capture stands in lists: ``sequence`` is its number within the partition."""

    partition: Partition
    sequence: int

    def to_list(self) -> list[Any]:
        """As JSON has it; :meth:`from_list` reads it."""
        part = self.partition
        return [part.domain, part.period.isoformat(), part.segment, self.sequence]

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> Self:
        domain, period, segment, sequence = values
        return cls(Partition(domain, date.fromisoformat(period), segment), sequence)


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

    @property
    def position(self) -> CapturePosition:
        """What a list of captures goes on after."""
        return CapturePosition(self.partition, self.sequence)


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
    ``after`` is the position of the last capture of the page before; with ``latest_only`` the
    list goes on with the next partition.
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
    after: CapturePosition | None = None


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
class ManifestPosition:
    """Where an entry of the manifest stands in lists."""

    capture: CapturePosition
    stage: Stage

    def to_list(self) -> list[Any]:
        """As JSON has it; :meth:`from_list` reads it."""
        return [*self.capture.to_list(), self.stage.value]

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> Self:
        *capture, stage = values
        return cls(CapturePosition.from_list(capture), Stage(stage))


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One stage that one capture has reached: by which run, when, with how many rows and grade.

    An entry with ``blocked`` set is kept as evidence, and reads pass over its capture.
    ``capture_sequence`` is the capture's number within the partition, as the store gives it.
    """

    capture: str
    partition: Partition
    stage: Stage
    run: str
    reached_at: datetime
    rows: int
    grade: str | None = None
    blocked: bool = False
    capture_sequence: int = field(default=0, compare=False)

    @property
    def position(self) -> ManifestPosition:
        """What a list of entries goes on after; a ValidationError for one that no store listed."""
        sequence = listed(self.capture_sequence, "manifest entry")
        return ManifestPosition(CapturePosition(self.partition, sequence), self.stage)


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """A run read (INPUT) or wrote (OUTPUT) a capture."""

    run: str
    capture: str
    role: str
    partition: Partition | None = None


@dataclass(frozen=True, slots=True)
class RejectPosition:
    """Where a reject stands in lists: ``number`` counts the rejects of its capture."""

    capture: CapturePosition
    number: int

    def to_list(self) -> list[Any]:
        """As JSON has it; :meth:`from_list` reads it."""
        return [*self.capture.to_list(), self.number]

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> Self:
        *capture, number = values
        return cls(CapturePosition.from_list(capture), number)


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was refused: why, where it stood, and what it said.

    ``capture_sequence`` is the capture's number within the partition, ``key`` that of the reject
    within the capture, both as the store gives them.
    """

    capture: str
    partition: Partition
    line: int
    reason: str
    detail: str
    raw: str
    capture_sequence: int = field(default=0, compare=False)
    key: int = field(default=0, compare=False)

    @property
    def position(self) -> RejectPosition:
        """What a list of rejects goes on after; a ValidationError for one that no store listed."""
        sequence = listed(self.capture_sequence, "reject")
        return RejectPosition(CapturePosition(self.partition, sequence), self.key)


@dataclass(frozen=True, slots=True)
class RejectFilter:
    """Which rejects to list, newest capture first, by line. ``as_of`` hides later captures.

    ``after`` is the position of the last reject of the page before.
    """

    domain: str | None = None
    period: date | None = None
    segment: str | None = None
    run: str | None = None
    capture: str | None = None
    reason: str | None = None
    as_of: datetime | None = None
    limit: int | None = 100
    after: RejectPosition | None = None


@dataclass(frozen=True, slots=True)
class QualityPosition:
    """Where a quality result stands in lists: ``number`` is the store's own."""

    run: str
    number: int

    def to_list(self) -> list[Any]:
        """As JSON has it; :meth:`from_list` reads it."""
        return [self.run, self.number]

    @classmethod
    def from_list(cls, values: Sequence[Any]) -> Self:
        run, number = values
        return cls(run, number)


@dataclass(frozen=True, slots=True)
class PartitionFilter:
    """Which manifest entries or quality results to list, newest first.

    ``as_of`` hides what was noted later, and what belongs to later captures. ``after`` is the
    position of the last item of the page before, which is of the same list.
    """

    domain: str | None = None
    period: date | None = None
    segment: str | None = None
    run: str | None = None
    capture: str | None = None
    as_of: datetime | None = None
    limit: int | None = 100
    after: ManifestPosition | QualityPosition | None = None

    def after_in(self, list_of: type[_P]) -> _P | None:
        """``after``, which must be a position in that list; raises a ValidationError if not."""
        if self.after is None or isinstance(self.after, list_of):
            return self.after
        raise ValidationError(
            f"a list cannot go on after {self.after}, which is a position in another one",
            hint="give the position of the last item of the same list",
        )


def listed(number: int, what: str) -> int:
    """``number``, which a store has given; raises a ValidationError for 0: none has."""
    if number:
        return number
    raise ValidationError(
        f"a {what} that no store has listed has no position in a list",
        hint="take the position of an item that was read from the store",
    )
