"""``spine runs``: what was executed, and how it went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import asking, documents, output
from .cells import seconds

if TYPE_CHECKING:
    from ....application.read_runs import ReadRuns
    from ....domain.runs import Run

_PAGE = 1000

app = typer.Typer(help="Run history.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_runs(
    context: typer.Context,
    pipeline: Annotated[str | None, typer.Option(help="Only runs of this pipeline.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only this state: RUNNING, SUCCEEDED, FAILED, ...")
    ] = None,
    parent: Annotated[str | None, typer.Option(help="Only the parts of this run.")] = None,
    limit: asking.Limit = 20,
    json: asking.Json = False,
) -> None:
    """List runs, newest first."""
    with output.errors_shown():
        from ....domain.errors import ValidationError
        from ....domain.runs import RunFilter, RunState

        try:
            wanted = RunState(state.upper()) if state else None
        except ValueError:
            raise ValidationError(
                f"--state {state!r} is no state of a run",
                hint=f"expected one of {', '.join(RunState)}",
            ) from None
        services = asking.services(context)
        asked = RunFilter(
            pipeline=pipeline, state=wanted, parent=asking.run_id(services, parent), limit=limit
        )
        listed = services.read_runs().list(asked) if limit else []
        if json:
            output.print_json([documents.executed(item) for item in listed])
        else:
            _show_list(listed)


@app.command("show")
def show(
    context: typer.Context,
    run_id: Annotated[
        str,
        typer.Argument(
            help="Id of the run, its beginning or end (6 characters at least), or last.",
            metavar="RUN",
        ),
    ],
    json: asking.Json = False,
) -> None:
    """Show one run: parameters, metrics, warnings, error, its parts and its lineage."""
    with output.errors_shown():
        from .run_ids import find

        reader = asking.services(context).read_runs()
        run = find(reader, run_id)
        parts = _parts(reader, run.id)
        lineage = reader.lineage(run.id)
        if json:
            output.print_json(
                {
                    **documents.executed(run),
                    "parts": [documents.executed(part) for part in parts],
                    "lineage": [documents.recorded(edge) for edge in lineage],
                }
            )
            return
        _show_run(run)
        if parts:
            _show_parts(parts)
        if lineage:
            output.table(
                "Lineage",
                ["role", "capture", "partition"],
                ((edge.role, edge.capture, edge.partition) for edge in lineage),
            )
        if run.error is not None:
            output.show_error(run.error)


def _parts(reader: ReadRuns, run_id: str) -> list[Run]:
    """All parts of a run, in the order in which they ran."""
    from ....domain.runs import RunFilter

    found: list[Run] = []
    before = None
    while page := reader.list(RunFilter(parent=run_id, before=before, limit=_PAGE)):
        found.extend(page)
        before = page[-1].id
    return found[::-1]


def _show_list(listed: Sequence[Run]) -> None:
    from .run_ids import SHORT

    columns: dict[str, Callable[[Run], Any]] = {
        "run": lambda run: run.id,
        "pipeline": lambda run: run.pipeline,
        "partition": _partition,
        "state": lambda run: run.state,
        "started": lambda run: run.started_at,
        "seconds": lambda run: seconds(run.duration),
        "read": lambda run: run.metrics.get("rows_read"),
        "rejected": lambda run: run.metrics.get("rows_rejected"),
        "grade": lambda run: run.metrics.get("grade"),
        "error": _error,
    }
    if all(run.error is None for run in listed):
        del columns["error"]
    output.table(
        "",
        list(columns),
        ([read(run) for read in columns.values()] for run in listed),
        narrowing=("read", "rejected", "grade", "started", SHORT, "seconds", "error"),
        cut=("error",),
    )


def _show_run(run: Run) -> None:
    output.say(f"run {run.id}: {run.pipeline} {run.state.value}")
    found: list[tuple[str, Any]] = [
        ("started", run.started_at),
        ("finished", run.finished_at),
        ("seconds", seconds(run.duration)),
        ("part of", run.parent),
        ("step", run.step),
        *((f"parameter {name}", value) for name, value in run.parameters.items()),
        *((f"metric {name}", value) for name, value in run.metrics.items()),
        *(("warning", text) for text in run.warnings),
    ]
    output.facts((name, value) for name, value in found if value is not None)


def _show_parts(parts: Sequence[Run]) -> None:
    from .run_ids import SHORT

    wanted = [
        "run",
        "step",
        "state",
        "seconds",
        *(["error"] if any(p.error for p in parts) else []),
    ]
    output.table(
        "Parts",
        wanted,
        ((p.id, p.step, p.state, seconds(p.duration), _error(p))[: len(wanted)] for p in parts),
        narrowing=("seconds", SHORT),
        cut=("error",),
    )


def _partition(run: Run) -> str | None:
    """Week and tier of a run that had one of each."""
    week, tier = run.metrics.get("week_start"), run.metrics.get("tier")
    return f"{week}/{tier}" if week and tier else None


def _error(run: Run) -> str | None:
    return f"{run.error.category.value}: {run.error.message}" if run.error else None
