"""Many weekly files, oldest first, each in a run of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ...domain.captures import CaptureFilter, Stage
from ...domain.errors import SpineError, ValidationError
from ...domain.finra_otc.datasets import DOMAIN
from ...domain.finra_otc.weeks import Tier, check_week, name_evidence, week_published_on
from ...domain.result import Metric, Result
from ..context import RunContext, RunOutcome
from .services import Services

_WEEK = timedelta(days=7)
_SUMMED = (
    "rows_read",
    "rows_accepted",
    "rows_rejected",
    "rows_changed",
    "rows_appeared",
    "rows_vanished",
    "captures_added",
    "already_captured",
)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    tier: Tier | None
    published: date | None
    week: date | None


class Backfill:
    """Refreshes from every file that is wanted and tells what is still missing."""

    def __init__(self, context: RunContext, services: Services) -> None:
        self._context = context
        self._services = services

    def run(
        self,
        where: Path,
        tiers: Collection[str] | None,
        first: date | None,
        last: date | None,
    ) -> Result[Any]:
        for name, bound in (("first", first), ("last", last)):
            if bound is not None:
                check_week(bound, name)
        files = self._wanted(where, tiers, first, last)
        outcomes: list[RunOutcome] = []
        with self._context.progress.task("backfill", total=len(files), unit="files") as task:
            for file in files:
                task.describe(file.path.name)
                outcomes.append(
                    self._context.execute(
                        f"{DOMAIN}.refresh_week", {"file": str(file.path)}, step=file.path.name
                    )
                )
                task.advance()
        return self._result(files, outcomes, tiers, first, last)

    def _wanted(
        self,
        where: Path,
        tiers: Collection[str] | None,
        first: date | None,
        last: date | None,
    ) -> list[_File]:
        found = [self._look(path) for path in self._services.files.find(where)]
        found.sort(key=lambda file: (file.published or date.min, file.path.name))
        wanted: list[_File] = []
        for file in found:
            if (tiers and file.tier is None) or ((first or last) and file.week is None):
                self._context.warn(
                    f"{file.path.name} was left out: its name tells no tier and week to select by"
                )
            elif _selected(file, tiers, first, last):
                wanted.append(file)
        if not wanted:
            raise ValidationError(
                f"none of the {len(found)} files in {where} is wanted",
                hint="widen tiers, first and last",
            )
        return wanted

    def _look(self, path: Path) -> _File:
        tier, published = name_evidence(path.name)
        week = None
        if tier is not None and published is not None:
            week = week_published_on(published, tier, self._services.next_session)
        return _File(path, tier, published, week)

    def _result(
        self,
        files: Sequence[_File],
        outcomes: Sequence[RunOutcome],
        tiers: Collection[str] | None,
        first: date | None,
        last: date | None,
    ) -> Result[Any]:
        failed = [item for item in outcomes if not item.result.ok]
        missing = self._missing(outcomes, tiers, first, last)
        counts: dict[str, Metric] = {
            "files": len(files),
            "files_succeeded": len(files) - len(failed),
            "files_failed": len(failed),
            "weeks_missing": sum(map(len, missing.values())),
        }
        for name in _SUMMED:
            counts[name] = sum(int(item.run.metrics.get(name) or 0) for item in outcomes)
        warnings = [
            f"{tier}: no data for the week{'s' if len(weeks) > 1 else ''} of "
            + ", ".join(week.isoformat() for week in weeks)
            for tier, weeks in missing.items()
        ]
        value = {
            "files": [_line(file, item) for file, item in zip(files, outcomes, strict=True)],
            "missing_weeks": {
                tier: [str(week) for week in weeks] for tier, weeks in missing.items()
            },
        }
        error = _summary(failed, len(files)) if failed else None
        return Result(value, error, counts, tuple(warnings))

    def _missing(
        self,
        outcomes: Sequence[RunOutcome],
        tiers: Collection[str] | None,
        first: date | None,
        last: date | None,
    ) -> dict[str, list[date]]:
        """Weeks without measures between the first and the last of each tier.

        Of the tiers that were asked for, else of those that the files held.
        """
        touched = set(tiers or ()) or {
            part["tier"]
            for item in outcomes
            for part in (item.result.value or {}).get("partitions", ())
        }
        missing: dict[str, list[date]] = {}
        with self._context.read() as unit:
            for tier in sorted(touched):
                present = {
                    capture.partition.period
                    for capture in unit.captures.list(
                        CaptureFilter(
                            domain=DOMAIN, segment=tier, stage=Stage.MEASURED, latest_only=True
                        )
                    )
                }
                start, end = first or min(present, default=None), last or max(present, default=None)
                if start is not None and end is not None:
                    gaps = [week for week in _mondays(start, end) if week not in present]
                    if gaps:
                        missing[tier] = gaps
        return missing


def _selected(
    file: _File, tiers: Collection[str] | None, first: date | None, last: date | None
) -> bool:
    if tiers and (file.tier is None or file.tier.value not in tiers):
        return False
    if file.week is None:
        return not (first or last)
    return (first is None or file.week >= first) and (last is None or file.week <= last)


def _mondays(start: date, end: date) -> list[date]:
    return [start + index * _WEEK for index in range((end - start).days // 7 + 1)]


def _line(file: _File, outcome: RunOutcome) -> dict[str, Any]:
    error = outcome.result.error
    return {
        "file": file.path.name,
        "run": outcome.run.id,
        "state": outcome.run.state.value,
        "partitions": (outcome.result.value or {}).get("partitions", []),
        "error": str(error) if error else None,
    }


def _summary(failed: Sequence[RunOutcome], files: int) -> SpineError:
    first = failed[0].result.error
    assert first is not None  # noqa: S101  # only failures are summed up here
    return SpineError(
        f"{len(failed)} of {files} files failed; the first: {first.message}",
        category=first.category,
        hint="the other files are done; mend these and run the backfill again, what is done is "
        "recognised",
        retryable=any(item.result.error and item.result.error.retryable for item in failed),
        metadata={"failed": [str(item.run.step) for item in failed]},
        cause=first,
    )
