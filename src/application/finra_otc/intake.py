"""From a source to partitions: read once, archive what was read, find week and tier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import PurePath
from typing import Any

import polars as pl

from ...domain.captures import Capture, Partition
from ...domain.errors import SourceError, ValidationError
from ...domain.finra_otc.contract import HEADER, split_by_tier
from ...domain.finra_otc.datasets import DOMAIN
from ...domain.finra_otc.weeks import Tier, check_week, infer_week, name_evidence
from ...ports.sources import Source, Tap, empty_malformed, raw_text
from ..context import RunContext
from .services import Services

_DATE_LENGTH = len("2025-12-15")


@dataclass(frozen=True, slots=True)
class Intake:
    """One file as it was read: its rows as text, its digest, and how to read it again."""

    name: str
    type: str
    frame: pl.DataFrame
    malformed: pl.DataFrame
    delimiter: str | None
    options: Mapping[str, Any]
    digest: str = ""
    bytes: int = 0

    def raw_text(self, rows: pl.DataFrame) -> pl.Series:
        """Rows as they stood in the file."""
        columns = [name for name in rows.columns if name in self.frame.columns]
        return raw_text(rows.select(columns), self.delimiter)


@dataclass(frozen=True, slots=True)
class PartitionRows:
    """The rows of one file that belong to one week and tier, not yet judged.

    ``doubt`` says in words what speaks against the week, where it was given.
    """

    partition: Partition
    tier: Tier
    frame: pl.DataFrame
    malformed: pl.DataFrame
    doubt: str | None = None

    @property
    def rows(self) -> int:
        return self.frame.height + self.malformed.height


def read_file(
    context: RunContext,
    services: Services,
    file: str,
    encoding: str,
    progress: Callable[[int], None],
) -> Intake:
    """Read a weekly file and archive its bytes on the way; both durable before any transaction.

    ``progress`` is told of the rows as they are read.
    """
    source = context.source("file", path=file, encoding=encoding, columns=HEADER)
    with services.archive.writer() as writer:
        intake = _read(source, writer.write, progress)
        kept = writer.commit()
    return replace(intake, digest=kept.digest, bytes=kept.bytes)


def replay(context: RunContext, services: Services, capture: Capture) -> Intake:
    """The rows of a capture again, from the archive: read as then, wherever the file is now."""
    options = {name: value for name, value in capture.source_options.items() if name != "path"}
    with services.archive.open(capture.digest) as content:
        source = context.source(
            "file",
            content=content,
            name=capture.source_name,
            **{**options, "columns": HEADER},
        )
        intake = _read(source)
    return replace(intake, digest=capture.digest, bytes=capture.bytes)


def _read(
    source: Source, tap: Tap | None = None, progress: Callable[[int], None] = lambda _: None
) -> Intake:
    frames: list[pl.DataFrame] = []
    malformed: list[pl.DataFrame] = []
    origins: set[str] = set()
    delimiter: str | None = None
    for batch in source.stream(tap=tap):
        progress(batch.rows)
        frames.append(batch.frame)
        malformed.append(batch.malformed)
        origins.add(batch.origin)
        delimiter = batch.delimiter
    described = source.describe()
    if len(origins) > 1:
        raise ValidationError(
            f"{described.name} is {len(origins)} files; one refresh takes one file",
            hint="finra.otc_transparency.backfill takes a folder or a glob of files",
        )
    frame = pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()
    bad = pl.concat(malformed) if malformed else empty_malformed()
    if frame.is_empty() and bad.is_empty():
        raise SourceError(
            f"{described.name} has no data rows",
            hint="a weekly file has at least one row; fetch it again",
        )
    return Intake(described.name, described.type, frame, bad, delimiter, source.describe().options)


def assign(
    intake: Intake, services: Services, *, week: date | None, tier: Tier | None
) -> list[PartitionRows]:
    """The partitions of a file, in tier order.

    Rows that name no known tier, and records that could not be taken apart, go to the tier with
    the most rows, where they are rejected. With ``tier`` given the file is of that tier, and rows
    of another become rejects. Raises a ValidationError that names the parameter to give when week
    or tier cannot be told.
    """
    monday = check_week(week) if week is not None else None
    _, file_date = name_evidence(PurePath(intake.name).name)
    groups = _by_tier(intake, tier)
    largest = max(groups, key=lambda item: groups[item].height)
    found: list[PartitionRows] = []
    for each, rows in groups.items():
        infer = partial(
            infer_week,
            each,
            file_date=file_date,
            update_dates=update_dates(rows),
            next_session=services.next_session,
        )
        start = monday or infer()
        bad = intake.malformed if each is largest else intake.malformed.clear()
        doubt = _doubt(monday, infer) if monday else None
        found.append(PartitionRows(Partition(DOMAIN, start, each.value), each, rows, bad, doubt))
    if len({part.partition.period for part in found}) > 1:
        listed = ", ".join(f"{part.tier.value}: {part.partition.period}" for part in found)
        raise ValidationError(
            f"the tiers of {intake.name} imply different weeks ({listed})",
            hint="give the parameter week (the Monday), or split the file by tier",
            metadata={"parameter": "week"},
        )
    return found


def _doubt(given: date, infer: Callable[[], date]) -> str | None:
    try:
        told = infer()
    except ValidationError:
        return None
    if told == given:
        return None
    return f"week={given} was given, but the file's dates say {told}"


def assigned_again(intake: Intake, services: Services, capture: Capture) -> PartitionRows:
    """The rows that were assigned to a capture's partition when its file was taken in."""
    week, wanted = capture.partition.period, Tier(capture.partition.segment)
    try:
        parts = assign(intake, services, week=week, tier=None)
    except ValidationError:  # nothing tells the tier: it was given then
        parts = []
    for part in parts:
        if part.tier is wanted and part.rows == capture.rows_read:
            return part
    return assign(intake, services, week=week, tier=wanted)[0]


def update_dates(rows: pl.DataFrame) -> set[date]:
    """The distinct, readable lastUpdateDate values of rows that name a symbol."""
    if "lastUpdateDate" not in rows.columns:
        return set()
    texts = rows.get_column("lastUpdateDate").unique().cast(pl.String)
    whole = texts.str.strip_chars()
    days = whole.filter(whole.str.len_bytes() == _DATE_LENGTH)
    return set(days.str.to_date("%Y-%m-%d", strict=False).drop_nulls())


def _by_tier(intake: Intake, tier: Tier | None) -> dict[Tier, pl.DataFrame]:
    if tier is not None:
        return {tier: intake.frame}
    split = {} if intake.frame.is_empty() else split_by_tier(intake.frame)
    known = {each: rows for each, rows in split.items() if each is not None}
    if known:
        return known
    named, _ = name_evidence(PurePath(intake.name).name)
    if named is not None:
        return {named: intake.frame}
    raise ValidationError(
        f"no row of {intake.name} names a known tier",
        hint="give the parameter tier (T1, T2 or OTC) to store them as rejects of that tier",
        metadata={"parameter": "tier"},
    )
