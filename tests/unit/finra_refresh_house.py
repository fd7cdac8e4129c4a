"""The FINRA use cases over a store in memory and real files, and weekly files made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from dispatching import dispatcher

from market_spine.adapters.inbound.cli.progress import TerminalProgress
from market_spine.adapters.outbound.files.source import FileSource
from market_spine.adapters.outbound.sources.registry import SourceRegistry
from market_spine.adapters.outbound.system.finder import LocalFileFinder
from market_spine.application.context import RunOutcome
from market_spine.application.finra_otc.datasets import finra_otc_datasets
from market_spine.application.finra_otc.pipelines import FinraOtcPipelines
from market_spine.application.finra_otc.services import Services
from market_spine.application.read_datasets import Dataset, ReadDatasets
from market_spine.application.read_evidence import ReadEvidence
from market_spine.domain.captures import Capture, CaptureFilter, PartitionFilter, RejectFilter
from market_spine.domain.datasets import DatasetQuery
from market_spine.domain.finra_otc.contract import HEADER
from market_spine.domain.pipelines import Pipeline
from market_spine.domain.registry import Registry
from market_spine.domain.runs import Run, RunFilter
from market_spine.domain.workflows import Workflow
from market_spine.ports.sources import source_type_of
from market_spine.testing.memory_archive import MemoryArchive
from market_spine.testing.memory_calendar import MemoryCalendar
from market_spine.testing.memory_store import MemoryStore
from market_spine.testing.steady_runtime import CountingIds, KnownProcesses, TickingClock

DOMAIN = "finra.otc_transparency"
WEEK = date(2025, 11, 10)
THANKSGIVING = date(2025, 11, 27)
DESCRIPTIONS = {"T1": "NMS Tier 1", "T2": "NMS Tier 2", "OTC": "OTC"}

Row = tuple[str, str, str, int]
"""Symbol, MPID, shares as they are written, trades."""


def week(number: int) -> date:
    """The Monday ``number`` weeks after WEEK."""
    return WEEK + timedelta(weeks=number)


def published(monday: date, tier: str = "OTC") -> date:
    return monday + timedelta(days=21 if tier == "T1" else 35)


def line(row: Row, tier: str, updated: date) -> str:
    symbol, mpid, shares, trades = row
    fields = (
        DESCRIPTIONS.get(tier, tier),
        symbol,
        f"{symbol} Inc., 'Common' Stock",
        f"{mpid} ATS",
        mpid,
        shares,
        str(trades),
        updated.isoformat(),
    )
    return "|".join(fields)


def weekly_text(
    rows: Iterable[Row], monday: date = WEEK, tier: str = "OTC", updated: date | None = None
) -> str:
    day = updated or published(monday, tier)
    return "\n".join(["|".join(HEADER), *(line(row, tier, day) for row in rows)]) + "\n"


def file_name(monday: date, tier: str = "OTC") -> str:
    return f"finra_otc_weekly_{tier.lower()}_{published(monday, tier):%Y%m%d}.csv"


class FinraHouse:
    """The five pipelines, the eleven datasets and everything recorded about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = TickingClock()
        self.store = MemoryStore(self.clock.now)
        self.archive = MemoryArchive()
        ids = CountingIds()
        services = Services(
            archive=self.archive,
            calendar=MemoryCalendar([THANKSGIVING]),
            clock=self.clock,
            ids=ids,
            files=LocalFileFinder(),
        )
        file_type = source_type_of(FileSource)
        assert file_type is not None
        pipelines: Registry[Pipeline] = Registry("pipeline")
        for item in FinraOtcPipelines(services).all():
            pipelines.add(item)
        catalog: Registry[Dataset] = Registry("dataset")
        for dataset in finra_otc_datasets():
            catalog.add(dataset)
        self.datasets = ReadDatasets(self.store, catalog)
        self.dispatch = dispatcher(
            store=self.store,
            sources=SourceRegistry([file_type], provided={"clock": self.clock.now}),
            datasets=self.datasets,
            clock=self.clock,
            ids=ids,
            processes=KnownProcesses(),
            progress=TerminalProgress(enabled=False),
            pipelines=pipelines,
            workflows=Registry[Workflow]("workflow"),
        )
        self.evidence = ReadEvidence(self.store)

    # Doing

    def run(self, name: str, *, force: bool = False, **parameters: Any) -> RunOutcome:
        return self.dispatch(f"{DOMAIN}.{name}", parameters, force=force)

    def file(
        self,
        rows: Sequence[Row],
        monday: date = WEEK,
        tier: str = "OTC",
        *,
        name: str | None = None,
        updated: date | None = None,
    ) -> Path:
        path = self.folder / (name or file_name(monday, tier))
        path.write_text(weekly_text(rows, monday, tier, updated))
        return path

    def refresh(
        self,
        rows: Sequence[Row],
        monday: date = WEEK,
        tier: str = "OTC",
        *,
        force: bool = False,
        updated: date | None = None,
    ) -> RunOutcome:
        """Refresh from a file of these rows; the run has to succeed."""
        path = self.file(rows, monday, tier, updated=updated)
        outcome = self.run("refresh_week", file=str(path), force=force)
        assert outcome.result.ok, outcome.result.error
        return outcome

    # Looking

    def frame(self, name: str, *, as_of: datetime | None = None, **query: Any) -> pl.DataFrame:
        return self.datasets.frame(f"{DOMAIN}.{name}", DatasetQuery(as_of=as_of, **query))

    def all_frames(self, *, as_of: datetime | None = None) -> dict[str, pl.DataFrame]:
        names = [spec.name.removeprefix(f"{DOMAIN}.") for spec in self.datasets.list()]
        return {name: self.frame(name, as_of=as_of) for name in names}

    def captures(self) -> list[Capture]:
        """All captures, oldest first."""
        found = self.evidence.captures(CaptureFilter())
        return sorted(found, key=lambda capture: capture.key)

    def rejects(self, **wanted: Any) -> list[tuple[int, str]]:
        found = self.evidence.rejects(RejectFilter(**wanted, limit=None))
        return [(reject.line, reject.reason) for reject in found]

    def stages(self, **wanted: Any) -> list[tuple[str, str | None, bool]]:
        found = self.evidence.manifest(PartitionFilter(**wanted, limit=None))
        return [(entry.stage.value, entry.grade, entry.blocked) for entry in found]

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        with self.store.read() as unit:
            return list(unit.runs.list(RunFilter(limit=1000)))[::-1]


def partitions(outcome: RunOutcome) -> list[dict[str, Any]]:
    """The reports of a run that refreshed something."""
    assert outcome.result.value is not None, outcome.result.error
    found: list[dict[str, Any]] = outcome.result.value["partitions"]
    return found


def actions(outcome: RunOutcome) -> list[str]:
    return [part["action"] for part in partitions(outcome)]
