"""The three stages of a partition, each written inside the run's one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import polars as pl

from ...domain.captures import (
    Capture,
    CaptureFilter,
    LineageEdge,
    ManifestEntry,
    Partition,
    PartitionFilter,
    RejectFilter,
    Restatement,
    Stage,
)
from ...domain.datasets import DatasetQuery
from ...domain.errors import ErrorContext, ValidationError
from ...domain.finra_otc import checks, measures
from ...domain.finra_otc.contract import Normalized, normalize
from ...domain.finra_otc.cut_off import cut_off_line
from ...domain.finra_otc.datasets import (
    TABLE_SYMBOL_MEASURES,
    TABLE_VENUE_SHARE,
    TABLE_VENUE_VOLUME,
)
from ...domain.finra_otc.history import missing_weeks
from ...domain.finra_otc.weeks import Tier, first_publication
from ...domain.quality import CheckResult, Grade, QualityResult, grade
from ...ports.storage import UnitOfWork
from .datasets import current
from .intake import Intake, PartitionRows, update_dates
from .report import PartitionReport
from .services import Services

_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Measured:
    """The accepted rows of a capture, and what follows from them per symbol and per venue."""

    accepted: pl.DataFrame
    symbols: pl.DataFrame
    venues: pl.DataFrame

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """By the names of the tables that they are stored in."""
        return {
            TABLE_VENUE_VOLUME: self.accepted,
            TABLE_SYMBOL_MEASURES: self.symbols,
            TABLE_VENUE_SHARE: self.venues,
        }


@dataclass(frozen=True, slots=True)
class Stages:
    """One run's hands on the store: every method writes in the transaction of ``unit``."""

    unit: UnitOfWork
    services: Services
    run: str

    # Recognising what is known already

    def known(self, partition: Partition, digest: str) -> Capture | None:
        """The newest capture of the partition with the same content."""
        found = self.unit.captures.list(
            CaptureFilter(
                domain=partition.domain,
                first_period=partition.period,
                last_period=partition.period,
                segment=partition.segment,
                digest=digest,
                limit=1,
            )
        )
        return found[0] if found else None

    def manifest(self, capture: Capture) -> dict[Stage, ManifestEntry]:
        entries = self.unit.manifest.list(PartitionFilter(capture=capture.id, limit=None))
        return {entry.stage: entry for entry in entries}

    # The stages

    def capture(self, part: PartitionRows, intake: Intake) -> Capture:
        """CAPTURED: the capture is known to the store, its bytes lie in the archive."""
        capture = self.unit.captures.add(
            Capture(
                id=self.services.ids.new(),
                partition=part.partition,
                digest=intake.digest,
                captured_at=self.services.clock.now(),
                source_updated_on=max(update_dates(part.frame), default=None),
                source_name=intake.name,
                source_type=intake.type,
                source_options=intake.options,
                run=self.run,
                bytes=intake.bytes,
                rows_read=part.rows,
            )
        )
        self._reached(capture, Stage.CAPTURED, part.rows)
        return capture

    def normalize(
        self, capture: Capture, normalized: Normalized, restatement: Restatement | None = None
    ) -> list[CheckResult]:
        """NORMALIZED: accepted rows and rejects are stored; the checks on them are answered.

        ``restatement`` is how the rows differ from those that are read so far, if any are.
        """
        accepted, rejects = normalized.accepted, normalized.rejects
        self.unit.captures.record_counts(
            capture.key,
            read=normalized.rows_read,
            accepted=accepted.height,
            rejected=rejects.height,
        )
        self.unit.rows.replace(TABLE_VENUE_VOLUME, capture.key, accepted)
        self.unit.rejects.replace(capture.key, rejects)
        results = checks.normalize_checks(
            rows_read=normalized.rows_read,
            accepted=accepted,
            rows_rejected=rejects.height,
            first_published=first_publication(
                capture.partition.period,
                Tier(capture.partition.segment),
                self.services.next_session,
            ),
            superseded_source_date=self._superseded_date(capture),
            cut_off_line=normalized.cut_off_line,
            restatement=restatement,
        )
        self._checked(capture, results)
        self._reached(capture, Stage.NORMALIZED, accepted.height, grade(results))
        return results

    def withdraw_measures(self, capture: Capture, normalized: Normalized) -> bool:
        """Take back measures of a capture whose rows are about to change; whether there were any.

        Otherwise they would go on to be read beside rows that they do not follow from.
        """
        if Stage.MEASURED not in self.manifest(capture):
            return False
        if self.compare(normalized, capture).none:
            return False
        self.unit.manifest.withdraw(capture.id, Stage.MEASURED)
        return True

    def measure(
        self, capture: Capture, measured: Measured, earlier: Sequence[CheckResult]
    ) -> list[CheckResult]:
        """MEASURED: the measures are stored, compared with the weeks before, and graded."""
        symbols, venues = measured.symbols, measured.venues
        self.unit.rows.replace(TABLE_SYMBOL_MEASURES, capture.key, symbols)
        self.unit.rows.replace(TABLE_VENUE_SHARE, capture.key, venues)
        history = self.history(capture.partition)
        previous = next(
            (item for item in history if item.partition.period == capture.partition.period - _WEEK),
            None,
        )
        results = checks.measure_checks(
            venues=venues,
            previous_venues=self.table(TABLE_VENUE_SHARE, previous) if previous else None,
            missing_weeks=missing_weeks(
                capture.partition.period,
                {capture.partition.period, *(item.partition.period for item in history)},
            ),
        )
        self._checked(capture, results)
        self._reached(capture, Stage.MEASURED, symbols.height, grade([*earlier, *results]))
        self.unit.manifest.link(LineageEdge(self.run, item.id, "INPUT") for item in history)
        return results

    # What the stages read

    def history(self, partition: Partition) -> Sequence[Capture]:
        """The current captures of the five weeks before, newest first."""
        earlier = DatasetQuery(
            first_period=partition.period - 5 * _WEEK,
            last_period=partition.period - _WEEK,
            segment=partition.segment,
        )
        return current(self.unit, earlier, Stage.MEASURED)

    def table(self, name: str, capture: Capture) -> pl.DataFrame:
        """All rows of one capture; an empty frame without columns when there are none."""
        batches = list(self.unit.rows.read(name, capture.key))
        return pl.concat(batches) if batches else pl.DataFrame()

    def compare(self, normalized: Normalized, previous: Capture) -> Restatement:
        """How the rows differ from those of the capture before."""
        stored = self.table(TABLE_VENUE_VOLUME, previous)
        return compare_rows(stored if stored.width else normalized.accepted.clear(), normalized)

    def same_rejects(self, normalized: Normalized, previous: Capture) -> bool:
        """Whether the same rows were refused for the same reasons, wherever they stood."""
        if normalized.rejects.height != previous.rows_rejected:
            return False
        stored = self.unit.rejects.list(RejectFilter(capture=previous.id, limit=None))
        fresh = normalized.rejects.select("reason", "raw").rows()
        return sorted((item.reason, item.raw) for item in stored) == sorted(fresh)

    # Evidence

    def _superseded_date(self, capture: Capture) -> date | None:
        if capture.supersedes is None:
            return None
        superseded = self.unit.captures.get(capture.supersedes)
        return superseded.source_updated_on if superseded else None

    def _reached(
        self, capture: Capture, stage: Stage, rows: int, reached: Grade | None = None
    ) -> None:
        before = self.manifest(capture).get(stage)
        again = before is not None and not before.blocked
        self.unit.manifest.record(
            ManifestEntry(
                capture=capture.id,
                partition=capture.partition,
                stage=stage,
                run=self.run,
                # A replay must not hide what was readable all along: the first time stays.
                reached_at=before.reached_at if before and again else self._moment(capture),
                rows=rows,
                grade=reached.value if reached else None,
                blocked=reached is Grade.F,
            )
        )
        self.unit.manifest.link([LineageEdge(self.run, capture.id, "OUTPUT", capture.partition)])

    def _moment(self, capture: Capture) -> datetime:
        """What a run notes of its own capture becomes known with it, at the same instant."""
        return capture.captured_at if capture.run == self.run else self.services.clock.now()

    def _checked(self, capture: Capture, results: Sequence[CheckResult]) -> None:
        now = self._moment(capture)
        self.unit.quality.add(
            QualityResult(capture.id, capture.partition, self.run, now, result)
            for result in results
        )


def latest_capture(unit: UnitOfWork, partition: Partition, stage: Stage) -> Capture | None:
    """The newest capture of the partition that has reached ``stage`` and is not blocked."""
    found = current(
        unit,
        DatasetQuery(
            first_period=partition.period, last_period=partition.period, segment=partition.segment
        ),
        stage,
    )
    return found[0] if found else None


def normalize_part(part: PartitionRows, intake: Intake) -> Normalized:
    """Judge a partition's rows; records that could not be taken apart join the rejects.

    Where the file ends too early, that concerns every partition of it: what is missing may have
    belonged to any.
    """
    judged = replace(
        normalize(part.frame, part.tier, intake.raw_text),
        cut_off_line=cut_off_line(
            intake.frame, intake.malformed, delimited=intake.delimiter is not None
        ),
    )
    if part.malformed.is_empty():
        return judged
    return replace(
        judged,
        rejects=pl.concat([judged.rejects, part.malformed]).sort("line"),
        rows_read=judged.rows_read + part.malformed.height,
    )


def measure_rows(accepted: pl.DataFrame, partition: Partition, services: Services) -> Measured:
    """The measures that follow from one capture's accepted rows alone."""
    sessions = services.sessions_in(partition.period)
    return Measured(
        accepted, measures.symbol_measures(accepted, sessions), measures.venue_share(accepted)
    )


def compare_rows(before: pl.DataFrame, normalized: Normalized) -> Restatement:
    """Rows with the same symbol and venue but another value, only now, and no longer there."""
    key = ["symbol", "mpid"]
    after = normalized.accepted
    values = [name for name in after.columns if name not in key]
    both = before.join(after, on=key, how="inner", suffix="_after")
    differs = pl.any_horizontal(pl.col(name) != pl.col(f"{name}_after") for name in values)
    return Restatement(
        changed=both.filter(differs).height,
        appeared=after.height - both.height,
        vanished=before.height - both.height,
    )


def gate(report: PartitionReport, results: Sequence[CheckResult]) -> ValidationError | None:
    """The error that stops the run when a check of severity ERROR failed."""
    if grade(results) is not Grade.F:
        return None
    said = "; ".join(item.message for item in results if item.failed and item.severity == "ERROR")
    return ValidationError(
        f"the quality gate is closed for {report.partition}: {said}",
        hint=f"spine quality list and spine rejects list show why; capture {report.capture} is "
        "kept as evidence, and reads answer from the capture before it",
        context=ErrorContext(
            partition=str(report.partition), metadata={"grade": "F", "capture": report.capture}
        ),
    )
