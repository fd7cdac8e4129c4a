"""Run history as a whole: pages of it, ``spine runs stats`` and ``spine runs purge``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ....domain.errors import ValidationError
from . import asking, output, stdout, times
from .cells import cell, seconds
from .exits import Exit
from .run_ids import is_id

if TYPE_CHECKING:
    from ....domain.run_statistics import Purged, RunStatistics, StatisticsReport
    from ....domain.runs import Run, RunFilter
    from .services import CliServices


def page(
    services: CliServices, wanted: RunFilter, parent: str | None, before: str | None
) -> Sequence[Run]:
    """The runs that pass the filter, after those from ``before`` on.

    Raises a ValidationError where ``before`` is no run's id: every list would begin again with it.
    """
    start = asking.run_id(services, before)
    if start is not None and not is_id(start):
        raise ValidationError(
            f"--before {before!r} is no run",
            hint="give the id of the last run of the page before: its end names it",
        )
    asked = replace(wanted, parent=asking.run_id(services, parent), before=start)
    return services.read_runs().list(asked)


def stats(
    context: typer.Context,
    since: asking.Since = "7d",
    until: asking.Until = None,
    pipeline: Annotated[str | None, typer.Option(help="Only runs of this pipeline.")] = None,
    parts: Annotated[
        bool, typer.Option("--parts", help="Count the parts of other runs as well.")
    ] = False,
    json: asking.Json = False,
) -> None:
    """Show how runs went: by pipeline and by day (UTC), those of the last 7 days.

    p50 and p95 are seconds: half of the runs, and 95 of 100, took at most so long.

    For example:

      spine runs stats --since 30d

      spine runs stats --pipeline prices.refresh --since 2026-01-01
    """
    with output.errors_shown():
        from ....domain.run_statistics import StatisticsFilter

        now = datetime.now(UTC)
        wanted = StatisticsFilter(times.since(since, now), times.until(until, now), pipeline, parts)
        report = asking.services(context).read_runs().statistics(wanted)
        if json:
            output.print_json(_document(report))
            return
        first = "" if wanted.since is None else f" since {cell(wanted.since)} UTC"
        last = "" if wanted.until is None else f" until {cell(wanted.until)} UTC"
        if not report.total.runs:
            output.say(f"no runs{first}{last}")
            return
        rows = [*report.by_pipeline, *([report.total] if len(report.by_pipeline) > 1 else [])]
        _show_statistics(f"By pipeline{first}{last}", "pipeline", rows)
        _show_statistics("By day", "day", report.by_day)


def _document(report: StatisticsReport) -> dict[str, Any]:
    def counted(item: RunStatistics) -> dict[str, Any]:
        return {**output.plain(item), "runs": item.runs, "success_rate": item.success_rate}

    return {
        "by_pipeline": [counted(item) for item in report.by_pipeline],
        "by_day": [counted(item) for item in report.by_day],
        "total": counted(report.total),
    }


def _show_statistics(title: str, name: str, rows: Sequence[RunStatistics]) -> None:
    from ....domain.runs import RunState

    always = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.RUNNING)
    more = (RunState.PENDING, RunState.SKIPPED)
    states = [*always, *(s for s in more if any(item.counts.get(s) for item in rows))]
    output.table(
        title,
        [name, "runs", *(state.lower() for state in states), "success %", "p50", "p95"],
        (
            (
                _named(item),
                item.runs,
                *(item.counts.get(state, 0) for state in states),
                None if item.success_rate is None else round(100 * item.success_rate, 1),
                seconds(item.p50),
                seconds(item.p95),
            )
            for item in rows
        ),
        narrowing=("skipped", "pending", "running", "cancelled", "p50", "succeeded"),
    )


def _named(item: RunStatistics) -> Any:
    return item.day or item.pipeline or "all"


def purge(
    context: typer.Context,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than", help="How long ago they ended: 90d, 12h, '1d 12h'.", metavar="AGE"
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: asking.Json = False,
) -> None:
    """Delete the history of runs that ended long ago, with their events and logs.

    Data stays: a run that data refers to is kept, without its events and log. Live runs are never
    deleted. On a terminal it asks first.

    For example:

      spine runs purge --older-than 90d

      spine runs purge --older-than 90d --yes      as a nightly job
    """
    with output.errors_shown():
        from .progress import TerminalProgress

        age = times.age(older_than, "--older-than")
        if not (yes or json) and sys.stdin.isatty() and stdout.is_terminal():
            asked = f"Delete the history of runs that ended more than {older_than} ago?"
            if not typer.confirm(asked):
                output.say("nothing is deleted")
                raise typer.Exit(Exit.FAILED)
        work = asking.services(context).purge_runs()
        with TerminalProgress().task("deleting", unit="runs") as task:
            known = 0

            def told(total: Purged) -> None:
                nonlocal known
                task.advance(total.runs + total.kept - known)
                known = total.runs + total.kept

            purged = work(age, told=told)
        if json:
            output.print_json(purged)
            return
        output.say(
            f"deleted: {purged.runs:,} runs, {purged.events:,} events, {purged.lines:,} log lines"
        )
        if purged.kept:
            output.say(
                f"kept: {purged.kept:,} runs, because data refers to them; their events and logs "
                "are deleted"
            )
