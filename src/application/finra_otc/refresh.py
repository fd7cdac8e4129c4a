"""The way of a partition through the stages, as far as a run wants to take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...domain.captures import Capture, Partition, Stage
from ...domain.errors import ConflictError, ErrorContext, SpineError, ValidationError
from ...domain.finra_otc import checks
from ...domain.finra_otc.contract import Normalized
from ...domain.finra_otc.datasets import DOMAIN, TABLE_VENUE_VOLUME
from ...domain.quality import CheckResult, grade
from ...domain.result import Result
from ..context import RunContext
from .datasets import count_published, newest_checks
from .intake import Intake, PartitionRows, assigned_again, replay
from .report import PartitionReport, metrics, sentences
from .services import Services
from .stages import Measured, Stages, gate, latest_capture, measure_rows, normalize_part


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A partition with all that follows from its rows alone."""

    part: PartitionRows
    report: PartitionReport
    normalized: Normalized | None
    measured: Measured | None


class Refresher:
    """Takes partitions of one run from CAPTURED over NORMALIZED to MEASURED."""

    def __init__(self, context: RunContext, services: Services) -> None:
        self._context = context
        self._services = services
        self.reports: list[PartitionReport] = []
        self._closed: list[ValidationError] = []

    @property
    def _stages(self) -> Stages:
        return Stages(self._context.unit_of_work(), self._services, self._context.run_id)

    def refresh(self, parts: Sequence[PartitionRows], intake: Intake, *, through: Stage) -> None:
        """Capture partitions of one file and take them through the stages up to ``through``.

        What is known already is recognised, and only what is missing of it is done. All that can
        be computed is computed before the first write, which makes other writers wait.
        """
        pending: list[_Prepared] = []
        for part in parts:
            report = PartitionReport(part.partition, rows_read=part.rows)
            if part.doubt is not None:
                report.findings += (part.doubt,)
            self.reports.append(report)
            if self._context.force or not self._recognise_early(part, intake, report, through):
                pending.append(self._prepare(part, intake, report, through))
        for item in pending:
            self._store(item, intake, through)

    def _prepare(
        self, part: PartitionRows, intake: Intake, report: PartitionReport, through: Stage
    ) -> _Prepared:
        normalized = measured = None
        if through is not Stage.CAPTURED:
            normalized = normalize_part(part, intake)
        if through is Stage.MEASURED and normalized is not None:
            measured = measure_rows(normalized.accepted, part.partition, self._services)
        return _Prepared(part, report, normalized, measured)

    def _store(self, item: _Prepared, intake: Intake, through: Stage) -> None:
        part, report, normalized = item.part, item.report, item.normalized
        stages = self._stages
        stages.unit.lock(part.partition)
        capture = self._known(stages, part, intake, normalized, report)
        if capture is not None:
            if self._recognise(stages, capture, report, through):
                return
            report.action = "RESUMED"
            self._compare(stages, capture, normalized, report)
        capture = capture or stages.capture(part, intake)
        report.capture = capture.id
        if normalized is not None:
            self._judge(stages, capture, normalized, item.measured, report)

    def normalize(self, capture: Capture) -> None:
        """Replay a capture from the archive and judge its rows (again)."""
        intake = replay(self._context, self._services, capture)
        part = assigned_again(intake, self._services, capture)
        normalized = normalize_part(part, intake)
        stages = self._stages
        stages.unit.lock(capture.partition)
        report = PartitionReport(capture.partition, action="REPLAYED", capture=capture.id)
        self.reports.append(report)
        self._compare(stages, capture, normalized, report)
        if stages.withdraw_measures(capture, normalized):
            report.findings += ("its rows changed, so its measures were withdrawn: measure_week",)
        self._judge(stages, capture, normalized, None, report)

    def measure(self, capture: Capture) -> None:
        """Compute the measures of a capture's stored rows (again)."""
        with self._context.read() as unit:
            reader = Stages(unit, self._services, self._context.run_id)
            accepted = reader.table(TABLE_VENUE_VOLUME, capture)
            reached = reader.manifest(capture).get(Stage.NORMALIZED)
        if reached is None or reached.blocked:
            raise ValidationError(
                f"capture {capture.id} of {capture.partition} has no accepted rows to measure",
                hint="its quality gate is closed, see spine quality list"
                if reached
                else "spine run finra.otc_transparency.normalize_week comes first",
            )
        measured = measure_rows(accepted, capture.partition, self._services)
        stages = self._stages
        stages.unit.lock(capture.partition)
        if stages.manifest(capture).get(Stage.NORMALIZED) != reached:
            raise ConflictError(
                f"the rows of capture {capture.id} were replaced while it was measured",
                hint="measure it again",
            )
        report = PartitionReport(
            capture.partition,
            action="MEASURED",
            capture=capture.id,
            rows_read=accepted.height,
            rows_accepted=accepted.height,
        )
        self.reports.append(report)
        earlier = newest_checks(stages.unit, capture, checks.NORMALIZE_CHECKS)
        self._measure(stages, capture, measured, earlier, report)

    def result(self) -> Result[Any]:
        """What the run did; a failure, its evidence kept, when a gate was closed."""
        value = {"partitions": [report.to_dict() for report in self.reports]}
        counts, said = metrics(self.reports), sentences(self.reports)
        if not self._closed:
            return Result.success(value, metrics=counts, warnings=said)
        self._context.keep_writes_on_failure()
        first: SpineError = self._closed[0]
        return Result(value, first, counts, tuple(said))

    # Judging and measuring

    def _judge(
        self,
        stages: Stages,
        capture: Capture,
        normalized: Normalized,
        measured: Measured | None,
        report: PartitionReport,
    ) -> None:
        report.rows_read = normalized.rows_read
        report.rows_accepted = normalized.accepted.height
        report.rows_rejected = normalized.rejects.height
        counted = normalized.rejects.group_by("reason").len().sort("reason")
        report.rejects = dict(counted.iter_rows())
        results = stages.normalize(capture, normalized, report.restatement)
        self._note(report, results, results)
        if self._blocked(report, results):
            return
        report.datasets["venue_volume"] = normalized.accepted.height
        if measured is not None:
            self._measure(stages, capture, measured, results, report)

    def _measure(
        self,
        stages: Stages,
        capture: Capture,
        measured: Measured,
        earlier: Sequence[CheckResult],
        report: PartitionReport,
    ) -> None:
        results = stages.measure(capture, measured, earlier)
        self._note(report, results, [*earlier, *results])
        if not self._blocked(report, results):
            counts = count_published(stages.unit, capture, measured.tables)
            for spec, rows in counts.items():
                spans = report.datasets if "tier" in spec.schema else report.week_datasets
                spans[spec.name.removeprefix(f"{DOMAIN}.")] = rows

    def _note(
        self,
        report: PartitionReport,
        fresh: Sequence[CheckResult],
        graded: Sequence[CheckResult],
    ) -> None:
        report.grade = grade(graded).value
        report.findings += tuple(f"{item.check}: {item.message}" for item in fresh if item.failed)

    def _blocked(self, report: PartitionReport, results: Sequence[CheckResult]) -> bool:
        closed = gate(report, results)
        if closed is not None:
            self._closed.append(closed)
        return closed is not None

    # Recognising

    def _recognise_early(
        self, part: PartitionRows, intake: Intake, report: PartitionReport, through: Stage
    ) -> bool:
        """Look before the work and without the write lock: a repeat costs next to nothing."""
        with self._context.read() as unit:
            stages = Stages(unit, self._services, self._context.run_id)
            capture = stages.known(part.partition, intake.digest)
            return capture is not None and self._recognise(stages, capture, report, through)

    def _known(
        self,
        stages: Stages,
        part: PartitionRows,
        intake: Intake,
        normalized: Normalized | None,
        report: PartitionReport,
    ) -> Capture | None:
        """The capture that has this content: the same bytes, or the same rows in other packing.

        Notes in ``report`` how the rows differ from the partition's current ones.
        """
        if not self._context.force:
            same_bytes = stages.known(part.partition, intake.digest)
            if same_bytes is not None:
                return same_bytes
        previous = latest_capture(stages.unit, part.partition, Stage.NORMALIZED)
        if normalized is None or previous is None:
            return None
        change = stages.compare(normalized, previous)
        if change.none and not self._context.force and stages.same_rejects(normalized, previous):
            return previous
        report.restatement = change
        report.action = "CAPTURED" if change.none else "RESTATED"
        return None

    def _compare(
        self,
        stages: Stages,
        capture: Capture,
        normalized: Normalized | None,
        report: PartitionReport,
    ) -> None:
        """Note how the rows of a capture that is taken further differ from the current ones."""
        previous = latest_capture(stages.unit, capture.partition, Stage.NORMALIZED)
        if normalized and previous is not None and previous.sequence < capture.sequence:
            report.restatement = stages.compare(normalized, previous)

    def _recognise(
        self, stages: Stages, capture: Capture, report: PartitionReport, through: Stage
    ) -> bool:
        """True when the capture has come as far as the run would take it."""
        reached = stages.manifest(capture)
        blocked = next((entry for entry in reached.values() if entry.blocked), None)
        if through not in reached and blocked is None:
            return False
        report.action = "ALREADY CAPTURED"
        report.capture = capture.id
        report.rows_read = capture.rows_read
        report.rows_accepted = capture.rows_accepted
        report.rows_rejected = capture.rows_rejected
        report.grade = (blocked or reached[through]).grade
        current = latest_capture(stages.unit, capture.partition, Stage.NORMALIZED)
        if current is not None and current.sequence > capture.sequence:
            report.findings += (
                f"this is capture no. {capture.sequence}, and reads answer from no. "
                f"{current.sequence}, which came later: --force makes this content current again",
            )
        if blocked is not None:
            self._blocked(report, newest_checks(stages.unit, capture))
        return True


def find_capture(
    context: RunContext, partition: Partition | None, capture_id: str | None, stage: Stage
) -> Capture:
    """The capture that a part of the refresh works on: named by id, or the partition's newest.

    Raises a ValidationError that says which part comes first when there is none.
    """
    with context.read() as unit:
        if capture_id is not None:
            found = unit.captures.get(capture_id)
            if found is None:
                raise ValidationError(
                    f"there is no capture {capture_id}", hint="spine captures list shows them"
                )
            return found
        if partition is None:
            raise ValidationError(
                "neither capture nor week and tier are given",
                hint="give capture=ID, or week=YYYY-MM-DD (a Monday) and tier=T1, T2 or OTC",
                context=ErrorContext(metadata={"parameter": "capture"}),
            )
        latest = latest_capture(unit, partition, stage)
    if latest is None:
        before = "ingest_week" if stage is Stage.CAPTURED else "normalize_week"
        raise ValidationError(
            f"{partition} has no capture that is {stage.value}",
            hint=f"spine run finra.otc_transparency.{before} comes first",
        )
    return latest
