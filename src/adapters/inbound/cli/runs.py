"""``spine runs``: what was executed, and how it went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import asking, documents, output, run_control, run_upkeep, times
from .cells import seconds

if TYPE_CHECKING:
    from ....domain.runs import Run

app = typer.Typer(
    help="Runs: their history, and what becomes of them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_runs(
    context: typer.Context,
    pipeline: Annotated[str | None, typer.Option(help="Only runs of this pipeline.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only this state: RUNNING, SUCCEEDED, FAILED, ...")
    ] = None,
    since: asking.Since = None,
    until: asking.Until = None,
    partition: Annotated[
        str | None, typer.Option(help="Only what is about this partition.", metavar="NAME")
    ] = None,
    trigger: Annotated[
        str | None, typer.Option(help="Only this reason: COMMAND, REQUEST, BACKFILL, ...")
    ] = None,
    category: Annotated[
        str | None, typer.Option(help="Only errors of this category: SOURCE, TIMEOUT, ...")
    ] = None,
    parent: Annotated[str | None, typer.Option(help="Only the parts of this run.")] = None,
    parts: Annotated[
        bool, typer.Option("--parts/--top-level", help="With parts of other runs, or without.")
    ] = True,
    before: Annotated[
        str | None,
        typer.Option(help="Only runs before this one: the next page.", metavar="RUN"),
    ] = None,
    limit: asking.Limit = 20,
    json: asking.Json = False,
) -> None:
    """List runs, newest first.

    For example:

      spine runs list --top-level --since 7d        asked for in a week

      spine runs list --state failed --category timeout

      spine runs list --parent last --state failed  parts that failed
    """
    with output.errors_shown():
        from ....domain.errors import Category
        from ....domain.runs import RunFilter, RunState, Trigger

        now = datetime.now(UTC)
        wanted = RunFilter(
            pipeline=pipeline,
            state=asking.one_of(state, RunState, "--state", "state of a run"),
            trigger=asking.one_of(trigger, Trigger, "--trigger", "reason for a run"),
            category=asking.one_of(category, Category, "--category", "category of an error"),
            partition=partition,
            since=times.since(since, now),
            until=times.until(until, now),
            top_level_only=not parts,
            limit=limit,
        )
        services = asking.services(context)
        listed = run_upkeep.page(services, wanted, parent, before) if limit else []
        if json:
            output.print_json([documents.executed(item) for item in listed])
            return
        _show_list(listed)
        if limit and len(listed) == limit:
            output.say(f"next page: the same with --before {listed[-1].id}", whole=True)


@app.command("show")
def show(
    context: typer.Context,
    run_id: asking.RunId,
    events: Annotated[bool, typer.Option("--events", help="Show what happened to it.")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="Show what it has logged.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show what happens as it happens, to the end.")
    ] = False,
    json: asking.Json = False,
) -> None:
    """Show one run: its facts, its steps as bars on a scale of time, and its error.

    With --follow, exit code 1, or 5 where doing it again may help, when it did not succeed; and
    with --json one JSON object a line.

    For example:

      spine runs show last

      spine runs show 5f3a9c1e --follow

      spine runs show 5f3a9c1e --events --logs
    """
    with output.errors_shown():
        from . import following, run_view
        from .run_ids import find

        services = asking.services(context)
        reader = services.read_runs()
        run = find(reader, run_id)
        if follow:
            following.follow(services, run, json=json)
        elif json:
            output.print_json(run_view.document(reader, run))
        else:
            run_view.show(reader, run, events=events, logs=logs)


app.command("cancel")(run_control.cancel)
app.command("retry")(run_control.retry)
app.command("stats")(run_upkeep.stats)
app.command("purge")(run_upkeep.purge)


def _show_list(listed: Sequence[Run]) -> None:
    from .run_ids import SHORT

    columns: dict[str, Callable[[Run], Any]] = {
        "run": lambda run: run.id,
        "pipeline": lambda run: run.pipeline,
        "partition": _partition,
        "state": lambda run: run.state,
        "trigger": lambda run: run.trigger,
        "attempt": lambda run: run.attempt,
        "started": lambda run: run.started_at,
        "seconds": lambda run: seconds(run.duration),
        "read": lambda run: run.metrics.get("rows_read"),
        "rejected": lambda run: run.metrics.get("rows_rejected"),
        "grade": lambda run: run.metrics.get("grade"),
        "error": _error,
    }
    said = {
        "trigger": len({run.trigger for run in listed}) > 1,
        "attempt": any(run.attempt > 1 for run in listed),
        "error": any(run.error is not None for run in listed),
    }
    for name, says in said.items():
        if not says:
            del columns[name]
    output.table(
        "",
        list(columns),
        ([read(run) for read in columns.values()] for run in listed),
        narrowing=(
            *("trigger", "attempt", "read", "rejected", "grade", "started"),
            SHORT,
            *("seconds", "error"),
        ),
        cut=("error",),
    )


def _partition(run: Run) -> str | None:
    """What it is about: as it says itself, or week and tier where it had one of each."""
    if run.partition is not None:
        return run.partition
    week, tier = run.metrics.get("week_start"), run.metrics.get("tier")
    return f"{week}/{tier}" if week and tier else None


def _error(run: Run) -> str | None:
    return f"{run.error.category.value}: {run.error.message}" if run.error else None
