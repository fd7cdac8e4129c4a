"""Where the rows of each FINRA OTC dataset come from.

Measures of one capture are stored with it. Measures over several captures (rolling, tier split,
change, snapshot) are computed when they are read, from the captures that were current at the
moment asked for: a week that is restated or arrives late can never leave a stale copy behind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby

import polars as pl

from ...domain.captures import Capture, CaptureFilter, PartitionFilter, Stage
from ...domain.datasets import DatasetQuery, DatasetSpec
from ...domain.errors import ValidationError
from ...domain.finra_otc import checks, history, measures
from ...domain.finra_otc import datasets as specs
from ...domain.finra_otc.datasets import (
    DOMAIN,
    TABLE_SYMBOL_MEASURES,
    TABLE_VENUE_SHARE,
    TABLE_VENUE_VOLUME,
)
from ...domain.quality import CheckResult, worst_status
from ...ports.storage import UnitOfWork

_WEEK = timedelta(days=7)
_WINDOW = 6


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """Columns of a table that holds one capture's rows.

    Rows without a value in the column ``defined_by`` are not rows of the dataset.
    """

    spec: DatasetSpec
    table: str
    stage: Stage
    defined_by: str | None = None

    @property
    def name(self) -> str:
        return self.spec.name

    def frames(self, unit: UnitOfWork, query: DatasetQuery) -> Iterator[pl.DataFrame]:
        own = [name for name in self.spec.column_names if name not in ("week_start", "tier")]
        where = _where(self.spec, query)
        for capture in current(unit, query, self.stage):
            for batch in unit.rows.read(self.table, capture.key, columns=own, where=where):
                rows = batch.drop_nulls(self.defined_by) if self.defined_by else batch
                yield _labelled(rows, capture)


Compute = Callable[["Reader", DatasetQuery], Iterator[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class DerivedDataset:
    """Rows that are computed from stored ones at the time of reading."""

    spec: DatasetSpec
    compute: Compute

    @property
    def name(self) -> str:
        return self.spec.name

    def frames(self, unit: UnitOfWork, query: DatasetQuery) -> Iterator[pl.DataFrame]:
        return self.compute(Reader(unit), query)


class Reader:
    """Whole tables of captures, the last few kept: neighbouring weeks share their history."""

    def __init__(self, unit: UnitOfWork) -> None:
        self.unit = unit
        self._kept: dict[tuple[str, int, str | None], pl.DataFrame] = {}

    def keep(self, name: str, capture: Capture, rows: pl.DataFrame) -> None:
        """Use ``rows``, which are stored already, instead of reading them back."""
        self._kept[name, capture.key, None] = rows

    def table(self, name: str, capture: Capture, symbol: str | None = None) -> pl.DataFrame | None:
        """All rows of a capture (of one symbol), None when there are none."""
        key = (name, capture.key, symbol)
        if key not in self._kept:
            where = {"symbol": symbol} if symbol is not None else None
            batches = list(self.unit.rows.read(name, capture.key, where=where))
            while len(self._kept) > 3 * _WINDOW:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = pl.concat(batches) if batches else pl.DataFrame()
        found = self._kept[key]
        return found if found.width else None

    def window(self, capture: Capture, query: DatasetQuery) -> Sequence[Capture]:
        """The current captures of the six weeks that end with the capture's own."""
        week = capture.partition.period
        return current(
            self.unit,
            replace(
                query,
                first_period=week - (_WINDOW - 1) * _WEEK,
                last_period=week,
                segment=capture.partition.segment,
            ),
            Stage.MEASURED,
        )


def finra_otc_datasets() -> list[StoredDataset | DerivedDataset]:
    """All datasets of the domain, ready to be registered."""
    stored: Mapping[str, tuple[str, Stage] | tuple[str, Stage, str]] = {
        "venue_volume": (TABLE_VENUE_VOLUME, Stage.NORMALIZED),
        "symbol_summary": (TABLE_SYMBOL_MEASURES, Stage.MEASURED),
        # A symbol without shares has no venue shares, and so no concentration.
        "concentration": (TABLE_SYMBOL_MEASURES, Stage.MEASURED, "hhi"),
        "trading_day_volume": (TABLE_SYMBOL_MEASURES, Stage.MEASURED),
        "liquidity": (TABLE_SYMBOL_MEASURES, Stage.MEASURED),
        "venue_share": (TABLE_VENUE_SHARE, Stage.MEASURED),
    }
    derived: Mapping[str, Compute] = {
        "symbol_venue_share": _symbol_venue_share,
        "tier_split": _tier_split,
        "rolling_6w": _rolling,
        "venue_share_change": _venue_share_change,
        "research_snapshot": _research_snapshot,
    }
    by_name = {spec.name.removeprefix(f"{DOMAIN}."): spec for spec in specs.DATASETS}
    return [
        *(StoredDataset(by_name[name], *place) for name, place in stored.items()),
        *(DerivedDataset(by_name[name], compute) for name, compute in derived.items()),
    ]


def count_published(
    unit: UnitOfWork, capture: Capture, stored: Mapping[str, pl.DataFrame]
) -> dict[DatasetSpec, int]:
    """How many rows each dataset has for a capture's partition; for its week, where it spans tiers.

    ``stored`` are the capture's tables as they were just written. Derived datasets are computed
    for it as any reader would see them.
    """
    reader = Reader(unit)
    for table, rows in stored.items():
        reader.keep(table, capture, rows)
    week, tier = capture.partition.period, capture.partition.segment
    counts: dict[DatasetSpec, int] = {}
    for dataset in finra_otc_datasets():
        if isinstance(dataset, StoredDataset):
            rows = stored[dataset.table]
            found = rows[dataset.defined_by].count() if dataset.defined_by else rows.height
        else:
            segment = tier if "tier" in dataset.spec.schema else None
            query = DatasetQuery(first_period=week, last_period=week, segment=segment)
            found = sum(frame.height for frame in dataset.compute(reader, query))
        counts[dataset.spec] = found
    return counts


def current(unit: UnitOfWork, query: DatasetQuery, stage: Stage) -> Sequence[Capture]:
    """The captures that answer a query: the newest of each partition known at ``as_of``."""
    return unit.captures.list(
        CaptureFilter(
            domain=DOMAIN,
            first_period=query.first_period,
            last_period=query.last_period,
            segment=query.segment,
            as_of=query.as_of,
            stage=stage,
            latest_only=True,
        )
    )


def newest_checks(
    unit: UnitOfWork, capture: Capture, names: Collection[str] | None = None
) -> list[CheckResult]:
    """The newest answer of each check on the capture (of those in ``names``)."""
    newest: dict[str, CheckResult] = {}
    for item in unit.quality.list(PartitionFilter(capture=capture.id, limit=None)):
        if names is None or item.result.check in names:
            newest.setdefault(item.result.check, item.result)
    return list(newest.values())


def _symbol_venue_share(reader: Reader, query: DatasetQuery) -> Iterator[pl.DataFrame]:
    for capture in current(reader.unit, query, Stage.MEASURED):
        rows = reader.table(TABLE_VENUE_VOLUME, capture, query.symbol)
        if rows is not None:
            yield _labelled(measures.symbol_venue_share(rows), capture)


def _tier_split(reader: Reader, query: DatasetQuery) -> Iterator[pl.DataFrame]:
    if query.segment is not None:
        raise ValidationError(
            f"dataset {DOMAIN}.tier_split has no column 'tier'",
            hint="each of its rows holds all tiers of a symbol; leave the tier out",
        )
    captures = current(reader.unit, query, Stage.MEASURED)
    for _, of_week in groupby(captures, key=lambda item: item.partition.period):
        totals = [
            _labelled(rows.select("symbol", "total_shares"), capture)
            for capture in of_week
            if (rows := reader.table(TABLE_SYMBOL_MEASURES, capture, query.symbol)) is not None
        ]
        if totals:
            yield history.tier_split(pl.concat(totals))


def _rolling(reader: Reader, query: DatasetQuery) -> Iterator[pl.DataFrame]:
    for capture in current(reader.unit, query, Stage.MEASURED):
        yield _labelled(_rolling_of(reader, capture, query), capture)


def _rolling_of(reader: Reader, capture: Capture, query: DatasetQuery) -> pl.DataFrame:
    """An empty frame when the tier misses a whole week of the six.

    Reads whole weeks also for one symbol: a week in which it is absent is not a missing week.
    """
    frames = [
        rows.select(
            pl.lit(item.partition.period).alias("week_start"),
            "symbol",
            "total_shares",
            "total_trades",
        )
        for item in reader.window(capture, query)
        if (rows := reader.table(TABLE_SYMBOL_MEASURES, item)) is not None
    ]
    if not frames:
        return pl.DataFrame(schema=history.ROLLING_SCHEMA)
    return history.rolling_6w(pl.concat(frames), capture.partition.period)


def _venue_share_change(reader: Reader, query: DatasetQuery) -> Iterator[pl.DataFrame]:
    for capture in current(reader.unit, query, Stage.MEASURED):
        before = [
            item
            for item in reader.window(capture, query)
            if item.partition.period == capture.partition.period - _WEEK
        ]
        rows = reader.table(TABLE_VENUE_SHARE, capture)
        previous = reader.table(TABLE_VENUE_SHARE, before[0]) if before else None
        if rows is not None and previous is not None:
            change = history.venue_share_change(
                rows.select("mpid", "share"), previous.select("mpid", "share")
            )
            yield _labelled(change, capture)


def _research_snapshot(reader: Reader, query: DatasetQuery) -> Iterator[pl.DataFrame]:
    for capture in current(reader.unit, query, Stage.MEASURED):
        rows = reader.table(TABLE_SYMBOL_MEASURES, capture, query.symbol)
        if rows is not None:
            rolling = _rolling_of(reader, capture, query)
            status = _worst(reader, capture, query)
            yield _labelled(history.research_snapshot(rows, rolling, status), capture)


def _worst(reader: Reader, capture: Capture, query: DatasetQuery) -> str:
    """The worst status among the checks on the capture, as they are answered at that moment.

    Checks that compare weeks are asked again: what was missing when the week was loaded may have
    come since. The others are those of the capture alone, and stored.
    """
    own = newest_checks(reader.unit, capture, checks.NORMALIZE_CHECKS)
    week = capture.partition.period
    window = {item.partition.period: item for item in reader.window(capture, query)}
    before = window.get(week - _WEEK)
    venues = reader.table(TABLE_VENUE_SHARE, capture)
    compared = (
        checks.measure_checks(
            venues=venues,
            previous_venues=reader.table(TABLE_VENUE_SHARE, before) if before else None,
            missing_weeks=history.missing_weeks(week, window.keys()),
        )
        if venues is not None
        else []
    )
    return worst_status([*own, *compared])


def _where(spec: DatasetSpec, query: DatasetQuery) -> dict[str, str]:
    """Conditions that the store can use to read less."""
    wanted = {**query.equals, **({"symbol": query.symbol} if query.symbol is not None else {})}
    return {
        name: wanted[name] for name in spec.key if name in ("symbol", "mpid") and name in wanted
    }


def _labelled(rows: pl.DataFrame, capture: Capture) -> pl.DataFrame:
    week: date = capture.partition.period
    return rows.with_columns(
        pl.lit(week, dtype=pl.Date).alias("week_start"),
        pl.lit(capture.partition.segment).alias("tier"),
    )
