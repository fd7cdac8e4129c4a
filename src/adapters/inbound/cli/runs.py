"""``spine runs``: what was executed, and how it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import asking, output

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
        found = asking.services(context).read_runs()
        asked = RunFilter(pipeline=pipeline, state=wanted, parent=parent, limit=limit)
        listed = found.list(asked) if limit else []
        if json:
            output.print_json([_document(item) for item in listed])
            return
        output.table(
            "",
            ["run", "pipeline", "state", "started", "seconds", "read", "rejected", "grade"],
            (_row(item) for item in listed),
        )


@app.command("show")
def show(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(help="Id of the run.")],
    json: asking.Json = False,
) -> None:
    """Show one run: parameters, metrics, warnings, error, its parts and its lineage."""
    with output.errors_shown():
        reader = asking.services(context).read_runs()
        run = reader.get(run_id)
        parts = _parts(reader, run.id)
        lineage = reader.lineage(run.id)
        if json:
            output.print_json(
                {**_document(run), "parts": [_document(p) for p in parts], "lineage": lineage}
            )
            return
        _show_run(run)
        if parts:
            output.table(
                "Parts",
                ["run", "step", "state", "seconds", "error"],
                (
                    (p.id, p.step, p.state, p.duration, p.error.message if p.error else None)
                    for p in parts
                ),
            )
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


def _show_run(run: Run) -> None:
    output.say(f"run {run.id}: {run.pipeline} {run.state.value}")
    facts: list[tuple[str, Any]] = [
        ("started", run.started_at),
        ("finished", run.finished_at),
        ("seconds", run.duration),
        ("part of", run.parent),
        ("step", run.step),
        *((f"parameter {name}", value) for name, value in run.parameters.items()),
        *((f"metric {name}", value) for name, value in run.metrics.items()),
        *(("warning", text) for text in run.warnings),
    ]
    output.table("", ["fact", "value"], [(n, output.cell(v)) for n, v in facts if v is not None])


def _row(run: Run) -> tuple[Any, ...]:
    return (
        run.id,
        run.pipeline,
        run.state,
        run.started_at,
        None if run.duration is None else round(run.duration, 2),
        run.metrics.get("rows_read"),
        run.metrics.get("rows_rejected"),
        run.metrics.get("grade"),
    )


def _document(run: Run) -> dict[str, Any]:
    document: dict[str, Any] = output.plain(run)
    document.pop("owner")
    return {**document, "duration": run.duration}
