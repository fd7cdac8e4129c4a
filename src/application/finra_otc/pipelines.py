"""The registered pipelines of FINRA OTC transparency."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from ...domain.captures import Partition, Stage
from ...domain.finra_otc.datasets import DOMAIN
from ...domain.finra_otc.weeks import Tier, check_week
from ...domain.parameters import Param
from ...domain.partitions import weeks
from ...domain.pipelines import Pipeline, pipeline
from ...domain.result import Result
from ..context import RunContext
from .backfill import Backfill
from .intake import assign, read_file
from .refresh import Refresher, find_capture
from .services import Services

TierCode = Literal["T1", "T2", "OTC"]

REFRESH_WEEK = f"{DOMAIN}.refresh_week"
WEEKS = weeks("week", tier=[tier.value for tier in Tier])

File = Annotated[
    str,
    Param(
        "Weekly file: PSV, CSV, JSON, JSON Lines or Parquet; plain, gzip, zstd or zip",
        example="finra_otc_weekly_otc_20251215.csv",
        file=True,
    ),
]
Week = Annotated[
    date | None,
    Param("Monday of the week; inferred from tier and publication date", example="2025-11-10"),
]
OneTier = Annotated[TierCode | None, Param("Tier; inferred from the rows", example="OTC")]
Encoding = Annotated[str, Param("Text encoding; UTF-8 or by byte order mark", example="cp1252")]
CaptureId = Annotated[
    str | None, Param("Id of a capture; the newest of week and tier if not given")
]


class FinraOtcPipelines:
    """Pipelines over the services they were built with."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def all(self) -> list[Pipeline]:
        """The pipelines, ready to be registered."""
        declared: dict[str, Callable[..., Result[Any]]] = {
            "refresh_week": self.refresh_week,
            "ingest_week": self.ingest_week,
            "normalize_week": self.normalize_week,
            "measure_week": self.measure_week,
            "backfill": self.backfill,
        }
        return [_declared(name, function) for name, function in declared.items()]

    def refresh_week(
        self,
        context: RunContext,
        file: File,
        week: Week = None,
        tier: OneTier = None,
        encoding: Encoding = "auto",
    ) -> Result[Any]:
        """Take a weekly file from capture to measures, all in one transaction."""
        return self._take_in(context, file, week, tier, encoding, Stage.MEASURED)

    def ingest_week(
        self,
        context: RunContext,
        file: File,
        week: Week = None,
        tier: OneTier = None,
        encoding: Encoding = "auto",
    ) -> Result[Any]:
        """Only capture a weekly file: archive it and note its week, tier and digest."""
        return self._take_in(context, file, week, tier, encoding, Stage.CAPTURED)

    def normalize_week(
        self,
        context: RunContext,
        week: Week = None,
        tier: OneTier = None,
        capture: CaptureId = None,
    ) -> Result[Any]:
        """Split the raw rows of a capture into accepted rows and rejects, from the archive."""
        found = find_capture(context, _partition(week, tier), capture, Stage.CAPTURED)
        refresher = Refresher(context, self._services)
        refresher.normalize(found)
        return refresher.result()

    def measure_week(
        self,
        context: RunContext,
        week: Week = None,
        tier: OneTier = None,
        capture: CaptureId = None,
    ) -> Result[Any]:
        """Compute all measures of a capture's accepted rows and grade its quality."""
        found = find_capture(context, _partition(week, tier), capture, Stage.NORMALIZED)
        refresher = Refresher(context, self._services)
        refresher.measure(found)
        return refresher.result()

    def backfill(
        self,
        context: RunContext,
        files: Annotated[Path, Param("Folder or glob of weekly files", example="downloads/*.csv")],
        tiers: Annotated[
            tuple[TierCode, ...] | None, Param("Only these tiers", example="T1,T2")
        ] = None,
        first: Annotated[date | None, Param("Only weeks from this Monday on")] = None,
        last: Annotated[date | None, Param("Only weeks up to this Monday")] = None,
    ) -> Result[Any]:
        """Refresh from every file of a folder, oldest first; one run and transaction per file."""
        return Backfill(context, self._services).run(files, tiers, first, last)

    def _take_in(
        self,
        context: RunContext,
        file: str,
        week: date | None,
        tier: TierCode | None,
        encoding: str,
        through: Stage,
    ) -> Result[Any]:
        if week is not None:
            check_week(week)
        with context.progress.task(f"read {Path(file).name}", unit="rows") as task:
            intake = read_file(context, self._services, file, encoding, task.advance)
            parts = assign(intake, self._services, week=week, tier=Tier(tier) if tier else None)
        if len(parts) == 1:
            context.partition = str(parts[0].partition)
        refresher = Refresher(context, self._services)
        with context.progress.task(f"refresh {', '.join(str(p.partition) for p in parts)}"):
            refresher.refresh(parts, intake, through=through)
        return refresher.result()


def _declared(name: str, function: Callable[..., Result[Any]]) -> Pipeline:
    name = f"{DOMAIN}.{name}"
    if name == f"{DOMAIN}.backfill":
        return pipeline(name, origin="built in")(function)
    declare = pipeline(
        name,
        origin="built in",
        partition="{week}/{tier}",
        # Of one partition one run is executed at a time, as far as it is known beforehand.
        key=f"{DOMAIN}/{{week}}/{{tier}}",
        partitions=WEEKS if name == REFRESH_WEEK else None,
    )
    return declare(function)


def _partition(week: date | None, tier: TierCode | None) -> Partition | None:
    if week is None or tier is None:
        return None
    return Partition(DOMAIN, check_week(week), tier)
